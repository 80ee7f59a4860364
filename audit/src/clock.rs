//! Wall time, behind a seam so that tests can set it.
//!
//! Time orders nothing in this log: indices do. A clock that goes back is recorded as it reads,
//! and `verify` counts the places where it did.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Where an entry's `ts` comes from.
pub trait Clock: Send + Sync + 'static {
    /// Unix time in nanoseconds; zero before 1970, `u64::MAX` after 2554.
    fn now(&self) -> u64;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where wall time is read"
    )]
    fn now(&self) -> u64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A clock that tests hold in their hand: every reading is one microsecond after the last.
#[derive(Debug)]
pub struct ManualClock(AtomicU64);

impl ManualClock {
    /// A clock that starts at `unix_ns`.
    pub fn at(unix_ns: u64) -> ManualClock {
        ManualClock(AtomicU64::new(unix_ns))
    }

    /// Sets the time, back if need be.
    pub fn set(&self, unix_ns: u64) {
        self.0.store(unix_ns, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> u64 {
        self.0.fetch_add(1_000, Ordering::Relaxed)
    }
}
