//! The write-ahead log's bytes: segments, frames, and where a tail ends. No files, no threads.
//!
//! ```text
//! segment   header │ frame frame … commit │ frame … commit │ … │ zeros, or an older life's bytes
//! header    "PCWAL1\n\0" number nonce mark │ base: size root vol at │ flags n │ n × (index req) │ crc
//! frame     length(4) crc(4) kind(1) 0(7) index(8) │ payload │ zeros to a multiple of 8
//! commit    a frame whose index is the new tree size and whose payload is root(32) from(8) ts(8)
//! ```
//!
//! Little-endian throughout; `crc` is CRC-32C. A frame's covers the segment's nonce, the frame's
//! offset, its header (without the crc) and its payload, so that bytes of an older life of a
//! recycled file, or of another place, are never taken for a frame.
//!
//! A batch is some frames and the commit that closes them. **A batch is flushed before the next one
//! is begun.** Hence what the end of a segment means:
//! - no commit after the first bad frame, or only one whose batch was begun before it (`from` is not
//!   after the bad frame): that batch was never flushed, nobody was told of it, and it is dropped;
//! - a commit whose batch was begun *after* the first bad frame: what is bad there had been flushed
//!   and acknowledged. That is damage, and it is never dropped in silence.
//!
//! What it cannot tell apart: a last batch that was never flushed, and one that was flushed and
//! damaged afterwards. A published checkpoint that covers it can.

use crate::content::Spot;
use crate::entry::{EntryIndex, RequestId};
use crate::merkle::Hash;

/// What a reservation sets aside for one entry, with its share of frames and commit.
pub(crate) const SLOT: u64 = 4096;

const MAGIC: [u8; 8] = *b"PCWAL1\n\0";
const HEADER_FIXED: usize = 92;
const OPEN_BYTES: usize = 24;
const CRC_BYTES: usize = 4;
const FRAME_HEADER: usize = 24;
const COMMIT_PAYLOAD: usize = 48;
const FLAG_CLEAN: u32 = 1;

/// The bytes of a header that lists this many open intents.
pub(crate) const fn header_bytes(open: usize) -> u64 {
    aligned(HEADER_FIXED + open * OPEN_BYTES + CRC_BYTES) as u64
}

/// The bytes of a frame with this much payload.
pub(crate) const fn frame_bytes(payload: usize) -> u64 {
    aligned(FRAME_HEADER + payload) as u64
}

/// The bytes of a commit.
pub(crate) const COMMIT_BYTES: u64 = frame_bytes(COMMIT_PAYLOAD);

const fn aligned(bytes: usize) -> usize {
    bytes.next_multiple_of(8)
}

/// Where the log stood: everything that numbering the next entry needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Base {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    /// Where the next body goes.
    pub(crate) spot: Spot,
}

/// The header of a segment. A segment counts only once it holds a commit, or is `clean`: its base
/// overrules what earlier segments hold beyond it, and an unflushed header must overrule nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    /// Counts up by one or more from segment to segment.
    pub(crate) number: u64,
    /// Random: tells this life of the file from earlier ones.
    pub(crate) nonce: u64,
    /// The log that it belongs to.
    pub(crate) mark: [u8; 8],
    pub(crate) base: Base,
    /// The intents that have no outcome yet, at `base`.
    pub(crate) open: Vec<(EntryIndex, RequestId)>,
    /// Closed in order: everything is published and no frame follows.
    pub(crate) clean: bool,
}

impl Header {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let Header {
            number,
            nonce,
            mark,
            base,
            open,
            clean,
        } = self;
        let mut out = Vec::with_capacity(HEADER_FIXED + open.len() * OPEN_BYTES + CRC_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&number.to_le_bytes());
        out.extend_from_slice(&nonce.to_le_bytes());
        out.extend_from_slice(mark);
        out.extend_from_slice(&base.size.to_le_bytes());
        out.extend_from_slice(&base.root);
        out.extend_from_slice(&base.spot.vol.to_le_bytes());
        out.extend_from_slice(&base.spot.at.to_le_bytes());
        out.extend_from_slice(&(if *clean { FLAG_CLEAN } else { 0 }).to_le_bytes());
        out.extend_from_slice(&u32::try_from(open.len()).unwrap_or(u32::MAX).to_le_bytes());
        for (index, req) in open {
            out.extend_from_slice(&index.0.to_le_bytes());
            out.extend_from_slice(req.as_bytes());
        }
        let crc = crc32c::crc32c(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out.resize(aligned(out.len()), 0);
        out
    }

    /// Whether this could be the beginning of a header.
    pub(crate) fn begins(segment: &[u8]) -> bool {
        segment.starts_with(&MAGIC)
    }

