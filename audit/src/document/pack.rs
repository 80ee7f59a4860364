//! How a document lies in its sealed body: compressed, and padded, so that the length of what is
//! sealed says little of what is in it.
//!
//! ```text
//! method(1): 0 as it is, 1 zlib (RFC 1950) │ bytes of data(4), big-endian │ data │ zeros
//! ```
//!
//! Padded by Padmé (Nikitin and others, "Reducing Metadata Leakage from Encrypted Files and
//! Communication with PURBs", PoPETs 2019): 12 % longer at most, and of n bits of a length no more
//! than the first log n remain. Compressing before encrypting lets lengths tell of content where an
//! attacker can add to it; the padding makes such a question cost many requests, each of them an
//! entry.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use zeroize::Zeroizing;

const AS_IT_IS: u8 = 0;
const ZLIB: u8 = 1;
const HEAD: usize = 5;
/// No zlib stream says more than so many bytes with one.
const RATIO_MAX: usize = 1032;

thread_local! {
    static ZLIB_STATE: RefCell<Compress> = RefCell::new(Compress::new(Compression::fast(), true));
}

/// Packs a document behind `front`, which is kept.
pub(crate) fn pack(front: &[u8], document: &[u8]) -> Vec<u8> {
    // Of its whole length at once: growing would leave pieces of the text behind.
    let most = front.len() + padded(HEAD + document.len());
    let mut packed = Vec::with_capacity(most + 64);
    packed.extend_from_slice(front);
    packed.extend_from_slice(&[0; HEAD]);
    let data = packed.len();
    let smaller = ZLIB_STATE.with_borrow_mut(|zlib| deflate(zlib, document, &mut packed));
    if !smaller {
        packed.truncate(data);
        packed.extend_from_slice(document);
    }
    let length = u32::try_from(packed.len() - data).unwrap_or(u32::MAX);
    let method = if smaller { ZLIB } else { AS_IT_IS };
    let head = [&[method][..], &length.to_be_bytes()].concat();
    if let Some(place) = packed.get_mut(front.len()..data) {
        place.copy_from_slice(&head);
    }
    let end = front.len() + padded(packed.len() - front.len());
    packed.resize(end, 0);
    packed
}

/// Whether the document is smaller so; appends what it becomes.
fn deflate(zlib: &mut Compress, document: &[u8], packed: &mut Vec<u8>) -> bool {
    zlib.reset();
    let before = packed.len();
    // Into the room that is there: whatever does not fit is not smaller.
    let status = zlib.compress_vec(document, packed, FlushCompress::Finish);
    matches!(status, Ok(Status::StreamEnd)) && packed.len() - before < document.len()
}

/// The document in these bytes; `None` if they are none of ours.
pub(crate) fn unpack(packed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (&method, rest) = packed.split_first()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (data, padding) = rest.split_at_checked(length)?;
    let ours = padding.iter().all(|&byte| byte == 0) && packed.len() == padded(HEAD + length);
    match (ours, method) {
        (true, AS_IT_IS) => Some(Zeroizing::new(data.to_vec())),
        (true, ZLIB) => inflate(data),
        _ => None,
    }
}

fn inflate(data: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let most = data.len().checked_mul(RATIO_MAX)?;
    let mut room = data.len().checked_mul(4)?.max(1024);
    loop {
        let mut document = Zeroizing::new(Vec::with_capacity(room.min(most)));
        let mut zlib = Decompress::new(true);
        match zlib.decompress_vec(data, &mut document, FlushDecompress::Finish) {
            Ok(Status::StreamEnd) => {
                let whole = usize::try_from(zlib.total_in()).ok()? == data.len();
                return whole.then_some(document);
            }
            Ok(_) if document.len() == document.capacity() && room < most => {
                room = room.saturating_mul(4);
            }
            _ => return None,
        }
    }
}

/// The length that bytes of this length are padded to.
fn padded(bytes: usize) -> usize {
    let Some(magnitude) = bytes.checked_ilog2().filter(|&magnitude| magnitude > 0) else {
        return bytes;
    };
    let kept = magnitude.ilog2() + 1; // bits of the length that stay
    let step = 1_usize << magnitude.saturating_sub(kept);
    bytes.next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lengths_are_padded_as_the_paper_says() {
        let lengths = [0, 1, 2, 8, 9, 100, 1000, 1_000_000];
        assert_eq!(lengths.map(padded), [0, 1, 2, 8, 10, 104, 1024, 1_015_808]);
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(
            text in "(abc|[a-z ]{1,30}|\\PC{1,9}){0,40}",
            front in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let packed = pack(&front, text.as_bytes());
            let document = unpack(packed.strip_prefix(&front[..]).expect("the front"));
            prop_assert_eq!(&**document.expect("a document"), text.as_bytes());
        }

        #[test]
        fn padding_costs_little_and_goes_one_way(bytes in 0_usize..10_000_000) {
            let to = padded(bytes);
            prop_assert!(to >= bytes && to - bytes <= bytes / 8 + 1);
            prop_assert_eq!(padded(to), to);
        }

        #[test]
        fn no_bytes_make_it_fall_over(packed in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = unpack(&packed);
        }
    }
}
