//! Sealing epoch keys again, when the officers change.
//!
//! Two people do it, because neither may do the other's part: the gateway has no key that opens a
//! keyring file, and an officer has none that writes to the log.
//!
//! 1. The operator names the new recipients in the settings. New epochs are sealed to them.
//! 2. An officer (or whoever recovers) runs [`rewrap`] on the log, or on a copy of it. For every epoch
//!    whose newest keyring file is sealed to others, the file is opened and sealed again, into
//!    `keyring/<epoch>.new`. Nothing that was there is touched.
//! 3. The log, while it is open, finds such a file ([`offers`]). If it is in the one form, and sealed
//!    to exactly the recipients of the settings, it gets its lasting name `keyring/<epoch>.<digest>`,
//!    and a `key.rewrap` entry announces it ([`adopt`]). *A crash between* leaves a file that no entry
//!    names; doing step 2 again offers another.
//!
//! From then on the older files of the epoch are not needed, and may be removed: as long as they are
//! there, whoever was an officer then can open them.
//!
//! What the log cannot see is whether the right key is in the new file. Whoever sealed it has checked
//! that the old one holds the epoch and the log that it should, and other officers can open both. A
//! wrong file destroys nothing while the old one is kept.
//!
//! A shard that is closed announces nothing any more. What is sealed again of its keys lies in the shard
//! that is being written, and is announced there; its own files stay as they are, for its entries name
//! them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use crate::archive::{Archive, entries};
use crate::checkpoint::{KeyError, Origin};
use crate::entry::{Digest, Entry, Epoch, Rewrap, Tag, parse};
use crate::publisher::{CHECKPOINT, KEYRING};
use crate::seal::{EpochSecret, Keyring, Opener, Recipients};
use crate::shards::shards;
use crate::storage::{DiskStorage, Storage};
use crate::tail::{Damage, DamageKind};

/// Longer than any keyring file.
const OFFER_BYTES_MAX: u64 = 32 * 1024;

/// What [`rewrap`] did.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rewrapped {
    /// Epochs whose keys were sealed again, to be announced by the gateway.
    pub sealed: u64,
    /// Epochs whose newest file is sealed to these recipients already.
    pub already: u64,
    /// Epochs of which no file is as announced and opens with this key.
    pub unopened: Vec<Tag>,
}

/// Why sealing again did not come to its end.
#[derive(Debug, thiserror::Error)]
pub enum RewrapError {
    /// The log cannot be read.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// A file cannot be written.
    #[error("cannot write below keyring/: {0}")]
    Io(#[from] io::Error),
    /// The crypto provider says no.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Why a file that was offered is left where it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAdopted {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is not a keyring file")]
    Form,
    #[error("it is not sealed to exactly the recipients of the settings")]
    OtherRecipients,
}

/// A keyring file, as an entry announces it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Announced<'a> {
    pub(crate) epoch: Tag,
    /// Below the log's folder.
    pub(crate) path: PathBuf,
    pub(crate) digest: Digest,
    pub(crate) recipients: &'a [Digest],
}

