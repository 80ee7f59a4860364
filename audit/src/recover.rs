//! Opening a log: what a crash can leave, and how it is put right.
//!
//! 1. **Alone.** The folder's lock is taken; a second opener is sent away.
//! 2. **The checkpoint.** It must be ours and signed by our key; the right edge of the published
//!    tree must lead to its root. Nothing below it is ever given up.
//!    Without a checkpoint and without a write-ahead log the log is new: then **a clean header at
//!    zero** is made durable before anything else. So a folder that holds tiles, bodies or keys and
//!    neither of the two is never new: it lost them, and the log **refuses to open**. *A crash here*
//!    leaves empty folders, or the header.
//! 3. **The tail.** Batches are read from the write-ahead log by the rules of [`crate::tail`]; their
//!    entries must make the trees that the commits name. A tail that ends below the checkpoint, or
//!    disagrees with it, is a disk that was lost or rolled back: the log **refuses to open**, and an
//!    operator may begin a successor log. So far nothing was written.
//! 4. **The last batch is written again**, in place. It alone may be in the system's cache and not
//!    on the disk: its flush may have failed, and the process been killed before it could say so.
//!    Every earlier batch was flushed before its successor was begun. *A crash here* tears nothing:
//!    the bytes are the same.
//! 5. **Leftovers are removed**: segments before the tail, spares, segments that never held a
//!    commit. *A crash here* leaves some of them for the next opening.
//! 6. **A new life begins**: spares, an epoch key, then one first batch in a new segment: `boot`,
//!    `key.epoch`, and for every intent that has no outcome `unknown_crash`. *A crash before it is
//!    flushed* leaves the tail as it was; the next opening does the same again.

use std::any::Any;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::checkpoint::{Checkpoint, KeyError, Signer};
use crate::clock::Clock;
use crate::content::Spot;
use crate::desk::{Desk, Durable, Job, Live, Published, Shared};
use crate::entry::{
    Boot, Entry, EntryIndex, Epoch, FORMAT, NotAnEntry, OutcomeStatus, Peek, RequestId, Tag, peek,
};
use crate::merkle::{Frontier, Hash, leaf_hash};
use crate::publisher::{
    CHECKPOINT, CHECKPOINT_NEW, Copied, EpochError, KEYRING, Publisher, new_epoch,
};
use crate::seal::{self, Sealer};
use crate::sequencer::{Sequencer, Tip};
#[cfg(test)]
use crate::settings::Broken;
use crate::settings::Settings;
use crate::storage::Storage;
use crate::storekeeper::{Storekeeper, WAL, segment_path};
use crate::tail::{Batch, Damage, DamageKind, End, Found, Tail};
use crate::tiles::{Edge, leaves};
use crate::wal::{Base, Header};

/// Why a log does not open.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A setting is out of its bounds.
    #[error("audit settings: {0}")]
    Settings(&'static str),
    /// Another process, or another log of this one, has it open.
    #[error("the audit log is in use by another process")]
    InUse,
    /// The signer signs for another log than the settings name.
    #[error("the signing key is for another log than the settings name")]
    OtherOrigin,
    /// The log ends below its own last checkpoint: its disk was lost, replaced or rolled back.
    #[error(
        "the audit log ends at {found} entries, but a checkpoint was published at {published}: it was rolled back"
    )]
    RolledBack {
        /// The tree size of the checkpoint.
        published: u64,
        /// The tree size found.
        found: u64,
    },
    /// The folder of the shards is a log itself.
    #[error(
        "the audit log's folder is itself a log, where one folder a month is expected: move what is there to a folder of its own"
    )]
    Unsharded,
    /// The key that signs cannot be had.
    #[error("{}: cannot be the key of the audit log: {error}", file.display())]
    SigningKey {
        /// Its file.
        file: PathBuf,
        /// Why.
        error: KeyError,
    },
    /// There are remains of a log without what would say where it stood.
    #[error(
        "the audit log's folder holds {found} but {missing}: this is what is left of a log, not a new one, and it was not touched; put back the missing files, or keep the folder as it is and begin a new log in an empty one"
    )]
    Incomplete {
        /// What is there.
        found: Remains,
        /// What is not.
        missing: &'static str,
    },
    /// Something that had been durable is no longer as it was.
    #[error("the audit log is damaged: {0}")]
    Damaged(#[from] Damage),
    /// The disk says no.
    #[error("the audit log's disk: {0}")]
    Io(#[from] io::Error),
    /// The crypto provider says no.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl From<EpochError> for OpenError {
    fn from(error: EpochError) -> OpenError {
        match error {
            EpochError::Key(error) => error.into(),
            EpochError::Io(error) => error.into(),
        }
    }
}

/// What opening found and did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recovery {
    /// The tree size found.
    pub size: u64,
    /// How much of it was under a checkpoint.
    pub published: u64,
    /// Whether the log had been closed in order, or is new.
    pub clean: bool,
    /// Whole frames after the last commit that were dropped, in bytes: never acknowledged.
    pub torn_bytes: u64,
    /// Intents that were given the outcome `unknown_crash`.
    pub open_intents: u64,
    /// How long it took.
    pub took: Duration,
}

