//! Connections and requests that ended before there was anything to decide, counted per reason and source prefix.
//! Every ten seconds the counts become one `conn.summary` entry; nothing is written while there is nothing to tell.
//!
//! Here too is the budget of entries that unauthenticated requests may cause: beyond it they are only counted, so
//! that a flood of bad credentials cannot push the log into refusing honest traffic.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How often a summary is written.
pub const SUMMARY_EVERY: Duration = Duration::from_secs(10);

/// Source prefixes that one summary tells apart; further ones are counted together,
/// under the unspecified address.
const PREFIXES_MAX: usize = 32;

/// Why nothing was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Closed {
    /// More connections than the limit.
    TooMany,
    /// The TLS handshake failed.
    Handshake,
    /// The TLS handshake took too long.
    HandshakeTimeout,
    /// Nothing was asked for too long.
    Silent,
    /// HTTP framing, a head too large or too slow, or a connection that broke.
    Protocol,
    /// The client left before anything was decided.
    ClientGone,
    /// Refused without a credential, beyond the budget of entries.
    Unauthenticated,
    /// Refused because the log could not take the entry.
    Unrecorded,
}

impl Closed {
    /// The word that the entry and the metric use.
    pub fn as_str(self) -> &'static str {
        match self {
            Closed::TooMany => "too_many",
            Closed::Handshake => "handshake",
            Closed::HandshakeTimeout => "handshake_timeout",
            Closed::Silent => "silent",
            Closed::Protocol => "protocol",
            Closed::ClientGone => "client_gone",
            Closed::Unauthenticated => "unauthenticated",
            Closed::Unrecorded => "unrecorded",
        }
    }
}

/// The counts since the last summary, and the budget of unauthenticated entries.
pub struct Connections {
    counts: Mutex<BTreeMap<(Closed, IpAddr), u64>>,
    budget: Mutex<Budget>,
}

/// A bucket of entries that fills at a steady rate.
struct Budget {
    per_second: u32,
    left: f64,
    since: Instant,
}

impl Connections {
    /// `unauthenticated_per_second_max` entries per second may be caused by requests without a credential.
    pub fn new(unauthenticated_per_second_max: u32) -> Connections {
        let budget = Budget {
            per_second: unauthenticated_per_second_max,
            left: unauthenticated_per_second_max.into(),
            since: Instant::now(),
        };
        Connections {
            counts: Mutex::default(),
            budget: Mutex::new(budget),
        }
    }

    /// Counts one.
    pub fn count(&self, reason: Closed, source: IpAddr) {
        let mut counts = lock(&self.counts);
        let known = counts.len() < PREFIXES_MAX || counts.contains_key(&(reason, prefix(source)));
        let source = if known {
            prefix(source)
        } else {
            IpAddr::V4(Ipv4Addr::UNSPECIFIED)
        };
        *counts.entry((reason, source)).or_default() += 1;
    }

    /// Gives back counts that could not be written down: the next summary tells of them.
    pub fn give_back(&self, reason: Closed, source: IpAddr, n: u64) {
        *lock(&self.counts).entry((reason, source)).or_default() += n;
    }

    /// Takes the counts.
    pub fn take(&self) -> Vec<(Closed, IpAddr, u64)> {
        std::mem::take(&mut *lock(&self.counts))
            .into_iter()
            .map(|((reason, source), n)| (reason, source, n))
            .collect()
    }

    /// Whether one more unauthenticated refusal may have an entry of its own.
    pub fn may_record_unauthenticated(&self) -> bool {
        let mut budget = lock(&self.budget);
        let rate = f64::from(budget.per_second);
        budget.left = (budget.left + budget.since.elapsed().as_secs_f64() * rate).min(rate);
        budget.since = Instant::now();
        let may = budget.left >= 1.0;
        if may {
            budget.left -= 1.0;
        }
        may
    }
}

/// Leading bits of a source that count: /24 of IPv4, /48 of IPv6. Enough to see where a flood comes from.
pub fn prefix_bits(source: IpAddr) -> u8 {
    if source.to_canonical().is_ipv4() {
        24
    } else {
        48
    }
}

fn prefix(source: IpAddr) -> IpAddr {
    // What a dual-stack socket calls `::ffff:192.0.2.1` is an IPv4 source.
    match source.to_canonical() {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4) & 0xffff_ff00).into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & (u128::MAX << 80)).into(),
    }
}

/// A panic while counting leaves numbers that are still numbers.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
