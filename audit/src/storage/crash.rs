//! A storage in memory that forgets what was not flushed.
//!
//! It is stricter than any file system: of the writes since the last sync a crash keeps an
//! arbitrary part, 512 bytes at a time, some of them torn in the middle; of the names changed since
//! their folder was synced, each is as it was at any moment since; and a file whose name was not
//! synced may be gone although its content was. A failed sync drops part of the unflushed writes
//! for good while reads still show them, as a page cache does.

use std::any::Any;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{File, Storage};

/// The machine: power, memory and disk. Clones share it.
#[derive(Clone, Default)]
pub struct CrashStorage(Arc<Mutex<Machine>>);

#[derive(Default)]
struct Machine {
    nodes: Vec<Node>,
    /// For each path what it was when its folder was last synced, and everything it was since.
    names: BTreeMap<PathBuf, Vec<Option<Named>>>,
    /// Counts power cuts: handles and locks of an earlier life are dead.
    life: u64,
    /// Operations until the power fails.
    fuse: Option<u64>,
    /// Syncs until one fails.
    sync_fuse: Option<u64>,
    locked: Option<Arc<()>>,
    seed: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Folder,
    File(usize),
}

#[derive(Default)]
struct Node {
    /// What reads see.
    seen: Vec<u8>,
    /// What a crash leaves for certain.
    durable: Vec<u8>,
    /// What it may or may not keep.
    unflushed: Vec<Change>,
}

enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

impl CrashStorage {
    /// An empty disk.
    pub fn new(seed: u64) -> CrashStorage {
        let storage = CrashStorage::default();
        storage.machine().seed = seed;
        storage
    }

    /// Cuts the power after this many more operations: all later ones fail.
    pub fn cut_power_after(&self, operations: u64) {
        self.machine().fuse = Some(operations);
    }

    /// Makes one sync fail after this many more.
    pub fn fail_sync_after(&self, syncs: u64) {
        self.machine().sync_fuse = Some(syncs);
    }

    /// Whether the power has been cut.
    pub fn is_dead(&self) -> bool {
        self.machine().fuse == Some(0)
    }

    /// The crash itself: forgets an arbitrary part of what was not flushed, and starts the next
    /// life. Everything opened before is dead.
    pub fn crash(&self) {
        self.machine().crash();
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reading needs power and uses none up.
    fn powered(&self) -> io::Result<MutexGuard<'_, Machine>> {
        let machine = self.machine();
        match machine.fuse {
            Some(0) => Err(io::Error::other("the power is out")),
            _ => Ok(machine),
        }
    }

    /// One operation's worth of power.
    fn changing(&self) -> io::Result<MutexGuard<'_, Machine>> {
        let mut machine = self.powered()?;
        if let Some(left) = &mut machine.fuse {
            *left -= 1;
        }
        Ok(machine)
    }
}

impl Machine {
    /// SplitMix64: small, and the same everywhere.
    fn random(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below.max(1)
    }

    fn now(&self, path: &Path) -> Option<Named> {
        self.names
            .get(path)
            .and_then(|history| history.last().copied().flatten())
    }

