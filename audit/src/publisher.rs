//! Publishing: from the write-ahead log into tiles, volumes and a signed checkpoint.
//!
//! Off the commit path; what it makes can be made again. In order:
//!
//! 1. **Copy** what was committed since the last checkpoint: full tiles as they fill, partial ones at
//!    the end, sealed bodies into their volumes. The entries are read back from the segments, and
//!    their tree is computed anew: what gets signed is what is on the disk, not what was in memory.
//!    *A crash here* leaves files beyond the checkpoint, which nobody reads; the next copy writes the
//!    same bytes over them.
//! 2. **Sync** all of it, names included. *A crash here* is the case before. What was synced is never
//!    written again: from the next step on, a checkpoint may stand on it.
//! 3. **Sign** the checkpoint into `checkpoint.new`, sync it, rename it, sync the folder. *A crash
//!    here* leaves the old checkpoint or the new one. Either is true, and no third can ever be
//!    signed for that size: the tree it names was committed before (the commit is the "about to
//!    sign"), and recovery goes on from there.
//! 4. **Retire** segments whose every entry is under the checkpoint: a later segment must hold a
//!    commit already. They become spares, without a change of name. *A crash here* leaves segments
//!    that recovery passes over, because a later one begins no later than the checkpoint.
//!
//! When a step fails, nothing is forgotten: the next attempt does it again. Meanwhile the write-ahead
//! log grows, up to its bound; then requests are refused.
//!
//! Partial tiles of the checkpoint before the last stay until the next one, for readers that are
//! on their way.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::checkpoint::{KeyError, Origin, Signer};
use crate::content::{Spot, volume_path};
use crate::desk::{Live, Phase, Published, Shared, Spare};
use crate::entry::{Digest, Entry, Epoch, Nothing};
use crate::merkle::leaf_hash;
use crate::rewrap;
use crate::seal::{EpochKey, Sealer};
use crate::storage::{File, Storage};
use crate::storekeeper::{WAL, segment_path};
use crate::tiles::{Edge, TileId, partials};
use crate::wal::{Base, Content, Frames, Header};

/// How long one epoch key seals bodies.
const EPOCH: Duration = Duration::from_secs(600);
/// How often to look for keyring files that were sealed again.
const LOOK_FOR_OFFERS: Duration = Duration::from_secs(60);
/// The checkpoint's name below the log's folder, and the name it is written under.
pub(crate) const CHECKPOINT: &str = "checkpoint";
pub(crate) const CHECKPOINT_NEW: &str = "checkpoint.new";
/// The folder of the epoch keys.
pub(crate) const KEYRING: &str = "keyring";

/// Makes the public tree.
pub(crate) struct Publisher {
    shared: Arc<Shared>,
    storage: Arc<dyn Storage>,
    signer: Signer,
    sealer: Sealer,
    /// What is in tiles and volumes, and synced.
    copied: Copied,
    /// What is under a checkpoint that is known to be durable.
    signed: u64,
    /// Folders that exist.
    folders: HashSet<PathBuf>,
    /// Partial tiles on the disk, as far as we know of them.
    partials: Vec<TileId>,
    epoch_since: Instant,
    /// Keyring files that were sealed again and wait to be announced, and when they were looked for.
    offers: Vec<PathBuf>,
    looked_for_offers: Option<Instant>,
    /// The tree size when it last changed, and when that was.
    changed: (u64, Instant),
    /// Held until the last file is written.
    _lock: Box<dyn std::any::Any + Send + Sync>,
}

/// How far the copying has come. Replaced only when everything up to there is synced.
#[derive(Clone)]
pub(crate) struct Copied {
    pub(crate) edge: Edge,
    pub(crate) spot: Spot,
    /// The segment, and the offset of the next frame there.
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// A tree that was committed.
#[derive(Clone, Copy)]
struct Target {
    size: u64,
    root: [u8; 32],
}

/// Why publishing did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("the write-ahead log reads back differently from what was committed")]
    ReadBack,
}

impl Publisher {
    pub(crate) fn new(
        shared: Arc<Shared>,
        storage: Arc<dyn Storage>,
        signer: Signer,
        sealer: Sealer,
        copied: Copied,
        lock: Box<dyn std::any::Any + Send + Sync>,
    ) -> Publisher {
        let size = copied.edge.size();
        Publisher {
            shared,
            storage,
            signer,
            sealer,
            copied,
            folders: HashSet::new(),
            signed: size,
            partials: partials(size),
            epoch_since: Instant::now(),
            offers: Vec::new(),
            looked_for_offers: None,
            changed: (size, Instant::now()),
            _lock: lock,
        }
    }

