//! Reading the write-ahead log: which segments count, and what they commit to.
//!
//! Recovery, [`verify`](crate::verify) and [`entries`](crate::entries) read the same tail by the
//! same rules; nothing here writes.
//!
//! The rules, with `published` the size of the last checkpoint:
//! 1. A segment **counts** when its header is whole and its own, and it holds a whole commit or is
//!    marked clean. Anything else is a spare, or a segment whose first flush never returned. (A commit
//!    behind frames that do not hold counts by rule 4: the segment is damaged then, and not void.)
//! 2. The tail starts at the last counting segment whose base is not beyond `published`; earlier
//!    ones are leftovers, everything in them is published.
//! 3. From each segment to the next, commits are taken up to the next one's base and must arrive
//!    there exactly. What lies beyond was never acknowledged: that segment failed.
//! 4. Where the frames end, [`Frames::later_commit`] decides between a torn tail and damage.

use std::fmt::{self, Write as _};
use std::io;
use std::path::{Path, PathBuf};

use crate::entry::EntryIndex;
use crate::storage::Storage;
use crate::storekeeper::WAL;
use crate::wal::{Commit, Content, Frames, Header};

/// Something in the log's files is not as it was written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The first entry that is affected, where one can be named.
    pub index: Option<EntryIndex>,
    /// The file.
    pub file: PathBuf,
    /// The byte offset there, where one can be named.
    pub offset: Option<u64>,
    /// What is wrong.
    pub fault: DamageKind,
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DamageKind {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The file should be there.
    #[error("is missing")]
    Missing,
    /// The file has another length than it must.
    #[error("has another length than it must")]
    Length,
    /// The checkpoint is not one, or its signature does not hold.
    #[error("{0}")]
    Checkpoint(#[from] crate::checkpoint::BadCheckpoint),
    /// The tree under the checkpoint is not the tree of the stored hashes.
    #[error("does not lead to the root that the checkpoint signs")]
    Root,
    /// A stored hash is not that of the entry.
    #[error("does not match the hash in the tree")]
    Hash,
    /// The bytes are not an entry.
    #[error("is not an entry: {0}")]
    Entry(#[from] crate::entry::NotAnEntry),
    /// A frame of the write-ahead log that had been flushed does not hold.
    #[error("a frame that had been committed does not hold")]
    Frame,
    /// The write-ahead log does not go on where it must.
    #[error("does not go on where the log left off, at {0}")]
    Gap(u64),
    /// Something follows the header of a log that was closed in order.
    #[error("follows an end that is called clean")]
    Behind,
    /// The write-ahead log begins with something else than what came before.
    #[error(
        "begins with another tree, other open intents or another place for bodies than there were"
    )]
    Base,
    /// The write-ahead log commits to another tree.
    #[error("commits to another tree than its entries make")]
    Commit,
    /// A sealed body is not what its entry says.
    #[error("is not the sealed body that the entry refers to")]
    Body,
    /// An epoch's key file is not what its entry says.
    #[error("is not the key file that the log announced")]
    Keyring,
    /// The log does not begin with what was kept of it.
    #[error(
        "does not begin with the {0} entries of the checkpoint that was kept: the log was rewritten"
    )]
    Rewritten(u64),
    /// The log is shorter than it was.
    #[error(
        "ends at {found} entries, but a checkpoint of {kept} was kept: the log was cut off or rolled back"
    )]
    CutOff {
        /// The kept checkpoint's size.
        kept: u64,
        /// How many entries there are.
        found: u64,
    },
    /// Entries contradict each other.
    #[error("{0}")]
    Story(&'static str),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(index) = self.index {
            write!(f, "entry {index}, ")?;
        }
        write!(f, "{}", Plain(&self.file))?;
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        write!(f, ": {}", self.fault)
    }
}

impl std::error::Error for Damage {}

/// A path as it may be printed: whoever tampered with a log may have chosen its name, for a terminal
/// to obey or a reader to misread.
pub(crate) struct Plain<'a>(pub(crate) &'a Path);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.to_string_lossy().chars() {
            match c == ' ' || c.is_ascii_graphic() || c.is_alphanumeric() {
                true => f.write_char(c)?,
                false => write!(f, "{}", c.escape_unicode())?,
            }
        }
        Ok(())
    }
}

impl Damage {
    pub(crate) fn new(file: &Path, fault: DamageKind) -> Damage {
        Damage {
            index: None,
            file: file.to_owned(),
            offset: None,
            fault,
        }
    }

    pub(crate) fn unreadable(file: &Path, error: &io::Error) -> Damage {
        let fault = match error.kind() {
            io::ErrorKind::NotFound => DamageKind::Missing,
            io::ErrorKind::UnexpectedEof | io::ErrorKind::FileTooLarge => DamageKind::Length,
            _ => DamageKind::Unreadable(error.to_string()),
        };
        Damage::new(file, fault)
    }

