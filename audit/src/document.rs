//! What a sealed body says: a head, and texts with their places.
//!
//! ```text
//! {"head":{"model":"llama"},"texts":[
//!   {"at":"messages[0].content","same":[4711,0,2]},
//!   {"at":"messages[1].content","text":"And the other case?"}]}
//! ```
//!
//! Each turn of a conversation repeats the turns before it, so that sealing each request whole would
//! make a conversation of n turns cost n² messages. A text that a durable body of the same epoch and
//! principal holds already is therefore named and not repeated: `same` is the entry, which of its
//! bodies, and which of that body's texts. That one holds the text itself, never another reference:
//! whoever reads follows one step, and what he follows is committed to by the tree.
//!
//! `original`, where it is kept, lists texts as they were before something in them was masked.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::entry::{Direction, Name, Omitted};

mod known;
mod pack;

pub(crate) use known::{Known, Lesson};
pub(crate) use pack::{pack, unpack};

/// What belongs to an entry and is sealed beside it.
pub struct Body<'a> {
    /// Which way it went.
    pub direction: Direction,
    /// Whose texts they are: a text is shared between the bodies of one principal, and with nobody else's.
    /// (Its length in the entry tells that it was said before: to its own principal at most.)
    pub whose: Option<Name>,
    /// A JSON object: what is said beside the texts.
    pub head: Cow<'a, [u8]>,
    /// The texts, in order.
    pub texts: Vec<Text<'a>>,
    /// Texts as they were before something in them was masked, if that happened.
    pub original: Option<Original<'a>>,
}

/// A text and its place: `messages[3].content`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Text<'a> {
    /// The place.
    pub at: Cow<'a, str>,
    /// The text.
    pub text: Cow<'a, str>,
}

/// Texts as they were before something in them was masked.
#[derive(Debug)]
pub enum Original<'a> {
    /// Committed to and not kept: whoever has the text can show that this was it.
    Committed(Vec<Text<'a>>),
    /// Kept, and committed to.
    Kept(Vec<Text<'a>>),
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Text({} bytes at {} ***)", self.text.len(), self.at)
    }
}

impl fmt::Debug for Body<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (way, bytes) = (self.direction.as_str(), self.bytes());
        write!(f, "Body({way}, {bytes} bytes ***)")
    }
}

impl<'a> Body<'a> {
    /// A body that shares no text with others.
    pub fn new(direction: Direction, texts: Vec<Text<'a>>) -> Body<'a> {
        Body {
            direction,
            whose: None,
            head: Cow::Borrowed(b"{}"),
            texts,
            original: None,
        }
    }

    /// Bytes of head and texts.
    pub(crate) fn bytes(&self) -> u64 {
        let was = match &self.original {
            Some(Original::Kept(texts)) => texts.as_slice(),
            _ => &[],
        };
        let texts = self.texts.iter().chain(was).map(|text| text.text.len());
        (self.head.len() + texts.sum::<usize>()) as u64
    }

    /// The same, committing to the originals instead of keeping them; whether that changes anything.
    pub(crate) fn keep_less(&mut self) -> bool {
        match self.original.take() {
            Some(Original::Kept(texts)) => {
                self.original = Some(Original::Committed(texts));
                true
            }
            original => {
                self.original = original;
                false
            }
        }
    }

    /// What its entry says when it cannot be kept.
    pub(crate) fn omitted(&self) -> Omitted {
        Omitted {
            dir: self.direction,
            bytes: self.bytes(),
        }
    }

    /// The document, and what later bodies may refer to once the entry is durable.
    pub(crate) fn document(
        &self,
        known: &Known,
    ) -> (Zeroizing<Vec<u8>>, Vec<(known::Address, u32)>) {
        let mut json = Zeroizing::new(Vec::with_capacity(self.room()));
        let mut told = Vec::new();
        json.extend_from_slice(b"{\"head\":");
        json.extend_from_slice(&self.head);
        json.extend_from_slice(b",\"texts\":[");
        for (n, text) in (0..).zip(&self.texts) {
            if n > 0 {
                json.push(b',');
            }
            let address = known.address(self.whose.as_ref(), &text.text);
            match address.and_then(|address| known.find(&address)) {
                Some(same) => write_json(&mut json, &Reference { at: &text.at, same }),
                None => {
                    told.extend(address.map(|address| (address, n)));
                    write_json(&mut json, text);
                }
            }
        }
        json.push(b']');
        if let Some(Original::Kept(texts)) = &self.original {
            json.extend_from_slice(b",\"original\":");
            write_json(&mut json, texts);
        }
        json.push(b'}');
        (json, told)
    }

    /// What is committed to as the original: the list of texts, as JSON.
    pub(crate) fn original_list(&self) -> Option<Zeroizing<Vec<u8>>> {
        let (Original::Committed(texts) | Original::Kept(texts)) = self.original.as_ref()?;
        let room = texts.iter().map(Text::room).sum();
        let mut json = Zeroizing::new(Vec::with_capacity(room));
        write_json(&mut json, texts);
        Some(json)
    }

    /// Enough for most documents at once: growing leaves pieces of the text behind.
    fn room(&self) -> usize {
        let texts: usize = self.texts.iter().map(Text::room).sum();
        64 + self.head.len() + texts
    }
}

impl Text<'_> {
    fn room(&self) -> usize {
        self.text.len() + self.text.len() / 8 + self.at.len() + 32
    }
}

