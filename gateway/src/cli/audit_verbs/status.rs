//! `portcullis audit status`: how a log stands, at a glance.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use audit::{Clock as _, Survey};
use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use crate::cli::Output;

/// How a log stands: its size, its checkpoint, what is open, and the space it takes. A look, not a check.
/// Of several shards it is the newest
#[derive(Args)]
pub(crate) struct Options {
    /// The log's folder, or a shard's
    dir: PathBuf,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let dir = match super::newest(&options.dir) {
        Ok(dir) => dir,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(1);
        }
    };
    match audit::survey(&dir) {
        Ok(survey) => {
            match options.output {
                Output::Human => print!("{}", human(&survey, audit::SystemClock.now())),
                Output::Json => println!("{}", as_json(&survey)),
            }
            ExitCode::SUCCESS
        }
        Err(damage) => {
            eprintln!("{damage}");
            eprintln!("`portcullis audit verify` says what is still proved");
            ExitCode::from(1)
        }
    }
}

fn human(survey: &Survey, now: u64) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing into a string does not fail.
        let _ = writeln!(text, "{name:<12} {value}");
    };
    match &survey.checkpoint {
        Some(checkpoint) => {
            line("log", checkpoint.origin.to_string());
            line("checkpoint", format!("{} entries", checkpoint.size));
        }
        None => line("checkpoint", "none yet".to_owned()),
    }
    line("durable", format!("{} entries", survey.durable));
    if let Some(newest) = &survey.newest {
        let age = now.saturating_sub(newest.ts) / 1_000_000_000;
        let kind = newest.entry.kind();
        line(
            "newest",
            format!("{kind}, {} ({age} s ago)", time(newest.ts)),
        );
    }
    line("state", state(survey).to_owned());
    if !survey.open.is_empty() {
        line(
            "open",
            format!("{} requests without an outcome", survey.open.len()),
        );
    }
    if survey.torn_bytes > 0 {
        line(
            "torn",
            format!("{} bytes that nobody was told of", survey.torn_bytes),
        );
    }
    for (folder, bytes) in survey.bytes {
        line(folder, size(bytes));
    }
    line("free", size(survey.free_bytes));
    text
}

fn as_json(survey: &Survey) -> serde_json::Value {
    json!({
        "origin": survey.checkpoint.as_ref().map(|checkpoint| checkpoint.origin.as_str()),
        "checkpoint_size": survey.checkpoint.as_ref().map(|checkpoint| checkpoint.size),
        "durable": survey.durable,
        "newest": survey.newest.as_ref().map(|newest| json!({ "type": newest.entry.kind(), "ts": newest.ts })),
        "state": state(survey),
        "open": survey.open.iter().map(|(index, req)| json!({ "index": index.0, "req": req.to_string() })).collect::<Vec<_>>(),
        "torn_bytes": survey.torn_bytes,
        "bytes": survey.bytes.iter().map(|(folder, bytes)| ((*folder).to_owned(), json!(bytes))).collect::<serde_json::Map<_, _>>(),
        "free_bytes": survey.free_bytes,
    })
}

fn state(survey: &Survey) -> &'static str {
    match (survey.durable, survey.closed) {
        (0, _) => "empty",
        (_, true) => "closed",
        (_, false) => "running, or ended without being closed",
    }
}

fn time(ts: u64) -> String {
    Timestamp::from_nanosecond(i128::from(ts))
        .map_or_else(|_| ts.to_string(), |time| format!("{time:.0}"))
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", bytes as f64 / 1_073_741_824.0),
    }
}