    /// The header at the front of a segment, and how many bytes it takes. `None` for a spare, a
    /// torn header, or bytes that are no header at all.
    pub(crate) fn parse(segment: &[u8]) -> Option<(Header, usize)> {
        let mut take = Take(segment);
        if take.array()? != MAGIC {
            return None;
        }
        let (number, nonce, mark) = (take.u64()?, take.u64()?, take.array()?);
        let base = Base {
            size: take.u64()?,
            root: take.array()?,
            spot: Spot {
                vol: take.u32()?,
                at: take.u64()?,
            },
        };
        let clean = match take.u32()? {
            0 => false,
            FLAG_CLEAN => true,
            _ => return None,
        };
        let count = usize::try_from(take.u32()?).ok()?;
        let covered = HEADER_FIXED.checked_add(count.checked_mul(OPEN_BYTES)?)?;
        let crc = crc32c::crc32c(segment.get(..covered)?);
        let mut open = Vec::with_capacity(count);
        for _ in 0..count {
            open.push((
                EntryIndex(take.u64()?),
                RequestId::from_bytes(take.array()?),
            ));
        }
        let end = aligned(covered + CRC_BYTES);
        let padding = segment.get(covered + CRC_BYTES..end)?;
        let sound = take.u32()? == crc && padding.iter().all(|&byte| byte == 0);
        sound.then_some((
            Header {
                number,
                nonce,
                mark,
                base,
                open,
                clean,
            },
            end,
        ))
    }
}

/// A batch being written: frames in memory, ready for one write.
#[derive(Debug)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    nonce: u64,
    /// Where in the segment `bytes` begin, and where the batch does (after the header, if this
    /// write brings it).
    offset: u64,
    from: u64,
}

impl Batch {
    /// A batch that goes to `offset` of the segment, preceded by `header` where it is the first.
    pub(crate) fn begin(nonce: u64, offset: u64, header: Vec<u8>) -> Batch {
        let from = offset + header.len() as u64;
        Batch {
            bytes: header,
            nonce,
            offset,
            from,
        }
    }

    pub(crate) fn entry(&mut self, index: u64, leaf: &[u8]) {
        self.frame(Kind::Entry, index, &[leaf]);
    }

    pub(crate) fn body(&mut self, index: u64, sealed: &[u8]) {
        self.frame(Kind::Body, index, &[sealed]);
    }

    /// Closes the batch: with these bytes flushed, everything before them is committed.
    pub(crate) fn commit(&mut self, size: u64, root: &Hash, ts: u64) {
        let from = self.from.to_le_bytes();
        self.frame(Kind::Commit, size, &[root, &from, &ts.to_le_bytes()]);
    }

    fn frame(&mut self, kind: Kind, index: u64, payload: &[&[u8]]) {
        let length: usize = payload.iter().map(|part| part.len()).sum();
        let mut head = [0; FRAME_HEADER];
        head[..4].copy_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        head[8] = kind as u8;
        head[16..].copy_from_slice(&index.to_le_bytes());
        let crc = checksum(
            self.nonce,
            self.offset + self.bytes.len() as u64,
            &head,
            payload,
        );
        head[4..8].copy_from_slice(&crc.to_le_bytes());
        self.bytes.extend_from_slice(&head);
        payload
            .iter()
            .for_each(|part| self.bytes.extend_from_slice(part));
        self.bytes.resize(aligned(self.bytes.len()), 0);
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    pub(crate) fn from(&self) -> u64 {
        self.from
    }

    pub(crate) fn end(&self) -> u64 {
        self.offset + self.bytes.len() as u64
    }
}

fn checksum(nonce: u64, offset: u64, head: &[u8; FRAME_HEADER], payload: &[&[u8]]) -> u32 {
    let mut seed = [0; 16];
    seed[..8].copy_from_slice(&nonce.to_le_bytes());
    seed[8..].copy_from_slice(&offset.to_le_bytes());
    let crc = crc32c::crc32c(&seed);
    let crc = crc32c::crc32c_append(crc, &head[..4]);
    let crc = crc32c::crc32c_append(crc, &head[8..]);
    payload
        .iter()
        .fold(crc, |crc, part| crc32c::crc32c_append(crc, part))
}

/// Sets the checksum of a header right, whatever it says; where its frames begin, and their nonce.
#[cfg(feature = "fuzzing")]
pub(crate) fn set_header_checksum(segment: &mut [u8]) -> Option<(usize, u64)> {
    let count = usize::try_from(Take(segment.get(HEADER_FIXED - 4..)?).u32()?).ok()?;
    let covered = HEADER_FIXED.checked_add(count.checked_mul(OPEN_BYTES)?)?;
    let crc = crc32c::crc32c(segment.get(..covered)?);
    segment
        .get_mut(covered..covered + CRC_BYTES)?
        .copy_from_slice(&crc.to_le_bytes());
    Some((
        aligned(covered + CRC_BYTES),
        Take(segment.get(16..)?).u64()?,
    ))
}

/// Sets the checksums of the frames right, as far as their lengths lead.
#[cfg(feature = "fuzzing")]
pub(crate) fn set_frame_checksums(segment: &mut [u8], start: usize, nonce: u64) -> Option<()> {
    let mut at = start;
    loop {
        let head: [u8; FRAME_HEADER] = *segment.get(at..)?.first_chunk()?;
        let length = usize::try_from(Take(&head).u32()?).ok()?;
        let end = (at + FRAME_HEADER).checked_add(length)?;
        let crc = checksum(
            nonce,
            at as u64,
            &head,
            &[segment.get(at + FRAME_HEADER..end)?],
        );
        segment
            .get_mut(at + 4..at + 8)?
            .copy_from_slice(&crc.to_le_bytes());
        at = aligned(end);
    }
}

/// The kinds of frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(crate) enum Kind {
    Entry = 1,
    Body = 2,
    Commit = 3,
}

