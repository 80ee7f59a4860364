//! What was measured, for people, for documents and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::figures::{Figure, Percentiles, Round};
use crate::plan::{CONNECTIONS, Cell, Guards, Medium, Mode, Path, Setting};
use crate::process::Memory;
use crate::reach::{self, number};
use crate::run::Measured;
use crate::table::Table;

/// Everything, as aligned tables.
pub(crate) fn human(measured: &Measured) -> String {
    let sections = [
        ("What it is", setting(measured)),
        (
            "How long answers take (milliseconds; first: until the first text; spread of the median over rounds)",
            times(measured).aligned(),
        ),
        (
            "What the gateway adds to the direct path (ms: milliseconds; fl: mean flushes of the same rounds)",
            added(measured).aligned(),
        ),
        (
            "What a request costs (processor time in microseconds)",
            costs(measured).aligned(),
        ),
        ("Memory of the gateway (MiB)", memory(measured).aligned()),
        ("Flushes by system calls", proof(measured)),
        ("What was aimed at", aims(measured).aligned()),
    ];
    sections
        .iter()
        .map(|(title, text)| format!("{title}\n\n{text}\n"))
        .collect()
}

/// The tables of README.md.
pub(crate) fn markdown(measured: &Measured) -> String {
    format!(
        "Printed by `make bench BENCH_ARGS=--markdown`. {}\n{}\n{}\n{}",
        setting(measured),
        summary(measured).markdown(),
        aims(measured).markdown(),
        proof(measured)
    )
}

/// Everything, every round of it.
pub(crate) fn json(measured: &Measured) -> Value {
    let bare = measured.bare.iter().map(|(medium, flushes)| {
        json!({ "log": medium.name(), "mean_ms": flushes.mean, "p50_ms": flushes.of.p50, "p99_ms": flushes.of.p99 })
    });
    let memory = measured.memory.iter().map(|((guards, medium), (before, after))| {
        json!({ "variant": guards.name(), "log": medium.name(), "idle": json_memory(*before), "after": json_memory(*after) })
    });
    let aims = reach::aims(measured).into_iter().map(|aim| {
        json!({ "what": aim.what, "unit": aim.unit, "wanted": aim.wanted, "got": aim.got, "reached": aim.reached() })
    });
    json!({
        "machine": machine(),
        "quick": measured.options.quick,
        "seconds_each": measured.options.timing().measured.as_secs_f64(),
        "bare_flushes": bare.collect::<Vec<_>>(),
        "cells": measured.figures.cells().map(|cell| json_cell(measured, cell)).collect::<Vec<_>>(),
        "memory": memory.collect::<Vec<_>>(),
        "system_calls": match &measured.proof {
            Ok(proof) => json!({ "by": proof.by, "fdatasync_and_fsync": proof.calls, "flushes": proof.flushes, "requests": proof.requests }),
            Err(why) => json!({ "unavailable": why }),
        },
        "aims": aims.collect::<Vec<_>>(),
    })
}

fn setting(measured: &Measured) -> String {
    let options = &measured.options;
    let timing = options.timing();
    let mut text = format!(
        "{}; client, upstream and gateway share it. Prompt and answer of about 1 KB, streamed in {} deltas; \
         {} round(s) of {} s a cell. The client speaks HTTP/1.1 over TLS to the gateway.\n",
        machine(),
        options.chunks,
        options.rounds(),
        timing.measured.as_secs_f64(),
    );
    for (medium, flushes) in &measured.bare {
        let Percentiles { p50, p99 } = flushes.of;
        // Writing into a string does not fail.
        let _ = writeln!(
            text,
            "A bare flush of 4 KiB on {}: mean {:.3} ms, p50 {p50:.3}, p99 {p99:.3}.",
            medium.name(),
            flushes.mean,
        );
    }
    if options.quick {
        text.push_str("A smoke run: its figures mean nothing.\n");
    }
    text
}

/// Processor, cores and kernel.
pub(crate) fn machine() -> String {
    let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
    let processors = read("/proc/cpuinfo");
    let model = processors
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!(
        "{cores} cores of {}, Linux {}",
        model.map_or("an unknown processor", |(_, name)| name),
        kernel.trim()
    )
}

