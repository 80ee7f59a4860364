//! Where sealed bodies lie: volumes under `content/`, one body behind the other.
//!
//! A body's place is given by the sequencer when its entry is numbered, because the entry names
//! it. The place follows from the bodies before it alone, so recovery finds the same one.
//! No volume has a gap: every byte of it belongs to a body that an entry names.

use std::path::PathBuf;

/// A volume that has reached this takes no further body.
const VOLUME_BYTES: u64 = 64 * 1024 * 1024;

/// Where the next body goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub(crate) struct Spot {
    pub(crate) vol: u32,
    pub(crate) at: u64,
}

impl Spot {
    /// Takes the place for a body of `bytes`, and moves behind it.
    pub(crate) fn take(&mut self, bytes: u64) -> Spot {
        if self.at >= VOLUME_BYTES {
            *self = Spot {
                vol: self.vol.saturating_add(1),
                at: 0,
            };
        }
        let place = *self;
        self.at += bytes;
        place
    }
}

/// The folder of the volumes, below the log's own.
pub(crate) const CONTENT: &str = "content";

/// The volume's path below the log's folder.
pub(crate) fn volume_path(vol: u32) -> PathBuf {
    PathBuf::from(format!("{CONTENT}/{vol:08}"))
}