    fn set_name(&mut self, path: &Path, named: Option<Named>) {
        self.names
            .entry(path.to_owned())
            .or_insert_with(|| vec![None])
            .push(named);
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.now(path) {
            Some(Named::File(id)) => Ok(id),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn node(&mut self, id: usize) -> io::Result<&mut Node> {
        self.nodes
            .get_mut(id)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_names(&mut self, dir: &Path) {
        for (path, history) in &mut self.names {
            if path.parent() == Some(dir) {
                history.drain(..history.len() - 1);
            }
        }
    }

    /// One sync: works, or fails and loses for good part of what it should have flushed.
    fn sync_nodes(&mut self, ids: &[usize]) -> io::Result<()> {
        let fails = match &mut self.sync_fuse {
            Some(0) => {
                self.sync_fuse = None;
                true
            }
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        for &id in ids {
            match fails {
                true => self.keep_some(id),
                false => self.node(id)?.flush(),
            }
        }
        match fails {
            true => Err(io::Error::other("the disk failed to flush")),
            false => Ok(()),
        }
    }

    fn crash(&mut self) {
        (0..self.nodes.len()).for_each(|id| self.keep_some(id));
        let paths: Vec<PathBuf> = self.names.keys().cloned().collect();
        for path in paths {
            let versions = self.names.get(&path).map_or(1, Vec::len);
            let pick = usize::try_from(self.random(versions as u64)).unwrap_or_default();
            if let Some(history) = self.names.get_mut(&path) {
                *history = vec![history.get(pick).copied().flatten()];
            }
        }
        self.drop_orphans();
        self.drop_nameless();
        for node in &mut self.nodes {
            node.seen.clone_from(&node.durable);
        }
        self.life += 1;
        (self.fuse, self.sync_fuse, self.locked) = (None, None, None);
    }

    /// What lies in a folder whose own name was lost is lost.
    fn drop_orphans(&mut self) {
        let folders: Vec<PathBuf> = self.names.keys().cloned().collect();
        for path in folders {
            let reachable = path
                .ancestors()
                .skip(1)
                .filter(|above| self.names.contains_key(*above))
                .all(|above| self.now(above) == Some(Named::Folder));
            if !reachable {
                self.names.remove(&path);
            }
        }
        self.names
            .retain(|_, history| history.last().is_some_and(Option::is_some));
    }

    /// A file without a name is gone.
    fn drop_nameless(&mut self) {
        let mut named = vec![false; self.nodes.len()];
        for history in self.names.values() {
            if let Some(Some(Named::File(id))) = history.last()
                && let Some(named) = named.get_mut(*id)
            {
                *named = true;
            }
        }
        for (node, named) in self.nodes.iter_mut().zip(named) {
            if !named {
                *node = Node::default();
            }
        }
    }

    /// Flushes an arbitrary part of a file's unflushed changes and forgets the others.
    fn keep_some(&mut self, id: usize) {
        let changes = self
            .node(id)
            .map(|node| std::mem::take(&mut node.unflushed))
            .unwrap_or_default();
        let kept_of_8 = self.random(9);
        for change in changes {
            match change {
                Change::Length(bytes) if self.random(8) < kept_of_8 => {
                    self.apply(id, |durable| durable.resize(bytes, 0));
                }
                Change::Length(_) => {}
                Change::Write { offset, bytes } => self.keep_sectors(id, offset, &bytes, kept_of_8),
            }
        }
    }

    fn keep_sectors(&mut self, id: usize, offset: usize, bytes: &[u8], kept_of_8: u64) {
        let to_boundary = SECTOR - offset % SECTOR;
        let (first, rest) = bytes.split_at_checked(to_boundary).unwrap_or((bytes, &[]));
        let mut at = offset;
        for sector in std::iter::once(first).chain(rest.chunks(SECTOR)) {
            let torn = match self.random(16) {
                0 => usize::try_from(self.random(sector.len() as u64)).unwrap_or_default(),
                _ => sector.len(),
            };
            if self.random(8) < kept_of_8 {
                let kept = sector.get(..torn).unwrap_or(sector);
                self.apply(id, |durable| overwrite(durable, at, kept));
            }
            at += sector.len();
        }
    }

    fn apply(&mut self, id: usize, change: impl FnOnce(&mut Vec<u8>)) {
        if let Some(node) = self.nodes.get_mut(id) {
            change(&mut node.durable);
        }
    }
}

const SECTOR: usize = 512;

impl Node {
    fn change(&mut self, change: Change) {
        match &change {
            Change::Write { offset, bytes } => overwrite(&mut self.seen, *offset, bytes),
            Change::Length(bytes) => self.seen.resize(*bytes, 0),
        }
        self.unflushed.push(change);
    }

    fn flush(&mut self) {
        for change in self.unflushed.drain(..) {
            match change {
                Change::Write { offset, bytes } => overwrite(&mut self.durable, offset, &bytes),
                Change::Length(bytes) => self.durable.resize(bytes, 0),
            }
        }
    }
}

fn overwrite(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(range) = content.get_mut(offset..end) {
        range.copy_from_slice(bytes);
    }
}

impl Storage for CrashStorage {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut machine = self.changing()?;
        machine
            .names
            .insert(PathBuf::from("/"), vec![Some(Named::Folder)]);
        let missing: Vec<_> = dir
            .ancestors()
            .filter(|above| machine.now(above).is_none())
            .collect();
        for folder in missing.into_iter().rev() {
            machine.set_name(folder, Some(Named::Folder));
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        let mut machine = self.changing()?;
        if machine
            .locked
            .as_ref()
            .is_some_and(|held| Arc::strong_count(held) > 1)
        {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        if machine.now(path).is_none() {
            machine.nodes.push(Node::default());
            let id = machine.nodes.len() - 1;
            machine.set_name(path, Some(Named::File(id)));
        }
        let held = Arc::new(());
        machine.locked = Some(Arc::clone(&held));
        Ok(Box::new(held))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut machine = self.changing()?;
        let id = match machine.file(path) {
            Ok(id) => id,
            Err(_) => {
                machine.nodes.push(Node::default());
                let id = machine.nodes.len() - 1;
                machine.set_name(path, Some(Named::File(id)));
                id
            }
        };
        machine.node(id)?.change(Change::Length(0));
        Ok(Box::new(CrashFile {
            storage: self.clone(),
            life: machine.life,
            id,
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let machine = self.powered()?;
        let id = machine.file(path)?;
        Ok(Box::new(CrashFile {
            storage: self.clone(),
            life: machine.life,
            id,
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut machine = self.changing()?;
        let id = machine.file(from)?;
        machine.set_name(to, Some(Named::File(id)));
        machine.set_name(from, None);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut machine = self.changing()?;
        machine.file(path)?;
        machine.set_name(path, None);
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        let mut machine = self.changing()?;
        let children: Vec<_> = machine
            .names
            .keys()
            .filter(|path| path.parent() == Some(dir))
            .cloned()
            .collect();
        if children.iter().any(|path| machine.now(path).is_some()) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        machine.set_name(dir, None);
        Ok(())
    }

    fn files(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let machine = self.powered()?;
        let below = machine.names.keys().filter(|path| path.starts_with(dir));
        Ok(below
            .filter(|path| matches!(machine.now(path), Some(Named::File(_))))
            .cloned()
            .collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut machine = self.changing()?;
        machine.sync_nodes(&[])?;
        machine.sync_names(dir);
        Ok(())
    }

    fn sync_files(&self, root: &Path, files: &[PathBuf]) -> io::Result<()> {
        let mut machine = self.changing()?;
        let ids: Vec<usize> = files
            .iter()
            .filter_map(|path| machine.file(path).ok())
            .collect();
        machine.sync_nodes(&ids)?;
        for file in files {
            for above in file
                .ancestors()
                .skip(1)
                .take_while(|above| above.starts_with(root))
            {
                machine.sync_names(above);
            }
        }
        Ok(())
    }
}

struct CrashFile {
    storage: CrashStorage,
    life: u64,
    id: usize,
}

impl CrashFile {
    fn look<R>(&self, read: impl FnOnce(&Node) -> io::Result<R>) -> io::Result<R> {
        let machine = self.storage.powered()?;
        self.alive(&machine)?;
        read(machine.nodes.get(self.id).ok_or(io::ErrorKind::NotFound)?)
    }

    fn change(&self, change: Change) -> io::Result<()> {
        let mut machine = self.storage.changing()?;
        self.alive(&machine)?;
        machine.node(self.id)?.change(change);
        Ok(())
    }

    fn alive(&self, machine: &Machine) -> io::Result<()> {
        match machine.life == self.life {
            true => Ok(()),
            false => Err(io::Error::other("a file of an earlier life")),
        }
    }
}

impl File for CrashFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let offset = usize::try_from(offset).map_err(io::Error::other)?;
        self.change(Change::Write {
            offset,
            bytes: bytes.to_vec(),
        })
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        self.look(|node| {
            let range = node.seen.get(start..start + bytes.len());
            bytes.copy_from_slice(range.ok_or(io::ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }

    fn len(&self) -> io::Result<u64> {
        self.look(|node| Ok(node.seen.len() as u64))
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.change(Change::Length(
            usize::try_from(bytes).map_err(io::Error::other)?,
        ))
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut machine = self.storage.changing()?;
        self.alive(&machine)?;
        machine.sync_nodes(&[self.id])
    }
}

#[cfg(test)]
mod tests;
