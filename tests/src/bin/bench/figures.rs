//! From samples to figures: percentiles within a round, medians over the rounds, differences within one round.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::plan::{Cell, Path};

/// Of one round, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
}

/// One cell in one round.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub(crate) requests: u64,
    pub(crate) per_second: f64,
    /// Until the first text.
    pub(crate) first: Percentiles,
    /// Until the end.
    pub(crate) whole: Percentiles,
    /// Processor time of client and upstream per request, in microseconds.
    pub(crate) client_us: f64,
    pub(crate) upstream_us: f64,
    /// Connections to the upstream opened per request.
    pub(crate) dialled: f64,
    /// What the gateway spent, if there is one.
    pub(crate) gateway: Option<Spent>,
}

/// What the gateway spent in one round.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spent {
    /// Processor time per request, in microseconds.
    pub(crate) processor_us: f64,
    /// How many flushes there were, and per request.
    pub(crate) flushes: f64,
    pub(crate) flushes_each: f64,
    /// Mean time of those, in milliseconds. Zero if there was none.
    pub(crate) flush_ms: f64,
    /// Entries per request.
    pub(crate) entries_each: f64,
}

/// All rounds of all cells.
#[derive(Default)]
pub(crate) struct Figures {
    rounds: BTreeMap<Cell, Vec<Round>>,
}

/// A figure over the rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figure {
    pub(crate) median: f64,
    /// From the least to the greatest.
    pub(crate) spread: f64,
}

impl Figures {
    /// Adds a round of a cell.
    pub(crate) fn add(&mut self, cell: Cell, round: Round) {
        self.rounds.entry(cell).or_default().push(round);
    }

    /// Every cell that was measured, in the order of a round.
    pub(crate) fn cells(&self) -> impl Iterator<Item = Cell> {
        self.rounds.keys().copied()
    }

    /// The rounds of a cell, in order.
    pub(crate) fn rounds(&self, cell: Cell) -> &[Round] {
        self.rounds.get(&cell).map_or(&[], Vec::as_slice)
    }

    /// Any figure of a cell.
    pub(crate) fn of(&self, cell: Cell, figure: impl Fn(&Round) -> f64) -> Figure {
        over(self.rounds(cell).iter().map(figure).collect())
    }

    /// A figure of what the gateway spent in a cell; zero where there is no gateway.
    pub(crate) fn spent(&self, cell: Cell, figure: impl Fn(&Spent) -> f64) -> Figure {
        self.of(cell, |round| round.gateway.as_ref().map_or(0.0, &figure))
    }

    /// By how much a figure is greater than that of the direct path in the same round.
    pub(crate) fn added(&self, cell: Cell, figure: impl Fn(&Round) -> f64) -> Figure {
        let direct = self.rounds(Cell {
            path: Path::Direct,
            ..cell
        });
        let pairs = self.rounds(cell).iter().zip(direct);
        over(
            pairs
                .map(|(round, direct)| figure(round) - figure(direct))
                .collect(),
        )
    }

    /// The same in mean flushes of the same round.
    pub(crate) fn added_flushes(&self, cell: Cell, figure: impl Fn(&Round) -> f64) -> Figure {
        let direct = self.rounds(Cell {
            path: Path::Direct,
            ..cell
        });
        let pairs = self.rounds(cell).iter().zip(direct);
        let in_flushes = pairs.filter_map(|(round, direct)| {
            let flush = round.gateway.filter(|spent| spent.flush_ms > 0.0)?.flush_ms;
            Some((figure(round) - figure(direct)) / flush)
        });
        over(in_flushes.collect())
    }
}

impl Percentiles {
    /// Of these times.
    pub(crate) fn of(mut times: Vec<Duration>) -> Percentiles {
        times.sort_unstable();
        Percentiles {
            p50: rank(&times, 50),
            p99: rank(&times, 99),
        }
    }
}

/// The nearest rank, in milliseconds.
fn rank(sorted: &[Duration], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted
        .get(rank)
        .map_or(f64::NAN, |time| milliseconds(*time))
}

/// The mean, in milliseconds.
pub(crate) fn mean(times: &[Duration]) -> f64 {
    milliseconds(times.iter().sum()) / times.len() as f64
}

/// A time as a number of milliseconds.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A figure over these values, one of each round.
pub(crate) fn over(mut values: Vec<f64>) -> Figure {
    values.sort_unstable_by(f64::total_cmp);
    let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
    let (least, greatest) = (at(0), at(values.len().saturating_sub(1)));
    let (low, high) = (at(values.len().saturating_sub(1) / 2), at(values.len() / 2));
    Figure {
        median: low.midpoint(high),
        spread: greatest - least,
    }
}

#[cfg(test)]
mod tests;
