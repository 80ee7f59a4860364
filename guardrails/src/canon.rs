//! Canonical text: what detectors read instead of what was written, with an exact map back.
//!
//! ```text
//! original    ０ 7 8 - U+200B 0 5 - 1 1 2 0        full-width zero, zero-width space inside
//! canonical   0  7 8 -        0 5 - 1 1 2 0
//! map back    canonical 0..11  ->  original 0..16   a redaction cuts the hidden characters too
//! ```
//!
//! Folding is *local to a character*, so text may be folded in any pieces with the same result. Each character is kept,
//! dropped (invisible and direction-changing characters: Unicode's default-ignorable set) or replaced by one ASCII
//! character (full-width forms, spaces, dashes, quotes, decimal digits of other scripts).
//!
//! A text may also be read otherwise ([`Canon::reading`]): with its escapes read (a character that is spelled `\u0041` is
//! folded as that character, and stands for all bytes of its escape), with what is encoded in it decoded, or with letters
//! folded that only look alike. Those readings stand beside the canonical text; see [`crate::growing`].
//!
//! Invariants: folding is idempotent; canonical text is never longer than the original; a canonical range that lies on
//! character boundaries maps to a range of the original on character boundaries, and folding that range gives the
//! canonical range back. ASCII (with its escapes left alone) is its own canonical text.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::ops::Range;

use crate::encoded::Encoded;
use crate::escapes::{Escapes, Unit};
use crate::lookalikes;

#[cfg(test)]
pub(crate) mod tests;

/// The canonical form of a whole text.
pub fn canonical(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut canon = Canon::default();
    canon.push(text);
    Cow::Owned(canon.text)
}

/// Growing canonical text. Offsets are absolute, also after the front has been dropped.
#[derive(Debug, Clone, Default)]
pub(crate) struct Canon {
    /// The retained canonical text.
    text: String,
    /// The canonical offset of its first byte.
    base: usize,
    /// Bytes of original text read so far.
    read: usize,
    /// In order; dropped characters are the gaps between `original` ranges.
    map: VecDeque<Piece>,
    reader: Reader,
    /// Whether letters are folded that only look alike.
    lookalikes: bool,
}

/// How a text is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// With its escapes read, in so many layers.
    Escapes(usize),
    /// With letters folded that only look alike.
    Lookalikes,
    /// With what is encoded decoded, in so many layers; what was decoded is folded as lookalikes are.
    Encoded(usize),
    /// The same in all layers, with runs that go on behind line breaks.
    Unwrapped,
}

/// What comes before folding.
#[derive(Debug, Clone, Default)]
enum Reader {
    #[default]
    AsWritten,
    Escapes(Escapes),
    Encoded(Encoded),
}

/// Some canonical bytes and the original bytes they stand for: a run taken over byte by byte when the lengths are equal,
/// else one replaced character.
#[derive(Debug, Clone, Copy)]
struct Piece {
    canonical: usize,
    canonical_len: usize,
    original: usize,
    original_len: usize,
}

impl Canon {
    /// From here on the text is read like this. What cannot be read yet is folded when it can.
    pub(crate) fn reading(self, reading: Reading) -> Canon {
        let reader = match reading {
            Reading::Escapes(layers) => Reader::Escapes(Escapes::in_layers(layers)),
            Reading::Lookalikes => Reader::AsWritten,
            Reading::Encoded(layers) => Reader::Encoded(Encoded::in_layers(layers)),
            Reading::Unwrapped => Reader::Encoded(Encoded::unwrapped()),
        };
        Canon {
            reader,
            lookalikes: reading == Reading::Lookalikes,
            ..self
        }
    }

    /// The text as it was before anything came after this place.
    pub(crate) fn cut_at(&self, canonical: usize, original: usize) -> Canon {
        let mut cut = self.clone();
        cut.text.truncate(canonical.saturating_sub(cut.base));
        cut.read = original;
        while let Some(last) = cut.map.back_mut()
            && last.canonical + last.canonical_len > canonical
        {
            match canonical.checked_sub(last.canonical) {
                // Only what is taken over byte by byte can be cut within.
                Some(length) if length > 0 => {
                    (last.canonical_len, last.original_len) = (length, length)
                }
                _ => drop(cut.map.pop_back()),
            }
        }
        cut
    }