    pub(crate) fn at(self, offset: u64) -> Damage {
        Damage {
            offset: Some(offset),
            ..self
        }
    }

    pub(crate) fn of(self, index: u64) -> Damage {
        Damage {
            index: Some(EntryIndex(index)),
            ..self
        }
    }
}

/// A segment that counts.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) id: u64,
    pub(crate) header: Header,
    /// Where its frames begin.
    pub(crate) start: u64,
}

/// The segments that hold what is not published, and maybe a little that is, oldest first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tail {
    pub(crate) segments: Vec<Found>,
    /// The highest number of any segment, counting or not.
    pub(crate) last_number: u64,
    /// Whole frames in segments that do not count: never acknowledged.
    void_bytes: u64,
}

/// A batch whose commit is whole.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) file: &'a Path,
    pub(crate) entries: Vec<Stored<'a>>,
    pub(crate) commit: Commit,
}

/// An entry of a batch, with the sealed bodies that follow it.
#[derive(Debug)]
pub(crate) struct Stored<'a> {
    pub(crate) index: u64,
    pub(crate) leaf: &'a [u8],
    /// The segment offset of its frame.
    pub(crate) offset: u64,
    pub(crate) bodies: Vec<(u64, &'a [u8])>,
}

/// Whoever follows a tail.
pub(crate) trait Visit {
    /// A segment begins; everything before it was read.
    fn segment(&mut self, _: &Found) -> Result<(), Damage> {
        Ok(())
    }

    /// The next batch.
    fn batch(&mut self, batch: Batch<'_>) -> Result<(), Damage>;
}

impl<F: FnMut(Batch<'_>) -> Result<(), Damage>> Visit for F {
    fn batch(&mut self, batch: Batch<'_>) -> Result<(), Damage> {
        self(batch)
    }
}

/// Where the tail ends.
#[derive(Clone, Debug)]
pub(crate) struct End {
    /// The tree size of the last commit.
    pub(crate) size: u64,
    /// For each segment, where its last commit ends.
    pub(crate) ends: Vec<u64>,
    /// Where the last batch begins in the last segment.
    pub(crate) last_batch: u64,
    /// Whole frames after the last commit: never acknowledged.
    pub(crate) torn_bytes: u64,
}

impl Tail {
    /// Finds the tail of a log whose last checkpoint has this size. Segments of other logs, by their
    /// `mark`, do not count.
    ///
    /// No segments when none counts; `Gap` when all begin beyond the checkpoint.
    pub(crate) fn find(
        storage: &dyn Storage,
        dir: &Path,
        mark: Option<[u8; 8]>,
        published: u64,
    ) -> Result<Tail, Damage> {
        let folder = dir.join(WAL);
        let mut tail = Tail::default();
        let unreadable = |path: &Path, error: io::Error| Damage::unreadable(path, &error);
        for path in storage
            .files(&folder)
            .map_err(|error| unreadable(&folder, error))?
        {
            let Some((header, start)) =
                read_header(storage, &path).map_err(|error| unreadable(&path, error))?
            else {
                continue;
            };
            if mark.is_some_and(|mark| header.mark != mark) {
                continue;
            }
            tail.last_number = tail.last_number.max(header.number);
            let name = path.file_name().and_then(|name| name.to_str());
            let id = name.and_then(|name| name.parse().ok()).unwrap_or(u64::MAX);
            let found = Found {
                path,
                id,
                header,
                start,
            };
            match found
                .counts(storage)
                .map_err(|error| unreadable(&found.path, error))?
            {
                Counts::Yes => tail.segments.push(found),
                Counts::No { frames } => tail.void_bytes += frames,
            }
        }
        tail.segments.sort_by_key(|found| found.header.number);
        let reaches = |found: &Found| found.header.base.size <= published;
        match tail.segments.iter().rposition(reaches) {
            Some(start) => drop(tail.segments.drain(..start)),
            None if tail.segments.is_empty() => {}
            None => return Err(Damage::new(&folder, DamageKind::Gap(published))),
        }
        Ok(tail)
    }

