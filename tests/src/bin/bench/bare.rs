//! What a flush costs without any gateway: one small record written and flushed, again and again, as a log would.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::Failed;
use crate::figures::{Percentiles, mean};

/// Flushes of one record at a time, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flushes {
    pub(crate) mean: f64,
    pub(crate) of: Percentiles,
}

/// A record of a request, more or less.
const RECORD: [u8; 4096] = [b'x'; 4096];

/// Enough for a median, at most a second on a slow disk.
const RECORDS_MAX: u64 = 200;
const TIME_MAX: Duration = Duration::from_secs(1);

/// Measures `fdatasync` on a file in `folder`, whose blocks are written beforehand, as a log's are.
pub(crate) fn flushes(folder: &Path) -> Result<Flushes, Failed> {
    let path = folder.join("bare-flushes");
    let file = OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(&path)?;
    for record in 0..RECORDS_MAX {
        file.write_all_at(&RECORD, record * RECORD.len() as u64)?;
    }
    file.sync_all()?;
    let (begun, mut times) = (Instant::now(), Vec::new());
    for record in 0..RECORDS_MAX {
        file.write_all_at(&RECORD, record * RECORD.len() as u64)?;
        let started = Instant::now();
        file.sync_data()?;
        times.push(started.elapsed());
        if begun.elapsed() > TIME_MAX {
            break;
        }
    }
    std::fs::remove_file(&path)?;
    Ok(Flushes {
        mean: mean(&times),
        of: Percentiles::of(times),
    })
}
