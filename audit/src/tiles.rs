//! The published tree: C2SP tlog-tiles, height 8.
//!
//! ```text
//! tile/0/x001/234       hashes 315904 ..= 316159 of level 0: 256 × 32 bytes
//! tile/0/x001/235.p/70  the first 70 hashes of the next tile
//! tile/1/004            256 hashes, each the root of one full tile of level 0
//! tile/entries/x001/234 the entries themselves: each a length (2 bytes, big-endian) and the leaf
//! ```
//!
//! Tiles are only ever read up to a published checkpoint, and everything up to a checkpoint is
//! durable before the checkpoint is. So a tile may be written in place: whatever a crash leaves of
//! it lies beyond the checkpoint, and is written again from the write-ahead log.

use std::path::{Path, PathBuf};

use crate::merkle::{Frontier, Hash};

/// The folder of all tiles, below the log's own.
pub(crate) const TILES: &str = "tile";
/// Hashes in a full tile, entries in a full bundle.
pub(crate) const WIDTH: u64 = 256;
const HEIGHT: u32 = 8;

/// A tile of hashes (`level` counts tiles, not hashes: level 1 holds roots of full level-0 tiles)
/// or, without a level, a bundle of entries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct TileId {
    pub(crate) level: Option<u8>,
    pub(crate) number: u64,
    /// How many hashes or entries, 1 to 256.
    pub(crate) width: u64,
}

impl TileId {
    /// The path below the log's folder.
    pub(crate) fn path(&self) -> PathBuf {
        let folder = match self.level {
            Some(level) => format!("{TILES}/{level}/"),
            None => format!("{TILES}/entries/"),
        };
        let mut groups = vec![format!("{:03}", self.number % 1000)];
        let mut rest = self.number / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        let path = folder + &groups.join("/");
        PathBuf::from(match self.width {
            WIDTH => path,
            width => format!("{path}.p/{width}"),
        })
    }

    /// The tile that a path below the log's folder names.
    pub(crate) fn parse(path: &Path) -> Option<TileId> {
        let (folder, rest) = path.to_str()?.strip_prefix("tile/")?.split_once('/')?;
        let level = if folder == "entries" {
            None
        } else {
            Some(folder.parse().ok()?)
        };
        let (groups, width) = match rest.split_once(".p/") {
            Some((groups, width)) => (groups, width.parse().ok()?),
            None => (rest, WIDTH),
        };
        let digits: String = groups
            .split('/')
            .map(|group| group.trim_start_matches('x'))
            .collect();
        let tile = TileId {
            level,
            number: digits.parse().ok()?,
            width,
        };
        (tile.path() == path).then_some(tile)
    }
}

/// The tiles that a tree of `size` leaves has at its right edge, partial ones only.
pub(crate) fn partials(size: u64) -> Vec<TileId> {
    let mut tiles = Vec::new();
    let mut count = size;
    for level in 0..8 {
        let (number, width) = (count / WIDTH, count % WIDTH);
        if width > 0 {
            tiles.push(TileId {
                level: Some(level),
                number,
                width,
            });
            if level == 0 {
                tiles.push(TileId {
                    level: None,
                    number,
                    width,
                });
            }
        }
        count /= WIDTH;
        if count == 0 {
            break;
        }
    }
    tiles
}

/// The growing right edge of the published tree.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edge {
    size: u64,
    /// For each level the hashes of its incomplete tile.
    levels: Vec<Vec<Hash>>,
    /// The incomplete bundle of entries.
    bundle: Vec<u8>,
}

