//! Files on a disk.

use std::any::Any;
use std::fs::{self, DirBuilder, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::{File, Room, Storage};

/// The real file system. Files are for the owner alone (0600, folders 0700).
///
/// [`Storage::sync_files`] asks for one `syncfs` instead of one `fsync` per file and folder:
/// publishing makes hundreds of small files a second under load, and each `fsync` costs a flush
/// of the device. The price is that dirty data of other programs on the same file system goes out
/// with ours. Write-back errors are reported since Linux 5.8 to a descriptor that was open before
/// they happened, hence the anchor.
#[derive(Debug)]
pub struct DiskStorage {
    anchor: fs::File,
}

impl DiskStorage {
    /// The file system that holds `dir`, which is made if it does not exist.
    ///
    /// # Errors
    /// As the system says.
    pub fn new(dir: &Path) -> io::Result<DiskStorage> {
        make_dirs(dir)?;
        DiskStorage::existing(dir)
    }

    /// The file system that holds `dir`, which must exist.
    ///
    /// # Errors
    /// As the system says.
    pub fn existing(dir: &Path) -> io::Result<DiskStorage> {
        Ok(DiskStorage {
            anchor: fs::File::open(dir)?,
        })
    }
}

fn make_dirs(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

fn may_only_read(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

impl Storage for DiskStorage {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        make_dirs(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600);
        Ok(Box::new(DiskFile(options.open(path)?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        // A verifier may have no right to write: then reading is all it gets, and all it needs.
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(NONBLOCK);
        let file = match options.clone().write(true).open(path) {
            Err(error) if may_only_read(&error) => options.open(path)?,
            other => other?,
        };
        // A pipe under the name of a file would be waited for, and a device read for ever.
        match file.metadata()?.is_file() {
            true => Ok(Box::new(DiskFile(file))),
            false => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "not a regular file",
            )),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir(dir)
    }

    fn files(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        let (mut found, mut folders) = (Vec::new(), vec![dir.to_owned()]);
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other?,
            };
            for entry in entries {
                let entry = entry?;
                match entry.file_type()?.is_dir() {
                    true => folders.push(entry.path()),
                    false => found.push(entry.path()),
                }
            }
        }
        found.sort();
        Ok(found)
    }

    fn room(&self, dir: &Path) -> io::Result<Room> {
        let system = rustix::fs::statvfs(dir)?;
        // As `df` counts: what is kept for the superuser is neither used nor left to us.
        let used = system.f_blocks.saturating_sub(system.f_bfree);
        let bytes = |blocks: u64| blocks.saturating_mul(system.f_frsize);
        Ok(Room {
            free: bytes(system.f_bavail),
            total: bytes(used.saturating_add(system.f_bavail)),
        })
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        // The folder of a relative path of one part has no name of its own.
        let dir = if dir.as_os_str().is_empty() {
            Path::new(".")
        } else {
            dir
        };
        fs::File::open(dir)?.sync_all()
    }

    fn sync_files(&self, _root: &Path, files: &[PathBuf]) -> io::Result<()> {
        match files.is_empty() {
            true => Ok(()),
            false => Ok(rustix::fs::syncfs(&self.anchor)?),
        }
    }
}

/// So that opening never waits.
const NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

struct DiskFile(fs::File);

impl File for DiskFile {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
}