/// An opened log, not yet running.
pub(crate) struct Parts {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sequencer: Sequencer,
    pub(crate) publisher: Publisher,
    pub(crate) storekeeper: Storekeeper,
}

pub(crate) fn open(
    settings: Settings,
    storage: Arc<dyn Storage>,
    signer: Signer,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
) -> Result<(Parts, Recovery), OpenError> {
    let begun = Instant::now();
    if *signer.origin() != settings.origin {
        return Err(OpenError::OtherOrigin);
    }
    let lock = lock(&settings, &*storage)?; // 1
    let edge = match published(&settings, &*storage, &signer)? {
        Some(edge) => edge,
        None => unpublished(&settings, &*storage)?,
    }; // 2
    let state = replay(&settings, &*storage, edge)?; // 3
    rewrite_last_batch(&state, &*storage)?; // 4
    remove_leftovers(&settings, &*storage, &state)?; // 5
    let recovery = state.report();
    let parts = begin(settings, storage, signer, sealer, clock, lock, state)?; // 6
    Ok((
        parts,
        Recovery {
            took: begun.elapsed(),
            ..recovery
        },
    ))
}

// 1. Alone.
fn lock(
    settings: &Settings,
    storage: &dyn Storage,
) -> Result<Box<dyn Any + Send + Sync>, OpenError> {
    for folder in [WAL, "tile", "content", KEYRING] {
        storage.create_dir_all(&settings.dir.join(folder))?;
    }
    storage
        .lock(&settings.dir.join("lock"))
        .map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => OpenError::InUse,
            _ => error.into(),
        })
}

// 2. The checkpoint, and the edge of the tree under it; none when there is no checkpoint.
fn published(
    settings: &Settings,
    storage: &dyn Storage,
    signer: &Signer,
) -> Result<Option<Edge>, OpenError> {
    let path = settings.dir.join(CHECKPOINT);
    let note = match storage.read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => String::from_utf8(other?).unwrap_or_default(),
    };
    let checkpoint = Checkpoint::open(&note, &signer.verify_key())
        .map_err(|bad| Damage::new(&path, DamageKind::Checkpoint(bad)))?;
    let read = |tile: crate::tiles::TileId| {
        let path = settings.dir.join(tile.path());
        storage
            .read(&path)
            .map_err(|error| Damage::unreadable(&path, &error))
    };
    let sound = |edge: &Edge| {
        let whole =
            leaves(edge.bundle()).filter(Result::is_ok).count() as u64 == checkpoint.size % 256;
        whole && edge.frontier().root() == checkpoint.root.0
    };
    let edge = Edge::load(checkpoint.size, read)?.filter(sound);
    let edge = edge.ok_or_else(|| Damage::new(&settings.dir.join("tile"), DamageKind::Root))?;
    Ok(Some(edge))
}

