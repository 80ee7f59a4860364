//! The write-ahead log, held against the published part: where the two overlap it must say the same,
//! and beyond it must go on from there.

use std::collections::BTreeMap;

use super::bundle::{Line, Place, is_body, read_line};
use super::story::NOT_LATE;
use super::{State, is_kept};
use crate::archive::Archive;
use crate::checkpoint::Checkpoint;
use crate::content::Spot;
use crate::entry::{Entry, EntryIndex, RequestId, StoredEntry, parse};
use crate::merkle::{Frontier, Hash, leaf_hash};
use crate::tail::{Batch, Damage, DamageKind, Found, Stored, Visit};
use crate::tiles::{Edge, WIDTH};
use crate::wal::{Commit, Header};

/// Follows the write-ahead log.
pub(super) struct Walk<'a> {
    archive: &'a Archive<'a>,
    published: u64,
    kept: Option<&'a Checkpoint>,
    state: State,
    tree: Frontier,
    /// The level-0 tile that was read last, for entries that are published too.
    tile: Option<(u64, Vec<Hash>)>,
    /// What the overlap says of its beginning, until all of it was read.
    overlap: Option<Overlap>,
    /// The ends of requests beyond the checkpoint.
    ends: BTreeMap<u64, RequestId>,
}

/// How the log stood at the beginning of a segment that begins below the checkpoint, as far as what
/// came after tells: whatever is open there is closed later, or open still.
struct Overlap {
    found: Found,
    closed: BTreeMap<u64, RequestId>,
    first_body: Option<(Spot, u64)>,
}

impl<'a> Walk<'a> {
    /// From the published tree on, which `state` and `tree` are about.
    pub(super) fn new(
        archive: &'a Archive<'a>,
        published: u64,
        kept: Option<&'a Checkpoint>,
        state: State,
        tree: Frontier,
    ) -> Walk<'a> {
        Walk {
            archive,
            published,
            kept,
            state,
            tree,
            tile: None,
            overlap: None,
            ends: BTreeMap::new(),
        }
    }

    /// What all entries say, and their tree.
    pub(super) fn end(mut self) -> Result<(State, Frontier), Damage> {
        self.overlap_ends()?;
        Ok((self.state, self.tree))
    }

    /// An entry that is in the published tree as well must be the same there, bodies included.
    fn published_entry(&mut self, entry: &Stored<'_>, place: Place<'_>) -> Result<(), Damage> {
        let number = entry.index / WIDTH;
        if self.tile.as_ref().is_none_or(|(held, _)| *held != number) {
            self.tile = Some((number, self.archive.hashes(0, number, self.published)?));
        }
        let at = usize::try_from(entry.index % WIDTH).unwrap_or(usize::MAX);
        let published = self.tile.as_ref().and_then(|(_, hashes)| hashes.get(at));
        if published != Some(&leaf_hash(entry.leaf)) {
            return Err(place.damage(DamageKind::Hash));
        }
        let stored = parse(entry.leaf).map_err(|error| place.damage(error))?;
        bodies_follow(&stored, entry, place)?;
        if let Some(overlap) = &mut self.overlap {
            overlap.tell(stored);
        }
        Ok(())
    }

    fn new_entry(&mut self, entry: &Stored<'_>, place: Place<'_>) -> Result<(), Damage> {
        let line = read_line(entry.leaf, place)?;
        self.looks_back(&line, place)?;
        self.state.line(self.archive, &line, place)?;
        if line.bodies.len() != entry.bodies.len() {
            return Err(place.damage(DamageKind::Body));
        }
        for (body, (offset, sealed)) in line.bodies.iter().zip(&entry.bodies) {
            if !(self.state.takes_its_place(body) && is_body(body, sealed)) {
                let offset = *offset;
                return Err(Place { offset, ..place }.damage(DamageKind::Body));
            }
        }
        self.ends.extend(line.ends.map(|req| (entry.index, req)));
        self.tree.push(leaf_hash(entry.leaf));
        match self.kept {
            Some(kept) if kept.size == self.tree.size() => {
                is_kept(kept, &self.tree, self.archive.dir)
            }
            _ => Ok(()),
        }
    }

    fn looks_back(&self, line: &Line, place: Place<'_>) -> Result<(), Damage> {
        let Some((end, req)) = line.fact.looks_back() else {
            return Ok(());
        };
        let ended = match end.0 < self.published {
            true => self.archive.entry(end.0, self.published)?.entry.ends(),
            false => self.ends.get(&end.0).copied(),
        };
        match ended == Some(req) {
            true => Ok(()),
            false => Err(place.damage(DamageKind::Story(NOT_LATE))),
        }
    }

    /// The entries so far reach the checkpoint: a segment that begins below it must begin as they say.
    fn overlap_ends(&mut self) -> Result<(), Damage> {
        let Some(overlap) = self.overlap.take() else {
            return Ok(());
        };
        let Header { base, open, .. } = &overlap.found.header;
        let still = self.state.story.open.range(..base.size);
        let mut was_open = overlap.closed;
        was_open.extend(still.map(|(index, req)| (*index, *req)));
        let same_place = match overlap.first_body {
            Some((first, bytes)) => base.spot.clone().take(bytes) == first,
            None => base.spot == self.state.spot,
        };
        let root = root_at(self.archive, base.size, self.published)?;
        match root == base.root && same_place && are_open(open, &was_open) {
            true => Ok(()),
            false => Err(Damage::new(&overlap.found.path, DamageKind::Base).at(0)),
        }
    }
}

