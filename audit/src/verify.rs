//! The whole log, checked from its files alone.
//!
//! 1. The checkpoint is read, and its signature checked if a key was given.
//! 2. Every entry under it is read, in order: it must be the one form that this log writes, its hash
//!    must be in its tile, every tile must follow from those below, and all of it must lead to the
//!    root that is signed. Bodies must lie gapless in their volumes and be what their entries say;
//!    epoch keys must be the announced ones; and the entries must tell one story (see `story`).
//! 3. The write-ahead log must go on from there: the same entries and bodies where it overlaps, then
//!    committed batches whose trees are as they say. Each of its segments must begin as the log stood
//!    there, and one that is marked clean after `shutdown` (see `tail`).
//! 4. Files that nothing accounts for are listed.
//!
//! The first thing that does not hold ends it, with the entry, the file and the byte.
//!
//! # A log that is being written
//!
//! Full tiles under a checkpoint never change: what does not hold there is damage. The rest moves:
//! partial tiles of an older checkpoint are removed, segments are retired or used again, and a
//! segment may be caught between two batches. So what does not hold there is **looked at again**,
//! under the checkpoint of that moment, and is damage when the same thing does not hold twice: no
//! step of the writer can take the same thing away twice, because whatever it removes or replaces it
//! never brings back under that name and number. Nothing is ever passed over: only a look at which
//! everything holds makes a proof.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::thread;

use crate::archive::{Archive, bundle_end, width_at};
use crate::checkpoint::{BadCheckpoint, Checkpoint, Origin, VerifyKey};
use crate::content::{Spot, volume_path};
use crate::entry::{BodyRef, Digest, OutcomeStatus, Quote, ShardNext};
use crate::merkle::{Frontier, Hash};
use crate::publisher::{CHECKPOINT, CHECKPOINT_NEW, KEYRING};
use crate::storage::{DiskStorage, Storage};
use crate::storekeeper::WAL;
use crate::tail::{Damage, DamageKind, Plain, Tail};
use crate::tiles::{Edge, TileId, WIDTH, partials, tile_root};

mod bundle;
mod keyrings;
mod story;
mod tail;

use bundle::{Bundle, Line, Place, Reader};
use keyrings::Keyrings;
use story::{NOT_LATE, Story};
use tail::Walk;
pub(crate) use tail::root_at;

/// What to check, and how to hear of it.
#[derive(Default)]
pub struct VerifyOptions<'a> {
    /// The key that must have signed the checkpoint. Take it from somewhere else than the log's own
    /// disk. Without one, nothing is said about who signed.
    pub vkey: Option<VerifyKey>,
    /// A checkpoint that was kept elsewhere: the log must begin with its tree.
    pub since: Option<Checkpoint>,
    /// Leaves the sealed bodies unread: they are most of the bytes.
    pub skip_bodies: bool,
    /// How many threads read; without it, one for each core.
    pub threads: Option<NonZeroUsize>,
    /// Called now and then with the number of entries done and of entries under the checkpoint.
    pub progress: Option<&'a mut dyn FnMut(u64, u64)>,
}

impl fmt::Debug for VerifyOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyOptions")
            .field("vkey", &self.vkey)
            .field("since", &self.since)
            .field("skip_bodies", &self.skip_bodies)
            .field("threads", &self.threads)
            .finish()
    }
}

/// What the files prove. Its `Display` lists it in words, with what they do not prove.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proof {
    /// The log's name, where a checkpoint or an entry gives it.
    pub origin: Option<Origin>,
    /// How many entries there are.
    pub size: u64,
    /// The root hash of all of them.
    pub root: Digest,
    /// How many are under the checkpoint.
    pub published: u64,
    /// Whether the checkpoint's signature was checked.
    pub signature_checked: bool,
    /// The size of the kept checkpoint that the log was held against.
    pub since: Option<u64>,
    /// How many intents there are.
    pub intents: u64,
    /// The outcomes, by how they ended.
    pub outcomes: BTreeMap<OutcomeStatus, u64>,
    /// Refusals: denied, undecided.
    pub refusals: (u64, u64),
    /// Intents that have no outcome (yet: a log that is running, or that crashed, may have some).
    pub open_intents: u64,
    /// Outcomes that nobody waited for any more.
    pub late: u64,
    /// Sealed bodies, whether or not they were read.
    pub bodies: u64,
    /// Whether they were read and hashed.
    pub bodies_checked: bool,
    /// Bodies that could not be kept.
    pub omitted: u64,
    /// How often the log was opened, and how often without having been closed.
    pub boots: (u64, u64),
    /// The first and the last time, unix nanoseconds.
    pub times: (u64, u64),
    /// How often a time is before the one above it.
    pub clock_went_back: u64,
    /// Whole frames after the last commit: never acknowledged, dropped by the next opening.
    pub torn_bytes: u64,
    /// Files that nothing accounts for, ten at most.
    pub strays: Vec<PathBuf>,
    /// What it says of the logs before and after it.
    pub kin: Kin,
}