    /// Publishes until the log is closed, and then once more.
    pub(crate) fn run(mut self) {
        let every = self.shared.settings.checkpoint_every;
        loop {
            // Early when a segment's worth waits: the write-ahead log is not an archive. But not when
            // that has just failed: it would fail again, and again.
            let copied = self.copied.segment;
            self.shared.wait_for_chore(every, |desk| {
                desk.live.len() > 2
                    && desk.live.front().is_some_and(|live| live.id == copied)
                    && !desk.publishing_fails
            });
            if self.shared.desk().phase == Phase::Written {
                return self.finish();
            }
            self.turn();
        }
    }

    /// One turn: publish, then the small chores.
    pub(crate) fn turn(&mut self) {
        let published = self.publish();
        let fails = published.is_err();
        let failed = std::mem::replace(&mut self.shared.desk().publishing_fails, fails);
        match published {
            // Once: the metrics and `readyz` go on saying it.
            Err(error) if !failed => {
                tracing::warn!(%error, "the audit log cannot be published; entries stay in its write-ahead log");
            }
            Ok(()) if failed => tracing::info!("the audit log is published again"),
            _ => {}
        }
        if self.epoch_since.elapsed() > EPOCH {
            self.begin_epoch();
        }
        self.adopt_offer();
        self.beat();
    }

    /// Steps 1 to 4, as far as there is anything to do. Of a backlog, one segment after the other:
    /// each comes back as a spare, so that on a full disk a little room is enough to go on.
    pub(crate) fn publish(&mut self) -> Result<(), PublishError> {
        loop {
            let (live, target, last) = self.next_target();
            if target.size > self.copied.edge.size() {
                self.partials.extend(partials(target.size));
                let (copied, written) = self.copy(&live, target)?; // 1
                self.storage
                    .sync_files(&self.shared.settings.dir, &written)?; // 2
                self.copied = copied;
            }
            if self.copied.edge.size() > self.signed {
                self.sign()?; // 3
            }
            self.retire()?; // 4
            if last {
                return Ok(());
            }
        }
    }

    /// The live segments, up to where to publish them next, and whether that is all there is.
    fn next_target(&self) -> (Vec<Live>, Target, bool) {
        let desk = self.shared.desk();
        let live: Vec<Live> = desk.live.iter().cloned().collect();
        let begins = |segment: &Live| Target {
            size: segment.base_size,
            root: segment.base_root,
        };
        let copied = self.copied.edge.size();
        let end_of_segment = live.iter().map(begins).find(|next| next.size > copied);
        let end = Target {
            size: desk.durable.size,
            root: desk.durable.root,
        };
        let target = end_of_segment.unwrap_or(end);
        (live, target, end_of_segment.is_none())
    }

    // 1. Copy.
    fn copy(
        &mut self,
        live: &[Live],
        target: Target,
    ) -> Result<(Copied, Vec<PathBuf>), PublishError> {
        let mut copied = self.copied.clone();
        // A small tree's upper tiles stay as wide as they were: those are synced, and may be under a
        // checkpoint, which must never stand on a file that is being written.
        let synced = partials(copied.edge.size());
        let mut files = Files {
            publisher: self,
            written: Vec::new(),
            volume: None,
        };
        let resume = live
            .iter()
            .position(|segment| segment.id == copied.segment)
            .unwrap_or(0);
        let up_to_target = |segment: &&Live| segment.base_size < target.size;
        for segment in live.iter().skip(resume).take_while(up_to_target) {
            if segment.id != copied.segment {
                (copied.segment, copied.offset) = (segment.id, segment.start);
            }
            copy_segment(&mut copied, segment, target.size, &mut files)?;
        }
        for tile in partials(target.size)
            .into_iter()
            .filter(|tile| !synced.contains(tile))
        {
            files.tile(tile, copied.edge.partial(tile))?;
        }
        let read_back = (copied.edge.size(), copied.edge.frontier().root());
        match read_back == (target.size, target.root) {
            true => Ok((copied, files.written)),
            false => Err(PublishError::ReadBack),
        }
    }

    // 3. Sign. When the last sync fails, the new checkpoint may be the durable one or not; so what it
    // stands on is not touched again (it was copied and synced, and `copied` says so), and the next
    // attempt signs anew.
    fn sign(&mut self) -> io::Result<()> {
        let dir = &self.shared.settings.dir;
        let (new, public) = (dir.join(CHECKPOINT_NEW), dir.join(CHECKPOINT));
        let size = self.copied.edge.size();
        let note = self.signer.note(size, self.copied.edge.frontier().root());
        let file = self.storage.create(&new)?;
        file.write_all_at(note.as_bytes(), 0)?;
        file.sync_data()?;
        self.storage.rename(&new, &public)?;
        self.storage.sync_dir(dir)?;
        let ts = self.shared.clock.now();
        self.shared.desk().published = Published { size, ts };
        let last = std::mem::replace(&mut self.signed, size);
        self.drop_partials(&[partials(last), partials(size)].concat());
        Ok(())
    }

