//! What a decision costs: Portcullis, casbin's plain `enforce` and Cedar on the same rules, in one run.
//!
//! ```sh
//! make bench-policy                          # 1,000 and 10,000 rules
//! make bench-policy BENCH_ARGS="--rules 100000"
//! ```
//!
//! Printed is Markdown. Every engine answers the same requests, and the run fails if two of them differ.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a benchmark prints"
)]

use std::{
    hint::black_box,
    process::ExitCode,
    time::{Duration, Instant},
};

mod cedar;
mod plain;
mod portcullis;
mod rules;

use rules::{Request, Rules};

/// One way to decide, loaded with all rules.
trait Engine {
    /// What the table calls it.
    const NAME: &'static str;

    /// Reads the rules. Told apart from deciding, since it happens once.
    fn load(rules: &Rules) -> Self;

    /// Whether a request is permitted.
    fn permits(&self, request: &Request) -> bool;
}

fn main() -> ExitCode {
    let (sizes, alone) = match options() {
        Ok(options) => options,
        Err(why) => {
            eprintln!(
                "{why}\nusage: policy-bench [--rules N]... [--alone]\n  --alone  without the other engines, to profile"
            );
            return ExitCode::from(2);
        }
    };
    println!("| rules | engine | load | cold p50 | cold p99 | warm p50 | warm p99 |");
    println!("|---|---|---|---|---|---|---|");
    let mut notes = String::new();
    for size in sizes {
        let rules = Rules::of(size);
        let ours = measure::<portcullis::Portcullis>(&rules, COLD, WARM);
        if alone {
            continue;
        }
        // The others look at every rule, so that fewer calls must do.
        let few = (20_000_000 / size).clamp(20, COLD);
        let plain = measure::<plain::Plain>(&rules, few, few);
        let cedar = measure::<cedar::Cedar>(&rules, few, few);
        for (other, name) in [(&plain, plain::Plain::NAME), (&cedar, cedar::Cedar::NAME)] {
            let differ = ours
                .iter()
                .zip(other)
                .position(|(ours, theirs)| ours != theirs);
            if let Some(nth) = differ {
                let request = rules.request(nth);
                eprintln!("error: Portcullis and {name} differ about {request:?}");
                return ExitCode::FAILURE;
            }
        }
        let permitted = ours.iter().filter(|permitted| **permitted).count();
        notes += &format!(
            "\n{size} rules: {} of {} requests are permitted; the engines agree on the first {few}. {}\n",
            permitted,
            ours.len(),
            portcullis::explain(&rules),
        );
    }
    print!("{notes}");
    ExitCode::SUCCESS
}

/// The sizes to measure, as asked or 1,000 and 10,000; and whether to leave the other engines out.
fn options() -> Result<(Vec<usize>, bool), String> {
    let (mut sizes, mut alone) = (Vec::new(), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--alone" => alone = true,
            "--rules" => {
                let number = arguments.next().ok_or("--rules needs a number")?;
                let size = number.parse().ok().filter(|size| *size > 0);
                sizes.push(size.ok_or(format!("`{number}` is no number of rules"))?);
            }
            other => return Err(format!("unknown argument `{other}`")),
        }
    }
    if sizes.is_empty() {
        sizes = vec![1_000, 10_000];
    }
    Ok((sizes, alone))
}

/// Prints one line; what the engine said to the cold requests.
fn measure<E: Engine>(rules: &Rules, cold: usize, warm: usize) -> Vec<bool> {
    let started = Instant::now();
    let engine = E::load(rules);
    let load = started.elapsed();
    let requests: Vec<Request> = (0..cold).map(|nth| rules.request(nth)).collect();
    let mut said = Vec::with_capacity(cold);
    let mut times = Vec::with_capacity(cold);
    for request in &requests {
        let started = Instant::now();
        said.push(black_box(engine.permits(request)));
        times.push(started.elapsed());
    }
    let first = Percentiles::of(times);
    // The last ones again, as a busy application asks.
    let again = &requests[cold - cold.min(AGAIN)..];
    let mut times = Vec::with_capacity(warm);
    for request in again.iter().cycle().take(warm) {
        let started = Instant::now();
        black_box(engine.permits(request));
        times.push(started.elapsed());
    }
    let second = Percentiles::of(times);
    println!(
        "| {} | {} | {} ms | {} | {} | {} | {} |",
        rules.count(),
        E::NAME,
        load.as_millis(),
        first.p50(),
        first.p99(),
        second.p50(),
        second.p99(),
    );
    said
}

struct Percentiles(Vec<Duration>);

impl Percentiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }

    fn p50(&self) -> String {
        micros(self.0[self.0.len() / 2])
    }

    fn p99(&self) -> String {
        micros(self.0[self.0.len() * 99 / 100])
    }
}

/// Three digits that count, in microseconds.
fn micros(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        ..10.0 => format!("{micros:.2} µs"),
        ..100.0 => format!("{micros:.1} µs"),
        _ => format!("{micros:.0} µs"),
    }
}

/// Requests that nobody has asked before.
const COLD: usize = 10_000;

/// Requests that are asked again and again, and how often.
const AGAIN: usize = 500;
const WARM: usize = 50_000;
