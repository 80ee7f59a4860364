//! A storage that fails on command.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{File, Room, Storage};

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Writes fail and change nothing.
    WriteError,
    /// Writes fail after writing the first half.
    ShortWrite,
    /// Syncs fail, and what was written is not made durable.
    SyncError,
    /// The disk is full: making and growing files fails, overwriting does not.
    NoSpace,
    /// The disk says that so many percent of its 1 GiB are used. Everything works.
    Filling(u8),
    /// Writes and syncs take this much longer.
    Slow(Duration),
    /// Writes and syncs do not return until the fault is cleared.
    Hang,
    /// Syncs report success and do nothing. No storage may ever do this; a test of durability that
    /// does not notice it is worth nothing.
    LyingSync,
}

/// Wraps another storage and fails as its [`Faults`] say.
pub struct FaultyStorage {
    inner: Arc<dyn Storage>,
    faults: Faults,
}

impl FaultyStorage {
    /// Wraps `inner`; nothing fails until told.
    pub fn new(inner: Arc<dyn Storage>) -> (FaultyStorage, Faults) {
        let faults = Faults::default();
        (
            FaultyStorage {
                inner,
                faults: faults.clone(),
            },
            faults,
        )
    }
}

/// The hand on the switch. Clones hold the same one.
#[derive(Clone, Default)]
pub struct Faults(Arc<(Mutex<Plan>, Condvar)>);

#[derive(Default)]
struct Plan {
    fault: Option<Fault>,
    /// Operations that the fault could hit and still lets through.
    spared: u64,
    /// Operations that it hits before it clears itself; none means until cleared.
    left: Option<u64>,
}

/// An operation, as far as faults tell them apart.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Write,
    Grow,
    Sync,
}

impl Faults {
    /// Fails from now on.
    pub fn set(&self, fault: Fault) {
        self.plan(Plan {
            fault: Some(fault),
            ..Plan::default()
        });
    }

    /// Lets `spared` operations of the kind pass, fails `times` of them, then works again.
    pub fn set_once_after(&self, spared: u64, times: u64, fault: Fault) {
        self.plan(Plan {
            fault: Some(fault),
            spared,
            left: Some(times),
        });
    }

    /// Works from now on; whatever hangs goes on.
    pub fn clear(&self) {
        self.plan(Plan::default());
    }

    fn plan(&self, plan: Plan) {
        *self.lock() = plan;
        self.0.1.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The fault that hits this operation, after any waiting that it consists of.
    fn strike(&self, operation: Operation) -> Option<Fault> {
        let mut plan = self.lock();
        let fault = plan.fault.filter(|fault| fault.hits(operation))?;
        if plan.spared > 0 {
            plan.spared -= 1;
            return None;
        }
        if let Some(left) = &mut plan.left {
            *left = left.saturating_sub(1);
            if *left == 0 {
                *plan = Plan::default();
            }
        }
        match fault {
            Fault::Hang => {
                let hangs = |plan: &mut Plan| plan.fault == Some(Fault::Hang);
                drop(
                    self.0
                        .1
                        .wait_while(plan, hangs)
                        .unwrap_or_else(PoisonError::into_inner),
                );
            }
            Fault::Slow(by) => {
                drop(plan);
                std::thread::sleep(by);
            }
            _ => {}
        }
        Some(fault)
    }
}

impl Fault {
    fn hits(self, operation: Operation) -> bool {
        match self {
            Fault::WriteError | Fault::ShortWrite => operation != Operation::Sync,
            Fault::SyncError | Fault::LyingSync => operation == Operation::Sync,
            Fault::NoSpace => operation == Operation::Grow,
            Fault::Slow(_) | Fault::Hang => true,
            Fault::Filling(_) => false, // asked for, not struck by
        }
    }
}

fn broken() -> io::Error {
    io::Error::other("injected fault")
}

fn full() -> io::Error {
    io::ErrorKind::StorageFull.into()
}

impl FaultyStorage {
    fn change(&self) -> io::Result<()> {
        match self.faults.strike(Operation::Grow) {
            Some(Fault::WriteError | Fault::ShortWrite) => Err(broken()),
            Some(Fault::NoSpace) => Err(full()),
            _ => Ok(()),
        }
    }

    fn sync(&self, real: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        sync(&self.faults, real)
    }

    fn wrap(&self, inner: Box<dyn File>) -> Box<dyn File> {
        Box::new(FaultyFile {
            inner,
            faults: self.faults.clone(),
        })
    }
}

fn sync(faults: &Faults, real: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
    match faults.strike(Operation::Sync) {
        Some(Fault::SyncError) => Err(broken()),
        Some(Fault::LyingSync) => Ok(()),
        _ => real(),
    }
}

impl Storage for FaultyStorage {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.inner.create_dir_all(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.inner.lock(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.change()?;
        Ok(self.wrap(self.inner.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(self.wrap(self.inner.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.change()?;
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.remove_dir(dir)
    }

    fn files(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.inner.files(dir)
    }

    fn room(&self, dir: &Path) -> io::Result<Room> {
        match self.faults.lock().fault {
            Some(Fault::Filling(percent)) => Ok(Room {
                free: (1 << 30) / 100 * u64::from(100 - percent.min(100)),
                total: 1 << 30,
            }),
            _ => self.inner.room(dir),
        }
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.sync(|| self.inner.sync_dir(dir))
    }

    fn sync_files(&self, root: &Path, files: &[PathBuf]) -> io::Result<()> {
        self.sync(|| self.inner.sync_files(root, files))
    }
}

struct FaultyFile {
    inner: Box<dyn File>,
    faults: Faults,
}

impl File for FaultyFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let grows = offset.saturating_add(bytes.len() as u64) > self.inner.len()?;
        let operation = if grows {
            Operation::Grow
        } else {
            Operation::Write
        };
        match self.faults.strike(operation) {
            Some(Fault::WriteError) => Err(broken()),
            Some(Fault::NoSpace) => Err(full()),
            Some(Fault::ShortWrite) => {
                let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
                self.inner.write_all_at(half, offset)?;
                Err(broken())
            }
            _ => self.inner.write_all_at(bytes, offset),
        }
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_exact_at(bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.inner.set_len(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        sync(&self.faults, || self.inner.sync_data())
    }
}
