//! One text channel: grows, is judged at its cuts, and lets go of what is settled.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant as WallInstant;

use tokio::time::Instant;

use super::cuts::Cuts;
use super::windows::Windows;
use crate::classifier::Passage;
use crate::engine::Inner;
use crate::growing::{Growing, Place, Reading};
use crate::judge::{self, Judgement, Where};
use crate::plan::{ClassifierPlan, Plan};
use crate::redact::Redactor;
use crate::screen::JudgedWindow;
use crate::tally::Tally;
use crate::{Action, Finding, HELD_MAX, Score, StopReason, Stopped, Undecided};

/// The state of one channel. All places are those of the whole channel, from its first byte.
pub(super) struct TextChannel {
    cuts: Cuts,
    /// Per classifier of the plan.
    readers: Vec<Reader>,
    release: Release,
}

/// One classifier's reading of the channel.
struct Reader {
    windows: Windows,
    /// Whether text waits for its judgement.
    waits: bool,
    /// The text up to here has been read.
    read: usize,
}

/// What is scanned and what has left: the part that is judged again when a chunk turns out to hold something blocked.
#[derive(Clone)]
struct Release {
    growing: Growing,
    redactor: Redactor,
    /// The text up to here has left (or been replaced).
    left: usize,
    /// The text up to here has been scanned.
    scanned: usize,
}

/// A place at which the text is judged.
struct Step {
    place: Place,
    last: bool,
    /// The windows that end here, by classifier of the plan.
    windows: Vec<(usize, JudgedWindow)>,
    /// Every classifier that may block has judged the text up to here.
    scored: usize,
}

/// What became of a step.
struct Stepped {
    /// May leave.
    text: String,
    judgement: Judgement,
    /// Blocks; then there is no text.
    stop: Option<Finding>,
}

/// A window that is due.
struct Due {
    /// Index among the plan's classifiers.
    classifier: usize,
    /// Index among the steps.
    step: usize,
    /// Canonical bytes.
    range: Range<usize>,
}

