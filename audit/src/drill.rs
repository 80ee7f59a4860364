//! The drill: bodies that were sealed long ago must still open. A key that was lost, a certificate that
//! was never the officer's, a volume that rotted are found on the day of the drill, and not on the day
//! when a court asks.
//!
//! Bodies are drawn at random over the whole log: a place is drawn, and from there on the first entry
//! with a body is taken. So each stretch of the log has its chance, however few of its entries have
//! one. What is opened is held against what its entry commits to.

use std::collections::BTreeSet;
use std::path::Path;

use crate::archive::{Archive, BodyError, open_body};
use crate::checkpoint::KeyError;
use crate::entry::{BodyRef, Direction, EntryIndex, RequestId, StoredEntry, Tag};
use crate::seal::{self, Opener};
use crate::storage::DiskStorage;
use crate::tail::Damage;
use crate::tiles::WIDTH;

/// A body that was drawn, and whether it opened.
#[derive(Debug)]
pub struct Drawn {
    /// The entry that it belongs to.
    pub entry: EntryIndex,
    /// When that was written, unix nanoseconds.
    pub ts: u64,
    /// Which way it went.
    pub direction: Direction,
    /// The epoch that it is sealed under.
    pub epoch: Tag,
    /// How many bytes of text it holds, or why it does not open.
    pub opened: Result<u64, BodyError>,
}

/// Why there is no drill.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// The log cannot be read.
    #[error(transparent)]
    Damage(#[from] Damage),
    /// There are no random numbers.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// So many entries are read on from a drawn place, in search of a body; then to the end of the bundle.
const STRETCH: u64 = 4096;

/// Opens `count` bodies drawn at random, or all there are; each is told once. None, where no entry with
/// a body was met.
///
/// # Errors
/// [`DrillError`]: a body that does not open is none of these, but told as drawn.
pub fn drill(dir: &Path, opener: &Opener, count: usize) -> Result<Vec<Drawn>, DrillError> {
    let storage = DiskStorage::existing(dir).map_err(|error| Damage::unreadable(dir, &error))?;
    let archive = Archive {
        storage: &storage,
        dir,
    };
    // Of a log that has only just begun there is nothing to open.
    let size = archive
        .checkpoint(None)?
        .map_or(0, |checkpoint| checkpoint.size);
    let mut seen = BTreeSet::new();
    let mut drawn = Vec::new();
    for _ in 0..count.saturating_mul(2) {
        if drawn.len() == count {
            break;
        }
        let Some(sealed) = draw(&archive, size, &mut seen)? else {
            continue;
        };
        let opened = open_body(dir, opener, sealed.req, &sealed.body);
        drawn.push(Drawn {
            entry: EntryIndex(sealed.index),
            ts: sealed.ts,
            direction: sealed.body.dir,
            epoch: sealed.body.epoch,
            opened: opened.map(|document| document.bytes()),
        });
    }
    Ok(drawn)
}

struct Sealed {
    index: u64,
    ts: u64,
    req: RequestId,
    body: BodyRef,
}

/// A body at or after a place that is drawn, which was not seen before.
fn draw(
    archive: &Archive<'_>,
    size: u64,
    seen: &mut BTreeSet<(u64, usize)>,
) -> Result<Option<Sealed>, DrillError> {
    let mut index = u64::from_le_bytes(seal::random()?)
        .checked_rem(size)
        .unwrap_or(0);
    let mut left = size.min(STRETCH);
    while left > 0 {
        let skipped = usize::try_from(index % WIDTH).unwrap_or(usize::MAX);
        let bundle = archive.bundle(index / WIDTH, size)?;
        for stored in bundle.into_iter().skip(skipped) {
            if let Some(sealed) = unseen(index, stored, seen) {
                return Ok(Some(sealed));
            }
            (index, left) = (index + 1, left.saturating_sub(1));
        }
        index %= size; // after the end, the beginning
    }
    Ok(None)
}

/// The first of an entry's bodies that was not drawn before.
fn unseen(index: u64, stored: StoredEntry, seen: &mut BTreeSet<(u64, usize)>) -> Option<Sealed> {
    let (ts, req) = (stored.ts, stored.entry.request()?);
    let mut bodies = stored.body.into_iter().enumerate();
    let (_, body) = bodies.find(|(n, _)| seen.insert((index, *n)))?;
    Some(Sealed {
        index,
        ts,
        req,
        body,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{Bench, Holder, body, intent, opener, outcome};

    async fn log() -> Bench {
        let bench = Bench::new();
        for life in 0..3 {
            let log = bench.open();
            for n in 0..20 {
                let reserved = log.reserve().await.expect("a place");
                let bodies = match n % 5 {
                    0 => body(Direction::Request, 300),
                    _ => Vec::new(),
                };
                let written = reserved.intent(intent(100 * life + n), bodies).await;
                let (_receipt, duty) = written.expect("durable");
                let _receipt = duty.outcome(outcome(n), Vec::new()).await.expect("durable");
            }
            log.close().await;
        }
        bench
    }

    #[tokio::test]
    async fn bodies_of_all_epochs_are_drawn_and_open() {
        let bench = log().await;
        for holder in [Holder::Recovery, Holder::Rsa] {
            let drawn = drill(&bench.dir(), &opener(holder), 100).expect("a log");
            let epochs: BTreeSet<_> = drawn.iter().map(|drawn| drawn.epoch).collect();
            assert_eq!((drawn.len(), epochs.len()), (12, 3));
            assert!(
                drawn.iter().all(|drawn| matches!(drawn.opened, Ok(302))),
                "{drawn:?}"
            );
        }
        assert_eq!(
            drill(&bench.dir(), &opener(Holder::Rsa), 2)
                .expect("a log")
                .len(),
            2
        );
    }

    #[tokio::test]
    async fn what_was_lost_is_found() {
        let bench = log().await;
        let keys = std::fs::read_dir(bench.dir().join("keyring")).expect("keys");
        let key = keys
            .map(|key| key.expect("a key").path())
            .next()
            .expect("a key");
        std::fs::remove_file(key).expect("removed");
        let drawn = drill(&bench.dir(), &opener(Holder::P256), 100).expect("a log");
        let lost = drawn.iter().filter(|drawn| drawn.opened.is_err()).count();
        assert_eq!((drawn.len(), lost), (12, 4));
    }
}