/// What a log says of the one before it, and of the one that goes on from it; as far as it is under the
/// checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Kin {
    /// The one before, as it stood when this one began.
    pub previous: Option<Quote>,
    /// Those before that have ended since, whole.
    pub closed: Vec<Quote>,
    /// The one that goes on, and the key that signs it.
    pub next: Option<ShardNext>,
}

/// Verifies a log from its files.
///
/// Reads everything once: some 0.2 million entries a second and core, and the bodies as fast as
/// they can be hashed. Memory: a segment of the write-ahead log.
///
/// # Errors
/// The first [`Damage`] found.
pub fn verify(dir: &Path, options: VerifyOptions<'_>) -> Result<Proof, Damage> {
    let storage = DiskStorage::existing(dir).map_err(|error| Damage::unreadable(dir, &error))?;
    verify_in(&storage, dir, options)
}

pub(crate) fn verify_in(
    storage: &dyn Storage,
    dir: &Path,
    options: VerifyOptions<'_>,
) -> Result<Proof, Damage> {
    let mut inspector = Inspector {
        archive: Archive { storage, dir },
        options,
        known: Known::default(),
    };
    let mut published = inspector.checkpoint()?;
    let name = published.as_ref().map(|checkpoint| &checkpoint.origin);
    inspector.known.state.story.origin = name.cloned();
    let mut looks = Vec::new();
    loop {
        inspector.full_tiles(published.as_ref())?;
        match inspector.look(published.as_ref()) {
            Ok(seen) => return Ok(inspector.proof(size_of(published.as_ref()), seen)),
            Err(damage) if looks.contains(&damage) || looks.len() >= LOOKS_MAX => {
                return Err(damage);
            }
            Err(damage) => looks.push(damage),
        }
        let moved = inspector.checkpoint()?;
        if size_of(moved.as_ref()) < size_of(published.as_ref()) {
            let path = dir.join(CHECKPOINT); // a checkpoint never goes back
            return Err(Damage::new(&path, DamageKind::Root));
        }
        published = moved;
    }
}

/// So many times the writer may get in our way before what does not hold counts as damage, be it
/// another thing each time.
const LOOKS_MAX: usize = 64;

fn size_of(checkpoint: Option<&Checkpoint>) -> u64 {
    checkpoint.map_or(0, |checkpoint| checkpoint.size)
}

/// So few bundles are read sooner than threads are started.
const WORTH_THREADS: u64 = 8;
/// So many bundles a thread reads ahead.
const AHEAD: usize = 4;

fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

fn thread_ended(dir: &Path) -> Damage {
    let what = String::from("a thread of the verifier ended");
    Damage::new(dir, DamageKind::Unreadable(what))
}

struct Inspector<'a, 'p> {
    archive: Archive<'a>,
    options: VerifyOptions<'p>,
    /// What the full tiles say.
    known: Known,
}

/// What was read so far.
#[derive(Clone, Default)]
struct Known {
    /// The published tree, as computed from the entries.
    edge: Edge,
    state: State,
}

/// A look at which everything held.
struct Seen {
    state: State,
    tree: Frontier,
    torn_bytes: u64,
    /// What the published entries say of other logs: what nobody signed counts for nothing there.
    kin: Kin,
}

/// What the entries so far say.
#[derive(Clone, Default)]
struct State {
    story: Story,
    /// Where the next body must lie.
    spot: Spot,
    /// Where the bodies of each volume end.
    volumes: BTreeMap<u32, u64>,
    keyrings: Keyrings,
    bodies: u64,
    omitted: u64,
    strays: Vec<PathBuf>,
}

/// A file, as it was before the tail was read.
struct Listed {
    path: PathBuf,
    bytes: u64,
}

