//! The jobs that wait for a thread: first come, first served, but for those that one call can serve together.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::{BATCH_MAX, Job, windows_in};

/// A bounded queue.
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something has changed that a waiting thread wants to know.
    changed: Condvar,
    jobs_max: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    /// Threads that wait for a job.
    idle: usize,
    closed: bool,
}

/// There is no room for one more.
#[derive(Debug)]
pub(super) struct Full;

impl Queue {
    pub(super) fn new(jobs_max: usize) -> Queue {
        Queue {
            state: Mutex::default(),
            changed: Condvar::new(),
            jobs_max,
        }
    }

    /// Adds a job, if there is room.
    pub(super) fn push(&self, job: Job) -> Result<(), Full> {
        let mut state = self.lock();
        if state.waiting.len() >= self.jobs_max {
            return Err(Full);
        }
        state.waiting.push_back(job);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The next job and, if no other thread is free to take them, those behind it that are for the same classifier; `None`
    /// once the queue is closed and empty. Waits for it.
    pub(super) fn take(&self) -> Option<Vec<Job>> {
        let mut state = self.lock();
        loop {
            while let Some(first) = state.waiting.pop_front() {
                if !first.reply.is_closed() {
                    return Some(state.with_others(first));
                }
            }
            if state.closed {
                return None;
            }
            state.idle += 1;
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// No more jobs come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn with_others(&mut self, first: Job) -> Vec<Job> {
        let mut room = BATCH_MAX.saturating_sub(windows_in(&first.passages));
        let mut jobs = vec![first];
        if self.idle > 0 {
            return jobs;
        }
        for job in std::mem::take(&mut self.waiting) {
            let windows = windows_in(&job.passages);
            let same = jobs
                .first()
                .is_some_and(|first| Arc::ptr_eq(&first.classifier, &job.classifier));
            match same && windows <= room && !job.reply.is_closed() {
                true => {
                    room -= windows;
                    jobs.push(job);
                }
                false => self.waiting.push_back(job),
            }
        }
        jobs
    }
}
