//! The other strategy: no write-ahead log, but every tile that a batch touches as a file of its own, written beside its
//! place, flushed, renamed, and its folder flushed; then the checkpoint in the same way, and only then is anybody told.
//!
//! It is what logs built on plain tiles do on a file system, at its best: one batch holds everyone who is in flight, and
//! entries cost nothing to make.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use audit::{leaf_hash, node_hash};

use super::load::Round;
use crate::figures::Percentiles;
use crate::{Failed, process};

const WIDTH: usize = 256;
/// As long as an ordinary entry.
const ENTRY: [u8; 900] = [b'x'; 900];

/// Writes batches of `in_flight` entries for so long.
pub(super) fn run(dir: &Path, in_flight: usize, time: Duration) -> Result<Round, Failed> {
    let mut log = Tiles::new(dir)?;
    let own = std::process::id();
    let processor = process::processor_time(own)?;
    let (begun, mut waits) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        let started = Instant::now();
        log.append(in_flight)?;
        waits.extend(std::iter::repeat_n(started.elapsed(), in_flight));
    }
    let (elapsed, entries) = (begun.elapsed(), waits.len() as u64);
    let spent = process::processor_time(own)?.saturating_sub(processor);
    Ok(Round {
        entries,
        per_second: entries as f64 / elapsed.as_secs_f64(),
        wait: Percentiles::of(waits),
        flushes: log.flushes,
        flush_ms: 1e3 * log.flushing.as_secs_f64() / log.flushes as f64,
        processor_us: 1e6 * spent.as_secs_f64() / entries as f64,
    })
}

struct Tiles {
    dir: PathBuf,
    size: usize,
    bundle: Vec<u8>,
    /// For each level the hashes of its incomplete tile.
    levels: Vec<Vec<[u8; 32]>>,
    touched: BTreeSet<PathBuf>,
    flushes: u64,
    flushing: Duration,
}

impl Tiles {
    fn new(dir: &Path) -> Result<Tiles, Failed> {
        fs::create_dir_all(dir.join("entries"))?;
        Ok(Tiles {
            dir: dir.to_owned(),
            size: 0,
            bundle: Vec::new(),
            levels: Vec::new(),
            touched: BTreeSet::new(),
            flushes: 0,
            flushing: Duration::ZERO,
        })
    }

    /// One batch: entries, tiles, folders, checkpoint.
    fn append(&mut self, entries: usize) -> Result<(), Failed> {
        for _ in 0..entries {
            self.bundle.extend_from_slice(&ENTRY);
            self.size += 1;
            if self.size.is_multiple_of(WIDTH) {
                self.write_bundle(self.size / WIDTH - 1)?;
            }
            self.push(leaf_hash(&ENTRY))?;
        }
        if !self.bundle.is_empty() {
            self.write_bundle(self.size / WIDTH)?;
        }
        let mut count = self.size;
        for level in 0..self.levels.len() {
            self.write_tile(level, count / WIDTH)?;
            count /= WIDTH;
        }
        for folder in std::mem::take(&mut self.touched) {
            self.flush(&File::open(folder)?)?;
        }
        let checkpoint = format!("origin\n{}\n", self.size);
        self.write(&self.dir.join("checkpoint"), checkpoint.as_bytes())?;
        self.flush(&File::open(&self.dir)?)
    }

    fn write_bundle(&mut self, number: usize) -> Result<(), Failed> {
        let bytes = std::mem::take(&mut self.bundle);
        self.write(&self.dir.join(format!("entries/{number}")), &bytes)?;
        if !self.size.is_multiple_of(WIDTH) {
            self.bundle = bytes;
        }
        Ok(())
    }

    fn push(&mut self, leaf: [u8; 32]) -> Result<(), Failed> {
        let (mut carried, mut count) = (leaf, self.size);
        for level in 0.. {
            if self.levels.len() <= level {
                self.levels.push(Vec::new());
                fs::create_dir_all(self.dir.join(level.to_string()))?;
            }
            let Some(hashes) = self.levels.get_mut(level) else {
                break;
            };
            hashes.push(carried);
            if !count.is_multiple_of(WIDTH) {
                break;
            }
            carried = root(hashes);
            count /= WIDTH;
            self.write_tile(level, count - 1)?;
            self.levels.get_mut(level).into_iter().for_each(Vec::clear);
        }
        Ok(())
    }

    fn write_tile(&mut self, level: usize, number: usize) -> Result<(), Failed> {
        let bytes = self
            .levels
            .get(level)
            .map_or_else(Vec::new, |hashes| hashes.concat());
        match bytes.is_empty() {
            true => Ok(()),
            false => self.write(&self.dir.join(format!("{level}/{number}")), &bytes),
        }
    }

    fn write(&mut self, path: &Path, bytes: &[u8]) -> Result<(), Failed> {
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        self.flush(&file)?;
        fs::rename(&new, path)?;
        self.touched.extend(path.parent().map(Path::to_owned));
        Ok(())
    }

    fn flush(&mut self, file: &File) -> Result<(), Failed> {
        let started = Instant::now();
        file.sync_all()?;
        self.flushing += started.elapsed();
        self.flushes += 1;
        Ok(())
    }
}

/// The root of a full tile.
fn root(hashes: &[[u8; 32]]) -> [u8; 32] {
    let mut nodes = hashes.to_vec();
    while nodes.len() > 1 {
        let (pairs, _) = nodes.as_chunks::<2>();
        nodes = pairs.iter().map(|[l, r]| node_hash(l, r)).collect();
    }
    nodes.first().copied().unwrap_or_default()
}
