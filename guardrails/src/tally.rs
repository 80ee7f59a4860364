//! Writing down what ran and what it found, as it happens.

use crate::plan::Verdict;
use crate::report::{FIELDS_MAX, FINDINGS_MAX};
use crate::{Check, DetectorInfo, Finding, LabelScore, Report, Score, Stage};

/// A report in the making. Checks appear when a detector first runs.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    stage: Stage,
    strict: bool,
    /// The detector of each check.
    detectors: Vec<usize>,
    report: Report,
}

impl Tally {
    pub(crate) fn new(stage: Stage, strict: bool) -> Tally {
        Tally {
            stage,
            strict,
            detectors: Vec::new(),
            report: Report::default(),
        }
    }

    /// A detector begins to read a text.
    pub(crate) fn begins(&mut self, detector: usize, info: &DetectorInfo, path: &str) {
        let check = self.check(detector, info);
        check.spans += 1;
        let field = field(path);
        let full = check.fields.len() >= FIELDS_MAX;
        match check.fields.iter_mut().find(|(known, _)| *known == field) {
            Some((_, n)) => *n += 1,
            None if full => check.other_fields += 1,
            None => check.fields.push((field, 1)),
        }
    }

    /// It has read so much, in so long.
    pub(crate) fn read(&mut self, detector: usize, info: &DetectorInfo, bytes: usize, micros: u64) {
        let check = self.check(detector, info);
        check.bytes += u64::try_from(bytes).unwrap_or(u64::MAX);
        check.micros += micros;
    }

    /// It has found something.
    pub(crate) fn finds(&mut self, detector: usize, info: &DetectorInfo, finding: Finding) {
        let check = self.check(detector, info);
        match check.findings.len() < FINDINGS_MAX {
            true => check.findings.push(finding),
            false => keep_strictest(check, finding),
        }
    }

    /// It has found so many more.
    pub(crate) fn finds_more(&mut self, detector: usize, info: &DetectorInfo, more: u32) {
        let check = self.check(detector, info);
        check.truncated_findings = check.truncated_findings.saturating_add(more);
    }

    /// It has given a score.
    pub(crate) fn scores(
        &mut self,
        detector: usize,
        info: &DetectorInfo,
        label: &str,
        verdict: &Verdict,
        score: Score,
    ) {
        let check = self.check(detector, info);
        let known = check
            .scores
            .iter_mut()
            .find(|known| known.label == label && *known.rule == *verdict.rule);
        match known {
            Some(known) => known.score = known.score.max(score),
            None => check.scores.push(LabelScore {
                label: label.to_owned(),
                rule: verdict.rule.to_string(),
                score,
                threshold: verdict.threshold,
            }),
        }
    }

    pub(crate) fn report(&self) -> &Report {
        &self.report
    }

    pub(crate) fn into_report(self) -> Report {
        self.report
    }

    fn check(&mut self, detector: usize, info: &DetectorInfo) -> &mut Check {
        let known = self.detectors.iter().position(|known| *known == detector);
        let at = known.unwrap_or_else(|| {
            self.detectors.push(detector);
            self.report.checks.push(Check {
                detector: info.name.clone(),
                version: info.version,
                digest: info.digest.clone(),
                stage: self.stage,
                strict: self.strict,
                spans: 0,
                fields: Vec::new(),
                other_fields: 0,
                bytes: 0,
                micros: 0,
                findings: Vec::new(),
                truncated_findings: 0,
                scores: Vec::new(),
            });
            self.detectors.len() - 1
        });
        #[expect(
            clippy::indexing_slicing,
            reason = "both vectors grow together, just above"
        )]
        &mut self.report.checks[at]
    }
}

/// A path with every index left open: `messages[].content`.
fn field(path: &str) -> String {
    let mut parts = path.split('[');
    let mut field = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        field.push('[');
        field.push_str(if rest.starts_with(']') { rest } else { part });
    }
    field
}

/// In a full list a stricter finding takes the place of a milder one: the list must show why a text was blocked.
fn keep_strictest(check: &mut Check, finding: Finding) {
    check.truncated_findings = check.truncated_findings.saturating_add(1);
    if let Some(milder) = check
        .findings
        .iter_mut()
        .rev()
        .find(|known| known.action < finding.action)
    {
        *milder = finding;
    }
}