impl Visit for Walk<'_> {
    fn segment(&mut self, found: &Found) -> Result<(), Damage> {
        let Header {
            base, open, clean, ..
        } = &found.header;
        if base.size < self.published {
            self.overlap = Some(Overlap {
                found: found.clone(),
                closed: BTreeMap::new(),
                first_body: None,
            });
            return Ok(());
        }
        self.overlap_ends()?;
        let same = base.size == self.tree.size()
            && base.root == self.tree.root()
            && base.spot == self.state.spot
            && are_open(open, &self.state.story.open);
        if !same {
            return Err(Damage::new(&found.path, DamageKind::Base).at(0));
        }
        match *clean && !self.state.story.is_shut() {
            true => {
                let what = "calls an end clean that was none: entries were removed";
                Err(Damage::new(&found.path, DamageKind::Story(what)).at(0))
            }
            false => Ok(()),
        }
    }

    fn batch(&mut self, batch: Batch<'_>) -> Result<(), Damage> {
        for entry in &batch.entries {
            let place = Place {
                file: batch.file,
                offset: entry.offset,
                index: entry.index,
            };
            if entry.index < self.published {
                self.published_entry(entry, place)?;
            } else {
                self.overlap_ends()?;
                self.new_entry(entry, place)?;
            }
        }
        let Commit { size, root, .. } = batch.commit;
        match size < self.published || root == self.tree.root() {
            true => Ok(()),
            false => Err(Damage::new(batch.file, DamageKind::Commit)
                .at(batch.commit.from)
                .of(size - 1)),
        }
    }
}

impl Overlap {
    fn tell(&mut self, stored: StoredEntry) {
        if let Entry::Outcome(outcome) = &stored.entry
            && outcome.intent.0 < self.found.header.base.size
        {
            self.closed.insert(outcome.intent.0, outcome.req);
        }
        if let (None, Some(body)) = (self.first_body, stored.body.first()) {
            let spot = Spot {
                vol: body.vol,
                at: body.at,
            };
            self.first_body = Some((spot, body.len));
        }
    }
}

fn are_open(listed: &[(EntryIndex, RequestId)], open: &BTreeMap<u64, RequestId>) -> bool {
    let listed = listed.iter().map(|(index, req)| (index.0, *req));
    listed.eq(open.iter().map(|(index, req)| (*index, *req)))
}

/// The sealed bodies behind an entry must be those that it refers to.
fn bodies_follow(stored: &StoredEntry, entry: &Stored<'_>, place: Place<'_>) -> Result<(), Damage> {
    if stored.body.len() != entry.bodies.len() {
        return Err(place.damage(DamageKind::Body));
    }
    for (body, (offset, sealed)) in stored.body.iter().zip(&entry.bodies) {
        if !is_body(body, sealed) {
            let offset = *offset;
            return Err(Place { offset, ..place }.damage(DamageKind::Body));
        }
    }
    Ok(())
}

/// The root of the tree of the first `size` leaves, from the tiles of the tree of `published`.
pub(crate) fn root_at(archive: &Archive<'_>, size: u64, published: u64) -> Result<Hash, Damage> {
    let edge = Edge::load(size, |tile| {
        let Some(level) = tile.level else {
            return Ok(Vec::new());
        };
        let mut hashes = archive.hashes(level, tile.number, published)?;
        hashes.truncate(usize::try_from(tile.width).unwrap_or(usize::MAX));
        Ok(hashes.into_flattened())
    })?;
    Ok(edge.map_or(Hash::default(), |edge| edge.frontier().root()))
}