    /// Folds more original text.
    pub(crate) fn push(&mut self, text: &str) {
        match std::mem::take(&mut self.reader) {
            Reader::AsWritten => self.fold(text),
            Reader::Escapes(mut escapes) => {
                let mut rest = text;
                while let Some(c) = rest.chars().next() {
                    let plain = match escapes.is_idle() {
                        true => rest.find('\\').unwrap_or(rest.len()),
                        false => 0,
                    };
                    if plain > 0 {
                        self.fold(rest.get(..plain).unwrap_or_default());
                        rest = rest.get(plain..).unwrap_or_default();
                    } else {
                        escapes.push(c, |unit| self.take(unit));
                        rest = rest.get(c.len_utf8()..).unwrap_or_default();
                    }
                }
                self.reader = Reader::Escapes(escapes);
            }
            Reader::Encoded(mut encoded) => {
                let mut rest = text;
                while !rest.is_empty() {
                    if encoded.is_idle() {
                        let (plain, after) = rest.split_at(encoded.skip(rest));
                        self.fold(plain);
                        rest = after;
                    }
                    // What is not plain is read to the next end of a word, so that nothing is looked through twice.
                    let end = rest
                        .find(char::is_whitespace)
                        .map_or(rest.len(), |at| at + 1);
                    let (word, after) = rest.split_at(rest.ceil_char_boundary(end));
                    word.chars()
                        .for_each(|c| encoded.push(c, |unit| self.take(unit)));
                    rest = after;
                }
                self.reader = Reader::Encoded(encoded);
            }
        }
    }

    /// The text ends: what is no whole escape, and not encoded, is folded as it is.
    pub(crate) fn finish(&mut self) {
        match std::mem::take(&mut self.reader) {
            Reader::AsWritten => {}
            Reader::Escapes(mut escapes) => escapes.finish(|unit| self.take(unit)),
            Reader::Encoded(mut encoded) => encoded.finish(|unit| self.take(unit)),
        }
    }

    fn take(&mut self, unit: Unit) {
        if unit.bytes == unit.reads.len_utf8() && !unit.decoded {
            return self.fold(unit.reads.encode_utf8(&mut [0; 4]));
        }
        let folded = match unit.decoded {
            true => lookalikes::fold(unit.reads),
            false => fold(unit.reads),
        };
        match folded {
            Fold::Keep => self.replace(unit.bytes, &[unit.reads]),
            Fold::To(one) => self.replace(unit.bytes, &[one]),
            Fold::Two(one, two) => self.replace(unit.bytes, &[one, two]),
            Fold::Drop => self.read += unit.bytes,
        }
    }

    fn fold(&mut self, text: &str) {
        match (text.is_ascii(), self.lookalikes) {
            (true, _) => self.keep(text),
            (false, true) => self.fold_by(text, lookalikes::fold),
            (false, false) => self.fold_by(text, fold),
        }
    }

    #[inline]
    fn fold_by(&mut self, text: &str, fold: impl Fn(char) -> Fold) {
        let mut kept = 0;
        for (at, c) in text.char_indices() {
            let folded = fold(c);
            if folded == Fold::Keep {
                continue;
            }
            self.keep(text.get(kept..at).unwrap_or_default());
            kept = at + c.len_utf8();
            match folded {
                Fold::To(one) => self.replace(c.len_utf8(), &[one]),
                Fold::Two(one, two) => self.replace(c.len_utf8(), &[one, two]),
                Fold::Drop | Fold::Keep => self.read += c.len_utf8(),
            }
        }
        self.keep(text.get(kept..).unwrap_or_default());
    }

    /// The retained text, and the canonical offset of its first byte.
    pub(crate) fn retained(&self) -> (&str, usize) {
        (&self.text, self.base)
    }

    /// The canonical offset after the last byte.
    pub(crate) fn end(&self) -> usize {
        self.base + self.text.len()
    }

    /// The original text up to here has been folded: all but what may still become an escape.
    pub(crate) fn read(&self) -> usize {
        self.read
    }

    /// Drops retained text before a canonical offset (moved down to a character boundary).
    pub(crate) fn drop_before(&mut self, offset: usize) {
        let mut cut = offset.saturating_sub(self.base).min(self.text.len());
        while !self.text.is_char_boundary(cut) {
            cut -= 1;
        }
        self.text.drain(..cut);
        self.base += cut;
        while let Some(first) = self.map.front()
            && first.canonical + first.canonical_len <= self.base
        {
            self.map.pop_front();
        }
    }

    /// The original bytes that a non-empty canonical range stands for, dropped characters inside it included.
    pub(crate) fn original(&self, range: Range<usize>) -> Range<usize> {
        let start = self.original_start(range.start);
        let end = self.original_end(range.end);
        start..end.max(start)
    }

    /// Where the original of a canonical offset begins; at the very end, where the original ends; of one that has been
    /// dropped, where the original of what is retained begins.
    pub(crate) fn original_start(&self, offset: usize) -> usize {
        let first = self.map.front();
        if let Some(first) = first.filter(|first| offset < first.canonical) {
            return first.original;
        }
        match self.piece(offset) {
            Some(piece) if offset < piece.canonical + piece.canonical_len => {
                piece.original
                    + match piece.is_verbatim() {
                        true => offset - piece.canonical,
                        false => 0,
                    }
            }
            _ => self.read,
        }
    }

