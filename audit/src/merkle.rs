//! The RFC 6962 tree: hashing, the frontier of a growing tree, and the checks of proofs.
//!
//! ```text
//! leaf(d)    = SHA-256(0x00 ‖ d)
//! node(l, r) = SHA-256(0x01 ‖ l ‖ r)
//! root of n leaves: split at the largest power of two below n; the root of none is SHA-256("")
//! ```
//!
//! Everything here is arithmetic on hashes: no files, no time, no keys.

use aws_lc_rs::digest;

/// A SHA-256 hash.
pub(crate) type Hash = [u8; 32];

/// SHA-256 over the concatenation of `parts`.
pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = digest::Context::new(&digest::SHA256);
    parts.iter().for_each(|part| context.update(part));
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The hash of a leaf: RFC 6962 section 2.1.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    sha256(&[&[0], leaf])
}

/// The hash of an inner node: RFC 6962 section 2.1.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// The right edge of a tree: the roots of its perfect subtrees, the largest first.
///
/// At most 64 hashes, whatever the size; cloning one is how a batch is undone.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Frontier {
    size: u64,
    subtrees: Vec<Hash>,
}

impl Frontier {
    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Appends one leaf: two hashes on average.
    pub(crate) fn push(&mut self, leaf: Hash) {
        self.push_subtree(leaf, 0);
    }

    /// Appends a perfect subtree of `2^height` leaves; `size` must be a multiple of that.
    pub(crate) fn push_subtree(&mut self, root: Hash, height: u32) {
        debug_assert_eq!(
            self.size & ((1 << height) - 1),
            0,
            "a subtree starts at a multiple of its size"
        );
        let mut merged = root;
        for _ in 0..(self.size >> height).trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                merged = node_hash(&left, &merged);
            }
        }
        self.subtrees.push(merged);
        self.size += 1 << height;
    }

    /// The root hash of everything appended.
    pub(crate) fn root(&self) -> Hash {
        let mut from_the_right = self.subtrees.iter().rev();
        match from_the_right.next() {
            None => sha256(&[]),
            Some(last) => from_the_right.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

/// A proof that does not hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the proof does not lead to the root")]
pub struct ProofRejected;

/// Checks that `leaf` (a leaf hash) is entry `index` of the tree of `size` leaves under `root`.
///
/// RFC 9162 section 2.1.3.2.
///
/// # Errors
/// [`ProofRejected`] when it is not, or when the proof has another shape.
pub fn check_inclusion(
    index: u64,
    leaf: &[u8; 32],
    size: u64,
    root: &[u8; 32],
    proof: &[[u8; 32]],
) -> Result<(), ProofRejected> {
    if index >= size {
        return Err(ProofRejected);
    }
    let (mut node, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(ProofRejected);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    match last == 0 && hash == *root {
        true => Ok(()),
        false => Err(ProofRejected),
    }
}

/// Checks that the tree of `new_size` leaves under `new_root` begins with the tree of `old_size`
/// leaves under `old_root`.
///
/// RFC 9162 section 2.1.4.2. Every tree begins with the empty one, and with itself: those two
/// proofs are empty.
///
/// # Errors
/// [`ProofRejected`] when it does not, or when the proof has another shape.
pub fn check_consistency(
    old_size: u64,
    old_root: &[u8; 32],
    new_size: u64,
    new_root: &[u8; 32],
    proof: &[[u8; 32]],
) -> Result<(), ProofRejected> {
    if old_size > new_size {
        return Err(ProofRejected);
    }
    if old_size == 0 || old_size == new_size {
        let expected = if old_size == 0 {
            &sha256(&[])
        } else {
            new_root
        };
        return (proof.is_empty() && old_root == expected)
            .then_some(())
            .ok_or(ProofRejected);
    }
    let (mut node, mut last) = (old_size - 1, new_size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old, mut new, rest) = match proof.split_first() {
        _ if old_size.is_power_of_two() => (*old_root, *old_root, proof),
        Some((first, rest)) => (*first, *first, rest),
        None => return Err(ProofRejected),
    };
    for sibling in rest {
        if last == 0 {
            return Err(ProofRejected);
        }
        if node & 1 == 1 || node == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    match last == 0 && old == *old_root && new == *new_root {
        true => Ok(()),
        false => Err(ProofRejected),
    }
}

#[cfg(test)]
mod tests;