impl<'a> Inspector<'a, '_> {
    // 1. The checkpoint. To whoever asks by whom the log is signed, one without is no log.
    fn checkpoint(&self) -> Result<Option<Checkpoint>, Damage> {
        let checkpoint = self.archive.checkpoint(self.options.vkey.as_ref())?;
        match (&checkpoint, &self.options.vkey) {
            (None, Some(_)) => {
                let path = self.archive.dir.join(CHECKPOINT);
                Err(Damage::new(&path, DamageKind::Missing))
            }
            _ => Ok(checkpoint),
        }
    }

    /// Looks at what may move: the tree's right edge, the tail, and what nothing accounts for. Keeps
    /// nothing of it.
    fn look(&mut self, checkpoint: Option<&Checkpoint>) -> Result<Seen, Damage> {
        let mut known = self.known.clone();
        if let Some(checkpoint) = checkpoint {
            self.right_edge(&mut known, checkpoint)?;
        }
        let published = known.edge.size();
        // Listed before the tail is read: whatever a file holds by now was committed before.
        let listed = self.list()?;
        let mut seen = self.tail(known, checkpoint)?;
        seen.state.keyrings.are_there()?;
        self.leftovers(&mut seen.state, listed, published)?;
        Ok(seen)
    }

    // 2. The tree: first its full tiles. Bundles are read side by side and told in order.
    fn full_tiles(&mut self, checkpoint: Option<&Checkpoint>) -> Result<(), Damage> {
        let size = size_of(checkpoint);
        let numbers = self.known.edge.size() / WIDTH..size / WIDTH;
        let reader = self.reader(size);
        let read = |number| reader.bundle(number, |hashes| reader.leads_up(number, hashes));
        let threads = self.options.threads.map_or_else(cores, NonZeroUsize::get);
        if threads == 1 || numbers.end.saturating_sub(numbers.start) < WORTH_THREADS {
            for number in numbers {
                self.full_tile(read(number)?, size)?;
            }
            return Ok(());
        }
        thread::scope(|scope| {
            let mut readers = Vec::new();
            for first in numbers.clone().take(threads) {
                let (done, bundles) = sync_channel(AHEAD);
                let mine = (first..numbers.end).step_by(threads);
                thread::Builder::new()
                    .spawn_scoped(scope, move || {
                        // An error means that nobody listens any more: something did not hold.
                        mine.map(read).all(|bundle| done.send(bundle).is_ok())
                    })
                    .map_err(|error| Damage::unreadable(reader.archive.dir, &error))?;
                readers.push(bundles);
            }
            for (_, bundles) in numbers.zip(readers.iter().cycle()) {
                let bundle = bundles
                    .recv()
                    .map_err(|_| thread_ended(reader.archive.dir))?;
                self.full_tile(bundle?, size)?;
            }
            Ok(())
        })
    }

    fn reader(&self, size: u64) -> Reader<'a> {
        Reader {
            archive: self.archive,
            size,
            skip_bodies: self.options.skip_bodies,
        }
    }

    /// Takes in the next full bundle.
    fn full_tile(&mut self, bundle: Bundle, size: u64) -> Result<(), Damage> {
        let begun = self.known.edge.size();
        self.known
            .state
            .bundle(&self.archive, &bundle, begun, size)?;
        self.keeps(&self.known.edge, &bundle.hashes)?;
        let edge = &mut self.known.edge;
        edge.push_tile(bundle.root, |tile, bytes| {
            compare_tile(&self.archive, tile, bytes, size)
        })?;
        if let Some(progress) = &mut self.options.progress {
            progress(edge.size(), size);
        }
        Ok(())
    }

    /// Where these next hashes take the tree to the size of the kept checkpoint, it must be its tree.
    fn keeps(&self, edge: &Edge, next: &[Hash]) -> Result<(), Damage> {
        let Some(kept) = &self.options.since else {
            return Ok(());
        };
        let more = kept.size.saturating_sub(edge.size());
        if more == 0 || more > next.len() as u64 {
            return Ok(());
        }
        let mut tree = edge.frontier();
        next.iter()
            .zip(0..more)
            .for_each(|(hash, _)| tree.push(*hash));
        is_kept(kept, &tree, self.archive.dir)
    }

    /// Then the partial ones, and the root.
    fn right_edge(&self, known: &mut Known, checkpoint: &Checkpoint) -> Result<(), Damage> {
        let Known { edge, state } = known;
        let (archive, size) = (&self.archive, checkpoint.size);
        let begun = edge.size();
        if begun < size {
            let leads_up = |hashes: &[Hash]| {
                let mut tree = edge.frontier();
                hashes.iter().for_each(|hash| tree.push(*hash));
                Ok(tree.root() == checkpoint.root.0)
            };
            let bundle = self.reader(size).bundle(begun / WIDTH, leads_up)?;
            state.bundle(archive, &bundle, begun, size)?;
            self.keeps(edge, &bundle.hashes)?;
            bundle.hashes.iter().for_each(|hash| edge.push_hash(*hash));
        }
        for tile in partials(size)
            .into_iter()
            .filter(|tile| tile.level.is_some_and(|level| level > 0))
        {
            compare_tile(archive, tile, edge.partial(tile), size)?;
        }
        match edge.frontier().root() == checkpoint.root.0 {
            true => Ok(()),
            false => Err(Damage::new(&archive.dir.join(CHECKPOINT), DamageKind::Root)),
        }
    }

    // 3. The tail.
    fn tail(&self, known: Known, checkpoint: Option<&Checkpoint>) -> Result<Seen, Damage> {
        let archive = &self.archive;
        let Known { edge, state } = known;
        let origin = checkpoint
            .map(|checkpoint| &checkpoint.origin)
            .or(state.story.origin.as_ref());
        let published = edge.size();
        let tail = Tail::find(
            archive.storage,
            archive.dir,
            origin.map(Origin::mark),
            published,
        )?;
        // A log has a write-ahead log, however small.
        if tail.segments.is_empty() {
            return Err(Damage::new(&archive.dir.join(WAL), DamageKind::Missing));
        }
        let kept = self.options.since.as_ref();
        let kin = state.story.kin.clone();
        let mut walk = Walk::new(archive, published, kept, state, edge.frontier());
        let end = tail.replay(archive.storage, &mut walk)?;
        if end.size < published {
            return Err(Damage::new(
                &archive.dir.join(WAL),
                DamageKind::Gap(published),
            ));
        }
        let (state, tree) = walk.end()?;
        if let Some(kept) = &self.options.since {
            reaches(kept, tree.size(), state.story.origin.as_ref(), archive.dir)?;
        }
        Ok(Seen {
            state,
            tree,
            torn_bytes: end.torn_bytes,
            kin,
        })
    }

    // 4. What nothing accounts for: all files, with the lengths of the volumes.
    fn list(&self) -> Result<Vec<Listed>, Damage> {
        let Archive { storage, dir } = self.archive;
        let volumes = dir.join("content");
        let files = storage
            .files(dir)
            .map_err(|error| Damage::unreadable(dir, &error))?;
        let length = |path: PathBuf| {
            let bytes = match path.starts_with(&volumes) {
                true => storage
                    .open(&path)
                    .and_then(|file| file.len())
                    .map_err(|error| Damage::unreadable(&path, &error))?,
                false => 0,
            };
            Ok(Listed { path, bytes })
        };
        files.into_iter().map(length).collect()
    }

    fn leftovers(
        &self,
        state: &mut State,
        listed: Vec<Listed>,
        published: u64,
    ) -> Result<(), Damage> {
        for Listed { path, bytes } in listed {
            let below = path.strip_prefix(self.archive.dir).unwrap_or(&path);
            let accounted = match below
                .components()
                .next()
                .and_then(|part| part.as_os_str().to_str())
            {
                Some("tile") => self.leftover_tile(below, &path, published)?,
                Some("content") => state.volume(below, &path, bytes)?,
                Some(KEYRING) => state.keyrings.account_for(below),
                Some(WAL | CHECKPOINT | CHECKPOINT_NEW | "lock") => true,
                _ => false,
            };
            if !accounted && state.strays.len() < 10 {
                state.strays.push(path);
            }
        }
        Ok(())
    }

    /// A tile that the tree above did not need is the beginning of one that it did, or lies beyond
    /// the checkpoint: copied, and not yet signed for. Or it is what a crash left of such a copy:
    /// nobody can rely on it, because no checkpoint ever needed it. So nobody misses it either, when
    /// the writer has removed it since it was listed.
    fn leftover_tile(&self, below: &Path, path: &Path, published: u64) -> Result<bool, Damage> {
        let Some(tile) = TileId::parse(below) else {
            return Ok(false);
        };
        if tile.width >= width_at(tile.level, tile.number, published) {
            return Ok(true);
        }
        let part = match self.archive.storage.read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            other => other.map_err(|error| Damage::unreadable(path, &error))?,
        };
        let whole = self.archive.tile(tile.level, tile.number, published)?;
        let ends = match tile.level {
            Some(_) => part.len() as u64 == 32 * tile.width,
            None => bundle_end(&part, tile.width) == Some(part.len()),
        };
        Ok(ends && whole.bytes.starts_with(&part))
    }

    fn proof(self, published: u64, seen: Seen) -> Proof {
        let Seen {
            state,
            tree,
            torn_bytes,
            kin,
        } = seen;
        let State {
            story,
            bodies,
            omitted,
            strays,
            ..
        } = state;
        Proof {
            late: story.late(),
            origin: story.origin,
            size: tree.size(),
            root: Digest(tree.root()),
            published,
            signature_checked: self.options.vkey.is_some() && published > 0,
            since: self.options.since.map(|kept| kept.size),
            intents: story.intents,
            outcomes: story.outcomes,
            refusals: story.refusals,
            open_intents: story.open.len() as u64,
            bodies,
            bodies_checked: !self.options.skip_bodies,
            omitted,
            boots: story.boots,
            times: story.times.unwrap_or_default(),
            clock_went_back: story.clock_went_back,
            torn_bytes,
            strays,
            kin,
        }
    }
}

