use std::collections::BTreeMap;
use std::convert::Infallible;

use super::*;
use crate::merkle::leaf_hash;

#[test]
fn paths_are_those_of_the_specification() {
    let check = |level, number, width, path: &str| {
        let tile = TileId {
            level,
            number,
            width,
        };
        assert_eq!(tile.path(), PathBuf::from(path));
        assert_eq!(TileId::parse(Path::new(path)), Some(tile));
    };
    check(Some(0), 0, 256, "tile/0/000");
    check(Some(0), 1_234_067, 256, "tile/0/x001/x234/067");
    check(None, 1_234, 256, "tile/entries/x001/234");
    check(Some(1), 5, 70, "tile/1/005.p/70");
    for other in [
        "tile/0/1",
        "tile/0/x01/234",
        "tile/entries/000.p/256",
        "tile/0/000.p/x",
        "checkpoint",
    ] {
        assert_eq!(TileId::parse(Path::new(other)), None, "{other}");
    }
}

/// Grows a tree to each size, keeps every tile, and loads the edge back from the partial ones.
#[test]
fn an_edge_is_what_its_tiles_say() {
    let (mut edge, mut tree) = (Edge::default(), Frontier::default());
    let mut stored: BTreeMap<TileId, Vec<u8>> = BTreeMap::new();
    for n in 0..70_000u32 {
        let leaf = n.to_be_bytes();
        tree.push(leaf_hash(&leaf));
        let Ok(()) = edge.push(&leaf, leaf_hash(&leaf), |tile, bytes| {
            stored.insert(tile, bytes.to_vec());
            Ok::<(), Infallible>(())
        });
        let size = u64::from(n) + 1;
        if matches!(
            size,
            1 | 255 | 256 | 257 | 65_535 | 65_536 | 65_537 | 70_000
        ) {
            for tile in partials(size) {
                stored.insert(tile, edge.partial(tile).to_vec());
            }
            let loaded = Edge::load(size, |tile| stored.get(&tile).cloned().ok_or(tile));
            let loaded = loaded
                .expect("all tiles are stored")
                .expect("all tiles are whole");
            assert_eq!(loaded.frontier(), tree, "{size}");
            assert_eq!(loaded.bundle(), edge.bundle());
        }
    }
    let full = stored.keys().filter(|tile| tile.width == WIDTH);
    assert_eq!(full.count(), 273 + 273 + 1, "bundles, level 0, level 1");
}

#[test]
fn a_bundle_reads_back_until_it_stops_being_one() {
    let bundle = [&[0, 2][..], b"ab", &[0, 0], &[0, 5], b"cut"].concat();
    let read: Vec<_> = leaves(&bundle).collect();
    assert_eq!(read, [Ok((0, &b"ab"[..])), Ok((4, &b""[..])), Err(6)]);
}