#[derive(Serialize)]
struct Reference<'a> {
    at: &'a str,
    same: Spoken,
}

/// Where a text stands: the entry, which of its bodies, which of that body's texts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Spoken(pub(crate) u64, pub(crate) u8, pub(crate) u32);

/// Strings and numbers: writing them into memory does not fail.
fn write_json(json: &mut Vec<u8>, value: &impl Serialize) {
    let _written = serde_json::to_writer(json, value);
}

/// A body that was opened, its references followed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Document {
    /// What is said beside the texts.
    pub head: serde_json::Map<String, serde_json::Value>,
    /// The texts, in order.
    pub texts: Vec<Text<'static>>,
    /// Texts as they were before something in them was masked, where they were kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub original: Vec<Text<'static>>,
}

impl Document {
    /// Bytes of head and texts.
    pub fn bytes(&self) -> u64 {
        let texts = self.texts.iter().chain(&self.original);
        let texts: usize = texts.map(|text| text.text.len()).sum();
        let head = serde_json::to_vec(&self.head).map_or(0, |head| head.len());
        (texts + head) as u64
    }
}

/// A document as it is sealed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sealed {
    head: serde_json::Map<String, serde_json::Value>,
    texts: Vec<SealedText>,
    #[serde(default)]
    original: Vec<SealedText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedText {
    at: String,
    text: Option<String>,
    same: Option<Spoken>,
}

impl Sealed {
    /// Reads a document; `None` if the bytes are none.
    pub(crate) fn read(json: &[u8]) -> Option<Sealed> {
        serde_json::from_slice(json).ok()
    }

    /// The list of originals, as it is committed to; `None` if they are not kept.
    pub(crate) fn original_list(&self) -> Option<Vec<u8>> {
        let texts = self.original.iter().map(|text| {
            Some(Text {
                at: text.at.as_str().into(),
                text: text.text.as_deref()?.into(),
            })
        });
        let texts: Option<Vec<_>> = texts.collect();
        let mut json = Vec::new();
        write_json(&mut json, &texts.filter(|texts| !texts.is_empty())?);
        Some(json)
    }

    /// A text of it, if it stands here itself.
    pub(crate) fn text(&self, n: u32) -> Option<&str> {
        let text = self.texts.get(usize::try_from(n).ok()?)?;
        text.text.as_deref()
    }

    /// The document with its references followed by `look_up`; `None` for a text that is neither here
    /// nor elsewhere.
    pub(crate) fn resolve<E>(
        self,
        mut look_up: impl FnMut(Spoken) -> Result<Option<String>, E>,
    ) -> Result<Option<Document>, E> {
        let mut texts = Vec::with_capacity(self.texts.len());
        for SealedText { at, text, same } in self.texts {
            let text = match (text, same) {
                (Some(text), None) => Some(text),
                (None, Some(same)) => look_up(same)?,
                _ => None,
            };
            let Some(text) = text else { return Ok(None) };
            texts.push(Text {
                at: at.into(),
                text: text.into(),
            });
        }
        let kept = |SealedText { at, text, .. }| {
            Some(Text {
                at: Cow::Owned(at),
                text: Cow::Owned(text?),
            })
        };
        let original: Option<Vec<_>> = self.original.into_iter().map(kept).collect();
        Ok(original.map(|original| Document {
            head: self.head,
            texts,
            original,
        }))
    }
}

#[cfg(test)]
mod tests;
