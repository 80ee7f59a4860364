//! What the fuzz targets need of the inside. Not part of the crate's face: only with the feature
//! `fuzzing`, which no other package turns on.

use std::path::Path;

use crate::checkpoint::Origin;
use crate::document::{Sealed, unpack};
use crate::entry::{Entry, Peek, StoredEntry, Tag, peek};
use crate::seal::{Keyring, Opener};
use crate::storage::{CrashStorage, Storage};
use crate::tail::{Batch, Tail};
use crate::wal::{set_frame_checksums, set_header_checksum};

/// Reads some segments as recovery does.
///
/// # Panics
/// When what is accepted has a gap.
#[expect(clippy::panic, reason = "that is how a fuzz target fails")]
pub fn replay(segments: &[Vec<u8>]) {
    let (storage, dir) = (CrashStorage::new(0), Path::new("/audit"));
    for (id, segment) in (0..).zip(segments) {
        let path = dir.join(format!("wal/{id:08}"));
        let made = storage
            .create_dir_all(&dir.join("wal"))
            .and_then(|()| storage.create(&path));
        if made.and_then(|file| file.write_all_at(segment, 0)).is_err() {
            return;
        }
    }
    let Ok(tail) = Tail::find(&storage, dir, None, u64::MAX) else {
        return;
    };
    let mut next = tail
        .segments
        .first()
        .map_or(0, |found| found.header.base.size);
    let end = tail.replay(&storage, &mut |batch: Batch<'_>| {
        for entry in &batch.entries {
            if entry.index != next {
                panic!("entry {} where {next} was expected", entry.index);
            }
            next += 1;
        }
        Ok(())
    });
    if end.is_ok_and(|end| end.size != next) {
        panic!("the tail does not end after its last entry");
    }
}

/// Sets the checksums of a segment right, as far as its lengths lead.
pub fn set_checksums(segment: &mut [u8]) {
    if let Some((start, nonce)) = set_header_checksum(segment) {
        set_frame_checksums(segment, start, nonce);
    }
}

/// What recovery reads of an entry in haste must be what the parser reads.
///
/// # Panics
/// When it is not.
pub fn peek_agrees(leaf: &[u8], stored: &StoredEntry) {
    let expected = match &stored.entry {
        Entry::Intent(intent) => Peek::Intent(intent.req),
        Entry::Outcome(outcome) => Peek::Outcome(outcome.intent),
        _ => Peek::Other,
    };
    assert_eq!(peek(leaf), Some(expected));
}

/// Reads a keyring file as a verifier and an officer do. What is read has one spelling, and gives
/// its key to nobody else than its recipients.
///
/// # Panics
/// When a recipient opens it as another epoch's too.
#[expect(clippy::panic, reason = "that is how a fuzz target fails")]
pub fn keyring(file: &[u8]) {
    let Some(keyring) = Keyring::read(file) else {
        return;
    };
    assert!(keyring.recipients() > 0);
    let keys = [
        (
            include_str!("../vectors/keys/officer-p256.key"),
            include_str!("../vectors/keys/officer-p256.pem"),
        ),
        (
            include_str!("../vectors/keys/officer-rsa.key"),
            include_str!("../vectors/keys/officer-rsa.pem"),
        ),
    ];
    let origin = Origin::new("gw1.agency.example/audit");
    for (key, certificate) in keys {
        let (Ok(opener), Some(origin)) = (Opener::from_pem(key, certificate), &origin) else {
            panic!("the throw-away keys are gone");
        };
        let opens = |epoch| keyring.open(&opener, origin, Tag(epoch)).is_ok();
        assert!(!(opens(SEED) && opens([0; 8])));
    }
}

/// The epoch of the seeds in the corpus.
const SEED: [u8; 8] = [0xc4, 0x96, 0x7e, 0x9d, 0x8e, 0x89, 0xaf, 0x5f];

/// Unpacks and reads a document as an officer does.
pub fn document(packed: &[u8]) {
    let Some(document) = unpack(packed).and_then(|json| Sealed::read(&json)) else {
        return;
    };
    let nowhere = |_| Ok::<_, ()>(Some(String::new()));
    let _ = document.resolve(nowhere);
}
