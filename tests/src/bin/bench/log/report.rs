//! What was measured of the log, for people, for documents and for programs.

use serde_json::{Value, json};

use super::load::Round;
use super::{Cell, Measured};
use crate::figures::{Percentiles, over};
use crate::reach::{Aim, number};
use crate::report::machine;
use crate::table::Table;

/// Everything, as aligned tables.
pub(super) fn human(measured: &Measured) -> String {
    let sections = [
        ("What it is", setting(measured)),
        (
            "Durable entries (waits in milliseconds; medians of the rounds)",
            writing(measured).aligned(),
        ),
        ("Flushes by system calls", calls(measured)),
        ("Reading", reading(measured)),
        ("What was aimed at", aims_table(measured).aligned()),
    ];
    sections
        .iter()
        .map(|(title, text)| format!("{title}\n\n{text}\n"))
        .collect()
}

/// The tables for a document.
pub(super) fn markdown(measured: &Measured) -> String {
    format!(
        "Printed by `make bench-audit BENCH_ARGS=--markdown`. {}\n{}\n{}\n{}\n{}",
        setting(measured),
        writing(measured).markdown(),
        calls(measured),
        reading(measured),
        aims_table(measured).markdown(),
    )
}

/// Everything, every round of it.
pub(super) fn json(measured: &Measured) -> Value {
    let rounds = |rounds: &[Round]| -> Vec<Value> { rounds.iter().map(json_round).collect() };
    let cells = measured.cells.iter().map(|cell| {
        json!({ "in_flight": cell.in_flight, "log": rounds(&cell.log), "file_per_tile": rounds(&cell.files) })
    });
    let aims = aims(measured).into_iter().map(|aim| {
        json!({ "what": aim.what, "unit": aim.unit, "wanted": aim.wanted, "got": aim.got, "reached": aim.reached() })
    });
    let read = &measured.reading;
    json!({
        "machine": machine(),
        "quick": measured.arguments.quick,
        "seconds_each": measured.arguments.time().as_secs_f64(),
        "body_bytes": measured.arguments.body_bytes,
        "bare_flush": { "mean_ms": measured.bare.mean, "p50_ms": measured.bare.of.p50, "p99_ms": measured.bare.of.p99 },
        "cells": cells.collect::<Vec<_>>(),
        "system_calls": match &measured.calls {
            Ok((flushes, calls, by)) => json!({ "by": by, "fdatasync_and_fsync": calls, "flushes": flushes }),
            Err(why) => json!({ "unavailable": why }),
        },
        "reading": {
            "entries": read.entries, "entry_bytes": read.bytes_each,
            "recovered": read.tail, "recovery_s": read.recovery.as_secs_f64(),
            "hashed_per_second": read.hashed,
            "verified_per_second_one_thread": read.verified,
            "verified_per_second_all_cores": read.verified_by_all,
            "proof_ms": { "p50": read.proof.p50, "p99": read.proof.p99 }, "proof_hashes": read.proof_hashes,
        },
        "aims": aims.collect::<Vec<_>>(),
    })
}

fn json_round(round: &Round) -> Value {
    json!({
        "entries": round.entries, "per_second": round.per_second,
        "p50_ms": round.wait.p50, "p99_ms": round.wait.p99,
        "flushes": round.flushes, "flushes_each": round.flushes_each(), "flush_ms": round.flush_ms,
        "processor_us": round.processor_us,
    })
}

fn setting(measured: &Measured) -> String {
    let Percentiles { p50, p99 } = measured.bare.of;
    let mut text = format!(
        "{}; callers and log share it. Entries of some {:.0} bytes, with {} bytes of body each; {} round(s) of {} s a \
         cell.\nA bare flush of 4 KiB: mean {:.3} ms, p50 {p50:.3}, p99 {p99:.3}.\n",
        machine(),
        measured.reading.bytes_each,
        measured.arguments.body_bytes,
        measured.arguments.rounds(),
        measured.arguments.time().as_secs_f64(),
        measured.bare.mean,
    );
    if measured.arguments.quick {
        text.push_str("A smoke run: its figures mean nothing.\n");
    }
    text
}

