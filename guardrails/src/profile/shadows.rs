//! Rules that can never decide anything, because others always outrank them.

use std::ops::Range;

use super::fields::Problems;
use super::load::{PATTERN, Vocabulary};
use super::{Rule, Subject};
use crate::{Origin, Stage};

/// Warns of every rule that can be taken out of its profile without changing what is done about any text.
pub(super) fn warn(
    rules: &[Rule],
    spans: &[Range<usize>],
    vocabulary: &Vocabulary,
    problems: &mut Problems<'_>,
) {
    for ((number, rule), span) in rules.iter().enumerate().zip(spans) {
        let outranking = |stage, origin, label: &str| {
            let others = rules.iter().enumerate();
            let mut others = others.filter(|(other, _)| *other != number);
            others
                .find(|(at, other)| {
                    other.selects(stage, origin)
                        && other.wants(label)
                        && outranks(other, rule, *at < number)
                })
                .map(|(_, other)| other)
        };
        let mut by: Vec<&str> = Vec::new();
        let mut decides = false;
        for (stage, origin) in texts().filter(|(stage, origin)| rule.selects(*stage, *origin)) {
            for label in labels(rule, vocabulary) {
                match outranking(stage, origin, label) {
                    Some(other) if by.contains(&&*other.id) => {}
                    Some(other) => by.push(&other.id),
                    None => decides = true,
                }
            }
        }
        if !decides && !by.is_empty() {
            let message = format!(
                "rule `{}` never decides: `{}` does at least as much about the same",
                rule.id,
                by.join("`, `")
            );
            problems.warn(
                span.clone(),
                message,
                "the strictest rule counts; take this one out",
            );
        }
    }
}

/// Whether one rule leaves another nothing to do where both apply. Of deterministic detectors' rules the strictest counts,
/// and of equal ones the first; a classifier's rule has a threshold of its own.
fn outranks(other: &Rule, rule: &Rule, earlier: bool) -> bool {
    let trained = matches!(rule.subject, Subject::Classifier(_));
    let strictness = |rule: &Rule| (rule.effect(), rule.action);
    let (theirs, ours) = (strictness(other), strictness(rule));
    let same = theirs == ours && (!trained || other.at == rule.at);
    other.subject == rule.subject
        && theirs >= ours
        && (!trained || other.at <= rule.at)
        && (earlier || !same)
}

/// The labels that a rule is about; of pattern lists, their patterns.
fn labels<'v>(rule: &'v Rule, vocabulary: &'v Vocabulary) -> impl Iterator<Item = &'v str> {
    let mut detectors = vocabulary.detectors.iter();
    let detector = detectors.find(|detector| detector.subject == rule.subject);
    let labels = detector.into_iter().flat_map(|detector| {
        let labels = detector.labels.iter().map(String::as_str);
        labels.filter(|label| detector.name != PATTERN || label.contains('.'))
    });
    labels.filter(|label| rule.wants(label))
}

fn texts() -> impl Iterator<Item = (Stage, Origin)> {
    let stages = [Stage::Prompt, Stage::Answer].into_iter();
    stages.flat_map(|stage| Origin::ALL.map(|origin| (stage, origin)))
}
