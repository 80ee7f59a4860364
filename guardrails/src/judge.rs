//! From what was found to what is done: the rules' verdicts on hits and scores.

use std::sync::Arc;
use std::time::Instant as WallInstant;

use tokio::time::Instant;

use crate::classifier::{Passage, pool};
use crate::engine::Inner;
use crate::growing::{Found, Growing, Reading};
use crate::plan::{ClassifierPlan, Plan, Verdict};
use crate::redact::Mask;
use crate::scan::Part;
use crate::shapes::View;
use crate::{Action, Finding, Score, Undecided};

/// Where a text stands in its call.
#[derive(Clone, Copy)]
pub(crate) struct Where<'a> {
    /// Index of the span; 0 for streams.
    pub(crate) span: usize,
    pub(crate) path: &'a str,
}

/// What the rules make of some hits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Judgement {
    /// With the detector that each comes from.
    pub(crate) findings: Vec<(usize, Finding)>,
    pub(crate) masks: Vec<Mask>,
}

impl Judgement {
    pub(crate) fn action(&self) -> Action {
        self.findings
            .iter()
            .map(|(_, finding)| finding.action)
            .max()
            .unwrap_or_default()
    }

    /// The first finding that blocks.
    pub(crate) fn blocking(&self) -> Option<&Finding> {
        self.findings
            .iter()
            .map(|(_, finding)| finding)
            .find(|finding| finding.action == Action::Block)
    }
}

/// Judges hits, in the order of the text.
pub(crate) fn hits(
    inner: &Inner,
    plan: &Plan,
    mut found: Vec<Found>,
    place: Where<'_>,
) -> Judgement {
    found.sort_by_key(|found| (found.range.start, found.range.end, found.shape));
    let mut judgement = Judgement::default();
    for found in found {
        let Some((detector, label, verdict)) = about(inner, plan, &found) else {
            continue;
        };
        if verdict.action == Action::Redact {
            judgement.masks.push(Mask {
                range: found.range.clone(),
                label: label.to_owned(),
                part: found.part,
                rank: found.shape,
            });
        }
        if found.part == Part::New {
            let finding = finding(verdict, label, place, found.range, Score::MAX);
            judgement.findings.push((detector, finding));
        }
    }
    judgement
}

/// The detector, label and verdict of a hit.
fn about<'a>(
    inner: &'a Inner,
    plan: &'a Plan,
    found: &Found,
) -> Option<(usize, &'a str, &'a Verdict)> {
    let (scanner, detectors, side) = match found.view {
        View::Canonical => (
            &inner.scanners.canonical,
            &inner.scanners.canonical_detector,
            &plan.canonical,
        ),
        View::Original => (
            &inner.scanners.original,
            &inner.scanners.original_detector,
            &plan.original,
        ),
    };
    let verdict = side.verdicts.get(found.shape)?.as_ref()?;
    let label = scanner.shapes().get(found.shape)?.label.as_str();
    Some((*detectors.get(found.shape)?, label, verdict))
}

pub(crate) fn finding(
    verdict: &Verdict,
    label: &str,
    place: Where<'_>,
    range: std::ops::Range<usize>,
    score: Score,
) -> Finding {
    Finding {
        rule: verdict.rule.to_string(),
        label: label.to_owned(),
        span: place.span,
        path: place.path.to_owned(),
        range,
        score,
        threshold: verdict.threshold,
        action: verdict.action,
    }
}

/// Scans a whole text. Long texts let others run in between.
pub(crate) async fn whole(
    inner: &Inner,
    plan: &Plan,
    text: &str,
    reading: Reading,
    deadline: Instant,
) -> Result<(Vec<Found>, u64), Undecided> {
    let mut growing = Growing::new(&inner.scanners, reading);
    let (mut found, mut micros, mut rest) = (Vec::new(), 0, text);
    loop {
        let (slice, after) = rest.split_at(rest.floor_char_boundary(SLICE_BYTES));
        let begun = WallInstant::now();
        growing.push(slice);
        if after.is_empty() {
            growing.finish();
        }
        growing.scan(
            &inner.scanners,
            plan,
            growing.end(),
            after.is_empty(),
            &mut found,
        );
        growing.forget(usize::MAX, usize::MAX);
        micros += micros_since(begun);
        if after.is_empty() {
            return Ok((found, micros));
        }
        if Instant::now() >= deadline {
            return Err(Undecided::Deadline);
        }
        tokio::task::yield_now().await;
        rest = after;
    }
}

pub(crate) fn micros_since(begun: WallInstant) -> u64 {
    u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// Scores windows of canonical text: per window (of all passages, in order), per label. Also says how long the work took.
pub(crate) async fn score(
    inner: &Inner,
    plan: &ClassifierPlan,
    passages: Vec<Passage>,
    deadline: Instant,
) -> Result<(Vec<Vec<Score>>, u64), Undecided> {
    let missing = || Undecided::Classifier("it is not loaded".to_owned());
    let classifier = inner.classifiers.get(plan.classifier).ok_or_else(missing)?;
    let pool = inner.pool.as_ref().ok_or_else(missing)?;
    let (mut scores, mut micros) = (Vec::new(), 0);
    for (number, batch) in batches(passages).into_iter().enumerate() {
        if number > 0 {
            tokio::task::yield_now().await;
        }
        if Instant::now() >= deadline {
            return Err(Undecided::Deadline);
        }
        let scored = match pool::score_here(classifier, &batch) {
            Some(scored) => scored?,
            None => pool.score(classifier, batch, deadline).await?,
        };
        micros += scored.micros;
        let ratios = scored.scores.into_iter();
        scores.extend(ratios.map(|row| row.into_iter().map(Score::from_ratio).collect::<Vec<_>>()));
    }
    Ok((scores, micros))
}

/// The same windows in jobs of at most [`BATCH_MAX`].
fn batches(passages: Vec<Passage>) -> Vec<Vec<Passage>> {
    let mut batches: Vec<Vec<Passage>> = Vec::new();
    let mut room = 0;
    for passage in passages {
        let mut rest = passage.ranges.as_slice();
        while !rest.is_empty() {
            if room == 0 {
                batches.push(Vec::new());
                room = BATCH_MAX;
            }
            let (now, later) = rest.split_at(rest.len().min(room));
            if let Some(batch) = batches.last_mut() {
                batch.push(Passage {
                    text: Arc::clone(&passage.text),
                    ranges: now.to_vec(),
                });
            }
            room -= now.len();
            rest = later;
        }
    }
    batches
}

/// A long text is scanned in slices of so many bytes (half a millisecond or so), with a pause for others in between.
const SLICE_BYTES: usize = 64 * 1024;
/// Windows per classifier job, so that one long text does not keep a thread for long.
const BATCH_MAX: usize = 64;
