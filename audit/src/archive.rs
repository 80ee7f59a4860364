//! Reading a log's files: the published part by its tiles, the rest by its write-ahead log.
//!
//! Nothing here writes, and nothing here believes: what is read is checked by whoever asked
//! ([`verify`](crate::verify()), [`prove_inclusion`](crate::prove_inclusion)), or handed on as it is
//! ([`entries`]). A log may be read while it is being written: tiles under a checkpoint do not
//! change, but a partial tile may be replaced by a fuller one, and the tail by a checkpoint.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};

use crate::checkpoint::{BadCheckpoint, Checkpoint, NOTE_BYTES_MAX, VerifyKey};
use crate::content::volume_path;
use crate::document::{Document, Sealed, Spoken};
use crate::entry::{BodyRef, ENTRY_BYTES_MAX, EntryIndex, RequestId, StoredEntry, Tag, parse};
use crate::merkle::Hash;
use crate::publisher::{CHECKPOINT, KEYRING};
use crate::seal::{Opener, Unopened};
use crate::shards::shards_after;
use crate::storage::{DiskStorage, Storage};
use crate::tail::{Batch, Damage, DamageKind, Tail};
use crate::tiles::{TileId, WIDTH, leaves};

/// The files of one log.
#[derive(Clone, Copy)]
pub(crate) struct Archive<'a> {
    pub(crate) storage: &'a dyn Storage,
    pub(crate) dir: &'a Path,
}

/// A tile as stored: its file, and its bytes up to the width asked for.
pub(crate) struct Tile {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
}

