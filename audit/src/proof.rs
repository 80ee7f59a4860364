//! Proofs from the published tiles: RFC 6962 sections 2.1.1 and 2.1.2.
//!
//! Reads a few tiles and checks nothing: whoever receives a proof does that, with
//! [`check_inclusion`](crate::check_inclusion), [`check_consistency`](crate::check_consistency), or
//! any other RFC 6962 code.

use std::path::Path;

use crate::archive::Archive;
use crate::checkpoint::Checkpoint;
use crate::entry::EntryIndex;
use crate::merkle::{Frontier, Hash, node_hash};
use crate::storage::DiskStorage;
use crate::tail::Damage;
use crate::tiles::WIDTH;

mod text;

pub use text::{BadProof, check_inclusion_text};

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The entry or the smaller tree is not in the larger tree, or that is not published yet.
    #[error("not in the published tree of {0} entries")]
    Range(u64),
    /// The tiles cannot be read.
    #[error(transparent)]
    Damage(#[from] Damage),
}

/// The proof that entry `index` is in the published tree of `size` entries.
///
/// # Errors
/// [`ProofError`].
pub fn prove_inclusion(
    dir: &Path,
    index: EntryIndex,
    size: u64,
) -> Result<Vec<[u8; 32]>, ProofError> {
    with_tree(dir, size, |tree| match index.0 < size {
        true => tree.path(index.0, 0, size),
        false => Err(ProofError::Range(size)),
    })
}

/// The proof that the published tree of `new` entries begins with that of `old`.
///
/// # Errors
/// [`ProofError`].
pub fn prove_consistency(dir: &Path, old: u64, new: u64) -> Result<Vec<[u8; 32]>, ProofError> {
    with_tree(dir, new, |tree| match (old, old.cmp(&new)) {
        (0, _) | (_, std::cmp::Ordering::Equal) => Ok(Vec::new()),
        (_, std::cmp::Ordering::Greater) => Err(ProofError::Range(new)),
        _ => tree.shared(old, 0, new, true),
    })
}

/// The proof that an entry is in the log, for somebody who has nothing but the log's public key: a
/// C2SP tlog-proof, which holds the checkpoint too.
///
/// # Errors
/// [`ProofError`].
pub fn inclusion_text(dir: &Path, index: EntryIndex) -> Result<String, ProofError> {
    with_published(dir, |tree, note| {
        let path = match index.0 < tree.published {
            true => tree.path(index.0, 0, tree.published)?,
            false => return Err(ProofError::Range(tree.published)),
        };
        Ok(text::inclusion(index.0, &path, note))
    })
}

/// The proof that the log still begins with what an older checkpoint stands for, and the checkpoint
/// that it leads to: the body of a C2SP tlog-witness `add-checkpoint` request.
///
/// # Errors
/// [`ProofError`]; `Range` when the older checkpoint is of a longer log.
pub fn consistency_text(dir: &Path, old: &Checkpoint) -> Result<String, ProofError> {
    with_published(dir, |tree, note| {
        let proof = match old.size {
            0 => Vec::new(),
            size if size == tree.published => Vec::new(),
            size if size < tree.published => tree.shared(size, 0, tree.published, true)?,
            _ => return Err(ProofError::Range(tree.published)),
        };
        Ok(text::consistency(old.size, &proof, note))
    })
}

fn with_tree<R>(
    dir: &Path,
    size: u64,
    prove: impl Fn(&Tree<'_>) -> Result<R, ProofError>,
) -> Result<R, ProofError> {
    with_published(dir, |tree, _| match size <= tree.published {
        true => prove(tree),
        false => Err(ProofError::Range(tree.published)),
    })
}

/// Proves from the published tree and its note. A log that is being written may replace its last
/// tiles meanwhile: then there is a newer checkpoint, and it is begun again from that.
fn with_published<R>(
    dir: &Path,
    prove: impl Fn(&Tree<'_>, &str) -> Result<R, ProofError>,
) -> Result<R, ProofError> {
    let storage = DiskStorage::existing(dir).map_err(|error| Damage::unreadable(dir, &error))?;
    let archive = Archive {
        storage: &storage,
        dir,
    };
    let mut found = archive.note(None)?;
    loop {
        let Some((checkpoint, note)) = &found else {
            return Err(ProofError::Range(0));
        };
        let tree = Tree {
            archive: Archive {
                storage: &storage,
                dir,
            },
            published: checkpoint.size,
        };
        let proved = prove(&tree, note);
        if !matches!(proved, Err(ProofError::Damage(_))) {
            return proved;
        }
        let newer = archive.note(None)?;
        if newer == found {
            return proved;
        }
        found = newer;
    }
}

struct Tree<'a> {
    archive: Archive<'a>,
    published: u64,
}

impl Tree<'_> {
    /// The siblings on the way from a leaf to the root of the leaves `from..to`.
    fn path(&self, index: u64, from: u64, to: u64) -> Result<Vec<Hash>, ProofError> {
        if to - from == 1 {
            return Ok(Vec::new());
        }
        let middle = from + split(to - from);
        let (mut path, sibling) = match index < middle {
            true => (self.path(index, from, middle)?, self.root(middle, to)?),
            false => (self.path(index, middle, to)?, self.root(from, middle)?),
        };
        path.push(sibling);
        Ok(path)
    }

    /// SUBPROOF of RFC 6962: what leads from the old tree's subtrees to the new root. `known` while
    /// the subtree is the whole old tree, whose root the checker has.
    fn shared(&self, old: u64, from: u64, to: u64, known: bool) -> Result<Vec<Hash>, ProofError> {
        if old == to {
            return if known {
                Ok(Vec::new())
            } else {
                Ok(vec![self.root(from, to)?])
            };
        }
        let middle = from + split(to - from);
        let (mut proof, sibling) = match old <= middle {
            true => (
                self.shared(old, from, middle, known)?,
                self.root(middle, to)?,
            ),
            false => (
                self.shared(old, middle, to, false)?,
                self.root(from, middle)?,
            ),
        };
        proof.push(sibling);
        Ok(proof)
    }

    /// The root of the leaves `from..to`.
    fn root(&self, from: u64, to: u64) -> Result<Hash, ProofError> {
        let leaves = to - from;
        if leaves.is_power_of_two() && from.is_multiple_of(leaves) {
            return Ok(self.perfect(from, leaves.trailing_zeros())?);
        }
        let middle = from + split(leaves);
        Ok(node_hash(
            &self.root(from, middle)?,
            &self.root(middle, to)?,
        ))
    }

    /// The root of a perfect subtree, from the lowest tile that holds its nodes.
    fn perfect(&self, from: u64, height: u32) -> Result<Hash, Damage> {
        let level = (height / 8).min(7);
        let first = from >> (8 * level);
        let hashes = self.archive.hashes(
            u8::try_from(level).unwrap_or(7),
            first / WIDTH,
            self.published,
        )?;
        let start = usize::try_from(first % WIDTH).unwrap_or(0);
        let mut nodes = Frontier::default();
        hashes
            .iter()
            .skip(start)
            .take(1 << (height % 8))
            .for_each(|hash| nodes.push(*hash));
        Ok(nodes.root())
    }
}

/// The largest power of two below `n`, for `n` of two or more.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}