/// A frame whose checksum holds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) offset: u64,
    pub(crate) index: u64,
    pub(crate) content: Content<'a>,
}

impl Frame<'_> {
    pub(crate) fn is_commit(&self) -> bool {
        matches!(self.content, Content::Commit(_))
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Content<'a> {
    Entry(&'a [u8]),
    Body(&'a [u8]),
    Commit(Commit),
}

/// A commit: the tree that it makes durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Commit {
    pub(crate) size: u64,
    pub(crate) root: Hash,
    /// Where its batch begins in the segment.
    pub(crate) from: u64,
    /// When, unix nanoseconds.
    pub(crate) ts: u64,
    /// Where it ends in the segment.
    pub(crate) end: u64,
}

/// The frames of a stretch of a segment, up to the first that is none.
#[derive(Debug)]
pub(crate) struct Frames<'a> {
    bytes: &'a [u8],
    /// The segment offset of `bytes`, and how far into them we are.
    offset: u64,
    at: usize,
    nonce: u64,
}

impl<'a> Frames<'a> {
    /// `bytes` lie at `offset` of the segment with this nonce.
    pub(crate) fn new(bytes: &'a [u8], offset: u64, nonce: u64) -> Frames<'a> {
        Frames {
            bytes,
            offset,
            at: 0,
            nonce,
        }
    }

    /// The segment offset of what comes next: after the last frame, where the bad one begins.
    pub(crate) fn offset(&self) -> u64 {
        self.offset + self.at as u64
    }

    fn frame_at(&self, at: usize) -> Option<(Frame<'a>, usize)> {
        let rest = self.bytes.get(at..)?;
        let head: &[u8; FRAME_HEADER] = rest.first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*head.first_chunk()?)).ok()?;
        let end = FRAME_HEADER.checked_add(length)?;
        let payload = rest.get(FRAME_HEADER..end)?;
        let padding = rest.get(end..aligned(end))?;
        let offset = self.offset + at as u64;
        let crc = Take(head.get(4..8)?).u32()?;
        let reserved = head.get(9..16)?;
        let sound = crc == checksum(self.nonce, offset, head, &[payload])
            && reserved.iter().chain(padding).all(|&byte| byte == 0);
        let index = Take(head.get(16..)?).u64()?;
        let next = at + aligned(end);
        let content = match head.get(8)? {
            1 => Content::Entry(payload),
            2 => Content::Body(payload),
            3 => Content::Commit(Commit::parse(index, payload, self.offset + next as u64)?),
            _ => return None,
        };
        sound.then_some((
            Frame {
                offset,
                index,
                content,
            },
            next,
        ))
    }

    /// Looks past the point where the frames end for a commit that proves damage: one whose batch
    /// was begun after that point. See the module.
    pub(crate) fn later_commit(&self) -> Option<Commit> {
        let bad = self.offset();
        let mut at = self.at;
        while at + FRAME_HEADER <= self.bytes.len() {
            at += 8;
            // The kind and the length of a commit, before the cost of a checksum.
            if self.bytes.get(at + 8) != Some(&(Kind::Commit as u8)) {
                continue;
            }
            if let Some((
                Frame {
                    content: Content::Commit(commit),
                    ..
                },
                _,
            )) = self.frame_at(at)
                && commit.from > bad
            {
                return Some(commit);
            }
        }
        None
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Frame<'a>;

    fn next(&mut self) -> Option<Frame<'a>> {
        let (frame, next) = self.frame_at(self.at)?;
        self.at = next;
        Some(frame)
    }
}

impl Commit {
    fn parse(size: u64, payload: &[u8], end: u64) -> Option<Commit> {
        let mut take = Take(payload);
        let commit = Commit {
            size,
            root: take.array()?,
            from: take.u64()?,
            ts: take.u64()?,
            end,
        };
        take.0.is_empty().then_some(commit)
    }
}

/// Takes fixed-width numbers from the front of some bytes.
struct Take<'a>(&'a [u8]);

impl Take<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (front, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*front)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests;