impl Archive<'_> {
    /// The checkpoint and its note; none for a log that has not published yet. Without a key the
    /// signature is not looked at.
    pub(crate) fn checkpoint(&self, key: Option<&VerifyKey>) -> Result<Option<Checkpoint>, Damage> {
        let note = self.note(key)?;
        Ok(note.map(|(checkpoint, _)| checkpoint))
    }

    /// The same, and the note as it stands.
    pub(crate) fn note(
        &self,
        key: Option<&VerifyKey>,
    ) -> Result<Option<(Checkpoint, String)>, Damage> {
        let path = self.dir.join(CHECKPOINT);
        let bytes = match self.storage.read_at_most(&path, NOTE_BYTES_MAX as u64) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.map_err(|error| Damage::unreadable(&path, &error))?,
        };
        let read = |note: String| {
            let checkpoint = match key {
                Some(key) => Checkpoint::open(&note, key),
                None => Checkpoint::read(&note),
            };
            checkpoint.map(|checkpoint| (checkpoint, note))
        };
        String::from_utf8(bytes)
            .map_err(|_| BadCheckpoint::Malformed)
            .and_then(read)
            .map(Some)
            .map_err(|bad| Damage::new(&path, DamageKind::Checkpoint(bad)))
    }

    /// A tile of the tree of `size` leaves. Where the exact partial tile has been replaced by the
    /// full one, the beginning of that.
    pub(crate) fn tile(&self, level: Option<u8>, number: u64, size: u64) -> Result<Tile, Damage> {
        let exact = TileId {
            level,
            number,
            width: width_at(level, number, size),
        };
        let path = self.dir.join(exact.path());
        match self.storage.read_at_most(&path, TILE_BYTES_MAX) {
            Ok(bytes) => Ok(Tile { path, bytes }),
            Err(error) if error.kind() == io::ErrorKind::NotFound && exact.width < WIDTH => {
                let full = self.dir.join(
                    TileId {
                        width: WIDTH,
                        ..exact
                    }
                    .path(),
                );
                let bytes = self
                    .storage
                    .read_at_most(&full, TILE_BYTES_MAX)
                    .map_err(|_| Damage::unreadable(&path, &error))?;
                let end = match level {
                    Some(_) => usize::try_from(exact.width * 32).ok(),
                    None => bundle_end(&bytes, exact.width),
                };
                let beginning = end.and_then(|end| bytes.get(..end));
                let short = || Damage::new(&full, DamageKind::Length);
                Ok(Tile {
                    bytes: beginning.ok_or_else(short)?.to_vec(),
                    path: full,
                })
            }
            Err(error) => Err(Damage::unreadable(&path, &error)),
        }
    }

    /// A full tile.
    pub(crate) fn full_tile(&self, tile: TileId) -> Result<Tile, Damage> {
        let path = self.dir.join(tile.path());
        let bytes = self
            .storage
            .read_at_most(&path, TILE_BYTES_MAX)
            .map_err(|error| Damage::unreadable(&path, &error))?;
        Ok(Tile { path, bytes })
    }

    /// The hashes of a tile.
    pub(crate) fn hashes(&self, level: u8, number: u64, size: u64) -> Result<Vec<Hash>, Damage> {
        let tile = self.tile(Some(level), number, size)?;
        let (hashes, odd) = tile.bytes.as_chunks::<32>();
        let whole = hashes.len() as u64 == width_at(Some(level), number, size) && odd.is_empty();
        match whole {
            true => Ok(hashes.to_vec()),
            false => Err(Damage::new(&tile.path, DamageKind::Length)),
        }
    }

    /// The last entry of the tree of `size` leaves.
    pub(crate) fn last_leaf(&self, size: u64) -> Result<Option<Vec<u8>>, Damage> {
        let Some(last) = size.checked_sub(1) else {
            return Ok(None);
        };
        let tile = self.tile(None, last / WIDTH, size)?;
        let leaf = leaves(&tile.bytes).filter_map(Result::ok).last();
        Ok(leaf.map(|(_, leaf)| leaf.to_vec()))
    }

    /// An entry of the tree of `size` leaves.
    pub(crate) fn entry(&self, index: u64, size: u64) -> Result<StoredEntry, Damage> {
        let tile = self.tile(None, index / WIDTH, size)?;
        let at = usize::try_from(index % WIDTH).unwrap_or(usize::MAX);
        let short = || Damage::new(&tile.path, DamageKind::Length).of(index);
        let (_, leaf) = leaves(&tile.bytes)
            .nth(at)
            .and_then(Result::ok)
            .ok_or_else(short)?;
        parse(leaf).map_err(|error| Damage::new(&tile.path, error.into()).of(index))
    }

    /// The entries of a bundle of the tree of `size` leaves, in order.
    pub(crate) fn bundle(&self, number: u64, size: u64) -> Result<Vec<StoredEntry>, Damage> {
        let tile = self.tile(None, number, size)?;
        let short = || Damage::new(&tile.path, DamageKind::Length);
        let entries = (number * WIDTH..).zip(leaves(&tile.bytes));
        let parsed = entries.map(|(index, leaf)| {
            let (_, leaf) = leaf.map_err(|_at| short().of(index))?;
            parse(leaf).map_err(|error| Damage::new(&tile.path, error.into()).of(index))
        });
        let parsed = parsed.collect::<Result<Vec<_>, _>>()?;
        match parsed.len() as u64 == width_at(None, number, size) {
            true => Ok(parsed),
            false => Err(short()),
        }
    }

    /// A published body, as sealed.
    pub(crate) fn body(&self, body: &BodyRef) -> Result<Vec<u8>, Damage> {
        let path = self.dir.join(volume_path(body.vol));
        let unreadable = |error: io::Error| Damage::unreadable(&path, &error).at(body.at);
        let file = self.storage.open(&path).map_err(unreadable)?;
        // The length comes from a file: believed only as far as the volume reaches.
        let reaches = body
            .at
            .checked_add(body.len)
            .is_some_and(|end| file.len().is_ok_and(|len| end <= len));
        let length = usize::try_from(body.len).ok().filter(|_| reaches);
        let mut sealed =
            vec![0; length.ok_or_else(|| Damage::new(&path, DamageKind::Length).at(body.at))?];
        file.read_exact_at(&mut sealed, body.at)
            .map_err(unreadable)?;
        Ok(sealed)
    }

    /// A body that is not what its entry says.
    pub(crate) fn bad_body(&self, body: &BodyRef) -> Damage {
        Damage::new(&self.dir.join(volume_path(body.vol)), DamageKind::Body).at(body.at)
    }

    /// A keyring file; its path is below the log's folder.
    pub(crate) fn keyring(&self, below: &Path) -> Result<Vec<u8>, Damage> {
        let path = self.dir.join(below);
        self.storage
            .read_at_most(&path, KEYRING_BYTES_MAX)
            .map_err(|error| Damage::unreadable(&path, &error))
    }

    /// The keyring files of an epoch, as they lie there: nothing says here that they were announced.
    fn keyrings(&self, epoch: Tag) -> Result<Vec<Vec<u8>>, Damage> {
        let first = epoch.to_string();
        let mut keyrings = Vec::new();
        // What was sealed again after the log was closed lies in a shard that came later.
        let later = shards_after(self.dir).unwrap_or_default();
        for dir in [self.dir]
            .into_iter()
            .chain(later.iter().map(PathBuf::as_path))
        {
            let folder = dir.join(KEYRING);
            let unreadable = |error| Damage::unreadable(&folder, &error);
            for path in self.storage.files(&folder).map_err(unreadable)? {
                if path.file_stem().is_some_and(|stem| *stem == *first) {
                    let read = self.storage.read_at_most(&path, KEYRING_BYTES_MAX);
                    keyrings.push(read.map_err(unreadable)?);
                }
            }
        }
        Ok(keyrings)
    }
}