/// The tree of the kept checkpoint's size must be the kept one.
fn is_kept(kept: &Checkpoint, tree: &Frontier, dir: &Path) -> Result<(), Damage> {
    match tree.root() == kept.root.0 {
        true => Ok(()),
        false => Err(Damage::new(dir, DamageKind::Rewritten(kept.size))),
    }
}

/// The log must reach the kept checkpoint, and be the one that it speaks of.
fn reaches(
    kept: &Checkpoint,
    size: u64,
    origin: Option<&Origin>,
    dir: &Path,
) -> Result<(), Damage> {
    let fault = if origin.is_some_and(|origin| *origin != kept.origin) {
        BadCheckpoint::OtherLog(kept.origin.clone()).into()
    } else if size < kept.size {
        DamageKind::CutOff {
            kept: kept.size,
            found: size,
        }
    } else {
        return Ok(());
    };
    Err(Damage::new(dir, fault))
}

/// A tile that follows from those below must be stored as it follows.
fn compare_tile(
    archive: &Archive<'_>,
    tile: TileId,
    bytes: &[u8],
    size: u64,
) -> Result<(), Damage> {
    let stored = match tile.width {
        WIDTH => archive.full_tile(tile)?,
        _ => archive.tile(tile.level, tile.number, size)?,
    };
    if stored.bytes == bytes {
        return Ok(());
    }
    let differs = stored
        .bytes
        .iter()
        .zip(bytes)
        .position(|(stored, ours)| stored != ours);
    let at = differs.unwrap_or(stored.bytes.len().min(bytes.len())) as u64;
    let spans = 8 * u32::from(tile.level.unwrap_or(0));
    let first = (tile.number * WIDTH + at / 32) << spans.min(63);
    Err(Damage::new(&stored.path, DamageKind::Hash).at(at).of(first))
}

