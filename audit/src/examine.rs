//! Is this disk fit for a log? Every answer waits for two flushes, so their time is what users feel.
//!
//! Measured as the log does it: small writes, one behind the other, into a file whose bytes were
//! written and flushed before, each followed by `fdatasync`.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::storage::{DiskStorage, Storage};
use crate::survey::free_bytes;

/// What a disk did.
#[derive(Clone, Debug)]
pub struct Examination {
    /// How long each flush took, ascending.
    pub flushes: Vec<Duration>,
    /// Whether the file system is in memory: nothing there survives a restart.
    pub in_memory: bool,
    /// Bytes that are left.
    pub free_bytes: u64,
}

/// What follows from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fitness {
    /// Good for traffic.
    Fit,
    /// Works, and will be felt: this is what is slow.
    Slow(&'static str),
    /// Do not put a log there: this is why.
    Unfit(&'static str),
}

/// Measures `count` flushes in a folder, which must exist. Leaves nothing behind.
///
/// # Errors
/// As the system says.
pub fn examine(dir: &Path, count: usize) -> io::Result<Examination> {
    let storage = DiskStorage::existing(dir)?;
    let path = dir.join(format!(".portcullis-doctor-{}", std::process::id()));
    let measured = measure(&storage, &path, count);
    storage.remove(&path)?;
    let mut flushes = measured?;
    flushes.sort_unstable();
    Ok(Examination {
        flushes,
        in_memory: is_in_memory(dir),
        free_bytes: free_bytes(dir),
    })
}

fn measure(storage: &dyn Storage, path: &Path, count: usize) -> io::Result<Vec<Duration>> {
    let file = storage.create(path)?;
    let batch = [0x5a; BATCH_BYTES];
    file.write_all_at(&vec![0; count * BATCH_BYTES], 0)?;
    file.sync_data()?;
    storage.sync_dir(path.parent().unwrap_or(path))?;
    let flush = |n: usize| {
        let begun = Instant::now();
        file.write_all_at(&batch, (n * BATCH_BYTES) as u64)?;
        file.sync_data()?;
        Ok(begun.elapsed())
    };
    (0..count).map(flush).collect()
}

/// A batch of a few entries with their bodies.
const BATCH_BYTES: usize = 8 * 1024;

impl Examination {
    /// The mean.
    pub fn mean(&self) -> Duration {
        let count = u32::try_from(self.flushes.len()).unwrap_or(u32::MAX);
        let sum: Duration = self.flushes.iter().sum();
        sum.checked_div(count).unwrap_or_default()
    }

    /// The time within which this share (0..=1) of the flushes returned.
    pub fn within(&self, share: f64) -> Duration {
        let last = self.flushes.len().saturating_sub(1);
        // A position in a short list: exact, and not negative.
        let at = (last as f64 * share.clamp(0.0, 1.0)).round() as usize;
        self.flushes.get(at).copied().unwrap_or_default()
    }

    /// What to make of it.
    pub fn fitness(&self) -> Fitness {
        if self.in_memory {
            Fitness::Unfit("it is in memory: a restart loses the log")
        } else if self.free_bytes < FREE_BYTES_MIN {
            Fitness::Unfit("less than 1 GiB is free: traffic stops when it is full")
        } else if self.within(0.99) > UNFIT {
            Fitness::Unfit("one flush in a hundred takes longer than the log's alarm allows")
        } else if self.mean() > SLOW {
            Fitness::Slow("a flush takes more than 20 ms: every answer waits for two")
        } else if self.within(0.99) > STUTTERS {
            Fitness::Slow(
                "one flush in a hundred takes more than 100 ms: some answers will be late",
            )
        } else {
            Fitness::Fit
        }
    }
}

/// A flush of a slow cloud disk takes 4 to 12 ms.
const SLOW: Duration = Duration::from_millis(20);
const STUTTERS: Duration = Duration::from_millis(100);
/// The default of `Settings::commit_alarm`.
const UNFIT: Duration = Duration::from_millis(250);
/// A day of a busy replica.
const FREE_BYTES_MIN: u64 = 1 << 30;

/// By the file system's magic number (statfs(2)): tmpfs, ramfs.
fn is_in_memory(dir: &Path) -> bool {
    const TMPFS: i64 = 0x0102_1994;
    const RAMFS: i64 = 0x8584_58f6;
    rustix::fs::statfs(dir).is_ok_and(|system| [TMPFS, RAMFS].contains(&system.f_type))
}

#[cfg(test)]
mod tests;
