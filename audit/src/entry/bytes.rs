//! From an entry to its bytes, and strictly back.
//!
//! The caller's task serialises the entry's own fields into a [`Payload`] (it is the work, and it
//! runs on many threads); the sequencer, which alone knows the number and the time, only puts the
//! [`Envelope`] in front. That is why the envelope comes first in the stored object.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{
    BODIES_MAX, BodyRef, Boot, Check, DETECTORS_MAX, Degraded, ENTRY_BYTES_MAX, Entry, EntryIndex,
    Epoch, Event, FINISH_MAX, HITS_MAX, Intent, Judged, Late, Name, Nothing, Omitted, Outcome,
    Refusal, RefusalKind, RequestId, Restored, Rewrap, SCORE_MAX, SCORES_MAX, Served, Tag,
};

/// What the sequencer adds to every entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) ts: u64,
    pub(crate) boot: Tag,
    pub(crate) n: u64,
    pub(crate) body: &'a [BodyRef],
    pub(crate) omitted: &'a [Omitted],
}

/// An entry's own fields, serialised, with what the sequencer must know of them.
#[derive(Clone, Debug)]
pub(crate) struct Payload {
    kind: &'static str,
    cut: u32,
    json: Vec<u8>,
}

impl Payload {
    /// Serialises an entry into at most `bytes_max` bytes, envelope apart.
    ///
    /// Hits are cut first, then checks. `None` when it does not fit even so.
    pub(crate) fn fit(mut entry: Entry, bytes_max: usize) -> Option<Payload> {
        entry.trim();
        let mut cut = 0;
        for knife in [Entry::cut_nothing, Entry::cut_hits, Entry::cut_checks] {
            cut += knife(&mut entry);
            let json = entry.json()?;
            if json.len() <= bytes_max {
                return Some(Payload {
                    kind: entry.kind(),
                    cut,
                    json,
                });
            }
        }
        None
    }

    /// The most bytes that [`compose`] makes of this with these many bodies.
    pub(crate) fn bytes_with(&self, bodies: usize, omitted: usize) -> usize {
        self.json.len()
            + ENVELOPE_BYTES_MAX
            + bodies * BODY_REF_BYTES_MAX
            + omitted * OMITTED_BYTES_MAX
    }
}

/// `{"type":"policy.rejected","ts":…,"boot":"…","n":…,"cut":…,"body":[],"omitted":[],` with the
/// widest numbers is 146 bytes.
const ENVELOPE_BYTES_MAX: usize = 160;
/// One reference with the widest numbers is 359 bytes, comma included.
const BODY_REF_BYTES_MAX: usize = 368;
/// One omission with the widest numbers is 47 bytes, comma included.
const OMITTED_BYTES_MAX: usize = 48;