    /// Where the original of the canonical byte before an offset ends: what is dropped after it is left out.
    pub(crate) fn original_end(&self, end: usize) -> usize {
        let Some(piece) = end.checked_sub(1).and_then(|last| self.piece(last)) else {
            return 0;
        };
        piece.original
            + match piece.is_verbatim() {
                true => end - piece.canonical,
                false => piece.original_len,
            }
    }

    /// The last piece that begins at or before an offset.
    fn piece(&self, offset: usize) -> Option<&Piece> {
        let after = self.map.partition_point(|piece| piece.canonical <= offset);
        self.map.get(after.checked_sub(1)?)
    }

    fn keep(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        let (canonical, original) = (self.end(), self.read);
        self.text.push_str(text);
        self.read += text.len();
        match self.map.back_mut() {
            Some(last) if last.is_verbatim() && last.original + last.original_len == original => {
                last.canonical_len += text.len();
                last.original_len += text.len();
            }
            _ => self.map.push_back(Piece {
                canonical,
                canonical_len: text.len(),
                original,
                original_len: text.len(),
            }),
        }
    }

    fn replace(&mut self, original_len: usize, by: &[char]) {
        self.map.push_back(Piece {
            canonical: self.end(),
            canonical_len: by.iter().map(|c| c.len_utf8()).sum(),
            original: self.read,
            original_len,
        });
        self.text.extend(by);
        self.read += original_len;
    }
}

impl Piece {
    /// What replaces a character is shorter than it, and what is spelled by an escape or a code, than that: the lengths
    /// differ. (Where they do not, as within base64, byte stands for byte.)
    fn is_verbatim(&self) -> bool {
        self.canonical_len == self.original_len
    }
}

/// What becomes of one character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fold {
    /// It stays.
    Keep,
    /// It cannot be seen, and is dropped.
    Drop,
    /// It reads like this ASCII character.
    To(char),
    /// It reads like these two; only where letters are folded that look alike.
    Two(char, char),
}

/// What a character reads like; `None` if it is dropped.
pub(crate) fn folded(c: char) -> Option<char> {
    match fold(c) {
        Fold::Keep => Some(c),
        Fold::To(ascii) | Fold::Two(ascii, _) => Some(ascii),
        Fold::Drop => None,
    }
}

/// Folds one character. Every result of [`Fold::To`] is ASCII and folds to itself.
pub(crate) fn fold(c: char) -> Fold {
    let code = u32::from(c);
    match code {
        0..0x80 => Fold::Keep,
        // Unicode Default_Ignorable_Code_Point, less the Hangul fillers (which take up space), plus the annotation marks.
        0xAD
        | 0x034F
        | 0x061C
        | 0x17B4..=0x17B5
        | 0x180B..=0x180F
        | 0x200B..=0x200F
        | 0x202A..=0x202E
        | 0x2060..=0x206F
        | 0xFE00..=0xFE0F
        | 0xFEFF
        | 0xFFF0..=0xFFFB
        | 0x1BCA0..=0x1BCA3
        | 0x1D173..=0x1D17A
        | 0xE0000..=0xE0FFF => Fold::Drop,
        0x85 | 0x2028 | 0x2029 => Fold::To('\n'),
        0xA0 | 0x1680 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => Fold::To(' '),
        0x2010..=0x2015 | 0x2212 | 0xFE58 | 0xFE63 => Fold::To('-'),
        0x2018..=0x201B | 0x2032 => Fold::To('\''),
        0x201C..=0x201F | 0x2033 => Fold::To('"'),
        0xFF01..=0xFF5E => ascii(code - 0xFF01 + 0x21),
        _ => match decimal_digit(code) {
            Some(digit) => ascii(u32::from(b'0') + digit),
            None => Fold::Keep,
        },
    }
}

/// The value of a decimal digit of the scripts in wide use, and of the mathematical alphabets.
fn decimal_digit(code: u32) -> Option<u32> {
    const ZEROES: [u32; 12] = [
        0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0E50,
        0x17E0,
    ];
    if (0x1D7CE..=0x1D7FF).contains(&code) {
        return Some((code - 0x1D7CE) % 10);
    }
    ZEROES
        .iter()
        .find(|zero| (**zero..**zero + 10).contains(&code))
        .map(|zero| code - zero)
}

fn ascii(code: u32) -> Fold {
    char::from_u32(code).map_or(Fold::Keep, Fold::To)
}
