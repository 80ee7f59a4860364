//! From what was found to what is done: the rules' verdicts on hits and scores.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant as WallInstant;

use tokio::time::Instant;

use crate::classifier::pool::BATCH_MAX;
use crate::classifier::{Passage, pool};
use crate::engine::Inner;
use crate::growing::{self, Found, Growing, Reading};
use crate::plan::{ClassifierPlan, Plan, Verdict};
use crate::redact::{Mask, mask_text};
use crate::scan::Part;
use crate::shapes::View;
use crate::{Action, FINDINGS_MAX, Finding, Score, Undecided};

#[cfg(test)]
mod tests;

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
    /// None that is needed is ever left out.
    pub(crate) masks: Vec<Mask>,
    counts: Vec<Count>,
}

/// How many findings of one detector there are.
#[derive(Debug, Clone)]
struct Count {
    detector: usize,
    kept: usize,
    more: u32,
    /// No kept finding is milder.
    mildest: Action,
}

impl Judgement {
    pub(crate) fn action(&self) -> Action {
        self.findings
            .iter()
            .map(|(_, finding)| finding.action)
            .max()
            .unwrap_or_default()
    }

    /// Takes a finding, or counts it: of each detector [`FINDINGS_MAX`] are kept, and in a full list a stricter one takes
    /// the place of a milder one. So the strictest action is always among them. One that is not kept is not even made.
    pub(crate) fn finds(
        &mut self,
        detector: usize,
        action: Action,
        finding: impl FnOnce() -> Finding,
    ) {
        let count = count(&mut self.counts, detector);
        if count.kept < FINDINGS_MAX {
            count.kept += 1;
            count.mildest = count.mildest.min(action);
            self.findings.push((detector, finding()));
            return;
        }
        count.more = count.more.saturating_add(1);
        if action <= count.mildest {
            return;
        }
        let mut last_first = self.findings.iter_mut().rev();
        if let Some((_, milder)) =
            last_first.find(|(of, known)| *of == detector && known.action == count.mildest)
        {
            *milder = finding();
        }
        let kept = self.findings.iter().filter(|(of, _)| *of == detector);
        count.mildest = kept.map(|(_, kept)| kept.action).min().unwrap_or_default();
    }

    /// There are so many more, elsewhere.
    pub(crate) fn counts(&mut self, others: &Judgement) {
        for other in &others.counts {
            let count = count(&mut self.counts, other.detector);
            count.more = count.more.saturating_add(other.more);
        }
    }

    /// Per detector: how many findings were not kept.
    pub(crate) fn more(&self) -> impl Iterator<Item = (usize, u32)> {
        let counts = self.counts.iter().map(|count| (count.detector, count.more));
        counts.filter(|(_, more)| *more > 0)
    }

    /// The same without its masks.
    pub(crate) fn without_masks(&self) -> Judgement {
        Judgement {
            findings: self.findings.clone(),
            masks: Vec::new(),
            counts: self.counts.clone(),
        }
    }

    /// The first finding that blocks.
    pub(crate) fn blocking(&self) -> Option<&Finding> {
        self.findings
            .iter()
            .map(|(_, finding)| finding)
            .find(|finding| finding.action == Action::Block)
    }
}

fn count(counts: &mut Vec<Count>, detector: usize) -> &mut Count {
    let known = counts.iter().position(|count| count.detector == detector);
    let at = known.unwrap_or_else(|| {
        counts.push(Count {
            detector,
            kept: 0,
            more: 0,
            mildest: Action::Block,
        });
        counts.len() - 1
    });
    #[expect(clippy::indexing_slicing, reason = "found or pushed, just above")]
    &mut counts[at]
}

/// Judges hits, in the order of the text, and adds what the rules make of them. `original` is the text that the hits are
/// places of.
pub(crate) fn hits<'t>(
    inner: &Inner,
    plan: &Plan,
    found: &mut Vec<Found>,
    original: impl Fn(Range<usize>) -> &'t str,
    place: Where<'_>,
    judgement: &mut Judgement,
) {
    found.sort_by_key(|found| (found.range.start, found.range.end, found.shape));
    for found in found.drain(..) {
        let Some((detector, label, verdict)) = about(inner, plan, &found) else {
            continue;
        };
        if verdict.action == Action::Redact {
            let key = inner.redaction_key.as_ref().filter(|_| verdict.named);
            // What goes on where another mask begins adds none.
            let key = key.filter(|_| found.part == Part::New);
            let name = key.map(|key| key.name(label, original(found.range.clone())));
            judgement.masks.push(Mask {
                range: found.range.clone(),
                text: mask_text(label, name.as_deref()),
                part: found.part,
                rank: found.shape,
            });
        }
        if found.part == Part::New {
            judgement.finds(detector, verdict.action, || {
                finding(verdict, label, place, found.range, Score::MAX)
            });
        }
    }
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
    range: Range<usize>,
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
        written: verdict.written,
    }
}

/// Judges a whole text by its shapes. Long texts let others run in between.
///
/// Bounds: the hits of one slice, the findings of [`Judgement::finds`], and [`MASKS_MAX`] masks; a text that is blocked
/// needs none.
pub(crate) async fn whole(
    inner: &Inner,
    plan: &Plan,
    text: &str,
    reading: Reading,
    place: Where<'_>,
    deadline: Instant,
) -> Result<(Judgement, u64), Undecided> {
    let mut growing = Growing::new(&inner.scanners, reading);
    let mut judgement = Judgement::default();
    let (mut found, mut micros, mut rest) = (Vec::new(), 0, text);
    loop {
        let (slice, after) = growing::slice(rest);
        let begun = WallInstant::now();
        growing.push(slice);
        growing.scan(
            &inner.scanners,
            plan,
            growing.end(),
            after.is_empty(),
            &mut found,
        );
        growing.forget(usize::MAX, usize::MAX);
        let original = |range: Range<usize>| text.get(range).unwrap_or_default();
        hits(inner, plan, &mut found, original, place, &mut judgement);
        if judgement.action() == Action::Block {
            judgement.masks = Vec::new();
        }
        if judgement.masks.len() > MASKS_MAX {
            return Err(Undecided::TooManyMasks { max: MASKS_MAX });
        }
        micros += micros_since(begun);
        if after.is_empty() {
            // What was settled late may begin before what was settled at once.
            let range = |finding: &Finding| (finding.range.start, finding.range.end);
            judgement
                .findings
                .sort_by_key(|(_, finding)| range(finding));
            return Ok((judgement, micros));
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

/// So many places of one text are redacted. One that would need more is not text that anybody reads.
const MASKS_MAX: usize = 65_536;
