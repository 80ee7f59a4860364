//! Callers in a closed loop on one thread.

use std::time::{Duration, Instant};

use audit::{Direction, Log};
use tokio::task::JoinSet;

use super::entries::{body, intent, outcome, request};
use crate::figures::Percentiles;
use crate::{Failed, process};

/// One cell in one round.
pub(super) struct Round {
    pub(super) entries: u64,
    pub(super) per_second: f64,
    /// Until an entry was durable.
    pub(super) wait: Percentiles,
    pub(super) flushes: u64,
    /// Mean time of a flush, in milliseconds.
    pub(super) flush_ms: f64,
    /// Processor time per entry, callers included, in microseconds.
    pub(super) processor_us: f64,
}

impl Round {
    /// Flushes per entry.
    pub(super) fn flushes_each(&self) -> f64 {
        self.flushes as f64 / self.entries as f64
    }
}

/// Loads an open log with so many callers.
pub(super) async fn run(
    log: &Log,
    callers: usize,
    time: Duration,
    body_bytes: usize,
) -> Result<Round, Failed> {
    let own = std::process::id();
    let (begun, before) = (Instant::now(), log.status());
    let processor = process::processor_time(own)?;
    let mut tasks = JoinSet::new();
    for caller in 0..callers as u64 {
        tasks.spawn(call(log.clone(), caller, begun + time, body_bytes));
    }
    let mut waits = Vec::new();
    while let Some(task) = tasks.join_next().await {
        waits.extend(task??);
    }
    let (elapsed, after) = (begun.elapsed(), log.status());
    let spent = process::processor_time(own)?.saturating_sub(processor);
    let flushing = |status: &audit::Status| status.mean_flush.as_secs_f64() * status.flushes as f64;
    let (entries, flushes) = (waits.len() as u64, after.flushes - before.flushes);
    Ok(Round {
        entries,
        per_second: entries as f64 / elapsed.as_secs_f64(),
        wait: Percentiles::of(waits),
        flushes,
        flush_ms: 1e3 * (flushing(&after) - flushing(&before)) / flushes as f64,
        processor_us: 1e6 * spent.as_secs_f64() / entries as f64,
    })
}

/// One caller: how long each of its entries took to become durable.
async fn call(
    log: Log,
    caller: u64,
    until: Instant,
    body_bytes: usize,
) -> Result<Vec<Duration>, Failed> {
    let mut waits = Vec::new();
    while Instant::now() < until {
        let req = request(caller, waits.len() as u64);
        let begun = Instant::now();
        let reserved = log.reserve().await?;
        let bodies = body(Direction::Request, body_bytes);
        let (_receipt, pending) = reserved.intent(intent(req)?, bodies).await?;
        waits.push(begun.elapsed());
        let begun = Instant::now();
        let bodies = body(Direction::Response, body_bytes);
        let _receipt = pending.outcome(outcome(req)?, bodies).await?;
        waits.push(begun.elapsed());
    }
    Ok(waits)
}
