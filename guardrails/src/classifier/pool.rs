//! A fixed number of threads that run classifiers, behind a bounded queue.
//!
//! When all threads are busy, jobs pile up; whoever is free next takes those of one classifier together, up to
//! [`BATCH_MAX`] windows, since one call with many windows costs less than many calls. Nothing ever waits for a batch to
//! fill.
//!
//! Invariants: an asker waits no longer than its deadline, whatever a classifier does; a job whose asker has gone is
//! skipped; a classifier that panics, fails, or answers nonsense is *undecided*, never "nothing found". A job that makes it
//! do so costs no other job its verdict: a batch that comes to nothing is run again, job by job. One that makes it hang
//! takes the jobs of its batch along, until their deadlines.
//!
//! A classifier that never returns keeps its thread for good. When all threads are kept, the queue fills and every
//! further job is refused, which is what ought to happen.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant as WallInstant;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::Passage;
use crate::ngrams;
use crate::{Classifier, ClassifierError, Undecided};

mod queue;

use queue::{Full, Queue};

#[cfg(test)]
mod tests;

/// Windows of one call, of one job or of several, so that one long text does not keep a thread for long.
pub(crate) const BATCH_MAX: usize = 64;

/// The threads and their queue. Dropping it closes the queue; the threads end after their current job.
pub(crate) struct Pool {
    queue: Arc<Queue>,
}

/// What a batch of windows scored.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Scored {
    /// `[batch, labels]`.
    pub(crate) scores: Vec<Vec<f32>>,
    /// Time of the work itself, features included, in microseconds; of a call for several jobs, this one's share.
    pub(crate) micros: u64,
}

struct Job {
    classifier: Arc<dyn Classifier>,
    passages: Vec<Passage>,
    reply: oneshot::Sender<Result<Scored, ClassifierError>>,
}

impl Pool {
    /// Starts the threads.
    pub(crate) fn start(threads: usize, queue_max: usize) -> std::io::Result<Pool> {
        let queue = Arc::new(Queue::new(queue_max));
        for number in 0..threads {
            let queue = Arc::clone(&queue);
            std::thread::Builder::new()
                .name(format!("classify-{number}"))
                .spawn(move || work(&queue))?;
        }
        Ok(Pool { queue })
    }

    /// Scores windows of canonical text.
    ///
    /// Cancel safe: a dropped call's job is skipped, or its answer thrown away.
    pub(crate) async fn score(
        &self,
        classifier: &Arc<dyn Classifier>,
        passages: Vec<Passage>,
        deadline: Instant,
    ) -> Result<Scored, Undecided> {
        let (reply, answer) = oneshot::channel();
        let asked = windows_in(&passages);
        let labels = classifier.labels().len();
        let job = Job {
            classifier: Arc::clone(classifier),
            passages,
            reply,
        };
        self.queue.push(job).map_err(|Full| Undecided::QueueFull)?;
        let answer = timeout_at(deadline, answer)
            .await
            .map_err(|_| Undecided::Deadline)?;
        let scored = answer
            .map_err(|_| Undecided::Classifier("its thread ended".to_owned()))?
            .map_err(|error| Undecided::Classifier(error.message))?;
        check_answer(&scored, asked, labels)?;
        Ok(scored)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Scores windows on the asker's thread, if the classifier is that cheap; else `None`. A panic is as on a pool's thread.
pub(crate) fn score_here(
    classifier: &Arc<dyn Classifier>,
    passages: &[Passage],
) -> Option<Result<Scored, Undecided>> {
    let begun = WallInstant::now();
    let all = || {
        let of = |passage: &Passage| classifier.score_windows(&passage.text, &passage.ranges);
        passages.iter().map(of).collect::<Option<Vec<_>>>()
    };
    let scores = match catch_unwind(AssertUnwindSafe(all)) {
        Ok(scores) => scores?.into_iter().flatten().collect(),
        Err(_) => return Some(Err(Undecided::Classifier("it panicked".to_owned()))),
    };
    let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    let scored = Scored { scores, micros };
    let checked = check_answer(&scored, windows_in(passages), classifier.labels().len());
    Some(checked.map(|()| scored))
}

fn windows_in(passages: &[Passage]) -> usize {
    passages.iter().map(|passage| passage.ranges.len()).sum()
}

/// One thread: takes jobs until the queue is closed.
fn work(queue: &Queue) {
    while let Some(mut jobs) = queue.take() {
        let scored = match &jobs[..] {
            // A single one is told what became of it, whatever that is.
            [_, _, ..] => run(&jobs).ok(),
            _ => None,
        };
        match scored {
            Some(scored) => jobs
                .drain(..)
                .zip(scored)
                .for_each(|(job, scored)| job.answer(Ok(scored))),
            None => jobs.drain(..).for_each(|job| {
                let scored = run(std::slice::from_ref(&job));
                job.answer(scored.map(|mut scored| scored.pop().unwrap_or_default()));
            }),
        }
    }
}

/// One call for all windows of jobs of one classifier; what each job scored, in their order.
fn run(jobs: &[Job]) -> Result<Vec<Scored>, ClassifierError> {
    let wrong = |message: &str| ClassifierError {
        message: message.to_owned(),
    };
    let Some(first) = jobs.first() else {
        return Ok(Vec::new());
    };
    let begun = WallInstant::now();
    let all = || {
        let passages = jobs.iter().flat_map(|job| &job.passages);
        let of = |passage: &Passage| ngrams::window_features(&passage.text, &passage.ranges);
        first
            .classifier
            .score(&passages.flat_map(of).collect::<Vec<_>>())
    };
    let scores = catch_unwind(AssertUnwindSafe(all));
    let mut scores = scores.unwrap_or_else(|_| Err(wrong("it panicked")))?;
    let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    if let [_] = jobs {
        // As it is: the asker sees what is wrong with it.
        return Ok(vec![Scored { scores, micros }]);
    }
    let windows = |job: &Job| windows_in(&job.passages);
    let all: usize = jobs.iter().map(windows).sum();
    if scores.len() != all {
        return Err(wrong("it answered for another number of windows"));
    }
    let share = |job: &Job| {
        let rest = scores.split_off(windows(job));
        let of = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        Scored {
            scores: std::mem::replace(&mut scores, rest),
            micros: micros.saturating_mul(of(windows(job))) / of(all).max(1),
        }
    };
    Ok(jobs.iter().map(share).collect())
}

impl Job {
    /// A closed channel means that the asker has gone meanwhile.
    fn answer(self, scored: Result<Scored, ClassifierError>) {
        let _gone = self.reply.send(scored);
    }
}

fn check_answer(scored: &Scored, windows: usize, labels: usize) -> Result<(), Undecided> {
    let wrong = |what: &str| Err(Undecided::Classifier(what.to_owned()));
    if scored.scores.len() != windows {
        return wrong("it answered for another number of windows");
    }
    if scored.scores.iter().any(|row| row.len() != labels) {
        return wrong("it answered for another number of labels");
    }
    if scored
        .scores
        .iter()
        .flatten()
        .any(|score| !(0.0..=1.0).contains(score))
    {
        return wrong("it gave a score that is not from 0 to 1");
    }
    Ok(())
}