    /// Reads all committed batches in order.
    pub(crate) fn replay(
        &self,
        storage: &dyn Storage,
        visit: &mut impl Visit,
    ) -> Result<End, Damage> {
        let base = self
            .segments
            .first()
            .map_or(0, |found| found.header.base.size);
        let mut end = End {
            size: base,
            ends: Vec::new(),
            last_batch: 0,
            torn_bytes: self.void_bytes,
        };
        for (at, found) in self.segments.iter().enumerate() {
            visit.segment(found)?;
            let next = self.segments.get(at + 1).map(|next| next.header.base.size);
            let bytes = storage
                .read_at_most(&found.path, SEGMENT_BYTES_MAX)
                .map_err(|error| Damage::unreadable(&found.path, &error))?;
            replay_segment(found, &bytes, next, &mut end, visit)?;
        }
        Ok(end)
    }
}

/// Whether a segment does.
enum Counts {
    Yes,
    /// It holds whole frames of so many bytes, and no commit.
    No {
        frames: u64,
    },
}

impl Found {
    /// Rule 1. The first batch usually lies at the front: the rest is read only when it does not.
    fn counts(&self, storage: &dyn Storage) -> io::Result<Counts> {
        if self.header.clean {
            return Ok(Counts::Yes);
        }
        let start = usize::try_from(self.start).map_err(io::Error::other)?;
        let front = read_front(storage, &self.path, start + FRONT)?;
        if self.frames(&front).any(|frame| frame.is_commit()) {
            return Ok(Counts::Yes);
        }
        let whole = read_front(storage, &self.path, usize::MAX)?;
        let mut frames = self.frames(&whole);
        let counts = frames.any(|frame| frame.is_commit()) || frames.later_commit().is_some();
        Ok(match counts {
            true => Counts::Yes,
            false => Counts::No {
                frames: frames.offset() - self.start,
            },
        })
    }

    /// The frames of the segment, whose front these bytes are.
    fn frames<'b>(&self, bytes: &'b [u8]) -> Frames<'b> {
        let start = usize::try_from(self.start).unwrap_or(usize::MAX);
        let frames = bytes.get(start..).unwrap_or_default();
        Frames::new(frames, self.start, self.header.nonce)
    }
}

/// The header of a segment and where its frames begin; none for a spare, most of which is not read.
fn read_header(storage: &dyn Storage, path: &Path) -> io::Result<Option<(Header, u64)>> {
    for bytes in [FRONT, usize::MAX] {
        let front = read_front(storage, path, bytes)?;
        if let Some((header, start)) = Header::parse(&front) {
            return Ok(Some((header, start as u64)));
        }
        if !Header::begins(&front) {
            break;
        }
    }
    Ok(None)
}

/// At most the first `bytes` of a file.
fn read_front(storage: &dyn Storage, path: &Path, bytes: usize) -> io::Result<Vec<u8>> {
    let file = storage.open(path)?;
    let length = usize::try_from(file.len()?.min(SEGMENT_BYTES_MAX)).map_err(io::Error::other)?;
    let mut front = vec![0; length.min(bytes)];
    file.read_exact_at(&mut front, 0)?;
    Ok(front)
}

/// The largest segment that settings allow, and one entry with its bodies.
const SEGMENT_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;

/// Enough for a header and a first batch, as a rule.
const FRONT: usize = 64 * 1024;

fn replay_segment(
    found: &Found,
    bytes: &[u8],
    next_base: Option<u64>,
    end: &mut End,
    visit: &mut impl Visit,
) -> Result<(), Damage> {
    let damage = |fault, offset| Damage::new(&found.path, fault).at(offset);
    if found.header.base.size != end.size {
        return Err(damage(DamageKind::Gap(end.size), 0));
    }
    if found.header.clean {
        let start = usize::try_from(found.start).unwrap_or(usize::MAX);
        let behind = bytes.get(start..).unwrap_or_default();
        if let Some(at) = behind.iter().position(|&byte| byte != 0) {
            return Err(damage(DamageKind::Behind, found.start + at as u64));
        }
    }
    let mut frames = found.frames(bytes);
    let (mut committed, mut begun, mut entries) =
        (found.start, found.start, Vec::<Stored<'_>>::new());
    while next_base.is_none_or(|base| end.size < base) {
        let Some(frame) = frames.next() else { break };
        let expected = end.size + entries.len() as u64;
        match (frame.content, entries.last_mut()) {
            (Content::Entry(leaf), _) if frame.index == expected => {
                entries.push(Stored {
                    index: frame.index,
                    leaf,
                    offset: frame.offset,
                    bodies: Vec::new(),
                });
            }
            (Content::Body(sealed), Some(entry)) if frame.index == entry.index => {
                entry.bodies.push((frame.offset, sealed));
            }
            (Content::Commit(commit), Some(_))
                if commit.size == expected && commit.from == committed =>
            {
                if next_base.is_some_and(|base| commit.size > base) {
                    break; // rule 3: never acknowledged
                }
                visit.batch(Batch {
                    file: &found.path,
                    entries: std::mem::take(&mut entries),
                    commit,
                })?;
                (end.size, begun, committed) = (commit.size, commit.from, commit.end);
            }
            _ => return Err(damage(DamageKind::Frame, frame.offset).of(expected)),
        }
    }
    if next_base.is_some_and(|base| end.size != base)
        || (next_base.is_none() && frames.later_commit().is_some())
    {
        return Err(damage(DamageKind::Frame, frames.offset()).of(end.size + entries.len() as u64));
    }
    end.ends.push(committed);
    end.last_batch = begun;
    end.torn_bytes += frames.offset() - committed;
    Ok(())
}
