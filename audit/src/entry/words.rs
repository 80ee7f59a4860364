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

use serde::{Deserialize, Serialize};

/// The longest [`Name`], in bytes.
pub const NAME_BYTES_MAX: usize = 128;

/// A registered name: a principal as mapped, a rule id, a file, a detector, a model as configured.
///
/// 1 to [`NAME_BYTES_MAX`] bytes of `A-Z a-z 0-9 . _ : / @ + -`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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

impl TryFrom<String> for Name {
    type Error = NotAWord;
    fn try_from(text: String) -> Result<Name, NotAWord> {
        match is_name(text.as_bytes()) {
            true => Ok(Name(Cow::Owned(text))),
            false => Err(NotAWord("name")),
        }
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0.into_owned()
    }
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
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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

impl TryFrom<String> for FieldPath {
    type Error = NotAWord;
    fn try_from(text: String) -> Result<FieldPath, NotAWord> {
        match is_path(&text, is_number) {
            true => Ok(FieldPath(text)),
            false => Err(NotAWord("field path")),
        }
    }
}

impl From<FieldPath> for String {
    fn from(path: FieldPath) -> String {
        path.0
    }
}

/// A set of places: `messages[].content`, with every index left open.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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

impl TryFrom<String> for FieldPattern {
    type Error = NotAWord;
    fn try_from(text: String) -> Result<FieldPattern, NotAWord> {
        match is_path(&text, str::is_empty) {
            true => Ok(FieldPattern(text)),
            false => Err(NotAWord("field pattern")),
        }
    }
}

impl From<FieldPattern> for String {
    fn from(pattern: FieldPattern) -> String {
        pattern.0
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
const FIELDS: [&str; 78] = [
    "annotations",
    "arguments",
    "audio",
    "bytes",
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
    "object",
    "output",
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
    "tools",
    "top_logprobs",
    "type",
    "url",
    "usage",
    "user",
];

/// The key of a request's entries: a UUIDv7 that the gateway minted, never one that a client sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for RequestId {
    type Error = NotAWord;
    fn try_from(text: String) -> Result<RequestId, NotAWord> {
        RequestId::parse(&text).ok_or(NotAWord("request id"))
    }
}

impl From<RequestId> for String {
    fn from(id: RequestId) -> String {
        id.to_string()
    }
}

/// 32 bytes of SHA-256 (or of a keyed digest), shown as lower-case hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
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
        let text = [a, b, c, d, e, f, g, h]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Name(Cow::Owned(text))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Digest {
    type Error = NotAWord;
    fn try_from(text: String) -> Result<Digest, NotAWord> {
        Digest::parse(&text).ok_or(NotAWord("digest"))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

/// Eight random bytes that name one life of the log between two openings, or one epoch key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(pub [u8; 8]);

impl Tag {
    /// The tag whose 16 hexadecimal digits these are.
    pub fn parse(text: &str) -> Option<Tag> {
        unhex(text).map(Tag)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Tag {
    type Error = NotAWord;
    fn try_from(text: String) -> Result<Tag, NotAWord> {
        Tag::parse(&text).ok_or(NotAWord("tag"))
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> String {
        tag.to_string()
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

/// Lower-case hexadecimal digits into exactly `N` bytes.
fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
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
