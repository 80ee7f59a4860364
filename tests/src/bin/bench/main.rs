//! `make bench`: what the gateway adds to an answer, in time, processor and memory, measured in one run.
//!
//! ```text
//! client ──────────────────────────────> upstream      direct, over plain HTTP and over TLS
//! client ──TLS──> gateway ──plain HTTP──> upstream      guards off, patterns, patterns + classifier
//! ```
//!
//! Client, gateways and upstream are processes of their own, so that processor time and memory can be told apart:
//! the client is this one, the upstream is this executable again (`bench upstream`), and each variant of the gateway
//! is `portcullis serve` on a folder written here, once with its log on the disk and once in memory.
//!
//! - The load is closed-loop over kept connections: each asks again when its answer is complete. A request that is not
//!   answered with 200, whole and ending as the upstream ended it, fails the run.
//! - Variants are interleaved (A B C, A B C), so that noise of the machine hits all alike. What is added is a
//!   difference within one round; figures are medians of the rounds, and the spread is printed with them.
//! - A flush is counted and timed by the gateway itself (`/metrics`), and its count is checked against the kernel's
//!   count of system calls where `perf` or `strace` can see it.
//!
//! What it cannot show: client, upstream and gateway share the machine's cores, so at 64 connections a part of every
//! answer's time is waiting for one of them. Loopback is not a network. The upstream answers at once; a model does not.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]
#![cfg_attr(
    test,
    expect(
        clippy::indexing_slicing,
        reason = "a test that indexes wrongly fails, as it should"
    )
)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

mod bare;
mod client;
mod figures;
mod gateway;
mod load;
mod log;
mod plan;
mod process;
mod proof;
mod reach;
mod report;
mod run;
mod script;
mod table;
mod upstream;

/// Whatever stops a run; there is nobody to tell the reasons apart but the reader.
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Measures what the gateway adds, and compares it with what was aimed at
#[derive(Parser)]
#[command(name = "bench")]
struct Arguments {
    #[command(subcommand)]
    role: Option<Role>,
    #[command(flatten)]
    options: Options,
}

#[derive(Subcommand)]
enum Role {
    /// Measures the audit log alone, without a gateway around it
    Audit(log::Arguments),
    /// Fills a log until it is killed, as its own process
    #[command(hide = true)]
    AuditFill(log::Fill),
    /// The scripted upstream, as its own process
    #[command(hide = true)]
    Upstream(upstream::Arguments),
}

/// How to measure.
#[derive(Parser, Clone)]
struct Options {
    /// A smoke run: every cell once, for a moment. Its figures mean nothing
    #[arg(long)]
    quick: bool,
    /// Rounds over all cells
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Measured seconds of each cell in each round
    #[arg(long, default_value_t = 1.5, value_parser = seconds)]
    seconds: f64,
    /// Deltas of a streamed answer
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=160))]
    chunks: u16,
    /// Milliseconds that the upstream thinks before it answers
    #[arg(long, default_value_t = 0)]
    think_ms: u64,
    /// Only cells whose description says this, such as "64 connections, plain" or "patterns, log on tmpfs"; the direct
    /// path is measured with them
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,
    /// Where "on the disk" is; a folder of its own is made there, and removed
    #[arg(long, value_name = "DIR")]
    disk: Option<PathBuf>,
    /// The gateway's executable; without it, the one beside this
    #[arg(long, value_name = "FILE")]
    gateway: Option<PathBuf>,
    /// For people, or one JSON document with every round
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
    /// The tables of README.md, ready to paste
    #[arg(long, conflicts_with = "output")]
    markdown: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Human,
    Json,
}

/// Measured time of a cell in a smoke run.
const QUICK: Duration = Duration::from_millis(60);

impl Options {
    fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds }
    }

    /// How long a cell runs before it is measured, and how long it is.
    fn timing(&self) -> load::Timing {
        let measured = if self.quick {
            QUICK
        } else {
            Duration::from_secs_f64(self.seconds)
        };
        load::Timing {
            warm_up: measured / 6,
            measured,
        }
    }
}

/// Long enough for a sample, short enough to see the end of.
fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.05..=600.0).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("write a number from 0.05 to 600".to_owned())
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.role {
        Some(Role::Audit(arguments)) => on_one_thread(until_interrupted(log::measure(arguments))),
        Some(Role::AuditFill(arguments)) => on_one_thread(log::fill(arguments)),
        Some(Role::Upstream(arguments)) => on_one_thread(upstream::serve(arguments)),
        None => on_one_thread(measure(arguments.options)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Client and upstream are a thread each: what they take, the gateway cannot have.
fn on_one_thread(work: impl Future<Output = Result<(), Failed>>) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(work)
}

/// Measures and prints.
async fn measure(options: Options) -> Result<(), Failed> {
    let measured = until_interrupted(run::all(&options)).await?;
    let text = match options.output {
        Output::Human if options.markdown => report::markdown(&measured),
        Output::Human => report::human(&measured),
        Output::Json => format!("{:#}\n", report::json(&measured)),
    };
    say(&text);
    Ok(())
}

/// Interrupted, it still ends its children and removes its folders.
async fn until_interrupted<T>(work: impl Future<Output = Result<T, Failed>>) -> Result<T, Failed> {
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => Err("interrupted".into()),
    }
}

fn say(text: &str) {
    print!("{text}");
}

/// What is being done, for whoever waits for the figures.
fn progress(what: &str) {
    eprintln!("{what}");
}
