use proptest::prelude::*;

use super::*;
use crate::fixtures::request;

const NONCE: u64 = 0x1122_3344_5566_7788;

fn header(open: usize) -> Header {
    Header {
        number: 7,
        nonce: NONCE,
        mark: [9; 8],
        base: Base {
            size: 100,
            root: [3; 32],
            spot: Spot { vol: 1, at: 77 },
        },
        open: (0..open as u64)
            .map(|n| (EntryIndex(n), request(n)))
            .collect(),
        clean: false,
    }
}

/// A segment of batches, each of so many entries of so many bytes; and where each commit ends.
fn segment(batches: &[Vec<usize>]) -> (Vec<u8>, Vec<u64>) {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    let mut size = 100;
    for lengths in batches {
        let front = if bytes.is_empty() {
            header(2).to_bytes()
        } else {
            Vec::new()
        };
        let mut batch = Batch::begin(NONCE, bytes.len() as u64, front);
        for length in lengths {
            batch.entry(size, &vec![b'e'; *length]);
            batch.body(size, &vec![b'b'; length / 2]);
            size += 1;
        }
        batch.commit(size, &[size as u8; 32], 1);
        ends.push(batch.end());
        bytes.extend_from_slice(batch.bytes());
    }
    bytes.resize(bytes.len() + 512, 0);
    (bytes, ends)
}

fn commits(bytes: &[u8], nonce: u64) -> (Vec<u64>, Option<u64>) {
    let start = header_bytes(2);
    let mut frames = Frames::new(&bytes[start as usize..], start, nonce);
    let ends = frames.by_ref().filter_map(|frame| match frame.content {
        Content::Commit(commit) => Some(commit.end),
        _ => None,
    });
    (
        ends.collect(),
        frames.later_commit().map(|commit| commit.end),
    )
}

#[test]
fn a_header_reads_back_and_nothing_else_is_one() {
    for open in [0, 1, 50] {
        let bytes = header(open).to_bytes();
        assert_eq!(bytes.len() as u64, header_bytes(open));
        assert_eq!(Header::parse(&bytes), Some((header(open), bytes.len())));
        for at in 0..bytes.len() {
            let mut altered = bytes.clone();
            altered[at] ^= 0x10;
            assert_eq!(Header::parse(&altered), None, "byte {at}");
            assert_eq!(Header::parse(&bytes[..at]), None);
        }
    }
}

#[test]
fn frames_of_another_life_are_none() {
    let (bytes, ends) = segment(&[vec![100], vec![5, 6]]);
    assert_eq!(commits(&bytes, NONCE), (ends, None));
    assert_eq!(commits(&bytes, NONCE + 1), (Vec::new(), None));
}

#[test]
fn damage_before_a_later_batch_is_told_from_a_torn_tail() {
    let (bytes, ends) = segment(&[vec![100], vec![200], vec![300]]);
    for at in header_bytes(2) as usize..ends[2] as usize {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        let (whole, later) = commits(&altered, NONCE);
        let hit = ends.iter().filter(|end| **end <= at as u64).count();
        assert_eq!(whole, ends[..hit], "byte {at}");
        // Only the last batch could have been torn; before it, a later commit proves a flush.
        assert_eq!(later.is_some(), hit < 2, "byte {at}");
    }
}

proptest! {
    #[test]
    fn a_cut_segment_keeps_a_prefix_of_its_commits(
        batches in proptest::collection::vec(proptest::collection::vec(0usize..300, 1..4), 1..6),
        cut in 0usize..6_000,
    ) {
        let (mut bytes, ends) = segment(&batches);
        let cut = cut.clamp(header_bytes(2) as usize, bytes.len());
        bytes[cut..].fill(0);
        let (whole, later) = commits(&bytes, NONCE);
        prop_assert!(ends.starts_with(&whole));
        prop_assert_eq!(later, None, "a cut is no damage");
        let kept = ends.iter().filter(|end| **end <= cut as u64).count();
        prop_assert!(whole.len() >= kept);
    }

    #[test]
    fn no_bytes_make_the_parsers_fall_over(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Header::parse(&bytes);
        let mut frames = Frames::new(&bytes, 0, 0);
        let _ = (frames.by_ref().count(), frames.later_commit());
    }
}