impl State {
    /// Takes in a bundle of the tree of `size` leaves, whose first entry is `begun`.
    fn bundle(
        &mut self,
        archive: &Archive<'_>,
        bundle: &Bundle,
        begun: u64,
        size: u64,
    ) -> Result<(), Damage> {
        for (line, index) in bundle.lines.iter().zip(begun..) {
            let place = Place {
                file: &bundle.path,
                offset: line.offset,
                index,
            };
            self.line(archive, line, place)?;
            if let Some((end, req)) = line.fact.looks_back() {
                let ended = archive.entry(end.0, size)?.entry.ends();
                if ended != Some(req) {
                    return Err(place.damage(DamageKind::Story(NOT_LATE)));
                }
            }
            for body in &line.bodies {
                if !self.takes_its_place(body) {
                    return Err(archive.bad_body(body).of(index));
                }
            }
        }
        bundle.damage.clone().map_or(Ok(()), Err)
    }

    /// Takes in one entry, bodies apart.
    fn line(&mut self, archive: &Archive<'_>, line: &Line, place: Place<'_>) -> Result<(), Damage> {
        self.story
            .tell(place.index, &line.fact)
            .map_err(|what| place.damage(DamageKind::Story(what)))?;
        if let Some(entry) = &line.announces {
            self.keyrings.tell(archive, entry, place)?;
        }
        let announced = |body: &BodyRef| self.keyrings.has(body.epoch);
        if !line.bodies.iter().all(announced) {
            let what = "a body is sealed under a key that was never announced";
            return Err(place.damage(DamageKind::Story(what)));
        }
        self.omitted += line.omitted;
        Ok(())
    }

