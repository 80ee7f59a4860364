//! What a decision costs: Portcullis, casbin's plain `enforce` and Cedar on the same rules, in one run.
//!
//! ```sh
//! make bench-policy                          # 1,000, 10,000 and 100,000 rules
//! make bench-policy BENCH_ARGS="--rules 20000 --alone"
//! ```
//!
//! Printed is Markdown. Every engine answers the same requests, and the run fails if two of them differ. An engine that
//! refuses what this program itself has written panics: there would be nothing to measure.
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
    println!("|--:|---|--:|--:|--:|--:|--:|");
    let (mut notes, mut verdicts) = (String::new(), String::new());
    for size in sizes {
        let rules = Rules::of(size);
        let ours = measure::<portcullis::Portcullis>(&rules, COLD, WARM);
        let explained = portcullis::explain(&rules);
        verdicts += &aims(size, &ours, explained);
        if alone {
            continue;
        }
        // The others look at every rule, so that fewer calls must do.
        let few = (5_000_000 / size).clamp(50, COLD);
        let others = [
            (
                plain::Plain::NAME,
                measure::<plain::Plain>(&rules, few, few),
            ),
            (
                cedar::Cedar::NAME,
                measure::<cedar::Cedar>(&rules, few, few),
            ),
        ];
        for (name, other) in others {
            let mut pairs = ours.said.iter().zip(&other.said);
            if let Some(nth) = pairs.position(|(ours, theirs)| ours != theirs) {
                let request = rules.request(nth);
                eprintln!("error: Portcullis and {name} differ about {request:?}");
                return ExitCode::FAILURE;
            }
        }
        let permitted = ours.said.iter().filter(|permitted| **permitted).count();
        notes += &format!(
            "\n{size} rules: {permitted} of {COLD} requests are permitted; the engines agree on the first {few}.\n",
        );
    }
    println!("{notes}\n| what | wanted | got | verdict |\n|---|--:|--:|--:|\n{verdicts}");
    ExitCode::SUCCESS
}

/// What was aimed at for a number of rules, and what came of it.
fn aims(size: usize, ours: &Measured, explained: Duration) -> String {
    let micros = Duration::from_micros;
    let aims = match size {
        10_000 => vec![
            (
                "a decision that nobody asked before, p99",
                micros(250),
                ours.cold.p99(),
            ),
            (
                "a decision that is remembered, p99",
                micros(5),
                ours.warm.p99(),
            ),
            ("an explanation, p99", micros(50_000), explained),
        ],
        100_000 => vec![("all files loaded and checked", micros(2_000_000), ours.load)],
        _ => Vec::new(),
    };
    let line = |(what, wanted, got): (&str, Duration, Duration)| {
        let verdict = match got <= wanted {
            true => "reached".to_owned(),
            false => format!("missed by {}", short(got - wanted)),
        };
        format!(
            "| {size} rules: {what} | ≤ {} | {} | {verdict} |\n",
            short(wanted),
            short(got)
        )
    };
    aims.into_iter().map(line).collect()
}

/// The sizes to measure, as asked or the usual ones; and whether to leave the other engines out.
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
        sizes = vec![1_000, 10_000, 100_000];
    }
    Ok((sizes, alone))
}

/// How one engine did.
struct Measured {
    /// To the cold requests.
    said: Vec<bool>,
    load: Duration,
    cold: Percentiles,
    warm: Percentiles,
}

/// Measures one engine, and prints its line.
fn measure<E: Engine>(rules: &Rules, calls: usize, again: usize) -> Measured {
    let started = Instant::now();
    let engine = E::load(rules);
    let load = started.elapsed();
    let requests: Vec<Request> = (0..calls).map(|nth| rules.request(nth)).collect();
    let mut said = Vec::with_capacity(calls);
    let mut time = |request: &Request| {
        let started = Instant::now();
        said.push(black_box(engine.permits(request)));
        started.elapsed()
    };
    let cold = Percentiles::of(requests.iter().map(&mut time).collect());
    // The last ones again, as a busy application asks.
    let last = &requests[calls - calls.min(AGAIN)..];
    let warm = Percentiles::of(last.iter().cycle().take(again).map(time).collect());
    println!(
        "| {} | {} | {} | {} | {} | {} | {} |",
        rules.count(),
        E::NAME,
        short(load),
        short(cold.p50()),
        short(cold.p99()),
        short(warm.p50()),
        short(warm.p99()),
    );
    said.truncate(calls);
    Measured {
        said,
        load,
        cold,
        warm,
    }
}

struct Percentiles(Vec<Duration>);

impl Percentiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        Self(times)
    }

    fn p50(&self) -> Duration {
        self.0[self.0.len() / 2]
    }

    fn p99(&self) -> Duration {
        self.0[self.0.len() * 99 / 100]
    }
}

/// Three digits that count.
fn short(time: Duration) -> String {
    let micros = time.as_secs_f64() * 1e6;
    match micros {
        ..10.0 => format!("{micros:.2} µs"),
        ..100.0 => format!("{micros:.1} µs"),
        ..1_000.0 => format!("{micros:.0} µs"),
        ..10_000.0 => format!("{:.2} ms", micros / 1e3),
        ..100_000.0 => format!("{:.1} ms", micros / 1e3),
        ..1_000_000.0 => format!("{:.0} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

/// Requests that nobody has asked before.
const COLD: usize = 10_000;

/// Requests that are asked again and again, and how often.
const AGAIN: usize = 500;
const WARM: usize = 50_000;