    /// Removes the partial tiles that are no longer needed. One that cannot be removed is a true
    /// beginning of its tile, and harmless.
    fn drop_partials(&mut self, needed: &[TileId]) {
        let (needed, dropped) = self
            .partials
            .drain(..)
            .partition(|tile| needed.contains(tile));
        self.partials = needed;
        for tile in dropped {
            let path = self.shared.settings.dir.join(tile.path());
            drop(self.storage.remove(&path));
            let folder = path.parent().unwrap_or(&path);
            if self.storage.remove_dir(folder).is_ok() {
                self.folders.remove(folder);
            }
        }
    }

    // 4. Retire.
    fn retire(&mut self) -> io::Result<()> {
        loop {
            let mut desk = self.shared.desk();
            let next_begins = desk.live.get(1).map(|next| next.base_size);
            if next_begins.is_none_or(|base| base > self.signed) {
                return Ok(());
            }
            let Some(Live {
                id, file, failed, ..
            }) = desk.live.pop_front()
            else {
                return Ok(());
            };
            if !failed && desk.keeps_spare() && file.len()? == self.shared.settings.segment_bytes {
                desk.supply(Spare { id, file });
                drop(desk);
                self.shared.wake_all();
            } else {
                drop(desk);
                self.storage
                    .remove(&self.shared.settings.dir.join(segment_path(id)))?;
            }
        }
    }

    /// Ends the log in order: everything under a checkpoint, and one small segment that says so.
    fn finish(mut self) {
        self.shared.wait_until_made();
        let published = self.publish();
        if published.is_ok() {
            self.drop_partials(&partials(self.signed)); // no reader is on its way to the older ones
        }
        let closed = published
            .map_err(|error| error.to_string())
            .and_then(|()| self.leave_clean().map_err(|error| error.to_string()));
        if let Err(error) = closed {
            tracing::warn!(%error, "the audit log was closed without a clean end; recovery will do the rest");
        }
    }

    /// Replaces the write-ahead log by a header. *A crash before the last sync* leaves it beside the
    /// segments that it stands for: both say the same.
    fn leave_clean(&self) -> io::Result<()> {
        let (durable, number, in_order) = {
            let desk = self.shared.desk();
            (desk.durable, desk.last_number, desk.ended_in_order)
        };
        if !in_order || durable.size != self.signed {
            return Ok(()); // the tail is needed
        }
        let header = Header {
            number: number + 1,
            nonce: 0,
            mark: self.shared.settings.origin.mark(),
            base: Base {
                size: durable.size,
                root: durable.root,
                spot: self.copied.spot,
            },
            open: Vec::new(),
            clean: true,
        };
        let (folder, path) = self.segment(self.shared.next_file());
        let file = self.storage.create(&path)?;
        file.write_all_at(&header.to_bytes(), 0)?;
        file.sync_data()?;
        self.storage.sync_dir(&folder)?;
        for other in self
            .storage
            .files(&folder)?
            .into_iter()
            .filter(|other| *other != path)
        {
            self.storage.remove(&other)?;
        }
        self.storage.sync_dir(&folder)
    }

    fn segment(&self, id: u64) -> (PathBuf, PathBuf) {
        let dir = &self.shared.settings.dir;
        (dir.join(WAL), dir.join(segment_path(id)))
    }

    /// Begins a new epoch. The old key stays in use when that fails, and the next turn tries again.
    fn begin_epoch(&mut self) {
        let dir = &self.shared.settings.dir;
        match new_epoch(
            &*self.storage,
            dir,
            &self.shared.settings.origin,
            &self.sealer,
        ) {
            Ok((key, epoch)) => {
                self.epoch_since = Instant::now();
                self.shared.change_epoch(key, Entry::Epoch(epoch));
            }
            Err(error) => tracing::warn!(%error, "no new epoch key; the old one stays in use"),
        }
    }

    /// Begins a new epoch at once.
    #[cfg(test)]
    pub(crate) fn next_epoch(&mut self) {
        self.begin_epoch();
    }

