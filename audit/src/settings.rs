//! What an operator may choose, and within which bounds.

use std::path::PathBuf;
use std::time::Duration;

use crate::checkpoint::Origin;
use crate::entry::Quote;
use crate::wal;

/// The settings of a log. [`Settings::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The log's folder. Nothing else may write there.
    pub dir: PathBuf,
    /// The log's name: `gw1.agency.example/audit`.
    pub origin: Origin,
    /// The most requests in flight, 1 to 65,536. A request holds one place from its reservation to
    /// its outcome.
    pub queue_max: usize,
    /// The size of a segment of the write-ahead log, 256 KiB to 1 GiB. An entry and its bodies must
    /// fit into one.
    pub segment_bytes: u64,
    /// How long to wait at most, after a flush, for those whom it acknowledged: less where nobody
    /// comes, or where a flush takes less than four times as long. Zero turns it off.
    pub gather: Duration,
    /// A commit that takes longer raises an alarm.
    pub commit_alarm: Duration,
    /// Whoever waits longer for a commit is told that it stalled.
    pub commit_timeout: Duration,
    /// How often entries are published and a checkpoint signed, when there are new ones.
    pub checkpoint_every: Duration,
    /// How long nothing may happen before a heartbeat says so.
    pub checkpoint_idle: Duration,
    /// The log that a new one goes on from.
    pub previous: Option<Quote>,
    /// What a test of the tests takes out.
    #[cfg(test)]
    pub(crate) broken: Option<Broken>,
}

/// A part of the log without which its promises do not hold: with it taken out, a test must fail.
#[cfg(test)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Broken {
    /// No space is set aside for the outcome.
    Reservation,
    /// Whoever vanishes, and whatever a crash leaves, gets no outcome.
    Pairing,
}

impl Settings {
    /// The defaults, each with its reason.
    pub fn new(dir: PathBuf, origin: Origin) -> Settings {
        Settings {
            dir,
            origin,
            queue_max: 4096,                  // requests in flight of a busy replica
            segment_bytes: 16 * 1024 * 1024,  // a 4 MiB prompt fits thrice
            gather: Duration::from_millis(1), // a quarter of a slow flush
            commit_alarm: Duration::from_millis(250), // sixty slow flushes
            commit_timeout: Duration::from_secs(2), // what a caller can be made to wait
            checkpoint_every: Duration::from_secs(1), // the most that a stolen disk leaves unsigned
            checkpoint_idle: Duration::from_secs(60), // the most that silence goes unexplained
            previous: None,
            #[cfg(test)]
            broken: None,
        }
    }

    /// The most bytes of bodies that one entry can have and be sure of its place whenever half a
    /// segment is free. Larger ones may be refused although others are served.
    pub fn body_bytes_max(&self) -> u64 {
        (self.segment_bytes / 2).saturating_sub(64 * 1024)
    }

    /// The first bound that does not hold, in words.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        let headroom = wal::header_bytes(self.queue_max) + 8 * wal::SLOT;
        if !(1..=65_536).contains(&self.queue_max) {
            Some("queue_max must be 1 to 65536")
        } else if !(256 * 1024..=1024 * 1024 * 1024).contains(&self.segment_bytes) {
            Some("segment_bytes must be 256 KiB to 1 GiB")
        } else if self.segment_bytes < headroom + 64 * 1024 {
            Some(
                "segment_bytes is too small for queue_max: each request in flight needs 24 bytes of it",
            )
        } else if self.commit_timeout.is_zero() || self.checkpoint_every.is_zero() {
            Some("commit_timeout and checkpoint_every must not be zero")
        } else {
            None
        }
    }
}
