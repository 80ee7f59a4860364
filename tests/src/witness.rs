//! A storage that remembers what would survive a power cut at this moment: what has been synced, and nothing else.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use audit::{File, Storage};

/// Wraps a storage, and can be asked what is durable.
#[derive(Clone)]
pub struct Witness {
    inner: Arc<dyn Storage>,
    durable: Arc<Mutex<BTreeMap<PathBuf, Vec<u8>>>>,
}

impl Witness {
    /// Watches this storage.
    pub fn of(inner: Arc<dyn Storage>) -> Witness {
        Witness {
            inner,
            durable: Arc::default(),
        }
    }

    /// The ids of the requests of which an entry of this type is durable.
    pub fn requests_with(&self, kind: &str) -> BTreeSet<String> {
        let start = format!("{{\"type\":\"{kind}\",");
        let durable = self.durable.lock().unwrap();
        let files = durable.values().map(|bytes| String::from_utf8_lossy(bytes));
        files.flat_map(|text| ids_after(&text, &start)).collect()
    }

    fn settle(&self, path: &Path) -> io::Result<()> {
        let content = self.inner.read(path)?;
        self.durable
            .lock()
            .unwrap()
            .insert(path.to_owned(), content);
        Ok(())
    }
}

/// The request ids of the entries that begin like this.
fn ids_after(text: &str, start: &str) -> Vec<String> {
    let entries = text.match_indices(start).map(|(at, _)| &text[at..]);
    let id = |entry: &str| {
        let at = entry.find("\"req\":\"")? + 7;
        entry.get(at..at + 36).map(str::to_owned)
    };
    entries.filter_map(id).collect()
}

impl Storage for Witness {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.inner.create_dir_all(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.inner.lock(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(self.watched(path, self.inner.create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        Ok(self.watched(path, self.inner.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
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

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn sync_files(&self, root: &Path, files: &[PathBuf]) -> io::Result<()> {
        self.inner.sync_files(root, files)?;
        files.iter().try_for_each(|path| self.settle(path))
    }
}

impl Witness {
    fn watched(&self, path: &Path, inner: Box<dyn File>) -> Box<dyn File> {
        Box::new(Watched {
            inner,
            path: path.to_owned(),
            witness: self.clone(),
        })
    }
}

struct Watched {
    inner: Box<dyn File>,
    path: PathBuf,
    witness: Witness,
}

impl File for Watched {
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.inner.write_all_at(bytes, offset)
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
        self.inner.sync_data()?;
        // Read back after the sync: what is written meanwhile by nobody else, since a file has one writer.
        let mut content = vec![0; usize::try_from(self.inner.len()?).map_err(io::Error::other)?];
        self.inner.read_exact_at(&mut content, 0)?;
        self.witness
            .durable
            .lock()
            .unwrap()
            .insert(self.path.clone(), content);
        Ok(())
    }
}
