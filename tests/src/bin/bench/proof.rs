//! The kernel's word on flushes: system calls of the gateway, counted from outside while it serves, beside the count
//! that the gateway itself keeps. By `perf`, which costs next to nothing, else by `strace`; where neither may look,
//! that is said.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::sleep;

use crate::gateway::Gateway;
use crate::{Failed, client, load};

/// What both counts came to.
pub(crate) struct Proof {
    /// Whole answers while both counted. A few more were cut off at the end.
    pub(crate) requests: usize,
    /// Flushes by the gateway's count.
    pub(crate) flushes: f64,
    /// Calls of `fdatasync` and `fsync` by the kernel's.
    pub(crate) calls: u64,
    /// Who counted those.
    pub(crate) by: &'static str,
}

/// Whose calls are counted.
#[derive(Clone, Copy)]
pub(crate) enum Whose {
    Process(u32),
    Thread(u32),
}

/// A program that counts system calls of a running process or thread.
struct Counter {
    name: &'static str,
    /// The command for whose they are, a number of seconds, and the file that the counts go to.
    command: fn(Whose, f64, &Path) -> Command,
    /// The count in a line of that file.
    count: fn(&str) -> Option<u64>,
}

const COUNTERS: [Counter; 2] = [
    Counter {
        name: "perf",
        command: perf,
        count: count_of_perf,
    },
    Counter {
        name: "strace",
        command: strace,
        count: count_of_strace,
    },
];

/// For the counter to take hold before the load, and to outlast it.
const MARGIN: Duration = Duration::from_millis(700);

/// Loads the gateway while its system calls are counted into `file`.
///
/// # Errors
/// Why nobody could count.
pub(crate) async fn flushes(
    gateway: &Gateway,
    target: impl Fn() -> client::Target,
    connections: usize,
    measured: Duration,
    file: &Path,
) -> Result<Proof, Failed> {
    let whose = Whose::Process(gateway.process.id());
    let (calls, by, (requests, flushes)) = count(whose, measured, file, async || {
        let before = gateway.counters().await?;
        let timing = load::Timing {
            warm_up: Duration::ZERO,
            measured,
        };
        let load = load::run(target(), connections, timing, async || Ok(())).await?;
        let after = gateway.counters().await?;
        Ok((load.samples.len(), after.flushes - before.flushes))
    })
    .await?;
    Ok(Proof {
        requests,
        flushes,
        calls,
        by,
    })
}

/// Counts calls of `fdatasync` and `fsync` into `file` while something is done that takes `time`: how many, by whom
/// they were counted, and what was done.
///
/// # Errors
/// Why nobody could count.
pub(crate) async fn count<T>(
    whose: Whose,
    time: Duration,
    file: &Path,
    work: impl AsyncFn() -> Result<T, Failed>,
) -> Result<(u64, &'static str, T), Failed> {
    let mut reasons = Vec::new();
    for counter in COUNTERS {
        let work = async {
            sleep(MARGIN).await;
            work().await
        };
        let (counted, done) = tokio::join!(counter.run(whose, time + 2 * MARGIN, file), work);
        let done = done?;
        match counted {
            Ok(calls) => return Ok((calls, counter.name, done)),
            Err(error) => reasons.push(format!("{}: {error}", counter.name)),
        }
    }
    Err(reasons.join("; ").into())
}

impl Counter {
    async fn run(&self, whose: Whose, time: Duration, file: &Path) -> Result<u64, Failed> {
        let mut command = (self.command)(whose, time.as_secs_f64(), file);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let _ = command.status().await?; // its exit code tells how it was ended; the file, whether it counted
        let text = std::fs::read_to_string(file)?;
        let counts: Vec<_> = text.lines().filter_map(self.count).collect();
        if counts.is_empty() {
            Err("counted nothing".into())
        } else {
            Ok(counts.iter().sum())
        }
    }
}

fn perf(whose: Whose, seconds: f64, file: &Path) -> Command {
    let mut command = Command::new("perf");
    command.args([
        "stat",
        "-x,",
        "-e",
        "syscalls:sys_enter_fdatasync,syscalls:sys_enter_fsync",
        "-o",
    ]);
    command.arg(file);
    match whose {
        Whose::Process(id) => command.args(["-p", &id.to_string()]),
        Whose::Thread(id) => command.args(["-t", &id.to_string()]),
    };
    command.args(["--", "sleep", &seconds.to_string()]);
    command
}

/// `1234,,syscalls:sys_enter_fdatasync,…`
fn count_of_perf(line: &str) -> Option<u64> {
    let mut fields = line.split(',');
    let (count, _unit, event) = (fields.next()?, fields.next()?, fields.next()?);
    event.starts_with("syscalls:").then(|| count.parse().ok())?
}

fn strace(whose: Whose, seconds: f64, file: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.args([
        "--signal=INT",
        &seconds.to_string(),
        "strace",
        "-c",
        "-e",
        "trace=fdatasync,fsync",
        "-o",
    ]);
    command.arg(file);
    match whose {
        Whose::Process(id) => command.args(["-f", "-p", &id.to_string()]),
        Whose::Thread(id) => command.args(["-p", &id.to_string()]),
    };
    command
}

/// `99.05    0.012345          12      1234           fdatasync`
fn count_of_strace(line: &str) -> Option<u64> {
    let fields: Vec<_> = line.split_whitespace().collect();
    match fields.as_slice() {
        [_, _, _, calls, .., "fdatasync" | "fsync"] => calls.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