    /// Whether a body lies where the one before it ends.
    fn takes_its_place(&mut self, body: &BodyRef) -> bool {
        let Spot { vol, at } = self.spot.take(body.len);
        self.bodies += 1;
        self.volumes.insert(vol, self.spot.at);
        (vol, at) == (body.vol, body.at)
    }

    /// A volume holds bodies of entries and nothing else; whether it holds any.
    fn volume(&self, below: &Path, path: &Path, bytes: u64) -> Result<bool, Damage> {
        let ours = |(vol, end): (&u32, &u64)| (below == volume_path(*vol)).then_some(*end);
        match self.volumes.iter().rev().find_map(ours) {
            Some(end) if bytes > end => Err(Damage::new(path, DamageKind::Length).at(end)),
            end => Ok(end.is_some()),
        }
    }
}

impl Reader<'_> {
    /// Whether the hashes of a full tile lead to what is stored above them: in the tile of the
    /// checkpoint of this moment, because that of an older one may be gone.
    fn leads_up(&self, number: u64, hashes: &[Hash]) -> Result<bool, Damage> {
        let size = self
            .size
            .max(size_of(self.archive.checkpoint(None)?.as_ref()));
        let above = self.archive.hashes(1, number / WIDTH, size)?;
        let at = usize::try_from(number % WIDTH).unwrap_or(usize::MAX);
        Ok(above.get(at) == Some(&tile_root(hashes)))
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Proof {
            size,
            root,
            published,
            intents,
            open_intents,
            bodies,
            ..
        } = self;
        let (denied, undecided) = self.refusals;
        let (boots, crashes) = self.boots;
        writeln!(f, "proved, from the files alone:")?;
        writeln!(
            f,
            "  {size} entries, each in the form that this log writes, make the tree with root {root}"
        )?;
        match (&self.origin, self.signature_checked) {
            (Some(origin), true) => writeln!(f, "  {origin} signed the first {published} of them")?,
            _ => writeln!(
                f,
                "  the first {published} of them are under the log's checkpoint"
            )?,
        }
        writeln!(
            f,
            "  {} more are committed in the write-ahead log and not yet signed",
            size - published
        )?;
        if let Some(kept) = self.since {
            writeln!(
                f,
                "  the first {kept} are those of the checkpoint that was kept: none was altered, removed or added"
            )?;
        }
        writeln!(
            f,
            "  {intents} intents have {} outcomes, exactly one each; {open_intents} have none (yet)",
            intents - open_intents
        )?;
        for (status, count) in &self.outcomes {
            writeln!(f, "    {}: {count}", status.as_str())?;
        }
        writeln!(
            f,
            "  {denied} requests were denied, {undecided} could not be decided"
        )?;
        match self.bodies_checked {
            true => writeln!(
                f,
                "  {bodies} sealed bodies are those that the entries refer to"
            )?,
            false => writeln!(
                f,
                "  {bodies} sealed bodies have their places; they were not read"
            )?,
        }
        writeln!(
            f,
            "  the log was opened {boots} times, {crashes} of them after a crash"
        )?;
        writeln!(f, "not proved:")?;
        if !self.signature_checked {
            writeln!(
                f,
                "  who signed: no verifier key was given, or nothing is signed yet"
            )?;
        }
        match self.since {
            None => writeln!(
                f,
                "  that nothing was rewritten by a holder of the signing key: compare with a checkpoint that left this machine"
            )?,
            Some(kept) => writeln!(
                f,
                "  that nothing after the first {kept} was rewritten by a holder of the signing key"
            )?,
        }
        writeln!(
            f,
            "  that the last entries were not cut off: a root that somebody else keeps proves it"
        )?;
        writeln!(
            f,
            "  that the sealed bodies say what they should: open them, and compare the commitments"
        )?;
        writeln!(
            f,
            "  the times: they are the machine's; {} of them go back",
            self.clock_went_back
        )?;
        writeln!(
            f,
            "  that the gateway did as it wrote: this proves what was written, and when in the order of things"
        )?;
        if self.late > 0 || self.omitted > 0 {
            writeln!(
                f,
                "to know: {} outcomes came too late for whoever waited; {} bodies were not kept for want of space",
                self.late, self.omitted
            )?;
        }
        if self.torn_bytes > 0 {
            writeln!(
                f,
                "to know: {} bytes after the last commit were never acknowledged",
                self.torn_bytes
            )?;
        }
        self.strays
            .iter()
            .try_for_each(|stray| writeln!(f, "to know: nothing accounts for {}", Plain(stray)))
    }
}

#[cfg(test)]
mod tests;
