//! Proofs as text that strangers' tools read.
//!
//! ```text
//! c2sp.org/tlog-proof@v1                              old 73894
//! index 73894                                         gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
//! gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=
//!                                                     gw1.agency.example/audit
//! gw1.agency.example/audit                            109482
//! 109482                                              …
//! …
//! C2SP tlog-proof: an entry is in the log             C2SP tlog-witness add-checkpoint: the log was only added to
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::checkpoint::{BadCheckpoint, Checkpoint, VerifyKey};
use crate::entry::EntryIndex;
use crate::merkle::{Hash, ProofRejected, check_inclusion, leaf_hash};

/// The first line of a C2SP tlog-proof.
const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// A tree of 2^64 leaves is 64 hashes high.
const PATH_MAX: usize = 64;

pub(super) fn inclusion(index: u64, path: &[Hash], note: &str) -> String {
    format!("{HEADER}\nindex {index}\n{}\n{note}", lines(path))
}

pub(super) fn consistency(old: u64, proof: &[Hash], note: &str) -> String {
    format!("old {old}\n{}\n{note}", lines(proof))
}

fn lines(hashes: &[Hash]) -> String {
    hashes
        .iter()
        .map(|hash| BASE64.encode(hash) + "\n")
        .collect()
}

/// A text that proves nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadProof {
    /// Not a C2SP tlog-proof.
    #[error("not a C2SP tlog-proof")]
    Malformed,
    /// The checkpoint in it cannot be relied on.
    #[error("its checkpoint: {0}")]
    Checkpoint(#[from] BadCheckpoint),
    /// The entry is another one, or the hashes do not lead to the checkpoint's root.
    #[error("the entry is not in that log at that index")]
    Rejected(#[from] ProofRejected),
}

/// Checks a C2SP tlog-proof of an entry, with nothing but the entry, the text and the log's key.
/// Returns the entry's index and the checkpoint under which it stands.
///
/// # Errors
/// [`BadProof`].
pub fn check_inclusion_text(
    text: &str,
    leaf: &[u8],
    key: &VerifyKey,
) -> Result<(EntryIndex, Checkpoint), BadProof> {
    let (index, path, note) = read(text).ok_or(BadProof::Malformed)?;
    let checkpoint = Checkpoint::open(note, key)?;
    let (size, root) = (checkpoint.size, &checkpoint.root.0);
    check_inclusion(index, &leaf_hash(leaf), size, root, &path)?;
    Ok((EntryIndex(index), checkpoint))
}

fn read(text: &str) -> Option<(u64, Vec<Hash>, &str)> {
    let rest = text.strip_prefix(HEADER)?.strip_prefix('\n')?;
    // What others may say beside it is not authenticated, and nothing to us.
    let rest = match rest.strip_prefix("extra ") {
        Some(extra) => extra.split_once('\n')?.1,
        None => rest,
    };
    let (index, mut rest) = rest.strip_prefix("index ")?.split_once('\n')?;
    let canonical = index == "0" || !index.starts_with(['0', '+']);
    let index = index.parse().ok().filter(|_| canonical)?;
    let mut path = Vec::new();
    loop {
        let (line, after) = rest.split_once('\n')?;
        rest = after;
        match line {
            "" => return Some((index, path, rest)),
            _ if path.len() == PATH_MAX => return None,
            line => path.push(BASE64.decode(line).ok()?.try_into().ok()?),
        }
    }
}

#[cfg(test)]
mod tests;
