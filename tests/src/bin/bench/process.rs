//! Child processes that do not outlive the run, and what the kernel says they cost.

use std::fs;
use std::io;
use std::process::{Child, Command};
use std::time::Duration;

use crate::Failed;

/// A child that is killed when it is dropped.
pub(crate) struct Process {
    child: Child,
}

/// Memory of a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Resident now, in bytes.
    pub(crate) resident: u64,
    /// Resident at most so far, in bytes.
    pub(crate) peak: u64,
}

impl Process {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> Result<Process, Failed> {
        let started = command.spawn();
        let name = command.get_program().to_string_lossy().into_owned();
        let child = started.map_err(|error| format!("cannot start {name}: {error}"))?;
        Ok(Process { child })
    }

    /// Its id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its pipes, as far as they were asked for.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Processor time of all its threads.
    pub(crate) fn processor_time(&self) -> Result<Duration, Failed> {
        processor_time(self.id())
    }

    /// Its memory.
    pub(crate) fn memory(&self) -> Result<Memory, Failed> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let line = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name))?;
            value.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
        };
        match (line("VmRSS:"), line("VmHWM:")) {
            (Some(resident), Some(peak)) => Ok(Memory {
                resident: resident << 10,
                peak: peak << 10,
            }),
            _ => Err(format!("/proc/{}/status tells no memory", self.id()).into()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Processor time of all threads of a process. To the nanosecond where the kernel keeps `schedstat`, else in its clock
/// ticks of 10 ms. A thread that ended takes its nanoseconds with it; the threads of client, upstream and gateway do
/// not end under load.
pub(crate) fn processor_time(process: u32) -> Result<Duration, Failed> {
    match exact(process) {
        Ok(time) => Ok(time),
        Err(_) => in_ticks(process),
    }
}

fn exact(process: u32) -> io::Result<Duration> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let line = fs::read_to_string(task?.path().join("schedstat"))?;
        let first = line
            .split_whitespace()
            .next()
            .and_then(|number| number.parse::<u64>().ok());
        nanoseconds += first.ok_or(io::ErrorKind::InvalidData)?;
    }
    Ok(Duration::from_nanos(nanoseconds))
}

fn in_ticks(process: u32) -> Result<Duration, Failed> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The name may hold anything, up to the last bracket; utime and stime are the 14th and 15th field.
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = fields
        .split(' ')
        .skip(11)
        .take(2)
        .map(str::parse::<u64>)
        .sum::<Result<u64, _>>()?;
    Ok(Duration::from_millis(10 * ticks))
}
