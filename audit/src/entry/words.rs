//! The words an entry may contain. Nothing a caller typed is among them.
//!
//! A leaf can never be taken back, so it must not be able to hold a spill. Every text of an entry
//! is one of these types, and each admits only what somebody other than the caller has registered:
//! a [`Name`] comes from configuration, an identity mapping or this program; a [`FieldPath`] is
//! spelled from a fixed vocabulary and numbers; a [`RequestId`] and a [`Digest`] are bits we made.
//!
//! What the types cannot do: see where a `Name` came from. A gateway that builds one from a header
//! breaks the promise, which is why the charset admits neither spaces nor quotes and 128 bytes is
//! all there is.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest [`Name`], in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// A registered name: a principal as mapped, a rule id, a file, a detector, a model as configured.
///
/// 1 to [`NAME_BYTES_MAX`] bytes of `A-Z a-z 0-9 . _ : / @ + -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Cow<'static, str>);

impl Name {
    /// The name, if `text` is one.
    pub fn new(text: &str) -> Option<Name> {
        is_name(text.as_bytes()).then(|| Name(Cow::Owned(text.to_owned())))
    }

    /// A name written in the program: `const CODE: Name = Name::literal("content_filter")`.
    ///
    /// # Panics
    /// When `text` is not a name; in a `const` that is a compile error.
    pub const fn literal(text: &'static str) -> Name {
        assert!(is_name(text.as_bytes()), "not a registered name");
        Name(Cow::Borrowed(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const fn is_name(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some((first, others)) = rest.split_first() {
        if !matches!(first, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b':' | b'/' | b'@' | b'+' | b'-')
        {
            return false;
        }
        rest = others;
    }
    !bytes.is_empty() && bytes.len() <= NAME_BYTES_MAX
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// Where in a request or an answer: `messages[3].content[0].text`.
///
/// Segments are names of the API's own contract (a fixed list in this crate), each followed by any
/// number of `[n]`. A key chosen by a caller cannot be spelled, so paths inside tool arguments end
/// at `arguments`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FieldPath(String);

impl FieldPath {
    /// The path, if `text` is one.
    pub fn new(text: &str) -> Option<FieldPath> {
        is_path(text, is_number).then(|| FieldPath(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same place with every index left open: `messages[].content[].text`.
    pub fn pattern(&self) -> FieldPattern {
        let mut pattern = String::with_capacity(self.0.len());
        let mut inside = false;
        for c in self.0.chars() {
            inside = (inside || c == '[') && c != ']';
            if !inside || c == '[' {
                pattern.push(c);
            }
        }
        FieldPattern(pattern)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A set of places: `messages[].content`, with every index left open.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct FieldPattern(String);

impl FieldPattern {
    /// The pattern, if `text` is one.
    pub fn new(text: &str) -> Option<FieldPattern> {
        is_path(text, str::is_empty).then(|| FieldPattern(text.to_owned()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FieldPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The longest path or pattern, in bytes.
const PATH_BYTES_MAX: usize = 160;

fn is_path(text: &str, is_index: fn(&str) -> bool) -> bool {
    text.len() <= PATH_BYTES_MAX && text.split('.').all(|segment| is_segment(segment, is_index))
}

fn is_segment(segment: &str, is_index: fn(&str) -> bool) -> bool {
    let (field, mut rest) = segment.split_at(segment.find('[').unwrap_or(segment.len()));
    while let Some(index) = rest.strip_prefix('[') {
        let Some((number, others)) = index.split_once(']') else {
            return false;
        };
        if !is_index(number) {
            return false;
        }
        rest = others;
    }
    rest.is_empty() && FIELDS.binary_search(&field).is_ok()
}

fn is_number(text: &str) -> bool {
    let canonical = text == "0" || !text.starts_with('0');
    canonical && matches!(text.len(), 1..=6) && text.bytes().all(|b| b.is_ascii_digit())
}

/// The field names of the APIs' contracts, sorted. A name that is not here cannot be in an entry.
const FIELDS: [&str; 83] = [
    "annotations",
    "arguments",
    "audio",
    "bytes",
    "call_id",
    "choices",
    "code",
    "content",
    "custom",
    "data",
    "delta",
    "description",
    "document",
    "documents",
    "embedding",
    "error",
    "file",
    "file_citation",
    "finish_reason",
    "format",
    "function",
    "function_call",
    "functions",
    "grammar",
    "id",
    "image_url",
    "input",
    "input_schema",
    "instructions",
    "items",
    "json_schema",
    "logit_bias",
    "logprobs",
    "max_tokens",
    "message",
    "messages",
    "metadata",
    "model",
    "name",
    "namespace",
    "object",
    "output",
    "output_config",
    "output_format",
    "parameters",
    "partial_json",
    "parts",
    "prediction",
    "prompt",
    "properties",
    "quote",
    "reasoning",
    "reasoning_content",
    "refusal",
    "response_format",
    "role",
    "schema",
    "service_tier",
    "signature",
    "source",
    "stop",
    "stop_reason",
    "stop_sequences",
    "stream_options",
    "suffix",
    "summary",
    "system",
    "system_fingerprint",
    "text",
    "thinking",
    "title",
    "token",
    "tokens",
    "tool_call_id",
    "tool_calls",
    "tool_choice",
    "tool_use_id",
    "tools",
    "top_logprobs",
    "type",
    "url",
    "usage",
    "user",
];

/// The key of a request's entries: a UUIDv7 that the gateway minted, never one that a client sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// An id from its bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> RequestId {
        RequestId(bytes)
    }

    /// A UUIDv7 (RFC 9562 section 5.7) from unix milliseconds and random bits.
    pub const fn v7(unix_ms: u64, random: [u8; 10]) -> RequestId {
        let [_, _, t0, t1, t2, t3, t4, t5] = unix_ms.to_be_bytes();
        let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9] = random;
        RequestId([
            t0,
            t1,
            t2,
            t3,
            t4,
            t5,
            0x70 | (r0 & 0x0f),
            r1,
            0x80 | (r2 & 0x3f),
            r3,
            r4,
            r5,
            r6,
            r7,
            r8,
            r9,
        ])
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id whose hyphenated lower-case text this is.
    pub fn parse(text: &str) -> Option<RequestId> {
        let hyphens = [8, 13, 18, 23];
        if text.len() != 36
            || hyphens
                .iter()
                .any(|&at| text.as_bytes().get(at) != Some(&b'-'))
        {
            return None;
        }
        let digits: String = text.split('-').collect();
        unhex(&digits).map(RequestId)
    }
}

impl RequestId {
    /// The text, written into `room`.
    fn text<'a>(&self, room: &'a mut [u8; 36]) -> &'a str {
        let mut digits = [0; 64];
        let mut digits = hex(&mut digits, &self.0).bytes();
        for (at, letter) in room.iter_mut().enumerate() {
            *letter = match at {
                8 | 13 | 18 | 23 => b'-',
                _ => digits.next().unwrap_or(b'0'),
            };
        }
        std::str::from_utf8(room).unwrap_or_default()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text(&mut [0; 36]))
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// 32 bytes of SHA-256 (or of a keyed digest), shown as lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The SHA-256 of some bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(crate::merkle::sha256(&[bytes]))
    }

    /// The digest whose 64 hexadecimal digits these are.
    pub fn parse(text: &str) -> Option<Digest> {
        unhex(text).map(Digest)
    }

    /// The first 16 hexadecimal digits, as a name.
    pub fn short(&self) -> Name {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        Name(Cow::Owned(
            hex(&mut [0; 64], &[a, b, c, d, e, f, g, h]).to_owned(),
        ))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(hex(&mut [0; 64], &self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Eight random bytes that name one life of the log between two openings, or one epoch key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(pub [u8; 8]);

impl Tag {
    /// The tag whose 16 hexadecimal digits these are.
    pub fn parse(text: &str) -> Option<Tag> {
        unhex(text).map(Tag)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(hex(&mut [0; 64], &self.0))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The place of an entry in the log, counted from zero. Not a count: the tree size is one more
/// than the last index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntryIndex(pub u64);

impl fmt::Display for EntryIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A text that is not the kind of word it was offered as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("not a {0}")]
pub struct NotAWord(pub(crate) &'static str);

/// A type that is one text, in entries as everywhere: read and written without a copy between.
trait Word: Sized {
    const KIND: &'static str;
    fn from_text(text: &str) -> Option<Self>;
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

macro_rules! words {
    ($($word:ident, $kind:literal, $from:expr, |$this:ident| $text:expr;)*) => {$(
        impl Word for $word {
            const KIND: &'static str = $kind;
            fn from_text(text: &str) -> Option<$word> {
                $from(text)
            }
            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let $this = self;
                serializer.serialize_str($text)
            }
        }

        impl Serialize for $word {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.write(serializer)
            }
        }

        impl<'de> Deserialize<'de> for $word {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<$word, D::Error> {
                deserializer.deserialize_str(Reader(PhantomData))
            }
        }
    )*};
}

words! {
    Name, "name", Name::new, |word| &word.0;
    FieldPath, "field path", FieldPath::new, |word| &word.0;
    FieldPattern, "field pattern", FieldPattern::new, |word| &word.0;
    RequestId, "request id", RequestId::parse, |word| word.text(&mut [0; 36]);
    Digest, "digest", Digest::parse, |word| hex(&mut [0; 64], &word.0);
    Tag, "tag", Tag::parse, |word| hex(&mut [0; 64], &word.0);
}

struct Reader<W>(PhantomData<W>);

impl<W: Word> Visitor<'_> for Reader<W> {
    type Value = W;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}", W::KIND)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<W, E> {
        W::from_text(text).ok_or_else(|| E::custom(NotAWord(W::KIND)))
    }
}

/// Lower-case hexadecimal digits of at most 32 bytes.
fn hex<'a>(room: &'a mut [u8; 64], bytes: &[u8]) -> &'a str {
    let digit = |nibble: u8| {
        if nibble < 10 {
            b'0' + nibble
        } else {
            b'a' + nibble - 10
        }
    };
    for (pair, byte) in room.chunks_exact_mut(2).zip(bytes) {
        pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
    }
    room.get(..2 * bytes.len())
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .unwrap_or_default()
}

/// Lower-case hexadecimal digits into exactly `N` bytes.
pub(crate) fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        *byte = (nibble(high)? << 4) | nibble(low)?;
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