/// A bundle of the longest entries.
const TILE_BYTES_MAX: u64 = WIDTH * (2 + ENTRY_BYTES_MAX as u64);
/// A message for sixteen recipients is some 10 KB.
const KEYRING_BYTES_MAX: u64 = 1024 * 1024;

/// Why a body cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Its files are not as they were, or it is not published yet.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// It does not open.
    #[error(transparent)]
    Unopened(#[from] Unopened),
}

/// Opens one of the bodies that an entry refers to, once it is published, and looks up the texts that
/// stand in others. `req` is the entry's.
///
/// # Errors
/// [`BodyError`].
pub fn open_body(
    dir: &Path,
    opener: &Opener,
    req: RequestId,
    body: &BodyRef,
) -> Result<Document, BodyError> {
    let storage = DiskStorage::existing(dir).map_err(|error| Damage::unreadable(dir, &error))?;
    let archive = Archive {
        storage: &storage,
        dir,
    };
    let unpublished = || Damage::new(&dir.join(CHECKPOINT), DamageKind::Missing);
    let checkpoint = archive.checkpoint(None)?.ok_or_else(unpublished)?;
    let reader = BodyReader {
        archive,
        opener,
        checkpoint,
    };
    let mut held: BTreeMap<(u64, u8), Sealed> = BTreeMap::new();
    let document = reader.read(req, body)?.resolve(|Spoken(entry, n, text)| {
        if let Entry::Vacant(place) = held.entry((entry, n)) {
            place.insert(reader.body_of(entry, n, body.epoch)?);
        }
        let holds = held.get(&(entry, n)).and_then(|other| other.text(text));
        Ok::<_, BodyError>(holds.map(str::to_owned))
    })?;
    document.ok_or(BodyError::Unopened(Unopened::Document))
}

/// Reads sealed bodies of one log.
struct BodyReader<'a> {
    archive: Archive<'a>,
    opener: &'a Opener,
    checkpoint: Checkpoint,
}

impl BodyReader<'_> {
    /// A body of an earlier entry, which must be of the same epoch.
    fn body_of(&self, entry: u64, n: u8, epoch: Tag) -> Result<Sealed, BodyError> {
        let lost = BodyError::Unopened(Unopened::Document);
        if entry >= self.checkpoint.size {
            return Err(lost);
        }
        let stored = self.archive.entry(entry, self.checkpoint.size)?;
        let body = stored.body.get(usize::from(n));
        match (stored.entry.request(), body) {
            (Some(req), Some(body)) if body.epoch == epoch => self.read(req, body),
            _ => Err(lost),
        }
    }

    fn read(&self, req: RequestId, body: &BodyRef) -> Result<Sealed, BodyError> {
        let sealed = self.archive.body(body)?;
        // Sealed again or not: any file that opens and fits will do, for the entry commits to the text.
        let mut opened = Err(Unopened::Keyring);
        for keyring in self.archive.keyrings(body.epoch)? {
            let origin = &self.checkpoint.origin;
            opened = self.opener.open(origin, &keyring, req, body, &sealed);
            if opened.is_ok() {
                break;
            }
        }
        Sealed::read(&opened?).ok_or(BodyError::Unopened(Unopened::Document))
    }
}

/// How wide a tile is in the tree of `size` leaves.
pub(crate) fn width_at(level: Option<u8>, number: u64, size: u64) -> u64 {
    let hashes = size >> (8 * u32::from(level.unwrap_or(0))).min(63);
    hashes
        .saturating_sub(number.saturating_mul(WIDTH))
        .min(WIDTH)
}

