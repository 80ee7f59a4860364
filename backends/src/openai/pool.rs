//! Connections kept for the next request.
//!
//! Nobody watches an idle connection. Whether it still lives is found out when it is taken: the rest
//! of its last body must have ended, and the server must have neither closed nor spoken. What that
//! misses (a close that is still on its way) shows as a request lost before any answer, which is
//! asked once more on a fresh connection.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use tokio::time::Instant;

use crate::openai::wire::Wire;

/// Idle connections to one server, at most `count_max`, each for at most `idle_max`.
pub(super) struct Pool {
    idle: Mutex<Vec<Idle>>,
    count_max: usize,
    idle_max: Duration,
}

struct Idle {
    wire: Wire,
    /// The body of the last answer: proved complete by its text, perhaps not yet by its framing.
    rest: Incoming,
    since: Instant,
}

impl Pool {
    pub(super) fn new(count_max: usize, idle_max: Duration) -> Pool {
        Pool {
            idle: Mutex::default(),
            count_max,
            idle_max,
        }
    }

    /// The youngest connection that still lives.
    pub(super) fn take(&self) -> Option<Wire> {
        loop {
            let mut idle = self.pop()?;
            if idle.wire.is_reusable(&mut idle.rest) {
                return Some(idle.wire);
            }
        }
    }

    /// Keeps a connection whose last answer is complete, or drops it if there are enough.
    pub(super) fn keep(&self, wire: Wire, rest: Incoming) {
        let since = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|one| since.duration_since(one.since) < self.idle_max);
        if idle.len() < self.count_max {
            idle.push(Idle { wire, rest, since });
        }
    }

    fn pop(&self) -> Option<Idle> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let youngest = idle.pop()?;
        if youngest.since.elapsed() < self.idle_max {
            return Some(youngest);
        }
        // The youngest is too old, so all are.
        idle.clear();
        None
    }
}
