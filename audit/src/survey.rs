//! How a log stands, from its files: a look, not a check. Reads the checkpoint and the write-ahead
//! log, so it takes as long for a large log as for a small one.

use std::collections::BTreeMap;
use std::path::Path;

use crate::archive::Archive;
use crate::checkpoint::Checkpoint;
use crate::content::CONTENT;
use crate::entry::{EntryIndex, Peek, RequestId, StoredEntry, parse, peek};
use crate::publisher::KEYRING;
use crate::storage::DiskStorage;
use crate::storekeeper::WAL;
use crate::tail::{Batch, Damage, Tail};
use crate::tiles::TILES;

/// How a log stands.
#[derive(Clone, Debug)]
pub struct Survey {
    /// The last checkpoint; none before the first.
    pub checkpoint: Option<Checkpoint>,
    /// How many entries are durable, those beyond the checkpoint included.
    pub durable: u64,
    /// The newest entry, where there is one that can be read.
    pub newest: Option<StoredEntry>,
    /// Whether the log was closed in order.
    pub closed: bool,
    /// Intents without an outcome: in flight, or cut off by a crash.
    pub open: BTreeMap<EntryIndex, RequestId>,
    /// Bytes after the last commit: never acknowledged, dropped by the next opening.
    pub torn_bytes: u64,
    /// Bytes of tiles and entries, of sealed bodies, of their keys, and of the write-ahead log.
    pub bytes: [(&'static str, u64); 4],
    /// Bytes that are left on the file system for whoever writes the log.
    pub free_bytes: u64,
}

/// Looks at a log, running or not.
///
/// # Errors
/// [`Damage`] when its checkpoint or its write-ahead log cannot be read.
pub fn survey(dir: &Path) -> Result<Survey, Damage> {
    let storage = DiskStorage::existing(dir).map_err(|error| Damage::unreadable(dir, &error))?;
    let archive = Archive {
        storage: &storage,
        dir,
    };
    let mut checkpoint = archive.checkpoint(None)?;
    loop {
        // A log that is being written publishes its tail while we read it.
        match of_tail(&archive, checkpoint.as_ref()) {
            Ok(survey) => return Ok(survey),
            Err(damage) => match archive.checkpoint(None)? {
                newer if newer != checkpoint => checkpoint = newer,
                _ => return Err(damage),
            },
        }
    }
}

fn of_tail(archive: &Archive<'_>, checkpoint: Option<&Checkpoint>) -> Result<Survey, Damage> {
    let published = checkpoint.map_or(0, |checkpoint| checkpoint.size);
    let tail = Tail::find(archive.storage, archive.dir, None, published)?;
    let first = tail.segments.first();
    let mut open: BTreeMap<_, _> = first
        .map(|found| found.header.open.iter().copied().collect())
        .unwrap_or_default();
    let mut newest = None;
    let end = tail.replay(archive.storage, &mut |batch: Batch<'_>| {
        for entry in &batch.entries {
            match peek(entry.leaf) {
                Some(Peek::Intent(req)) => drop(open.insert(EntryIndex(entry.index), req)),
                Some(Peek::Outcome(intent)) => drop(open.remove(&intent)),
                Some(Peek::Other) | None => {}
            }
        }
        newest = batch.entries.last().map(|entry| entry.leaf.to_vec());
        Ok(())
    })?;
    let newest = match newest {
        Some(leaf) => Some(leaf),
        None => archive.last_leaf(published)?,
    };
    Ok(Survey {
        checkpoint: checkpoint.cloned(),
        durable: end.size.max(published),
        newest: newest.and_then(|leaf| parse(&leaf).ok()),
        closed: tail.segments.last().is_some_and(|found| found.header.clean),
        open,
        torn_bytes: end.torn_bytes,
        bytes: [TILES, CONTENT, KEYRING, WAL]
            .map(|folder| (folder, bytes_below(archive, &archive.dir.join(folder)))),
        free_bytes: free_bytes(archive.dir),
    })
}

/// The bytes of all files below a folder. Files come and go while a log is written: what is gone
/// counts nothing.
fn bytes_below(archive: &Archive<'_>, folder: &Path) -> u64 {
    let files = archive.storage.files(folder).unwrap_or_default();
    let sizes = files
        .iter()
        .filter_map(|file| std::fs::metadata(file).ok())
        .map(|metadata| metadata.len());
    sizes.sum()
}

/// Free bytes of the file system that holds a folder; zero where it does not say.
pub(crate) fn free_bytes(dir: &Path) -> u64 {
    rustix::fs::statvfs(dir).map_or(0, |system| system.f_bavail.saturating_mul(system.f_frsize))
}

#[cfg(test)]
mod tests;