/// Where the first `count` entries of a bundle end.
pub(crate) fn bundle_end(bundle: &[u8], count: u64) -> Option<usize> {
    let mut end = 0;
    for leaf in leaves(bundle).take(usize::try_from(count).ok()?) {
        let (at, leaf) = leaf.ok()?;
        end = at + 2 + leaf.len();
    }
    Some(end)
}

/// The entries of a log, as stored, in order: what is published and what is durable beyond.
///
/// Reads only; says nothing about whether they are what they were ([`verify`](crate::verify()) does).
/// The entries beyond the checkpoint are held in memory: a few seconds' worth, at most what fits
/// into the write-ahead log.
///
/// # Errors
/// [`Damage`] when the checkpoint or the write-ahead log cannot be read.
pub fn entries(dir: &Path) -> Result<Entries, Damage> {
    let storage = DiskStorage::existing(dir).map_err(|error| Damage::unreadable(dir, &error))?;
    entries_in(Box::new(storage), dir)
}

pub(crate) fn entries_in(storage: Box<dyn Storage>, dir: &Path) -> Result<Entries, Damage> {
    let archive = Archive {
        storage: &*storage,
        dir,
    };
    let mut size = archive
        .checkpoint(None)?
        .map_or(0, |checkpoint| checkpoint.size);
    let beyond = loop {
        match tail_entries(&archive, size) {
            Ok(beyond) => break beyond,
            // The log is being written: its tail was published while we read it.
            Err(damage) => match archive.checkpoint(None)? {
                Some(moved) if moved.size > size => size = moved.size,
                _ => return Err(damage),
            },
        }
    };
    let edge = match size % WIDTH {
        0 => None,
        _ => Some(archive.tile(None, size / WIDTH, size)?),
    };
    Ok(Entries {
        dir: dir.to_owned(),
        storage,
        next: 0,
        size,
        edge,
        bundle: VecDeque::new(),
        beyond,
    })
}

fn tail_entries(archive: &Archive<'_>, size: u64) -> Result<VecDeque<Vec<u8>>, Damage> {
    let mut beyond = VecDeque::new();
    let tail = Tail::find(archive.storage, archive.dir, None, size)?;
    tail.replay(archive.storage, &mut |batch: Batch<'_>| {
        beyond.extend(
            batch
                .entries
                .iter()
                .filter(|entry| entry.index >= size)
                .map(|entry| entry.leaf.to_vec()),
        );
        Ok(())
    })?;
    Ok(beyond)
}

/// See [`entries`].
pub struct Entries {
    storage: Box<dyn Storage>,
    dir: PathBuf,
    next: u64,
    /// How many are published.
    size: u64,
    /// The incomplete bundle of that size, read while it is there.
    edge: Option<Tile>,
    bundle: VecDeque<Vec<u8>>,
    beyond: VecDeque<Vec<u8>>,
}

impl std::fmt::Debug for Entries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entries(next {})", self.next)
    }
}

impl Entries {
    fn fill(&mut self) -> Result<(), Damage> {
        let number = self.next / WIDTH;
        let tile = match self.edge.take_if(|_| number == self.size / WIDTH) {
            Some(edge) => edge,
            None => Archive {
                storage: &*self.storage,
                dir: &self.dir,
            }
            .tile(None, number, self.size)?,
        };
        for leaf in leaves(&tile.bytes) {
            let (_, leaf) =
                leaf.map_err(|at| Damage::new(&tile.path, DamageKind::Length).at(at as u64))?;
            self.bundle.push_back(leaf.to_vec());
        }
        match self.bundle.len() as u64 == width_at(None, number, self.size) {
            true => Ok(()),
            false => Err(Damage::new(&tile.path, DamageKind::Length)),
        }
    }
}

impl Iterator for Entries {
    type Item = Result<(EntryIndex, Vec<u8>), Damage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next < self.size
            && self.bundle.is_empty()
            && let Err(damage) = self.fill()
        {
            (self.next, self.size) = (u64::MAX, 0); // nothing follows what cannot be read
            self.beyond.clear();
            self.bundle.clear();
            return Some(Err(damage));
        }
        let leaf = self
            .bundle
            .pop_front()
            .or_else(|| self.beyond.pop_front())?;
        let index = EntryIndex(self.next);
        self.next += 1;
        Some(Ok((index, leaf)))
    }
}