fn times(measured: &Measured) -> Table {
    let mut table = Table::new(
        4,
        &[
            "conns",
            "answer",
            "log",
            "variant",
            "requests/s",
            "first p50",
            "p99",
            "whole p50",
            "p99",
            "spread",
            "samples",
        ],
    );
    for cell in measured.figures.cells() {
        let of = |figure: fn(&Round) -> f64| measured.figures.of(cell, figure);
        let whole = of(|round| round.whole.p50);
        let samples = measured
            .figures
            .rounds(cell)
            .iter()
            .map(|round| round.requests)
            .sum::<u64>();
        let mut row = labels(cell);
        row.extend([
            number(of(|round| round.per_second).median),
            number(of(|round| round.first.p50).median),
            number(of(|round| round.first.p99).median),
            number(whole.median),
            number(of(|round| round.whole.p99).median),
            percent(whole),
            samples.to_string(),
        ]);
        table.row(row);
    }
    table
}

fn added(measured: &Measured) -> Table {
    let mut table = Table::new(
        4,
        &[
            "conns",
            "answer",
            "log",
            "variant",
            "first p50 ms",
            "fl",
            "p99 ms",
            "fl",
            "whole p50 ms",
            "fl",
            "p99 ms",
            "fl",
            "mean flush ms",
        ],
    );
    for cell in measured
        .figures
        .cells()
        .filter(|cell| cell.path != Path::Direct)
    {
        let both = |figure: fn(&Round) -> f64| {
            let ms = measured.figures.added(cell, figure).median;
            [number(ms), in_flushes(measured, cell, figure)]
        };
        let mut row = labels(cell);
        row.extend(both(|round| round.first.p50));
        row.extend(both(|round| round.first.p99));
        row.extend(both(|round| round.whole.p50));
        row.extend(both(|round| round.whole.p99));
        row.push(match cell.path {
            Path::Gateway(..) => format!(
                "{:.3}",
                measured.figures.spent(cell, |spent| spent.flush_ms).median
            ),
            Path::Direct | Path::DirectTls => "-".to_owned(),
        });
        table.row(row);
    }
    table
}

/// Only where a flush costs something.
fn in_flushes(measured: &Measured, cell: Cell, figure: fn(&Round) -> f64) -> String {
    match cell.path {
        Path::Gateway(_, Medium::Disk) => {
            number(measured.figures.added_flushes(cell, figure).median)
        }
        _ => "-".to_owned(),
    }
}

fn costs(measured: &Measured) -> Table {
    let mut table = Table::new(
        4,
        &[
            "conns",
            "answer",
            "log",
            "variant",
            "gateway",
            "spread",
            "client",
            "upstream",
            "flushes/request",
            "entries/request",
            "upstream connections/request",
        ],
    );
    for cell in measured.figures.cells() {
        let of = |figure: fn(&Round) -> f64| number(measured.figures.of(cell, figure).median);
        let spent = |figure: fn(&crate::figures::Spent) -> f64| match cell.path {
            Path::Gateway(..) => number(measured.figures.spent(cell, figure).median),
            Path::Direct | Path::DirectTls => "-".to_owned(),
        };
        let mut row = labels(cell);
        row.extend([
            spent(|spent| spent.processor_us),
            match cell.path {
                Path::Gateway(..) => {
                    percent(measured.figures.spent(cell, |spent| spent.processor_us))
                }
                Path::Direct | Path::DirectTls => "-".to_owned(),
            },
            of(|round| round.client_us),
            of(|round| round.upstream_us),
            spent(|spent| spent.flushes_each),
            spent(|spent| spent.entries_each),
            of(|round| round.dialled),
        ]);
        table.row(row);
    }
    table
}

fn memory(measured: &Measured) -> Table {
    let mut table = Table::new(
        2,
        &[
            "log",
            "variant",
            "before the first request",
            "after the last",
            "at its peak",
        ],
    );
    for ((guards, medium), (before, after)) in &measured.memory {
        let cells = [medium.name().to_owned(), guards.name().to_owned()].into_iter();
        table.row(
            cells
                .chain([before.resident, after.resident, after.peak].map(mebibytes))
                .collect(),
        );
    }
    table
}

fn proof(measured: &Measured) -> String {
    match &measured.proof {
        Ok(proof) => format!(
            "{} saw {} calls of fdatasync and fsync while the gateway counted {} flushes and gave {} answers.\n",
            proof.by, proof.calls, proof.flushes, proof.requests
        ),
        Err(why) => format!("Not counted: {why}. Flushes are by the gateway's own count.\n"),
    }
}