/// The leaf: the exact bytes that are stored and hashed.
pub(crate) fn compose(payload: &Payload, envelope: &Envelope<'_>) -> Vec<u8> {
    let mut leaf =
        Vec::with_capacity(payload.bytes_with(envelope.body.len(), envelope.omitted.len()));
    let Envelope {
        ts,
        boot,
        n,
        body,
        omitted,
    } = envelope;
    let kind = payload.kind;
    leaf.extend_from_slice(
        format!(r#"{{"type":"{kind}","ts":{ts},"boot":"{boot}","n":{n}"#).as_bytes(),
    );
    if payload.cut > 0 {
        leaf.extend_from_slice(format!(r#","cut":{}"#, payload.cut).as_bytes());
    }
    append_list(&mut leaf, br#","body":"#, body);
    append_list(&mut leaf, br#","omitted":"#, omitted);
    match payload.json.strip_prefix(b"{").unwrap_or(&payload.json) {
        b"}" => {}
        _ => leaf.push(b','),
    }
    leaf.extend_from_slice(payload.json.strip_prefix(b"{").unwrap_or(&payload.json));
    leaf
}

fn append_list<T: Serialize>(leaf: &mut Vec<u8>, key: &[u8], list: &[T]) {
    if list.is_empty() {
        return;
    }
    let before = leaf.len();
    leaf.extend_from_slice(key);
    if serde_json::to_writer(&mut *leaf, list).is_err() {
        leaf.truncate(before); // writing plain structs into memory does not fail
    }
}

/// An entry read back from the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredEntry {
    /// When it was numbered, unix nanoseconds.
    pub ts: u64,
    /// Which life of the log wrote it.
    pub boot: Tag,
    /// Its number within that life, dense from zero.
    pub n: u64,
    /// Checks that were left out because their place was too small.
    pub cut: u32,
    /// The bodies it refers to.
    pub body: Vec<BodyRef>,
    /// The bodies that could not be kept.
    pub omitted: Vec<Omitted>,
    /// What it says.
    pub entry: Entry,
}

/// Bytes that this log cannot have written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotAnEntry {
    /// Longer than [`ENTRY_BYTES_MAX`].
    #[error("longer than an entry can be")]
    TooLong,
    /// The envelope is not spelled as it must be.
    #[error("the envelope is malformed")]
    Envelope,
    /// A type this version does not know.
    #[error("unknown entry type")]
    Type,
    /// The fields are not those of the type.
    #[error("the fields are not those of the type")]
    Fields,
    /// More of something than an entry can have, or a score beyond its scale.
    #[error("holds more than an entry can")]
    Bounds,
    /// It parses, but this log would have written other bytes.
    #[error("not in the one form that this log writes")]
    Form,
}

/// Reads a leaf back, accepting only the one form that this log writes.
///
/// # Errors
/// [`NotAnEntry`] says which rule was broken.
pub fn parse(leaf: &[u8]) -> Result<StoredEntry, NotAnEntry> {
    if leaf.len() > ENTRY_BYTES_MAX {
        return Err(NotAnEntry::TooLong);
    }
    let mut cursor = Cursor(leaf);
    let head = cursor.head().ok_or(NotAnEntry::Envelope)?;
    let cut = cursor
        .optional_number(b",\"cut\":")
        .ok_or(NotAnEntry::Envelope)?;
    let body = cursor.list(b",\"body\":").ok_or(NotAnEntry::Envelope)?;
    let omitted = cursor.list(b",\"omitted\":").ok_or(NotAnEntry::Envelope)?;
    let fields = cursor.fields().ok_or(NotAnEntry::Envelope)?;
    let entry = Entry::from_json(head.kind, &fields)?;
    if body.len() > BODIES_MAX || !entry.is_within_bounds() {
        return Err(NotAnEntry::Bounds);
    }
    let stored = StoredEntry {
        ts: head.ts,
        boot: head.boot,
        n: head.n,
        cut: u32::try_from(cut).map_err(|_| NotAnEntry::Envelope)?,
        body,
        omitted,
        entry,
    };
    match stored.compose().is_some_and(|bytes| bytes == leaf) {
        true => Ok(stored),
        false => Err(NotAnEntry::Form),
    }
}

impl StoredEntry {
    fn compose(&self) -> Option<Vec<u8>> {
        let payload = Payload {
            kind: self.entry.kind(),
            cut: self.cut,
            json: self.entry.json()?,
        };
        let StoredEntry { ts, boot, n, .. } = *self;
        let envelope = Envelope {
            ts,
            boot,
            n,
            body: &self.body,
            omitted: &self.omitted,
        };
        Some(compose(&payload, &envelope))
    }
}

/// What recovery must know of an entry, read without parsing the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Peek {
    /// Opens a request.
    Intent(RequestId),
    /// Closes the one at this place.
    Outcome(EntryIndex),
    /// Neither.
    Other,
}

/// Reads the little that recovery needs, from bytes whose checksum already held.
pub(crate) fn peek(leaf: &[u8]) -> Option<Peek> {
    let mut cursor = Cursor(leaf);
    let head = cursor.head()?;
    if !matches!(head.kind, INTENT | OUTCOME) {
        return Some(Peek::Other);
    }
    cursor.optional_number(b",\"cut\":")?;
    cursor.skip_list(b",\"body\":")?;
    cursor.skip_list(b",\"omitted\":")?;
    cursor.eat(b",\"req\":\"")?;
    let req = RequestId::parse(cursor.text()?)?;
    if head.kind == INTENT {
        return Some(Peek::Intent(req));
    }
    cursor.eat(b",\"intent\":")?;
    Some(Peek::Outcome(EntryIndex(cursor.number()?)))
}

const INTENT: &str = "req.intent";
const OUTCOME: &str = "req.outcome";

impl Entry {
    /// The entry's `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Entry::Intent(_) => INTENT,
            Entry::Outcome(_) => OUTCOME,
            Entry::Refusal(refusal) => match refusal.kind {
                RefusalKind::Deny => "req.deny",
                RefusalKind::Undecided => "req.undecided",
            },
            Entry::Event(Event::Start(_)) => "start",
            Entry::Event(Event::PolicyLoad(_)) => "policy.load",
            Entry::Event(Event::PolicyRejected(_)) => "policy.rejected",
            Entry::Event(Event::GuardLoad(_)) => "guard.load",
            Entry::Event(Event::LibraryLoad(_)) => "library.load",
            Entry::Event(Event::ConnSummary(_)) => "conn.summary",
            Entry::Event(Event::ShardNext(_)) => "shard.next",
            Entry::Event(Event::ShardClosed(_)) => "shard.closed",
            Entry::Event(Event::Review(_)) => "review",
            Entry::Event(Event::Hold(_)) => "hold",
            Entry::Event(Event::Export(_)) => "export",
            Entry::Boot(_) => "boot",
            Entry::Shutdown(_) => "shutdown",
            Entry::Epoch(_) => "key.epoch",
            Entry::Rewrap(_) => "key.rewrap",
            Entry::Degraded(_) => "audit.degraded",
            Entry::Restored(_) => "audit.restored",
            Entry::Late(_) => "req.late",
            Entry::Served(_) => "req.served",
            Entry::Heartbeat(_) => "heartbeat",
        }
    }

    fn json(&self) -> Option<Vec<u8>> {
        match self {
            Entry::Intent(fields) => serde_json::to_vec(fields),
            Entry::Outcome(fields) => serde_json::to_vec(fields),
            Entry::Refusal(fields) => serde_json::to_vec(fields),
            Entry::Event(Event::Start(fields)) => serde_json::to_vec(fields),
            Entry::Event(Event::PolicyLoad(fields)) => serde_json::to_vec(fields),
            Entry::Event(Event::PolicyRejected(fields)) => serde_json::to_vec(fields),
            Entry::Event(Event::GuardLoad(fields)) => serde_json::to_vec(fields),
            Entry::Event(Event::LibraryLoad(fields)) => serde_json::to_vec(fields),
            Entry::Event(Event::ConnSummary(fields)) => serde_json::to_vec(fields),
            Entry::Event(Event::ShardNext(fields)) => serde_json::to_vec(fields),
            Entry::Event(Event::ShardClosed(fields)) => serde_json::to_vec(fields),
            Entry::Event(Event::Review(fields)) => serde_json::to_vec(fields),
            Entry::Event(Event::Hold(fields)) => serde_json::to_vec(fields),
            Entry::Event(Event::Export(fields)) => serde_json::to_vec(fields),
            Entry::Boot(fields) => serde_json::to_vec(fields),
            Entry::Epoch(fields) => serde_json::to_vec(fields),
            Entry::Rewrap(fields) => serde_json::to_vec(fields),
            Entry::Degraded(fields) => serde_json::to_vec(fields),
            Entry::Restored(fields) => serde_json::to_vec(fields),
            Entry::Late(fields) => serde_json::to_vec(fields),
            Entry::Served(fields) => serde_json::to_vec(fields),
            Entry::Shutdown(fields) | Entry::Heartbeat(fields) => serde_json::to_vec(fields),
        }
        .ok()
    }

    fn from_json(kind: &str, json: &[u8]) -> Result<Entry, NotAnEntry> {
        Ok(match kind {
            INTENT => Entry::Intent(read(json)?),
            OUTCOME => Entry::Outcome(read(json)?),
            "req.deny" => Entry::Refusal(Refusal {
                kind: RefusalKind::Deny,
                ..read(json)?
            }),
            "req.undecided" => Entry::Refusal(Refusal {
                kind: RefusalKind::Undecided,
                ..read(json)?
            }),
            "start" => Entry::Event(Event::Start(read(json)?)),
            "policy.load" => Entry::Event(Event::PolicyLoad(read(json)?)),
            "policy.rejected" => Entry::Event(Event::PolicyRejected(read(json)?)),
            "guard.load" => Entry::Event(Event::GuardLoad(read(json)?)),
            "library.load" => Entry::Event(Event::LibraryLoad(read(json)?)),
            "conn.summary" => Entry::Event(Event::ConnSummary(read(json)?)),
            "shard.next" => Entry::Event(Event::ShardNext(read(json)?)),
            "shard.closed" => Entry::Event(Event::ShardClosed(read(json)?)),
            "review" => Entry::Event(Event::Review(read(json)?)),
            "hold" => Entry::Event(Event::Hold(read(json)?)),
            "export" => Entry::Event(Event::Export(read(json)?)),
            "boot" => Entry::Boot(read::<Boot>(json)?),
            "shutdown" => Entry::Shutdown(read::<Nothing>(json)?),
            "key.epoch" => Entry::Epoch(read::<Epoch>(json)?),
            "key.rewrap" => Entry::Rewrap(read::<Rewrap>(json)?),
            "audit.degraded" => Entry::Degraded(read::<Degraded>(json)?),
            "audit.restored" => Entry::Restored(read::<Restored>(json)?),
            "req.late" => Entry::Late(read::<Late>(json)?),
            "req.served" => Entry::Served(read::<Served>(json)?),
            "heartbeat" => Entry::Heartbeat(read::<Nothing>(json)?),
            _ => return Err(NotAnEntry::Type),
        })
    }

    fn checks(&mut self) -> Option<&mut Vec<Check>> {
        match self {
            Entry::Intent(Intent { checks, .. })
            | Entry::Outcome(Outcome { checks, .. })
            | Entry::Refusal(Refusal { checks, .. })
            | Entry::Served(Served {
                judged: Some(Judged { checks, .. }),
                ..
            }) => Some(checks),
            _ => None,
        }
    }

    /// Brings every list within its bound.
    fn trim(&mut self) {
        if let Entry::Outcome(Outcome { finish, .. }) = self {
            finish.truncate(FINISH_MAX);
        }
        for check in self.checks().into_iter().flatten() {
            keep_hits(check, HITS_MAX);
            check.scores.truncate(SCORES_MAX);
            check.detectors.truncate(DETECTORS_MAX);
        }
    }

    /// Whether every list and every score is within its bound.
    fn is_within_bounds(&self) -> bool {
        let finish = match self {
            Entry::Outcome(Outcome { finish, .. }) => finish.len(),
            _ => 0,
        };
        let checks = match self {
            Entry::Intent(Intent { checks, .. })
            | Entry::Outcome(Outcome { checks, .. })
            | Entry::Refusal(Refusal { checks, .. })
            | Entry::Served(Served {
                judged: Some(Judged { checks, .. }),
                ..
            }) => checks.as_slice(),
            _ => &[],
        };
        finish <= FINISH_MAX && checks.iter().all(Check::is_within_bounds)
    }

    fn cut_nothing(&mut self) -> u32 {
        0
    }

    fn cut_hits(&mut self) -> u32 {
        self.checks()
            .into_iter()
            .flatten()
            .for_each(|check| keep_hits(check, 0));
        0 // the checks themselves still say how many
    }

    fn cut_checks(&mut self) -> u32 {
        self.checks()
            .map_or(0, |checks| count(std::mem::take(checks).len()))
    }
}

