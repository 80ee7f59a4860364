//! The seam over files. Its contract is what a disk owes us, and no more.
//!
//! Three storages keep it: [`DiskStorage`]; [`FaultyStorage`], which fails on command; and
//! [`CrashStorage`], which keeps everything in memory and forgets whatever was not flushed.
//!
//! # What a storage owes
//!
//! - **Nothing is durable before it is synced.** Bytes written to a file may survive a crash
//!   whole, in part, in any order, or not at all, until [`File::sync_data`] (or
//!   [`Storage::sync_files`]) has returned `Ok` for them.
//! - **A name is not its file.** A created, renamed or removed name may be as it was before, until
//!   [`Storage::sync_dir`] of its folder (or [`Storage::sync_files`]) has returned `Ok`.
//! - **A failed sync settles nothing.** After an `Err`, the bytes may or may not be durable, and a
//!   later `Ok` on the same file says nothing about them: the system may have dropped them from its
//!   cache as clean. Whoever sees the error must write the bytes again, elsewhere.
//! - **Overwriting needs no space.** A range that was written and synced once can be overwritten
//!   when the disk is full. (True of ext4 and xfs; a copy-on-write file system does not promise it,
//!   and there a full disk is met as a failed write.)
//! - **A write may be torn** at any byte, whatever its size; but it changes no byte outside its range,
//!   even in the same sector ("powersafe overwrite"). The next batch of a segment begins in the middle
//!   of a sector whose first half is committed.

use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};

mod crash;
mod disk;
mod faulty;

pub use crash::CrashStorage;
pub use disk::DiskStorage;
pub use faulty::{Fault, Faults, FaultyStorage};

/// Folders and files, as far as this log needs them. See the module for the contract.
pub trait Storage: Send + Sync + 'static {
    /// Makes a folder and those above it, readable by the owner alone.
    ///
    /// # Errors
    /// As the system says.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;

    /// Takes the one lock of a log, creating the file at `path`. Held until the result is dropped.
    ///
    /// # Errors
    /// `WouldBlock` when another process or another log of this process holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>>;

    /// Makes an empty file, emptying one that exists.
    ///
    /// # Errors
    /// As the system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Opens a file that exists, for reading and writing.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Gives a file another name, replacing what had it.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Removes a folder that is empty.
    ///
    /// # Errors
    /// As the system says, an error when it is not empty.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;

    /// All files below a folder, sorted; none when the folder does not exist.
    ///
    /// # Errors
    /// As the system says.
    fn files(&self, dir: &Path) -> io::Result<Vec<PathBuf>>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// See the module: after an error nothing is settled.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Makes these files durable, with their names and the folders down from `root`.
    ///
    /// # Errors
    /// See the module: after an error nothing is settled.
    fn sync_files(&self, root: &Path, files: &[PathBuf]) -> io::Result<()>;

    /// How much room the file system of a folder has. A storage that knows of no bound has no end of
    /// it.
    ///
    /// # Errors
    /// As the system says.
    fn room(&self, _dir: &Path) -> io::Result<Room> {
        Ok(Room::ENDLESS)
    }

    /// The whole content of a file.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.read_at_most(path, u64::MAX)
    }

    /// The whole content of a file that somebody else may have put there.
    ///
    /// # Errors
    /// `NotFound` when there is none, `FileTooLarge` when it is larger than `bytes_max`.
    fn read_at_most(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let file = self.open(path)?;
        let bytes = file.len()?;
        if bytes > bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let mut content = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
        file.read_exact_at(&mut content, 0)?;
        Ok(content)
    }
}

/// The bytes of a file system: those that are left to us, and all that are or could be in use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// What is left.
    pub free: u64,
    /// What is left and what is used.
    pub total: u64,
}

impl Room {
    /// No end of it.
    pub const ENDLESS: Room = Room {
        free: u64::MAX,
        total: u64::MAX,
    };
}

/// An open file. Offsets and lengths are in bytes.
#[expect(
    clippy::len_without_is_empty,
    reason = "an empty file is nothing special"
)]
pub trait File: Send + Sync {
    /// Writes all of `bytes` at `offset`, growing the file as needed.
    ///
    /// # Errors
    /// After an error any part of `bytes` may have been written.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Fills `bytes` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file ends before.
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// The file's length.
    ///
    /// # Errors
    /// As the system says.
    fn len(&self) -> io::Result<u64>;

    /// Shortens or extends the file.
    ///
    /// # Errors
    /// As the system says.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Makes the content and the length durable (not the name: see [`Storage::sync_dir`]).
    ///
    /// # Errors
    /// See the module: after an error nothing is settled.
    fn sync_data(&self) -> io::Result<()>;
}