    /// Announces one keyring file that was sealed again. One a turn: the log's own entries must not
    /// crowd out those of requests, and nobody waits for these.
    fn adopt_offer(&mut self) {
        let dir = &self.shared.settings.dir;
        let due = |looked: Instant| looked.elapsed() > LOOK_FOR_OFFERS;
        if self.offers.is_empty() && self.looked_for_offers.is_none_or(due) {
            self.looked_for_offers = Some(Instant::now());
            self.offers = rewrap::offers(&*self.storage, dir).unwrap_or_default();
        }
        let Some(offer) = self.offers.pop() else {
            return;
        };
        match rewrap::adopt(&*self.storage, dir, self.sealer.recipients(), &offer) {
            Ok(rewrap) => self.shared.queue_own(Entry::Rewrap(rewrap)),
            Err(error) => {
                tracing::warn!(offer = %offer.display(), %error, "a keyring file is not taken in");
            }
        }
    }

    /// Says that the log is alive, when nothing else has for a while.
    fn beat(&mut self) {
        let size = self.shared.desk().durable.size;
        if size != self.changed.0 {
            self.changed = (size, Instant::now());
        } else if self.changed.1.elapsed() >= self.shared.settings.checkpoint_idle {
            self.changed.1 = Instant::now();
            self.shared.queue_own(Entry::Heartbeat(Nothing {}));
        }
    }
}

/// Why there is no new epoch key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EpochError {
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A new epoch key, once the file that lets the recipients have it is durable, and the entry that
/// announces it. *A crash before the entry is committed* leaves a file that no entry names: nothing
/// was sealed under it that anybody will ask for.
pub(crate) fn new_epoch(
    storage: &dyn Storage,
    dir: &Path,
    origin: &Origin,
    sealer: &Sealer,
) -> Result<(EpochKey, Epoch), EpochError> {
    let (key, keyring) = sealer.epoch(origin)?;
    let path = dir.join(KEYRING).join(key.tag().to_string());
    storage.create(&path)?.write_all_at(&keyring, 0)?;
    storage.sync_files(dir, std::slice::from_ref(&path))?;
    let epoch = Epoch {
        epoch: key.tag(),
        keyring: Digest::of(&keyring),
        recipients: sealer.recipients().digests(),
    };
    Ok((key, epoch))
}

/// Copies the committed frames of one segment, from where the copying stands.
fn copy_segment(
    copied: &mut Copied,
    segment: &Live,
    size_max: u64,
    files: &mut Files<'_>,
) -> Result<(), PublishError> {
    let begun = files.publisher.copied.edge.size();
    let bytes =
        usize::try_from(segment.end.saturating_sub(copied.offset)).map_err(io::Error::other)?;
    let mut stretch = vec![0; bytes];
    segment.file.read_exact_at(&mut stretch, copied.offset)?;
    for frame in Frames::new(&stretch, copied.offset, segment.nonce) {
        match frame.content {
            Content::Entry(leaf) if frame.index == copied.edge.size() && frame.index < size_max => {
                copied
                    .edge
                    .push(leaf, leaf_hash(leaf), |tile, bytes| files.tile(tile, bytes))?;
            }
            // Published already: recovery begins at a segment's start.
            Content::Entry(_) if frame.index < begun => {}
            Content::Entry(_) => return Err(PublishError::ReadBack),
            Content::Body(sealed) => {
                let spot = copied.spot.take(sealed.len() as u64);
                if frame.index >= begun {
                    files.body(spot, sealed)?;
                }
            }
            Content::Commit(_) => {}
        }
    }
    copied.offset = segment.end;
    Ok(())
}

/// Writes what is copied, and remembers what must be synced.
struct Files<'a> {
    publisher: &'a mut Publisher,
    written: Vec<PathBuf>,
    volume: Option<(u32, Box<dyn File>)>,
}

impl Files<'_> {
    fn tile(&mut self, tile: TileId, bytes: &[u8]) -> io::Result<()> {
        let path = self.publisher.shared.settings.dir.join(tile.path());
        self.publisher.make_folder_of(&path)?;
        self.publisher
            .storage
            .create(&path)?
            .write_all_at(bytes, 0)?;
        self.written.push(path);
        Ok(())
    }

    fn body(&mut self, spot: Spot, sealed: &[u8]) -> io::Result<()> {
        if self.volume.as_ref().is_none_or(|(vol, _)| *vol != spot.vol) {
            let path = self
                .publisher
                .shared
                .settings
                .dir
                .join(volume_path(spot.vol));
            let file = match self.publisher.storage.open(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    self.publisher.storage.create(&path)?
                }
                other => other?,
            };
            self.written.push(path);
            self.volume = Some((spot.vol, file));
        }
        match &self.volume {
            Some((_, file)) => file.write_all_at(sealed, spot.at),
            None => Ok(()),
        }
    }
}

impl Publisher {
    fn make_folder_of(&mut self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(path);
        if !self.folders.contains(folder) {
            self.storage.create_dir_all(folder)?;
            self.folders.insert(folder.to_owned());
        }
        Ok(())
    }
}
