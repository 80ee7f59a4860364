//! `portcullis doctor`: is this machine fit to keep the log?
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use audit::{Examination, Fitness};
use clap::Args;
use serde_json::json;

use super::Output;

/// Measure how long this disk takes to make a record durable, and say whether it is fit for the audit log
#[derive(Args)]
pub(crate) struct Options {
    /// A folder on the disk that the log is, or will be, on
    dir: PathBuf,
    /// Flushes to measure
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(10..=10_000))]
    flushes: u16,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let found = match audit::examine(&options.dir, usize::from(options.flushes)) {
        Ok(found) => found,
        Err(error) => {
            eprintln!("error: {}: {error}", options.dir.display());
            return ExitCode::from(69);
        }
    };
    match options.output {
        Output::Human => print!("{}", human(&found)),
        Output::Json => println!("{}", as_json(&found)),
    }
    match found.fitness() {
        Fitness::Fit | Fitness::Slow(_) => ExitCode::SUCCESS,
        Fitness::Unfit(_) => ExitCode::from(1),
    }
}

fn human(found: &Examination) -> String {
    let verdict = match found.fitness() {
        Fitness::Fit => "fit".to_owned(),
        Fitness::Slow(why) => format!("slow: {why}"),
        Fitness::Unfit(why) => format!("unfit: {why}"),
    };
    format!(
        "{} flushes of 8 KiB: mean {} ms, half within {} ms, 99 % within {} ms, slowest {} ms\n\
         an answer waits for two: about {} ms\n\
         {:.1} GiB free\n\
         {verdict}\n",
        found.flushes.len(),
        ms(found.mean()),
        ms(found.within(0.5)),
        ms(found.within(0.99)),
        ms(found.within(1.0)),
        ms(2 * found.mean()),
        found.free_bytes as f64 / f64::from(1 << 30),
    )
}

fn as_json(found: &Examination) -> serde_json::Value {
    let (verdict, why) = match found.fitness() {
        Fitness::Fit => ("fit", None),
        Fitness::Slow(why) => ("slow", Some(why)),
        Fitness::Unfit(why) => ("unfit", Some(why)),
    };
    let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    json!({
        "flushes": found.flushes.len(),
        "mean_us": micros(found.mean()),
        "p50_us": micros(found.within(0.5)),
        "p99_us": micros(found.within(0.99)),
        "max_us": micros(found.within(1.0)),
        "free_bytes": found.free_bytes,
        "in_memory": found.in_memory,
        "verdict": verdict,
        "why": why,
    })
}

fn ms(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}
