//! What somebody with the disk can write, and what somebody with the signing key as well can: tiles, checkpoints and
//! write-ahead logs that are right in every checksum.

use std::collections::BTreeMap;
use std::path::Path;

use audit::{leaf_hash, node_hash};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use signed_note::{Note, StandardSigner};

pub(super) type Hash = [u8; 32];

/// The entries under the checkpoint.
pub(super) fn leaves(dir: &Path) -> Vec<Vec<u8>> {
    let size = size(dir);
    audit::entries(dir)
        .unwrap()
        .take(size)
        .map(|entry| entry.unwrap().1)
        .collect()
}

/// The checkpoint's size.
pub(super) fn size(dir: &Path) -> usize {
    let note = std::fs::read_to_string(dir.join("checkpoint")).unwrap();
    note.lines().nth(1).unwrap().parse().unwrap()
}

/// An entry, parsed.
pub(super) fn read(leaf: &[u8]) -> Value {
    serde_json::from_slice(leaf).unwrap()
}

/// Puts another text into an entry, in every place; it must occur.
pub(super) fn replace(leaf: &mut Vec<u8>, from: &str, to: &str) {
    let text = std::str::from_utf8(leaf).unwrap();
    assert!(text.contains(from), "{from} in {text}");
    *leaf = text.replace(from, to).into_bytes();
}

/// Another log in the place of this one: these entries, in order, closed and signed.
pub(super) fn publish(dir: &Path, leaves: &[Vec<u8>], name: &str, secret: &str) {
    let root = tiles(dir, leaves);
    sign(dir, leaves.len(), &root, name, secret);
    close(dir, leaves, &root, name);
}

/// Writes all tiles anew; the root that they make.
pub(super) fn tiles(dir: &Path, leaves: &[Vec<u8>]) -> Hash {
    std::fs::remove_dir_all(dir.join("tile")).unwrap();
    let mut hashes: Vec<Hash> = leaves.iter().map(|leaf| leaf_hash(leaf)).collect();
    let whole = root(&hashes);
    for (number, chunk) in leaves.chunks(256).enumerate() {
        let bundle = chunk
            .iter()
            .flat_map(|leaf| [&(leaf.len() as u16).to_be_bytes(), &leaf[..]].concat());
        write(
            dir,
            &tile("entries", number, chunk.len()),
            &bundle.collect::<Vec<u8>>(),
        );
    }
    for level in 0.. {
        for (number, chunk) in hashes.chunks(256).enumerate() {
            write(
                dir,
                &tile(&level.to_string(), number, chunk.len()),
                chunk.as_flattened(),
            );
        }
        hashes = hashes.chunks_exact(256).map(root).collect();
        if hashes.is_empty() {
            return whole;
        }
    }
    whole
}

/// The path of a tile below the log's folder, numbers up to 999.
pub(super) fn tile(folder: &str, number: usize, width: usize) -> String {
    match width {
        256 => format!("tile/{folder}/{number:03}"),
        _ => format!("tile/{folder}/{number:03}.p/{width}"),
    }
}