// A log without a checkpoint begins at zero, by its write-ahead log; or it is new.
fn unpublished(settings: &Settings, storage: &dyn Storage) -> Result<Edge, OpenError> {
    let incomplete = |missing| {
        let found = Remains::of(storage, &settings.dir)?;
        Err(OpenError::Incomplete { found, missing })
    };
    match Tail::find(storage, &settings.dir, Some(settings.origin.mark()), 0) {
        Ok(tail) if !tail.segments.is_empty() => return Ok(Edge::default()),
        Ok(_) => {}
        Err(damage) if matches!(damage.fault, DamageKind::Gap(_)) => {
            return incomplete(
                "no checkpoint, and the write-ahead log begins after the first entry",
            );
        }
        Err(damage) => return Err(damage.into()),
    }
    let remains = Remains::of(storage, &settings.dir)?;
    if remains.wal {
        return incomplete("no checkpoint, and the write-ahead log is of another origin");
    }
    if remains != Remains::default() {
        return incomplete("neither a checkpoint nor a write-ahead log");
    }
    begin_new(settings, storage)?;
    Ok(Edge::default())
}

fn begin_new(settings: &Settings, storage: &dyn Storage) -> io::Result<()> {
    let tree = Frontier::default();
    let header = Header {
        number: 1,
        nonce: 0,
        mark: settings.origin.mark(),
        base: Base {
            size: tree.size(),
            root: tree.root(),
            spot: Spot::default(),
        },
        open: Vec::new(),
        clean: true,
    };
    let file = storage.create(&settings.dir.join(segment_path(0)))?;
    file.write_all_at(&header.to_bytes(), 0)?;
    file.sync_data()?;
    storage.sync_dir(&settings.dir.join(WAL))?;
    storage.sync_dir(&settings.dir)
}

/// What is left in a log's folder.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Remains {
    /// Files in `tile/`.
    pub tiles: usize,
    /// Files in `content/`.
    pub volumes: usize,
    /// Files in `keyring/`.
    pub keys: usize,
    /// Whether there is a write-ahead log, whosever it is.
    pub wal: bool,
}

impl Remains {
    pub(crate) fn of(storage: &dyn Storage, dir: &Path) -> Result<Remains, Damage> {
        let count = |folder| {
            let path = dir.join(folder);
            match storage.files(&path) {
                Ok(files) => Ok(files.len()),
                Err(error) => Err(Damage::unreadable(&path, &error)),
            }
        };
        Ok(Remains {
            tiles: count("tile")?,
            volumes: count("content")?,
            keys: count(KEYRING)?,
            wal: !Tail::find(storage, dir, None, u64::MAX)?
                .segments
                .is_empty(),
        })
    }
}

impl fmt::Display for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folders = [
            ("tile/", self.tiles),
            ("content/", self.volumes),
            ("keyring/", self.keys),
        ];
        let counted = |(folder, files): &(&str, usize)| match files {
            0 => None,
            1 => Some(format!("1 file in {folder}")),
            _ => Some(format!("{files} files in {folder}")),
        };
        let mut found: Vec<String> = folders.iter().filter_map(counted).collect();
        found.extend(self.wal.then(|| String::from("a write-ahead log")));
        f.write_str(&found.join(", "))
    }
}

/// What the tail says.
struct State {
    edge: Edge,
    tail: Tail,
    end: End,
    tree: Frontier,
    spot: Spot,
    ts: u64,
    open: BTreeMap<EntryIndex, RequestId>,
}

impl State {
    fn clean(&self) -> bool {
        self.tail
            .segments
            .last()
            .is_none_or(|found| found.header.clean)
    }

    fn report(&self) -> Recovery {
        Recovery {
            size: self.tree.size(),
            published: self.edge.size(),
            clean: self.clean(),
            torn_bytes: self.end.torn_bytes,
            open_intents: self.open.len() as u64,
            took: Duration::ZERO,
        }
    }
}