impl TextChannel {
    pub(super) fn new(inner: &Inner, plan: &Plan) -> TextChannel {
        let reader = |asked: &ClassifierPlan| Reader {
            windows: Windows::new(inner.window_size(asked)),
            waits: asked.may_block(),
            read: 0,
        };
        TextChannel {
            cuts: Cuts::default(),
            readers: plan.classifiers.iter().map(reader).collect(),
            release: Release {
                growing: Growing::new(&inner.scanners, Reading::WithEscapes),
                redactor: Redactor::default(),
                left: 0,
                scanned: 0,
            },
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.release.growing.end().original - self.release.left
    }

    /// Takes more text and gives what may leave.
    #[expect(
        clippy::too_many_arguments,
        reason = "the channel, its rules, the text, and where its evidence goes"
    )]
    pub(super) async fn grow(
        &mut self,
        inner: &Inner,
        plan: &Plan,
        text: &str,
        last: bool,
        place: Where<'_>,
        deadline: Instant,
        tally: &mut Tally,
    ) -> Result<String, Stopped> {
        if plan.holds_all && self.held_bytes() + text.len() > HELD_MAX {
            let bytes = self.held_bytes() + text.len();
            return Err(Undecided::HeldTooLong {
                bytes,
                max: HELD_MAX,
            }
            .into());
        }
        self.release.growing.push(text);
        let (mut steps, due) = self.steps(text, last);
        if steps.is_empty() {
            return Ok(String::new());
        }
        self.score(inner, plan, &mut steps, due, place, deadline, tally)
            .await?;
        let (begun, before) = (WallInstant::now(), self.release.scanned);
        let upto = steps.last().map_or(0, |step| step.place.original);
        if before == 0 && upto > 0 {
            // Not sooner: a channel that ends before its first cut has been opened, but nothing has read it.
            inner.record(tally, &plan.detectors, place.path, 0, 0);
        }
        let outcome = self.judge(inner, plan, &steps, place, tally);
        let (micros, bytes) = (judge::micros_since(begun), self.release.scanned - before);
        if self.release.scanned > 0 {
            for detector in &plan.detectors {
                if let Some(info) = inner.detectors.get(*detector) {
                    tally.read(*detector, info, bytes, micros);
                }
            }
        }
        self.forget();
        outcome
    }

    /// The places at which the new text is judged, and the windows that end at them.
    fn steps(&mut self, text: &str, last: bool) -> (Vec<Step>, Vec<Due>) {
        let step = |place, last| Step {
            place,
            last,
            windows: Vec::new(),
            scored: usize::MAX,
        };
        let mut steps: Vec<Step> = self
            .cuts
            .read(text)
            .into_iter()
            .map(|place| step(place, false))
            .collect();
        if last {
            steps.push(step(self.release.growing.end(), true));
        }
        let mut due = Vec::new();
        for (number, step) in steps.iter_mut().enumerate() {
            for (classifier, reader) in self.readers.iter_mut().enumerate() {
                let range = match step.last {
                    true => reader.windows.end(step.place),
                    false => reader.windows.cut(step.place),
                };
                due.extend(range.map(|range| Due {
                    classifier,
                    step: number,
                    range,
                }));
            }
            let waits = self.readers.iter().filter(|reader| reader.waits);
            step.scored = waits
                .map(|reader| reader.windows.ended())
                .min()
                .unwrap_or(usize::MAX);
        }
        (steps, due)
    }

    /// Has the due windows scored, and puts the findings where the windows end.
    #[expect(clippy::too_many_arguments, reason = "as `grow`")]
    async fn score(
        &mut self,
        inner: &Inner,
        plan: &Plan,
        steps: &mut [Step],
        due: Vec<Due>,
        place: Where<'_>,
        deadline: Instant,
        tally: &mut Tally,
    ) -> Result<(), Undecided> {
        for (number, asked) in plan.classifiers.iter().enumerate() {
            let due: Vec<&Due> = due.iter().filter(|due| due.classifier == number).collect();
            if due.is_empty() {
                continue;
            }
            let growing = &self.release.growing;
            let (passages, window_of_read) = passages(inner, asked, growing, &due);
            let (scores, micros) = judge::score(inner, asked, passages, deadline).await?;
            if let Some(info) = inner.detectors.get(asked.detector) {
                let reader = self.readers.get_mut(number);
                let (first, bytes) = reader.map(Reader::progress).unwrap_or_default();
                if first {
                    tally.begins(asked.detector, info, place.path);
                }
                tally.read(asked.detector, info, bytes, micros);
            }
            let (written, read) = scores.split_at(due.len().min(scores.len()));
            let mut read = read.iter().zip(window_of_read).peekable();
            for (at, (due, row)) in due.iter().zip(written).enumerate() {
                let mut highest = row.clone();
                while let Some((row, _)) = read.next_if(|(_, window)| *window == at) {
                    raise(&mut highest, row);
                }
                let range = growing.original_range(due.range.clone());
                let window = inner.judge_scores(asked, &highest, place, range);
                if let Some(step) = steps.get_mut(due.step) {
                    step.windows.push((number, window));
                }
            }
        }
        Ok(())
    }

    /// Judges all steps: at once if nothing blocks, else one by one up to the one that does.
    #[expect(clippy::result_large_err, reason = "made once, at the end of a stream")]
    fn judge(
        &mut self,
        inner: &Inner,
        plan: &Plan,
        steps: &[Step],
        place: Where<'_>,
        tally: &mut Tally,
    ) -> Result<String, Stopped> {
        if let [_, .., last] = steps
            && steps.iter().all(|step| step.blocking().is_none())
        {
            let before = self.release.clone();
            let stepped = self.release.step(inner, plan, last, place);
            if stepped.stop.is_none() {
                steps
                    .iter()
                    .for_each(|step| step.record(inner, plan, tally));
                inner.record_findings(tally, &stepped.judgement);
                return Ok(stepped.text);
            }
            self.release = before;
        }
        let mut released = String::new();
        for step in steps {
            let stepped = self.release.step(inner, plan, step, place);
            step.record(inner, plan, tally);
            inner.record_findings(tally, &stepped.judgement);
            if let Some(finding) = stepped.stop {
                return Err(Stopped {
                    released,
                    reason: StopReason::Blocked(finding),
                });
            }
            released.push_str(&stepped.text);
        }
        Ok(released)
    }

    fn forget(&mut self) {
        let needed = self
            .readers
            .iter()
            .map(|reader| reader.windows.start())
            .min()
            .unwrap_or(usize::MAX);
        self.release.growing.forget(self.release.left, needed);
    }
}

