//! What was aimed at, and how far it was reached. Aims, not gates: a miss is told with its size.
//!
//! Medians of the rounds of the run at hand, everything on (patterns and classifier) and the log on the disk unless a
//! line says otherwise. First bytes are those of streamed answers, whole answers are plain ones.

use crate::figures::{Figure, Round};
use crate::plan::{CONNECTIONS_MANY, Cell, Guards, Medium, Mode, Path, Setting};
use crate::run::Measured;

/// One aim.
pub(crate) struct Aim {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    pub(crate) wanted: f64,
    pub(crate) got: f64,
    /// Whether less is better.
    pub(crate) at_most: bool,
}

impl Aim {
    /// Whether it was reached. A figure that is not there is not.
    pub(crate) fn reached(&self) -> bool {
        if self.at_most {
            self.got <= self.wanted
        } else {
            self.got >= self.wanted
        }
    }

    /// Reached, or missed by how much.
    pub(crate) fn verdict(&self) -> String {
        if self.got.is_nan() || self.wanted.is_nan() {
            return "not measured".to_owned();
        }
        if self.reached() {
            return "reached".to_owned();
        }
        let by = (self.got - self.wanted).abs();
        format!(
            "missed by {} {} ({:.0} %)",
            number(by),
            self.unit,
            100.0 * by / self.wanted
        )
    }
}

/// A number with as many digits as say something.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => "-".to_owned(),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// All aims that this run can speak of.
pub(crate) fn aims(measured: &Measured) -> Vec<Aim> {
    let mut aims = latency(measured, 1, (1.2, 2.2), 1.0);
    aims.extend(latency(measured, CONNECTIONS_MANY, (2.0, 4.0), 0.0));
    aims.push(throughput(measured));
    aims.push(processor(measured, Guards::Patterns, 150.0));
    aims.push(processor(measured, Guards::Classifier, 200.0));
    aims.push(memory(measured));
    aims
}

/// First byte and whole answer: so many mean flushes, and so many milliseconds.
fn latency(
    measured: &Measured,
    connections: usize,
    flushes: (f64, f64),
    extra_ms: f64,
) -> Vec<Aim> {
    let first: (_, fn(&Round) -> f64) = ("first byte", |round| round.first.p50);
    let whole: (_, fn(&Round) -> f64) = ("whole answer", |round| round.whole.p50);
    let one = |mode: Mode, (name, figure): (&str, fn(&Round) -> f64), flushes: f64| {
        let cell = everything_on(mode, connections);
        let flush = flush(measured, cell).median;
        let extra = if extra_ms > 0.0 {
            format!(" + {extra_ms} ms")
        } else {
            String::new()
        };
        let users = if connections == 1 {
            "1 connection".to_owned()
        } else {
            format!("{connections} connections")
        };
        Aim {
            what: format!(
                "{users}: {name} later by ≤ {flushes} flushes of {} ms{extra}, p50",
                number(flush)
            ),
            unit: "ms",
            wanted: flushes * flush + extra_ms,
            got: measured.figures.added(cell, figure).median,
            at_most: true,
        }
    };
    vec![
        one(Mode::Streamed, first, flushes.0),
        one(Mode::Plain, whole, flushes.1),
    ]
}

fn throughput(measured: &Measured) -> Aim {
    let cell = everything_on(Mode::Plain, CONNECTIONS_MANY);
    let flush_seconds = flush(measured, cell).median / 1e3;
    Aim {
        what: format!(
            "{CONNECTIONS_MANY} connections: requests ≥ min(3000, 0.7 × {CONNECTIONS_MANY} / (4 × mean flush))"
        ),
        unit: "/s",
        wanted: (0.7 * CONNECTIONS_MANY as f64 / (4.0 * flush_seconds)).min(3000.0),
        got: measured.figures.of(cell, |round| round.per_second).median,
        at_most: false,
    }
}

fn processor(measured: &Measured, guards: Guards, wanted: f64) -> Aim {
    let cell = Cell {
        path: Path::Gateway(guards, Medium::Disk),
        ..everything_on(Mode::Plain, CONNECTIONS_MANY)
    };
    Aim {
        what: format!(
            "{CONNECTIONS_MANY} connections: processor time with {} ≤ {wanted} µs a request",
            guards.name()
        ),
        unit: "µs",
        wanted,
        got: measured
            .figures
            .spent(cell, |spent| spent.processor_us)
            .median,
        at_most: true,
    }
}

/// The most that any gateway without a model ever took.
fn memory(measured: &Measured) -> Aim {
    let without = measured
        .memory
        .iter()
        .filter(|((guards, _), _)| *guards != Guards::Classifier);
    let peak = without.map(|(_, (_, after))| after.peak).max();
    Aim {
        what: "memory without models, at its peak ≤ 60 MiB".to_owned(),
        unit: "MiB",
        wanted: 60.0,
        got: peak.map_or(f64::NAN, |peak| peak as f64 / f64::from(1 << 20)),
        at_most: true,
    }
}

fn everything_on(mode: Mode, connections: usize) -> Cell {
    Cell {
        setting: Setting { mode, connections },
        path: Path::Gateway(Guards::Classifier, Medium::Disk),
    }
}

fn flush(measured: &Measured, cell: Cell) -> Figure {
    measured.figures.spent(cell, |spent| spent.flush_ms)
}