impl Edge {
    /// The edge of a tree of `size` leaves, from its partial tiles. `None` when a tile has another
    /// length than its width says.
    pub(crate) fn load<E>(
        size: u64,
        mut read: impl FnMut(TileId) -> Result<Vec<u8>, E>,
    ) -> Result<Option<Edge>, E> {
        let mut edge = Edge {
            size,
            ..Edge::default()
        };
        let mut count = size;
        while count > 0 {
            edge.levels.push(Vec::new());
            count /= WIDTH;
        }
        for tile in partials(size) {
            let bytes = read(tile)?;
            let Some(level) = tile.level else {
                edge.bundle = bytes;
                continue;
            };
            let (hashes, odd) = bytes.as_chunks::<32>();
            if hashes.len() as u64 != tile.width || !odd.is_empty() {
                return Ok(None);
            }
            if let Some(slot) = edge.levels.get_mut(usize::from(level)) {
                *slot = hashes.to_vec();
            }
        }
        Ok(Some(edge))
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf; hands every tile that it completes to `full`.
    pub(crate) fn push<E>(
        &mut self,
        leaf: &[u8],
        hash: Hash,
        mut full: impl FnMut(TileId, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let length = u16::try_from(leaf.len()).unwrap_or(u16::MAX);
        self.bundle.extend_from_slice(&length.to_be_bytes());
        self.bundle.extend_from_slice(leaf);
        self.size += 1;
        if self.size.is_multiple_of(WIDTH) {
            let number = self.size / WIDTH - 1;
            full(
                TileId {
                    level: None,
                    number,
                    width: WIDTH,
                },
                &self.bundle,
            )?;
            self.bundle.clear();
        }
        self.carry(0, hash, full)
    }

    /// Appends the leaf with this hash, for those who only want the tree: the bundle stays empty.
    pub(crate) fn push_hash(&mut self, hash: Hash) {
        self.size += 1;
        let nobody = |_: TileId, _: &[u8]| Ok::<(), std::convert::Infallible>(());
        let Ok(()) = self.carry(0, hash, nobody);
    }

    /// Appends a full tile of leaves by its root; the size must be a multiple of [`WIDTH`]. Hands every
    /// tile above it that it completes to `full`.
    pub(crate) fn push_tile<E>(
        &mut self,
        root: Hash,
        full: impl FnMut(TileId, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        debug_assert!(
            self.size.is_multiple_of(WIDTH),
            "a full tile follows full tiles"
        );
        self.size += WIDTH;
        self.carry(1, root, full)
    }

    /// Takes a hash into the incomplete tile of a level, and what that completes into those above.
    fn carry<E>(
        &mut self,
        lowest: u8,
        hash: Hash,
        mut full: impl FnMut(TileId, &[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut carried, mut count) = (hash, self.size >> (HEIGHT * u32::from(lowest)));
        for level in lowest..=u8::MAX {
            while self.levels.len() <= usize::from(level) {
                self.levels.push(Vec::new());
            }
            let Some(hashes) = self.levels.get_mut(usize::from(level)) else {
                return Ok(());
            };
            hashes.push(carried);
            if !count.is_multiple_of(WIDTH) {
                return Ok(());
            }
            count /= WIDTH;
            full(
                TileId {
                    level: Some(level),
                    number: count - 1,
                    width: WIDTH,
                },
                hashes.as_flattened(),
            )?;
            carried = tile_root(hashes);
            hashes.clear();
        }
        Ok(())
    }

    /// The content of a partial tile of the present size.
    pub(crate) fn partial(&self, tile: TileId) -> &[u8] {
        match tile.level {
            None => &self.bundle,
            Some(level) => self
                .levels
                .get(usize::from(level))
                .map_or(&[], |hashes| hashes.as_flattened()),
        }
    }

    /// The tree's frontier: what the sequencer goes on from.
    pub(crate) fn frontier(&self) -> Frontier {
        let mut frontier = Frontier::default();
        for (level, hashes) in (0..8u32).zip(&self.levels).rev() {
            hashes
                .iter()
                .for_each(|hash| frontier.push_subtree(*hash, level * HEIGHT));
        }
        frontier
    }

    /// The entries of the incomplete bundle.
    pub(crate) fn bundle(&self) -> &[u8] {
        &self.bundle
    }
}

/// The root of the subtree that a full tile spans.
pub(crate) fn tile_root(hashes: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    hashes.iter().for_each(|hash| frontier.push(*hash));
    frontier.root()
}

/// The entries of a bundle, each with its offset there; an error holds the offset where the bytes
/// stop being entries.
pub(crate) fn leaves(bundle: &[u8]) -> impl Iterator<Item = Result<(usize, &[u8]), usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = bundle.get(at..).filter(|rest| !rest.is_empty())?;
        let offset = at;
        let leaf = rest
            .split_first_chunk::<2>()
            .and_then(|(length, rest)| rest.get(..usize::from(u16::from_be_bytes(*length))));
        match leaf {
            Some(leaf) => {
                at += 2 + leaf.len();
                Some(Ok((offset, leaf)))
            }
            None => {
                at = bundle.len();
                Some(Err(offset))
            }
        }
    })
}

#[cfg(test)]
mod tests;