fn write(dir: &Path, path: &str, bytes: &[u8]) {
    let path = dir.join(path);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

pub(super) fn root(hashes: &[Hash]) -> Hash {
    match hashes {
        [] => audit::Digest::of(b"").0,
        [one] => *one,
        _ => {
            let (left, right) = hashes.split_at(hashes.len().next_power_of_two() / 2);
            node_hash(&root(left), &root(right))
        }
    }
}

pub(super) fn sign(dir: &Path, size: usize, root: &Hash, name: &str, secret: &str) {
    let text = format!("{name}\n{size}\n{}\n", BASE64.encode(root));
    let mut note = Note::new(text.as_bytes(), &[]).unwrap();
    note.add_sigs(&[&StandardSigner::new(secret).unwrap()])
        .unwrap();
    std::fs::write(dir.join("checkpoint"), note.to_bytes()).unwrap();
}

/// Leaves a write-ahead log that says that the log was closed in order.
pub(super) fn close(dir: &Path, leaves: &[Vec<u8>], root: &Hash, name: &str) {
    std::fs::remove_dir_all(dir.join("wal")).unwrap();
    write(
        dir,
        "wal/00000001",
        &header(name, 1_000, 0, leaves, root, 1),
    );
}

const MAGIC: &[u8] = b"PCWAL1\n\0";

/// A segment's header, at the end of these entries.
pub(super) fn header(
    name: &str,
    number: u64,
    nonce: u64,
    leaves: &[Vec<u8>],
    root: &Hash,
    flags: u32,
) -> Vec<u8> {
    let (vol, at) = spot(leaves);
    let mark = &audit::Digest::of(name.as_bytes()).0[..8];
    let mut bytes = [MAGIC, &number.to_le_bytes(), &nonce.to_le_bytes(), mark].concat();
    bytes.extend((leaves.len() as u64).to_le_bytes());
    bytes.extend(root);
    bytes.extend(
        [
            &vol.to_le_bytes()[..],
            &at.to_le_bytes(),
            &flags.to_le_bytes(),
        ]
        .concat(),
    );
    let open = open(leaves);
    bytes.extend((open.len() as u32).to_le_bytes());
    for (index, req) in open {
        bytes.extend(index.to_le_bytes());
        bytes.extend(req.as_bytes());
    }
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    bytes.resize(bytes.len().next_multiple_of(8), 0);
    bytes
}

/// The intents that have no outcome.
fn open(leaves: &[Vec<u8>]) -> BTreeMap<u64, audit::RequestId> {
    let mut open = BTreeMap::new();
    for (index, entry) in (0..).zip(leaves.iter().map(|leaf| read(leaf))) {
        match entry["type"].as_str().unwrap() {
            "req.intent" => drop(open.insert(
                index,
                audit::RequestId::parse(entry["req"].as_str().unwrap()).unwrap(),
            )),
            "req.outcome" => drop(open.remove(&entry["intent"].as_u64().unwrap())),
            _ => {}
        }
    }
    open
}

/// Where the next body goes.
pub(super) fn spot(leaves: &[Vec<u8>]) -> (u32, u64) {
    let bodies = leaves
        .iter()
        .rev()
        .find_map(|leaf| read(leaf)["body"].as_array().cloned());
    bodies
        .and_then(|bodies| bodies.last().cloned())
        .map_or((0, 0), |body| {
            (
                body["vol"].as_u64().unwrap() as u32,
                body["at"].as_u64().unwrap() + body["len"].as_u64().unwrap(),
            )
        })
}

/// Appends a frame.
pub(super) fn frame(segment: &mut Vec<u8>, kind: u8, index: u64, payload: &[u8]) {
    let at = segment.len();
    segment.extend((payload.len() as u32).to_le_bytes());
    segment.extend([0, 0, 0, 0, kind, 0, 0, 0, 0, 0, 0, 0]);
    segment.extend(index.to_le_bytes());
    segment.extend(payload);
    segment.resize(segment.len().next_multiple_of(8), 0);
    check(segment, at, payload.len());
}

/// Sets the checksum of the frame there right.
pub(super) fn check(segment: &mut [u8], at: usize, length: usize) {
    let nonce = &segment[16..24];
    let covered = [
        nonce,
        &(at as u64).to_le_bytes(),
        &segment[at..at + 4],
        &segment[at + 8..at + 24 + length],
    ]
    .concat();
    let crc = crc32c::crc32c(&covered);
    segment[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
}

/// Sets the checksum of the header right.
pub(super) fn check_header(segment: &mut [u8]) {
    let end = header_end(segment);
    let crc = crc32c::crc32c(&segment[..end]);
    segment[end..end + 4].copy_from_slice(&crc.to_le_bytes());
}

fn header_end(segment: &[u8]) -> usize {
    92 + 24 * u32::from_le_bytes(segment[88..92].try_into().unwrap()) as usize
}

/// A commit of everything up to `size`, of the batch that begins at `from`.
pub(super) fn commit(segment: &mut Vec<u8>, size: u64, root: &Hash, from: usize) {
    let payload = [
        &root[..],
        &(from as u64).to_le_bytes(),
        &1_790_000_000_000_000_000_u64.to_le_bytes(),
    ]
    .concat();
    frame(segment, 3, size, &payload);
}

/// A frame of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame {
    pub(super) at: usize,
    pub(super) kind: u8,
    pub(super) length: usize,
}

/// A segment that holds frames.
pub(super) struct Segment {
    pub(super) file: String,
    pub(super) frames: Vec<Frame>,
    base: usize,
}

impl Segment {
    /// How many batches it holds.
    pub(super) fn commits(&self) -> usize {
        self.frames.iter().filter(|frame| frame.kind == 3).count()
    }
}

/// The segments of a write-ahead log that go on from the checkpoint, in order.
pub(super) fn segments(dir: &Path) -> Vec<Segment> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir.join("wal"))
        .unwrap()
        .map(Result::unwrap)
    {
        let bytes = std::fs::read(entry.path()).unwrap_or_default();
        if !bytes.starts_with(MAGIC) {
            continue;
        }
        let number = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let (mut frames, mut at) = (Vec::new(), (header_end(&bytes) + 4).next_multiple_of(8));
        while bytes.get(at + 8).is_some_and(|kind| (1..=3).contains(kind)) {
            let length = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            frames.push(Frame {
                at,
                kind: bytes[at + 8],
                length,
            });
            at += (24 + length).next_multiple_of(8);
        }
        let file = format!("wal/{}", entry.file_name().to_str().unwrap());
        found.push((
            number(8),
            Segment {
                file,
                frames,
                base: number(32) as usize,
            },
        ));
    }
    found.sort_by_key(|(number, _)| *number);
    let mut found: Vec<Segment> = found.into_iter().map(|(_, segment)| segment).collect();
    let published = size(dir);
    let first = found
        .iter()
        .rposition(|segment| segment.base <= published)
        .unwrap_or(0);
    found.split_off(first)
}
