//! One bundle of entries, checked for all that can be known without the others: that each is an
//! entry, that it has the hash in the tree, that its bodies are what it says. Any number of bundles
//! can be read side by side; what they tell together is the story's affair, in order.

use std::path::{Path, PathBuf};

use super::story::Fact;
use crate::archive::{Archive, Tile};
use crate::entry::{BodyRef, Digest, Entry, RequestId, parse};
use crate::merkle::{Hash, leaf_hash};
use crate::tail::{Damage, DamageKind};
use crate::tiles::{WIDTH, leaves, tile_root};

/// What a bundle says.
pub(super) struct Bundle {
    pub(super) path: PathBuf,
    /// The entries in order, up to the first that does not hold.
    pub(super) lines: Vec<Line>,
    /// The hashes of its tile, and their root.
    pub(super) hashes: Vec<Hash>,
    pub(super) root: Hash,
    /// What does not hold after the last of `lines`, if anything.
    pub(super) damage: Option<Damage>,
}

/// An entry: what the others must be held against.
pub(super) struct Line {
    /// Where it lies in its file.
    pub(super) offset: u64,
    pub(super) fact: Fact,
    pub(super) bodies: Vec<BodyRef>,
    /// The entry itself, if it announces a keyring file.
    pub(super) announces: Option<Box<Entry>>,
    pub(super) omitted: u64,
    /// The request whose end the entry is.
    pub(super) ends: Option<RequestId>,
}

/// Where an entry was read.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) file: &'a Path,
    pub(super) offset: u64,
    pub(super) index: u64,
}

impl Place<'_> {
    pub(super) fn damage(&self, fault: impl Into<DamageKind>) -> Damage {
        Damage::new(self.file, fault.into())
            .at(self.offset)
            .of(self.index)
    }
}

/// Reads bundles of the tree of `size` leaves.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) archive: Archive<'a>,
    pub(super) size: u64,
    pub(super) skip_bodies: bool,
}

impl Reader<'_> {
    /// Reads and checks a bundle. Where an entry and its hash differ, `hashes_hold` says which of
    /// the two was altered: whether the stored hashes lead to what is above them.
    pub(super) fn bundle(
        &self,
        number: u64,
        hashes_hold: impl Fn(&[Hash]) -> Result<bool, Damage>,
    ) -> Result<Bundle, Damage> {
        let tile = self.archive.tile(None, number, self.size)?;
        let hashes = self.archive.hashes(0, number, self.size)?;
        let mut lines = Vec::with_capacity(hashes.len());
        let read = self.lines(&tile, number, &hashes, hashes_hold, &mut lines);
        Ok(Bundle {
            path: tile.path,
            lines,
            damage: read.err(),
            root: tile_root(&hashes),
            hashes,
        })
    }

    fn lines(
        &self,
        tile: &Tile,
        number: u64,
        hashes: &[Hash],
        hashes_hold: impl Fn(&[Hash]) -> Result<bool, Damage>,
        lines: &mut Vec<Line>,
    ) -> Result<(), Damage> {
        let mut stored = hashes.iter();
        for (leaf, index) in leaves(&tile.bytes).zip(number * WIDTH..) {
            let (Ok((offset, _)) | Err(offset)) = leaf;
            let place = Place {
                file: &tile.path,
                offset: offset as u64,
                index,
            };
            let (_, leaf) = leaf.map_err(|_| place.damage(DamageKind::Length))?;
            let hash = stored
                .next()
                .ok_or_else(|| place.damage(DamageKind::Length))?;
            if *hash != leaf_hash(leaf) {
                return Err(match hashes_hold(hashes)? {
                    true => place.damage(DamageKind::Hash),
                    false => self.bad_hash(index)?,
                });
            }
            let line = read_line(leaf, place)?;
            self.bodies(&line, index)?;
            lines.push(line);
        }
        let end = || Damage::new(&tile.path, DamageKind::Length).at(tile.bytes.len() as u64);
        stored.next().map_or(Ok(()), |_| Err(end()))
    }

    fn bad_hash(&self, index: u64) -> Result<Damage, Damage> {
        let tile = self.archive.tile(Some(0), index / WIDTH, self.size)?;
        Ok(Damage::new(&tile.path, DamageKind::Hash)
            .at(32 * (index % WIDTH))
            .of(index))
    }

    fn bodies(&self, line: &Line, index: u64) -> Result<(), Damage> {
        let read = line.bodies.iter().filter(|_| !self.skip_bodies);
        for body in read {
            let sealed = self.archive.body(body).map_err(|damage| damage.of(index))?;
            if !is_body(body, &sealed) {
                return Err(self.archive.bad_body(body).of(index));
            }
        }
        Ok(())
    }
}

/// Reads an entry.
pub(super) fn read_line(leaf: &[u8], place: Place<'_>) -> Result<Line, Damage> {
    let stored = parse(leaf).map_err(|error| place.damage(error))?;
    let fact = Fact::from(&stored);
    let announces = matches!(stored.entry, Entry::Epoch(_) | Entry::Rewrap(_));
    Ok(Line {
        offset: place.offset,
        fact,
        omitted: stored.omitted.len() as u64,
        ends: stored.entry.ends(),
        bodies: stored.body,
        announces: announces.then(|| Box::new(stored.entry)),
    })
}

/// Whether these are the sealed bytes that an entry refers to.
pub(super) fn is_body(body: &BodyRef, sealed: &[u8]) -> bool {
    sealed.len() as u64 == body.len && Digest::of(sealed) == body.ct
}
