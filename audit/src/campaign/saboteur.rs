//! A storage that counts what is asked of it, and strikes once: at the operation it was told to.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::recover::Parts;
use crate::storage::{CrashStorage, File, Storage};

/// What happens to the operation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Fault {
    /// It fails, and nothing is changed. (A sync that fails settles nothing.)
    Error,
    /// Half of it is done, then it fails.
    Short,
    /// It does not return until [`Saboteur::release`]; then it is done.
    Stall,
    /// The power goes before it.
    Crash,
}

impl Fault {
    pub(super) const ALL: [Fault; 4] = [Fault::Error, Fault::Short, Fault::Stall, Fault::Crash];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Fault::Error => "an error",
            Fault::Short => "a short write",
            Fault::Stall => "a stall",
            Fault::Crash => "a crash",
        }
    }
}

/// See the module.
pub(super) struct Saboteur {
    disk: CrashStorage,
    plan: Mutex<Plan>,
    released: Condvar,
}

#[derive(Default)]
struct Plan {
    /// Operations until the strike, and what it is.
    armed: Option<(u64, Fault)>,
    hit: Option<String>,
    released: bool,
}

/// Something is asked of the disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    Create,
    Write,
    Sync,
    Rename,
    Remove,
    SyncFolder,
    SyncAll,
}

impl Saboteur {
    pub(super) fn of(disk: CrashStorage) -> Arc<Saboteur> {
        Arc::new(Saboteur {
            disk,
            plan: Mutex::default(),
            released: Condvar::new(),
        })
    }

    /// Strikes after `at` more operations.
    pub(super) fn arm(&self, at: u64, fault: Fault) {
        self.lock().armed = Some((at, fault));
    }

    /// What was hit, if anything was.
    pub(super) fn hit(&self) -> Option<String> {
        self.lock().hit.clone()
    }

    /// Everything works from here on, and what stalled goes on.
    pub(super) fn release(&self) {
        let mut plan = self.lock();
        plan.released = true;
        if plan.hit.is_some() {
            plan.armed = None;
        }
        self.released.notify_all();
    }

    /// Makes the log want a spare.
    pub(super) fn forget_spares(&self, parts: &Parts) {
        let spares = std::mem::take(&mut parts.shared.desk().spares);
        drop(spares);
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault that strikes this operation.
    fn asked(&self, ask: Ask, path: &Path) -> Option<Fault> {
        let mut plan = self.lock();
        let (left, fault) = plan.armed?;
        if fault == Fault::Short && ask != Ask::Write {
            return None;
        }
        if left > 0 {
            plan.armed = Some((left - 1, fault));
            return None;
        }
        plan.armed = None;
        plan.hit = Some(label(ask, path));
        plan.released = false;
        match fault {
            Fault::Crash => self.disk.cut_power_after(0),
            Fault::Stall => {
                // A stall that nobody is waiting for ends by itself.
                let wait = |plan: &mut Plan| !plan.released;
                let most = std::time::Duration::from_millis(400);
                drop(self.released.wait_timeout_while(plan, most, wait));
            }
            Fault::Error | Fault::Short => {}
        }
        Some(fault)
    }

    /// The operation, unless it is hit.
    fn run<T>(&self, ask: Ask, path: &Path, real: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match self.asked(ask, path) {
            Some(Fault::Error | Fault::Short) => Err(io::Error::other("sabotage")),
            _ => real(),
        }
    }
}

fn label(ask: Ask, path: &Path) -> String {
    let path = path.strip_prefix("/audit").unwrap_or(path);
    let first = path
        .components()
        .next()
        .map(|part| part.as_os_str().to_string_lossy());
    let what = match first.as_deref() {
        Some("wal") => "a segment",
        Some("tile") => "a tile",
        Some("content") => "a volume",
        Some("keyring") => "a key file",
        Some("checkpoint.new" | "checkpoint") => "the checkpoint",
        _ => "the log's folder",
    };
    match ask {
        Ask::Create => format!("making {what}"),
        Ask::Write => format!("writing {what}"),
        Ask::Sync => format!("flushing {what}"),
        Ask::Rename => format!("renaming {what}"),
        Ask::Remove => format!("removing {what}"),
        Ask::SyncFolder if path.components().count() == 1 && what == "a segment" => {
            String::from("flushing the names of segments")
        }
        Ask::SyncFolder => format!("flushing {what}"),
        Ask::SyncAll => String::from("flushing what was copied"),
    }
}

impl Storage for Arc<Saboteur> {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.disk.create_dir_all(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.disk.lock(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let file = self.run(Ask::Create, path, || self.disk.create(path))?;
        Ok(self.watched(path, file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(self.watched(path, self.disk.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.run(Ask::Rename, to, || self.disk.rename(from, to))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.run(Ask::Remove, path, || self.disk.remove(path))
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.disk.remove_dir(dir)
    }

    fn files(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.disk.files(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.run(Ask::SyncFolder, dir, || self.disk.sync_dir(dir))
    }

    fn sync_files(&self, root: &Path, files: &[PathBuf]) -> io::Result<()> {
        self.run(Ask::SyncAll, root, || self.disk.sync_files(root, files))
    }
}

trait Watch {
    fn watched(&self, path: &Path, file: Box<dyn File>) -> Box<dyn File>;
}

impl Watch for Arc<Saboteur> {
    fn watched(&self, path: &Path, file: Box<dyn File>) -> Box<dyn File> {
        Box::new(Watched {
            saboteur: Arc::clone(self),
            path: path.to_owned(),
            file,
        })
    }
}

struct Watched {
    saboteur: Arc<Saboteur>,
    path: PathBuf,
    file: Box<dyn File>,
}

impl File for Watched {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        match self.saboteur.asked(Ask::Write, &self.path) {
            Some(Fault::Error) => Err(io::Error::other("sabotage")),
            Some(Fault::Short) => {
                let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
                self.file.write_all_at(half, offset)?;
                Err(io::Error::other("sabotage"))
            }
            _ => self.file.write_all_at(bytes, offset),
        }
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.saboteur
            .run(Ask::Sync, &self.path, || self.file.sync_data())
    }
}