/// The texts of the windows that are due: first each as it is written, all in one text, since neighbours share most of
/// it; then what they read as otherwise (see [`screen::otherwise`](crate::screen::otherwise)), with the window that each
/// of those rows is about, in order.
fn passages(
    inner: &Inner,
    asked: &ClassifierPlan,
    growing: &Growing,
    due: &[&Due],
) -> (Vec<Passage>, Vec<usize>) {
    let start = due.iter().map(|due| due.range.start).min().unwrap_or(0);
    let end = due.iter().map(|due| due.range.end).max().unwrap_or(0);
    let inside = |due: &&Due| due.range.start - start..due.range.end - start;
    let mut passages = vec![Passage {
        text: Arc::from(growing.canonical(start..end)),
        ranges: due.iter().map(inside).collect(),
    }];
    let mut window_of_read: Vec<usize> = Vec::new();
    for (window, due) in due.iter().enumerate() {
        for read in inner.passages_beside(asked, growing.canonical(due.range.clone())) {
            window_of_read.resize(window_of_read.len() + read.ranges.len(), window);
            passages.push(read);
        }
    }
    (passages, window_of_read)
}

/// Label by label the higher score of two readings of one window.
fn raise(scores: &mut [Score], others: &[Score]) {
    for (score, other) in scores.iter_mut().zip(others) {
        *score = (*score).max(*other);
    }
}

impl Step {
    /// What blocks in the windows that end here.
    fn blocking(&self) -> Option<&Finding> {
        let mut findings = self.windows.iter().flat_map(|(_, window)| &window.findings);
        findings.find(|finding| finding.action == Action::Block)
    }

    fn record(&self, inner: &Inner, plan: &Plan, tally: &mut Tally) {
        for (classifier, window) in &self.windows {
            if let Some(asked) = plan.classifiers.get(*classifier) {
                inner.record_window(asked, window, tally);
            }
        }
    }
}

impl Reader {
    /// Whether this is the first time, and how many bytes of original text have been read since the last one.
    fn progress(&mut self) -> (bool, usize) {
        let before = std::mem::replace(&mut self.read, self.windows.ended());
        (before == 0, self.read - before)
    }
}

impl Release {
    /// Judges the text up to a place and gives what may leave.
    fn step(&mut self, inner: &Inner, plan: &Plan, step: &Step, place: Where<'_>) -> Stepped {
        let mut found = Vec::new();
        self.growing
            .scan(&inner.scanners, plan, step.place, step.last, &mut found);
        self.scanned = step.place.original;
        let mut judgement = Judgement::default();
        let growing = &self.growing;
        let original = |range| growing.original(range);
        judge::hits(inner, plan, &mut found, original, place, &mut judgement);
        let stop = judgement.blocking().or_else(|| step.blocking()).cloned();
        if stop.is_some() {
            return Stepped {
                text: String::new(),
                judgement,
                stop,
            };
        }
        std::mem::take(&mut judgement.masks)
            .into_iter()
            .for_each(|mask| self.redactor.add(mask));
        // At the end nothing can stay open: what could have gone on does not.
        let settled = match step.last {
            true => step.place.original,
            false => self.growing.settled(&inner.scanners, plan, step.place),
        };
        let upto = match plan.holds_all && !step.last {
            true => self.left,
            false => settled.min(step.scored).max(self.left),
        };
        let growing = &self.growing;
        let text = self.redactor.take(upto, |range| growing.original(range));
        self.left = upto;
        Stepped {
            text,
            judgement,
            stop,
        }
    }
}
