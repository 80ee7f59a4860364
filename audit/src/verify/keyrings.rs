//! The files of the epoch keys: each must be as it was announced, and the newest of each epoch must
//! be there.
//!
//! `key.epoch` announces the first file of an epoch, `key.rewrap` one that holds the same key for
//! other recipients. A file that a newer one has replaced may have been removed, so that whoever is
//! no officer any more cannot open it.
//!
//! A `key.rewrap` of an epoch that no `key.epoch` announced contradicts nothing: a crash can leave
//! the file of an epoch that never began, and somebody may have sealed it again. No body refers to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::Place;
use crate::archive::Archive;
use crate::entry::{Entry, Tag};
use crate::rewrap::Announced;
use crate::tail::{Damage, DamageKind};

#[derive(Clone, Default)]
pub(super) struct Keyrings {
    epochs: BTreeSet<Tag>,
    /// Below the log's folder.
    paths: BTreeSet<PathBuf>,
    /// The newest files that are not there.
    missing: BTreeMap<Tag, Damage>,
}

impl Keyrings {
    /// Takes in an entry, which may announce a file.
    pub(super) fn tell(
        &mut self,
        archive: &Archive<'_>,
        entry: &Entry,
        place: Place<'_>,
    ) -> Result<(), Damage> {
        let Some(file) = Announced::by(entry) else {
            return Ok(());
        };
        let each: BTreeSet<_> = file.recipients.iter().collect();
        if each.is_empty() || each.len() != file.recipients.len() {
            let what = "an epoch key is sealed to nobody, or to somebody twice";
            return Err(place.damage(DamageKind::Story(what)));
        }
        if matches!(entry, Entry::Epoch(_)) && !self.epochs.insert(file.epoch) {
            let what = "an epoch key is announced twice";
            return Err(place.damage(DamageKind::Story(what)));
        }
        self.paths.insert(file.path.clone());
        match archive.keyring(&file.path) {
            Ok(bytes) if file.is(&bytes) => {
                self.missing.remove(&file.epoch);
                Ok(())
            }
            Ok(_) => {
                Err(Damage::new(&archive.dir.join(&file.path), DamageKind::Keyring).of(place.index))
            }
            Err(damage) if damage.fault == DamageKind::Missing => {
                self.missing.insert(file.epoch, damage.of(place.index));
                Ok(())
            }
            Err(damage) => Err(damage.of(place.index)),
        }
    }

    /// Whether bodies may be sealed under this epoch.
    pub(super) fn has(&self, epoch: Tag) -> bool {
        self.epochs.contains(&epoch)
    }

    /// Whether an entry announced this file; its path is below the log's folder.
    pub(super) fn account_for(&self, below: &Path) -> bool {
        self.paths.contains(below)
    }

    /// After the last entry: no epoch is without its newest file.
    pub(super) fn are_there(&self) -> Result<(), Damage> {
        self.missing
            .values()
            .min_by_key(|damage| damage.index)
            .map_or(Ok(()), |damage| Err(damage.clone()))
    }
}