impl<'a> Announced<'a> {
    /// The keyring file that an entry announces, if it is one that does.
    pub(crate) fn by(entry: &'a Entry) -> Option<Announced<'a>> {
        let (epoch, digest, recipients, name) = match entry {
            Entry::Epoch(Epoch {
                epoch,
                keyring,
                recipients,
            }) => (epoch, keyring, recipients, epoch.to_string()),
            Entry::Rewrap(Rewrap {
                epoch,
                keyring,
                recipients,
            }) => (epoch, keyring, recipients, name(*epoch, *keyring)),
            _ => return None,
        };
        Some(Announced {
            epoch: *epoch,
            path: Path::new(KEYRING).join(name),
            digest: *digest,
            recipients,
        })
    }

    /// Whether this is the file: by its digest, in the one form, and sealed to as many as it says.
    pub(crate) fn is(&self, file: &[u8]) -> bool {
        let keyring = Keyring::read(file);
        Digest::of(file) == self.digest
            && keyring.is_some_and(|keyring| keyring.recipients() == self.recipients.len())
    }
}

fn name(epoch: Tag, keyring: Digest) -> String {
    format!("{epoch}.{}", keyring.short())
}

/// Step 2: seals the epoch keys of the log in `dir` again, to `to`; of all its shards, if it has some. Run
/// [`verify`](crate::verify()) first: this believes what the entries say.
///
/// # Errors
/// [`RewrapError`]. What was sealed by then is there, and is passed over the next time only once it
/// has been announced.
pub fn rewrap(dir: &Path, opener: &Opener, to: &Recipients) -> Result<Rewrapped, RewrapError> {
    let storage = DiskStorage::existing(dir).map_err(|error| Damage::unreadable(dir, &error))?;
    let shards = shards(dir)?;
    let mut epochs = BTreeMap::new();
    for shard in &shards {
        announced(&storage, shard, &mut epochs)?;
    }
    // Only the shard that is being written can announce anything.
    let newest = shards.last().map_or(dir, PathBuf::as_path);
    let mut done = Rewrapped::default();
    let wanted = to.digests();
    for (epoch, Sealed { origin, files }) in epochs {
        let last = files.last().and_then(|(_, entry)| Announced::by(entry));
        if last.is_some_and(|last| last.recipients == wanted) {
            done.already += 1;
            continue;
        }
        let opened = files.iter().rev().find_map(|(dir, entry)| {
            let archive = Archive {
                storage: &storage,
                dir,
            };
            open(&archive, opener, &origin, &Announced::by(entry)?)
        });
        match opened {
            Some(secret) => {
                offer(&storage, newest, epoch, &secret.seal(to)?)?;
                done.sealed += 1;
            }
            None => done.unopened.push(epoch),
        }
    }
    Ok(done)
}

/// The files of an epoch's key: the log whose bodies it opens, and the entries that announce them, oldest
/// first, each with the folder of the log that it is in.
struct Sealed<'a> {
    origin: Origin,
    files: Vec<(&'a Path, Entry)>,
}

/// Adds what the entries of one log announce.
fn announced<'a>(
    storage: &dyn Storage,
    dir: &'a Path,
    epochs: &mut BTreeMap<Tag, Sealed<'a>>,
) -> Result<(), Damage> {
    let archive = Archive { storage, dir };
    let unpublished = || Damage::new(&dir.join(CHECKPOINT), DamageKind::Missing);
    let origin = archive.checkpoint(None)?.ok_or_else(unpublished)?.origin;
    for entry in entries(dir)? {
        let (index, leaf) = entry?;
        let stored = parse(&leaf).map_err(|error| Damage::new(dir, error.into()).of(index.0))?;
        let Some(file) = Announced::by(&stored.entry) else {
            continue;
        };
        let sealed = epochs.entry(file.epoch).or_insert_with(|| Sealed {
            origin: origin.clone(),
            files: Vec::new(),
        });
        sealed.files.push((dir, stored.entry.clone()));
    }
    Ok(())
}

/// The key in a file, if it is there, is as announced, and opens.
fn open(
    archive: &Archive<'_>,
    opener: &Opener,
    origin: &Origin,
    file: &Announced<'_>,
) -> Option<EpochSecret> {
    let bytes = archive.keyring(&file.path).ok()?;
    file.is(&bytes)
        .then(|| opener.epoch(origin, &bytes, file.epoch).ok())
        .flatten()
}

/// The file appears whole or not at all.
fn offer(storage: &dyn Storage, dir: &Path, epoch: Tag, keyring: &[u8]) -> io::Result<()> {
    let folder = dir.join(KEYRING);
    let (part, whole) = (
        folder.join(format!("{epoch}.part")),
        folder.join(format!("{epoch}.new")),
    );
    let file = storage.create(&part)?;
    file.write_all_at(keyring, 0)?;
    file.sync_data()?;
    storage.rename(&part, &whole)?;
    storage.sync_dir(&folder)
}

/// Step 3: the files that wait to be announced.
pub(crate) fn offers(storage: &dyn Storage, dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = storage.files(&dir.join(KEYRING))?;
    files.retain(|file| offered(file).is_some());
    Ok(files)
}

fn offered(file: &Path) -> Option<Tag> {
    Tag::parse(file.file_name()?.to_str()?.strip_suffix(".new")?)
}

/// Step 3: gives a file its lasting name, and returns the entry that is to announce it.
pub(crate) fn adopt(
    storage: &dyn Storage,
    dir: &Path,
    recipients: &Recipients,
    offer: &Path,
) -> Result<Rewrap, NotAdopted> {
    let epoch = offered(offer).ok_or(NotAdopted::Form)?;
    if storage.open(offer)?.len()? > OFFER_BYTES_MAX {
        return Err(NotAdopted::Form);
    }
    let bytes = storage.read(offer)?;
    if !Keyring::read(&bytes)
        .ok_or(NotAdopted::Form)?
        .is_to(recipients)
    {
        return Err(NotAdopted::OtherRecipients);
    }
    let keyring = Digest::of(&bytes);
    let lasting = dir.join(KEYRING).join(name(epoch, keyring));
    storage.rename(offer, &lasting)?;
    storage.sync_files(dir, std::slice::from_ref(&lasting))?;
    Ok(Rewrap {
        epoch,
        keyring,
        recipients: recipients.digests(),
    })
}

#[cfg(test)]
mod tests;
