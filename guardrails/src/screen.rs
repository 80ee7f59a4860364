//! Judging whole texts.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use tokio::time::Instant;

use crate::arguments;
use crate::canon::{Canon, Reading, canonical};
use crate::classifier::Passage;
use crate::engine::{Chosen, Inner};
use crate::escapes::LAYERS_MAX;
use crate::growing;
use crate::judge::{self, Judgement, Where};
use crate::plan::{ClassifierPlan, Plan};
use crate::redact::Redactor;
use crate::tally::Tally;
use crate::{
    Action, Finding, Origin, Score, Screening, Span, Stage, Undecided, Unjudged, WINDOWS_MAX,
    WindowSize, encoded, lookalikes, ngrams,
};

#[cfg(test)]
mod tests;

/// Judges all spans: deterministic detectors first, and classifiers only if those block nothing.
pub(crate) async fn screen(
    inner: &Inner,
    profile: Chosen,
    stage: Stage,
    spans: &[Span<'_>],
    deadline: Instant,
) -> Result<Screening, Unjudged> {
    let mut tally = Tally::new(stage, profile.strict);
    let judged = judge_all(inner, profile, stage, spans, deadline, &mut tally).await;
    let report = tally.into_report();
    match judged {
        Ok((action, rewritten)) => Ok(Screening {
            action,
            rewritten,
            report,
        }),
        Err(why) => Err(Unjudged { why, report }),
    }
}

/// The strictest action, and the new texts; what ran goes into the tally, also if there is no verdict.
async fn judge_all(
    inner: &Inner,
    profile: Chosen,
    stage: Stage,
    spans: &[Span<'_>],
    deadline: Instant,
    tally: &mut Tally,
) -> Result<(Action, Vec<Option<String>>), Undecided> {
    let (mut action, mut rewritten) = (Action::Allow, Vec::with_capacity(spans.len()));
    for (number, span) in spans.iter().enumerate() {
        let plan = inner.plan(profile, stage, span.origin)?;
        let place = Where {
            span: number,
            path: &span.path,
        };
        let (judgement, text) = deterministic(inner, plan, span, place, deadline, tally).await?;
        action = action.max(judgement.action());
        rewritten.push(text);
    }
    if action < Action::Block {
        action = action.max(classifiers(inner, profile, stage, spans, deadline, tally).await?);
    }
    if action == Action::Block {
        rewritten.iter_mut().for_each(|text| *text = None);
    }
    Ok((action, rewritten))
}

/// Scans one span; its new text, if something was redacted.
async fn deterministic(
    inner: &Inner,
    plan: &Plan,
    span: &Span<'_>,
    place: Where<'_>,
    deadline: Instant,
    tally: &mut Tally,
) -> Result<(Judgement, Option<String>), Undecided> {
    if plan.detectors.is_empty() || span.text.is_empty() {
        return Ok(Default::default());
    }
    let (judgement, text, micros) = if may_be_json(span) {
        let judged = arguments::judge(inner, plan, span.text, place, deadline).await?;
        (judged.judgement, judged.rewritten, judged.micros)
    } else {
        let reading = growing::Reading::WithEscapes;
        let (judgement, micros) =
            judge::whole(inner, plan, span.text, reading, place, deadline).await?;
        let text = redacted(span.text, &judgement);
        (judgement, text, micros)
    };
    inner.record(tally, &plan.detectors, place.path, span.text.len(), micros);
    inner.record_findings(tally, &judgement);
    Ok((judgement, text))
}

/// Tool arguments always; of other texts those that are JSON (schemas, what most tools answer): the letter of an escaped
/// line break before a number would hide it from every detector that looks for the beginning of a word.
fn may_be_json(span: &Span<'_>) -> bool {
    match span.origin {
        Origin::ToolArguments => true,
        // As streams judge them, so that an answer's verdict does not depend on how it came.
        Origin::Answer | Origin::Reasoning | Origin::Refusal => false,
        _ => span.text.trim_start().starts_with(['{', '[']) && arguments::is_json(span.text),
    }
}

/// The text with its masks; `None` if there are none.
pub(crate) fn redacted(text: &str, judgement: &Judgement) -> Option<String> {
    let mut redactor = Redactor::default();
    judgement
        .masks
        .iter()
        .cloned()
        .for_each(|mask| redactor.add(mask));
    (!redactor.is_idle())
        .then(|| redactor.take(text.len(), |range| text.get(range).unwrap_or_default()))
}

/// Scores every span that a rule wants scored: by the cheapest classifiers first, and by the others only if those block
/// nothing.
async fn classifiers(
    inner: &Inner,
    profile: Chosen,
    stage: Stage,
    spans: &[Span<'_>],
    deadline: Instant,
    tally: &mut Tally,
) -> Result<Action, Undecided> {
    let mut asked: Vec<(usize, &Span<'_>, &Plan)> = Vec::new();
    for (number, span) in spans.iter().enumerate() {
        let plan = inner.plan(profile, stage, span.origin)?;
        if !plan.classifiers.is_empty() {
            asked.push((number, span, plan));
        }
    }
    let tiers = asked.iter().flat_map(|(_, _, plan)| &plan.classifiers);
    let tiers: BTreeSet<u8> = tiers.map(|classifier| classifier.tier).collect();
    let (mut action, mut windows) = (Action::Allow, 0);
    for tier in tiers {
        for (number, span, plan) in &asked {
            let mut now = plan.classifiers.iter().filter(|of| of.tier == tier);
            let Some(first) = now.next() else { continue };
            let place = Where {
                span: *number,
                path: &span.path,
            };
            let readings = readings(span.text, || may_be_json(span));
            for classifier in std::iter::once(first).chain(now) {
                let passages = inner.passages(classifier, span.text, &readings);
                windows += passages.iter().map(|of| of.ranges.len()).sum::<usize>();
                if windows > WINDOWS_MAX {
                    return Err(Undecided::TooLong {
                        windows,
                        max: WINDOWS_MAX,
                    });
                }
                let findings = score(
                    inner, classifier, span.text, &readings, passages, place, deadline, tally,
                )
                .await?;
                let actions = findings.iter().map(|finding| finding.action);
                action = actions.fold(action, Action::max);
            }
        }
        if action == Action::Block {
            break;
        }
    }
    Ok(action)
}

/// One reading of a text for a classifier.
pub(crate) struct ReadAs {
    canon: Canon,
    /// Which windows are worth reading, by what is written there; of the first reading all.
    worth: fn(&str) -> bool,
}

/// What a classifier reads of a text.
///
/// | text | first | then, if a backslash is left |
/// |---|---|---|
/// | JSON | with its escapes read, as its receiver reads it | with what JSON inside JSON hides |
/// | any other | as it is written | with its escapes read |
///
/// And then, where there is something to it, as [`otherwise`] has it.
pub(crate) fn readings(text: &str, may_be_json: impl FnOnce() -> bool) -> Vec<ReadAs> {
    let is_json = text.contains('\\') && may_be_json() && arguments::is_json(text);
    let first = match is_json {
        true => Canon::default().reading(Reading::Escapes(1)),
        false => Canon::default(),
    };
    let first = read(text, first, |_| true);
    let (seen, _) = first.canon.retained();
    let more = otherwise(text, seen.contains('\\'));
    [first].into_iter().chain(more).collect()
}

/// The readings of a text that differ from what is written: with its escapes read, with letters folded that are not what
/// they seem, and with what is encoded decoded.
pub(crate) fn otherwise(text: &str, escapes: bool) -> Vec<ReadAs> {
    let mut readings = Vec::new();
    let mut add =
        |reading, worth| readings.push(read(text, Canon::default().reading(reading), worth));
    if escapes {
        add(Reading::Escapes(LAYERS_MAX), |written| {
            written.contains('\\')
        });
    }
    if lookalikes::disguises(text) {
        add(Reading::Lookalikes, lookalikes::disguises);
    }
    if encoded::is_in(text, true) {
        // A window may begin within what is encoded, so what is written there does not tell.
        add(Reading::Encoded(encoded::LAYERS_MAX), |_| true);
        let unwrapped = read(text, Canon::default().reading(Reading::Unwrapped), |_| true);
        let known = readings.last().map(|read| read.canon.retained());
        if known != Some(unwrapped.canon.retained()) {
            readings.push(unwrapped);
        }
    }
    readings
}

fn read(text: &str, mut canon: Canon, worth: fn(&str) -> bool) -> ReadAs {
    canon.push(text);
    canon.finish();
    ReadAs { canon, worth }
}

/// Scores the windows of one text with one classifier; `passages` are those of the `readings`, in their order.
#[expect(
    clippy::too_many_arguments,
    reason = "the text in its forms, its rules, and where its evidence goes"
)]
pub(crate) async fn score(
    inner: &Inner,
    plan: &ClassifierPlan,
    text: &str,
    readings: &[ReadAs],
    passages: Vec<Passage>,
    place: Where<'_>,
    deadline: Instant,
    tally: &mut Tally,
) -> Result<Vec<Finding>, Undecided> {
    let originals = readings.iter().zip(&passages).flat_map(|(read, passage)| {
        let ranges = passage.ranges.iter();
        ranges.map(|range| read.canon.original(range.clone()))
    });
    let originals: Vec<Range<usize>> = originals.collect();
    if originals.is_empty() {
        // Not a word in it: what has judged nothing has not run.
        return Ok(Vec::new());
    }
    let (scores, micros) = judge::score(inner, plan, passages, deadline).await?;
    inner.record(tally, &[plan.detector], place.path, text.len(), micros);
    let windows = originals.into_iter().zip(&scores);
    let judged = windows.map(|(range, row)| inner.judge_scores(plan, row, place, range));
    let judged: Vec<JudgedWindow> = judged.collect();
    judged
        .iter()
        .for_each(|window| inner.record_window(plan, window, tally));
    Ok(judged
        .into_iter()
        .flat_map(|window| window.findings)
        .collect())
}

/// One window's scores, by label, and what the rules make of them.
pub(crate) struct JudgedWindow {
    scores: Vec<Score>,
    pub(crate) findings: Vec<Finding>,
}

impl Inner {
    /// The readings of a text, cut as a classifier wants them: of all but the first, only windows that are worth it and
    /// read otherwise than their canonical text.
    pub(crate) fn passages(
        &self,
        plan: &ClassifierPlan,
        text: &str,
        readings: &[ReadAs],
    ) -> Vec<Passage> {
        let size = self.window_size(plan);
        let passage = |(number, read): (usize, &ReadAs)| {
            let (seen, _) = read.canon.retained();
            let mut ranges = ngrams::windows(seen, size.words, size.overlap);
            if number > 0 {
                ranges.retain(|range| {
                    let written = text.get(read.canon.original(range.clone()));
                    written.is_some_and(|written| {
                        (read.worth)(written)
                            && seen.get(range.clone()) != Some(&*canonical(written))
                    })
                });
            }
            Passage {
                text: Arc::from(seen),
                ranges,
            }
        };
        readings.iter().enumerate().map(passage).collect()
    }

    /// A window of a growing text, as it reads otherwise; which may be more than one window each time.
    pub(crate) fn passages_beside(&self, plan: &ClassifierPlan, window: &str) -> Vec<Passage> {
        let size = self.window_size(plan);
        let passage = |read: ReadAs| {
            let (seen, _) = read.canon.retained();
            Passage {
                text: Arc::from(seen),
                ranges: ngrams::windows(seen, size.words, size.overlap),
            }
        };
        let readings = otherwise(window, window.contains('\\'));
        readings.into_iter().map(passage).collect()
    }

    pub(crate) fn window_size(&self, plan: &ClassifierPlan) -> WindowSize {
        self.classifiers
            .get(plan.classifier)
            .map(|classifier| classifier.windows())
            .unwrap_or_default()
    }

    /// What the rules make of one window's scores.
    pub(crate) fn judge_scores(
        &self,
        plan: &ClassifierPlan,
        row: &[Score],
        place: Where<'_>,
        range: Range<usize>,
    ) -> JudgedWindow {
        let labels = self.labels(plan);
        let mut findings = Vec::new();
        for asked in &plan.asked {
            if let (Some(score), Some(label)) = (row.get(asked.label), labels.get(asked.label))
                && *score >= asked.verdict.threshold
            {
                findings.push(judge::finding(
                    &asked.verdict,
                    label,
                    place,
                    range.clone(),
                    *score,
                ));
            }
        }
        JudgedWindow {
            scores: row.to_vec(),
            findings,
        }
    }

    /// A window has been judged: its scores go into the tally whatever they are.
    pub(crate) fn record_window(
        &self,
        plan: &ClassifierPlan,
        window: &JudgedWindow,
        tally: &mut Tally,
    ) {
        let Some(info) = self.detectors.get(plan.detector) else {
            return;
        };
        let labels = self.labels(plan);
        for asked in &plan.asked {
            if let (Some(score), Some(label)) =
                (window.scores.get(asked.label), labels.get(asked.label))
            {
                tally.scores(plan.detector, info, label, &asked.verdict, *score);
            }
        }
        for finding in &window.findings {
            tally.finds(plan.detector, info, finding.clone());
        }
    }

    fn labels(&self, plan: &ClassifierPlan) -> &[String] {
        self.classifiers
            .get(plan.classifier)
            .map(|classifier| classifier.labels())
            .unwrap_or_default()
    }

    /// Some detectors have read a whole text.
    pub(crate) fn record(
        &self,
        tally: &mut Tally,
        detectors: &[usize],
        path: &str,
        bytes: usize,
        micros: u64,
    ) {
        for detector in detectors {
            if let Some(info) = self.detectors.get(*detector) {
                tally.begins(*detector, info, path);
                tally.read(*detector, info, bytes, micros);
            }
        }
    }

    pub(crate) fn record_findings(&self, tally: &mut Tally, judgement: &Judgement) {
        for (detector, finding) in &judgement.findings {
            if let Some(info) = self.detectors.get(*detector) {
                tally.finds(*detector, info, finding.clone());
            }
        }
        for (detector, more) in judgement.more() {
            if let Some(info) = self.detectors.get(detector) {
                tally.finds_more(detector, info, more);
            }
        }
    }
}