fn writing(measured: &Measured) -> Table {
    let mut table = Table::new(
        1,
        &[
            "strategy",
            "in flight",
            "entries/s",
            "p50",
            "p99",
            "flushes per entry",
            "mean flush ms",
            "p50 in flushes",
            "CPU µs per entry",
        ],
    );
    for cell in &measured.cells {
        for (name, rounds) in [
            ("write-ahead log", &cell.log),
            ("file per tile", &cell.files),
        ] {
            let of = |figure: fn(&Round) -> f64| number(median(rounds, figure));
            let flushes = median(rounds, Round::flushes_each);
            table.row(vec![
                name.to_owned(),
                cell.in_flight.to_string(),
                format!("{:.0}", median(rounds, |round| round.per_second)),
                of(|round| round.wait.p50),
                of(|round| round.wait.p99),
                format!("{flushes:.4}"),
                of(|round| round.flush_ms),
                of(|round| round.wait.p50 / round.flush_ms),
                of(|round| round.processor_us),
            ]);
        }
    }
    table
}

fn calls(measured: &Measured) -> String {
    match &measured.calls {
        Ok((flushes, calls, by)) => format!(
            "{by} counted {calls} calls of fdatasync and fsync by the thread that writes; the log counted {flushes} flushes.\n"
        ),
        Err(why) => format!("Not counted: {why}.\n"),
    }
}

fn reading(measured: &Measured) -> String {
    let read = &measured.reading;
    format!(
        "A tail of {} entries that a killed process left was recovered in {:.2} s.\n\
         {} entries: hashed at {:.0}/s by one thread, verified in full at {:.0}/s by one thread and at {:.0}/s by one for \
         each core.\n\
         Inclusion proofs of up to {} hashes: p50 {:.3} ms, p99 {:.3} ms.\n",
        read.tail,
        read.recovery.as_secs_f64(),
        read.entries,
        read.hashed,
        read.verified,
        read.verified_by_all,
        read.proof_hashes,
        read.proof.p50,
        read.proof.p99,
    )
}

fn aims_table(measured: &Measured) -> Table {
    let mut table = Table::new(1, &["what", "wanted", "got", "verdict"]);
    for aim in aims(measured) {
        let sign = if aim.at_most { "≤" } else { "≥" };
        table.row(vec![
            aim.what.clone(),
            format!("{sign} {} {}", number(aim.wanted), aim.unit),
            number(aim.got),
            aim.verdict(),
        ]);
    }
    table
}

/// What was aimed at on a disk that flushes in 4 ms, and what this one gave.
fn aims(measured: &Measured) -> Vec<Aim> {
    let cell = |in_flight| {
        measured
            .cells
            .iter()
            .find(|cell| cell.in_flight == in_flight)
    };
    let of = |in_flight, figure: fn(&Round) -> f64| {
        cell(in_flight).map_or(f64::NAN, |cell: &Cell| median(&cell.log, figure))
    };
    let aim = |what: &str, unit, wanted, got, at_most| Aim {
        what: what.to_owned(),
        unit,
        wanted,
        got,
        at_most,
    };
    let read = &measured.reading;
    vec![
        aim(
            "256 in flight: durable entries",
            "/s",
            50_000.0,
            of(256, |round| round.per_second),
            false,
        ),
        aim(
            "256 in flight: p99",
            "ms",
            15.0,
            of(256, |round| round.wait.p99),
            true,
        ),
        aim(
            "256 in flight: mean flush, for which those two are meant",
            "ms",
            4.0,
            of(256, |round| round.flush_ms),
            true,
        ),
        aim(
            "1 in flight: flushes per entry",
            "",
            1.3,
            of(1, Round::flushes_each),
            true,
        ),
        aim(
            "1 in flight: p50 in mean flushes",
            "",
            1.3,
            of(1, |round| round.wait.p50 / round.flush_ms),
            true,
        ),
        aim(
            "leaves hashed by one core",
            "/s",
            500_000.0,
            read.hashed,
            false,
        ),
        aim(
            "leaves verified by one core",
            "/s",
            200_000.0,
            read.verified,
            false,
        ),
        aim(
            "recovery of the tail",
            "s",
            5.0,
            read.recovery.as_secs_f64(),
            true,
        ),
        aim("inclusion proof, p99", "ms", 1.0, read.proof.p99, true),
    ]
}

fn median(rounds: &[Round], figure: impl Fn(&Round) -> f64) -> f64 {
    over(rounds.iter().map(figure).collect()).median
}