impl Check {
    fn is_within_bounds(&self) -> bool {
        let hits = self.hits.iter().map(|hit| (hit.score, hit.threshold));
        let scores = self
            .scores
            .iter()
            .map(|score| (score.score, score.threshold));
        (1..=DETECTORS_MAX).contains(&self.detectors.len())
            && self.hits.len() <= HITS_MAX
            && self.scores.len() <= SCORES_MAX
            && hits
                .chain(scores)
                .all(|(score, threshold)| score.max(threshold) <= SCORE_MAX)
    }
}

fn keep_hits(check: &mut Check, most: usize) {
    let over = check.hits.len().saturating_sub(most);
    check.hits.truncate(most);
    check.more = check.more.saturating_add(count(over));
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, NotAnEntry> {
    serde_json::from_slice(json).map_err(|_| NotAnEntry::Fields)
}

struct Head<'a> {
    kind: &'a str,
    ts: u64,
    boot: Tag,
    n: u64,
}

/// The unread rest of a leaf. Every method takes exactly what it names from the front, or nothing.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn eat(&mut self, literal: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(literal)?;
        Some(())
    }

    fn head(&mut self) -> Option<Head<'a>> {
        self.eat(b"{\"type\":\"")?;
        let kind = self.text()?;
        self.eat(b",\"ts\":")?;
        let ts = self.number()?;
        self.eat(b",\"boot\":\"")?;
        let boot = Tag::parse(self.text()?)?;
        self.eat(b",\"n\":")?;
        let n = self.number()?;
        Some(Head { kind, ts, boot, n })
    }

    /// Up to the closing quote, which is taken too.
    fn text(&mut self) -> Option<&'a str> {
        let end = self.0.iter().position(|&byte| byte == b'"')?;
        let (text, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.get(1..)?;
        std::str::from_utf8(text).ok()
    }

    fn number(&mut self) -> Option<u64> {
        let end = self
            .0
            .iter()
            .position(|byte| !byte.is_ascii_digit())
            .unwrap_or(self.0.len());
        let (digits, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// The number after `key`, or zero where the key is absent.
    fn optional_number(&mut self, key: &[u8]) -> Option<u64> {
        match self.eat(key) {
            Some(()) => self.number(),
            None => Some(0),
        }
    }

    /// The list after `key`, or an empty one where the key is absent.
    fn list<T: DeserializeOwned>(&mut self, key: &[u8]) -> Option<Vec<T>> {
        if self.eat(key).is_none() {
            return Some(Vec::new());
        }
        let mut values = serde_json::Deserializer::from_slice(self.0).into_iter();
        let list = values.next()?.ok()?;
        self.0 = self.0.get(values.byte_offset()..)?;
        Some(list)
    }

    /// Steps over a list of flat objects: no text in them holds a bracket.
    fn skip_list(&mut self, key: &[u8]) -> Option<()> {
        if self.eat(key).is_some() {
            let end = self.0.iter().position(|&byte| byte == b']')?;
            self.0 = self.0.get(end + 1..)?;
        }
        Some(())
    }

    /// The type's own fields, as an object.
    fn fields(self) -> Option<Vec<u8>> {
        let rest = self
            .0
            .strip_prefix(b",")
            .or_else(|| (self.0 == b"}").then_some(self.0))?;
        let mut object = Vec::with_capacity(rest.len() + 1);
        object.push(b'{');
        object.extend_from_slice(rest);
        Some(object)
    }
}

impl Entry {
    /// The request that the entry belongs to.
    pub fn request(&self) -> Option<RequestId> {
        match self {
            Entry::Intent(intent) => Some(intent.req),
            Entry::Outcome(outcome) => Some(outcome.req),
            Entry::Refusal(refusal) => Some(refusal.req),
            Entry::Late(late) => Some(late.req),
            Entry::Served(served) => Some(served.req),
            _ => None,
        }
    }

    /// The request whose end the entry is.
    pub(crate) fn ends(&self) -> Option<RequestId> {
        match self {
            Entry::Outcome(outcome) => Some(outcome.req),
            Entry::Refusal(refusal) => Some(refusal.req),
            Entry::Served(served) => Some(served.req),
            _ => None,
        }
    }

    /// The principal that the entry names.
    pub fn principal(&self) -> Option<&Name> {
        match self {
            Entry::Intent(intent) => Some(&intent.who.principal),
            Entry::Refusal(refusal) => refusal.who.as_ref().map(|who| &who.principal),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
