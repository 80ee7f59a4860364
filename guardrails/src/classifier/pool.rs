//! A fixed number of threads that run classifiers, behind a bounded queue.
//!
//! Invariants: an asker waits no longer than its deadline, whatever a classifier does; a job whose asker has gone is
//! skipped; a classifier that panics, fails, or answers nonsense is *undecided*, never "nothing found".
//!
//! A classifier that never returns keeps its thread for good. When all threads are kept, the queue fills and every
//! further job is refused, which is what ought to happen.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant as WallInstant;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::Passage;
use crate::ngrams;
use crate::{Classifier, ClassifierError, Undecided};

#[cfg(test)]
mod tests;

/// The threads and their queue. Dropping it closes the queue; the threads end after their current job.
pub(crate) struct Pool {
    queue: SyncSender<Job>,
}

/// What a batch of windows scored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Scored {
    /// `[batch, labels]`.
    pub(crate) scores: Vec<Vec<f32>>,
    /// Time of the work itself, features included, in microseconds.
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
        let (queue, jobs) = sync_channel(queue_max);
        let jobs = Arc::new(Mutex::new(jobs));
        for number in 0..threads {
            let jobs = Arc::clone(&jobs);
            std::thread::Builder::new()
                .name(format!("classify-{number}"))
                .spawn(move || work(&jobs))?;
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
        self.queue.try_send(job).map_err(|refused| match refused {
            TrySendError::Full(_) => Undecided::QueueFull,
            TrySendError::Disconnected(_) => {
                Undecided::Classifier("its threads have ended".to_owned())
            }
        })?;
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
fn work(jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if job.reply.is_closed() {
            continue;
        }
        let begun = WallInstant::now();
        let scores = catch_unwind(AssertUnwindSafe(|| run(&job))).unwrap_or_else(|_| {
            Err(ClassifierError {
                message: "it panicked".to_owned(),
            })
        });
        let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        // A closed channel means that the asker has gone meanwhile.
        let _gone = job
            .reply
            .send(scores.map(|scores| Scored { scores, micros }));
    }
}

fn run(job: &Job) -> Result<Vec<Vec<f32>>, ClassifierError> {
    let of = |passage: &Passage| ngrams::window_features(&passage.text, &passage.ranges);
    let features: Vec<_> = job.passages.iter().flat_map(of).collect();
    job.classifier.score(&features)
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