fn aims(measured: &Measured) -> Table {
    let mut table = Table::new(2, &["aim", "verdict", "got", "wanted"]);
    for aim in reach::aims(measured) {
        let with_unit = |value| format!("{} {}", number(value), aim.unit);
        table.row(vec![
            aim.what.clone(),
            aim.verdict(),
            with_unit(aim.got),
            with_unit(aim.wanted),
        ]);
    }
    table
}

/// One line per variant and medium: what README.md shows.
fn summary(measured: &Measured) -> Table {
    let [one, many] = CONNECTIONS;
    let added = |connections: usize, what: &str| format!("{what}, {connections} conn.");
    let header = [
        "log on".to_owned(),
        "guards".to_owned(),
        added(one, "first byte"),
        added(one, "whole"),
        added(many, "first byte"),
        added(many, "whole"),
        format!("requests/s, {many} conn."),
        "CPU/request".to_owned(),
        "flushes/request".to_owned(),
        "memory".to_owned(),
    ];
    let mut table = Table::new(2, &header.each_ref().map(String::as_str));
    for path in Path::ALL {
        let Path::Gateway(guards, medium) = path else {
            continue;
        };
        table.row(summary_row(measured, guards, medium));
    }
    table
}

fn summary_row(measured: &Measured, guards: Guards, medium: Medium) -> Vec<String> {
    let path = Path::Gateway(guards, medium);
    let cell = |mode, connections| Cell {
        setting: Setting { mode, connections },
        path,
    };
    let later = |cell: Cell, figures: [fn(&Round) -> f64; 2]| {
        let [p50, p99] = figures.map(|figure| number(measured.figures.added(cell, figure).median));
        match in_flushes(measured, cell, figures[0]).as_str() {
            "-" => format!("+{p50} ms (p99 {p99} ms)"),
            flushes => format!("+{p50} ms = {flushes} flushes (p99 {p99} ms)"),
        }
    };
    let first = |connections| {
        later(
            cell(Mode::Streamed, connections),
            [|round| round.first.p50, |round| round.first.p99],
        )
    };
    let whole = |connections| {
        later(
            cell(Mode::Plain, connections),
            [|round| round.whole.p50, |round| round.whole.p99],
        )
    };
    let [one, many] = CONNECTIONS;
    let busy = cell(Mode::Plain, many);
    let peak = measured
        .memory
        .get(&(guards, medium))
        .map_or(0, |(_, after)| after.peak);
    vec![
        medium.name().to_owned(),
        guards.name().to_owned(),
        first(one),
        whole(one),
        first(many),
        whole(many),
        number(measured.figures.of(busy, |round| round.per_second).median),
        format!(
            "{} µs",
            number(
                measured
                    .figures
                    .spent(busy, |spent| spent.processor_us)
                    .median
            )
        ),
        number(
            measured
                .figures
                .spent(busy, |spent| spent.flushes_each)
                .median,
        ),
        format!("{} MiB", mebibytes(peak)),
    ]
}

fn labels(cell: Cell) -> Vec<String> {
    let Cell {
        setting: Setting { mode, connections },
        path,
    } = cell;
    vec![
        connections.to_string(),
        mode.name().to_owned(),
        path.log().to_owned(),
        path.name().to_owned(),
    ]
}

fn percent(figure: Figure) -> String {
    format!("{:.0} %", 100.0 * figure.spread / figure.median)
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / (1 << 20) as f64)
}

fn json_memory(memory: Memory) -> Value {
    json!({ "resident_bytes": memory.resident, "peak_bytes": memory.peak })
}

fn json_cell(measured: &Measured, cell: Cell) -> Value {
    let Cell {
        setting: Setting { mode, connections },
        path,
    } = cell;
    let percentiles = |of: Percentiles| json!({ "p50": of.p50, "p99": of.p99 });
    let rounds = measured.figures.rounds(cell).iter().map(|round| {
        json!({
            "requests": round.requests,
            "requests_per_second": round.per_second,
            "first_ms": percentiles(round.first),
            "whole_ms": percentiles(round.whole),
            "client_us": round.client_us,
            "upstream_us": round.upstream_us,
            "upstream_connections_per_request": round.dialled,
            "gateway": round.gateway.map(|spent| json!({
                "processor_us": spent.processor_us,
                "flushes": spent.flushes,
                "flushes_per_request": spent.flushes_each,
                "flush_ms": spent.flush_ms,
                "entries_per_request": spent.entries_each,
            })),
        })
    });
    json!({
        "connections": connections, "answer": mode.name(), "log": path.log(), "variant": path.name(),
        "rounds": rounds.collect::<Vec<_>>(),
    })
}