// 3. The tail.
fn replay(settings: &Settings, storage: &dyn Storage, edge: Edge) -> Result<State, OpenError> {
    let published = edge.size();
    let rolled_back = |found| OpenError::RolledBack { published, found };
    let tail = Tail::find(
        storage,
        &settings.dir,
        Some(settings.origin.mark()),
        published,
    )
    .map_err(|damage| match damage.fault {
        DamageKind::Gap(_) => rolled_back(0),
        _ => damage.into(),
    })?;
    if tail.segments.is_empty() && published > 0 {
        return Err(rolled_back(0)); // a log has a write-ahead log, however small
    }
    let mut walk = Walk {
        published: (published, edge.frontier().root()),
        met: tail.segments.is_empty(),
        tree: edge.frontier(),
        spot: Spot::default(),
        ts: 0,
        open: BTreeMap::new(),
    };
    if let Some(Found { header, path, .. }) = tail.segments.first() {
        walk.spot = header.base.spot;
        walk.open = header.open.iter().copied().collect();
        walk.meet(header.base.size, header.base.root, path)?;
    }
    let end = tail.replay(storage, &mut |batch: Batch<'_>| walk.visit(&batch))?;
    if end.size < published {
        return Err(rolled_back(end.size));
    }
    if !walk.met {
        return Err(Damage::new(&settings.dir.join(WAL), DamageKind::Gap(published)).into());
    }
    let Walk {
        tree,
        spot,
        ts,
        open,
        ..
    } = walk;
    Ok(State {
        edge,
        tail,
        end,
        tree,
        spot,
        ts,
        open,
    })
}

/// Follows the tail, batch by batch.
struct Walk {
    /// The checkpoint, and whether the tail has named the same tree at that size.
    published: (u64, Hash),
    met: bool,
    tree: Frontier,
    spot: Spot,
    ts: u64,
    open: BTreeMap<EntryIndex, RequestId>,
}

impl Walk {
    fn visit(&mut self, batch: &Batch<'_>) -> Result<(), Damage> {
        for entry in &batch.entries {
            let damage = || Damage::new(batch.file, DamageKind::Entry(NotAnEntry::Envelope));
            match peek(entry.leaf).ok_or_else(|| damage().at(entry.offset).of(entry.index))? {
                Peek::Intent(req) => drop(self.open.insert(EntryIndex(entry.index), req)),
                Peek::Outcome(intent) => drop(self.open.remove(&intent)),
                Peek::Other => {}
            }
            for (_, sealed) in &entry.bodies {
                self.spot.take(sealed.len() as u64);
            }
            if entry.index >= self.published.0 {
                self.tree.push(leaf_hash(entry.leaf));
            }
        }
        self.ts = batch.commit.ts;
        self.meet(batch.commit.size, batch.commit.root, batch.file)
    }

    /// The tail names a tree: it must be the published one, or the one that its entries make.
    fn meet(&mut self, size: u64, root: Hash, file: &Path) -> Result<(), Damage> {
        self.met |= size == self.published.0;
        let ours = match size.cmp(&self.published.0) {
            Ordering::Less => return Ok(()), // under the checkpoint, and not rebuilt here
            Ordering::Equal => self.published.1,
            Ordering::Greater => self.tree.root(),
        };
        match ours == root {
            true => Ok(()),
            false => Err(Damage::new(file, DamageKind::Commit).of(size.saturating_sub(1))),
        }
    }
}

// 4. The last batch is written again.
fn rewrite_last_batch(state: &State, storage: &dyn Storage) -> io::Result<()> {
    let (Some(found), Some(&end)) = (state.tail.segments.last(), state.end.ends.last()) else {
        return Ok(());
    };
    if end == found.start {
        return Ok(()); // a clean segment holds no batch
    }
    // The first batch of a segment went out with the header.
    let from = if state.end.last_batch == found.start {
        0
    } else {
        state.end.last_batch
    };
    let file = storage.open(&found.path)?;
    let mut bytes = vec![0; usize::try_from(end - from).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, from)?;
    file.write_all_at(&bytes, from)?;
    file.sync_data()
}

// 5. Leftovers.
fn remove_leftovers(settings: &Settings, storage: &dyn Storage, state: &State) -> io::Result<()> {
    let folder = settings.dir.join(WAL);
    let needed = |path: &PathBuf| state.tail.segments.iter().any(|found| found.path == *path);
    for path in storage
        .files(&folder)?
        .into_iter()
        .filter(|path| !needed(path))
    {
        storage.remove(&path)?;
    }
    storage.sync_dir(&folder)?;
    match storage.remove(&settings.dir.join(CHECKPOINT_NEW)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

// 6. A new life.
fn begin(
    settings: Settings,
    storage: Arc<dyn Storage>,
    signer: Signer,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    lock: Box<dyn Any + Send + Sync>,
    state: State,
) -> Result<Parts, OpenError> {
    let (key, epoch) = new_epoch(&*storage, &settings.dir, &settings.origin, &sealer)?;
    let boot = Tag(seal::random()?);
    let first = first_batch(&settings, &state, epoch);
    let copied = Copied {
        spot: state
            .tail
            .segments
            .first()
            .map_or(Spot::default(), |found| found.header.base.spot),
        segment: state
            .tail
            .segments
            .first()
            .map_or(u64::MAX, |found| found.id),
        offset: state.tail.segments.first().map_or(0, |found| found.start),
        edge: state.edge.clone(),
    };
    let next_file = state
        .tail
        .segments
        .iter()
        .map(|found| found.id.saturating_add(1))
        .max()
        .unwrap_or(0);
    let desk = desk(&settings, &*storage, &state)?;
    // The names of the folders, of the lock, and of the log's own folder in the one above.
    let above = settings.dir.parent().map(Path::to_owned);
    [above.as_deref(), Some(&*settings.dir)]
        .into_iter()
        .flatten()
        .try_for_each(|dir| storage.sync_dir(dir))?;

    let shared = Arc::new(Shared::new(settings, clock, key, desk, next_file));
    let tip = Tip {
        tree: state.tree,
        spot: state.spot,
        n: 0,
    };
    let mut sequencer = Sequencer::new(Arc::clone(&shared), boot, tip, state.open);
    let mut storekeeper = Storekeeper::new(Arc::clone(&shared), Arc::clone(&storage));
    let mut rest = first;
    storekeeper.look_at_the_disk();
    loop {
        storekeeper.supply()?;
        if sequencer.write_all(rest) {
            break;
        }
        if sequencer.has_failed() {
            return Err(io::Error::other("the first batch could not be written").into());
        }
        rest = sequencer.take_owed();
    }
    let publisher = Publisher::new(Arc::clone(&shared), storage, signer, sealer, copied, lock);
    Ok(Parts {
        shared,
        sequencer,
        publisher,
        storekeeper,
    })
}

fn first_batch(settings: &Settings, state: &State, epoch: Epoch) -> Vec<Job> {
    let boot = Boot {
        origin: settings.origin.name().clone(),
        format: FORMAT,
        found: state.tree.size(),
        clean: state.clean(),
        torn_bytes: state.end.torn_bytes,
        open: u32::try_from(state.open.len()).unwrap_or(u32::MAX),
        previous: settings.previous.clone().filter(|_| state.tree.size() == 0),
    };
    let own = [Entry::Boot(boot), Entry::Epoch(epoch)]
        .into_iter()
        .filter_map(Job::own);
    #[cfg(test)]
    if settings.broken == Some(Broken::Pairing) {
        return own.collect();
    }
    let outcomes = state.open.iter().filter_map(|(index, req)| {
        Job::bare_outcome(*req, *index, OutcomeStatus::UnknownCrash, None)
    });
    own.chain(outcomes).collect()
}

fn desk(settings: &Settings, storage: &dyn Storage, state: &State) -> io::Result<Desk> {
    let durable = Durable {
        size: state.tree.size(),
        root: state.tree.root(),
        ts: state.ts,
    };
    let published = Published {
        size: state.edge.size(),
        ts: 0,
    };
    let mut desk = Desk::new(settings, durable, published);
    desk.open = state.open.len() as u64;
    desk.last_number = state.tail.last_number;
    for (found, &end) in state.tail.segments.iter().zip(&state.end.ends) {
        desk.live.push_back(Live {
            id: found.id,
            file: Arc::from(storage.open(&found.path)?),
            nonce: found.header.nonce,
            base_size: found.header.base.size,
            base_root: found.header.base.root,
            start: found.start,
            end,
            failed: true, // of an earlier life: read, and not used again
        });
    }
    Ok(desk)
}
