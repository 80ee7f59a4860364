//! Letters that look like other letters, folded: what a reader sees, whatever it is written with.
//!
//! | written | read |
//! |---|---|
//! | letters of other scripts that look like ASCII (Unicode UTS #39, confusables): `А` Cyrillic | `A` |
//! | compatibility forms (UAX #15, NFKD): `𝐀` `Ⓐ` `🄰` `ᴬ` `ﬁ` | `A` `A` `A` `A` `fi` |
//! | letters with marks, and the marks themselves: `É` | `E` |
//!
//! This folding is too strong to replace a text: it makes nonsense of Russian. So it is read *besides* canonical text
//! (see [`crate::growing`]), and adds to what that gives. It is local to a character, and never longer than what was
//! written.
//!
//! UTS #39 puts `I`, `l`, `1` and `|` into one class, which it calls `l`: a capital of it is read as `I`.

use std::sync::LazyLock;

use unicode_normalization::char::{decompose_canonical, decompose_compatible, is_combining_mark};
use unicode_security::confusable_detection::skeleton;

use crate::canon::{self, Fold};

#[cfg(test)]
mod tests;

/// Folds one character.
pub(crate) fn fold(c: char) -> Fold {
    match usize::try_from(u32::from(c))
        .ok()
        .and_then(|code| TABLE.get(code))
    {
        Some(&KEEP) => Fold::Keep,
        Some(&DROP) => Fold::Drop,
        Some(&LONGER) | None => computed(c),
        Some(&ascii) => Fold::To(char::from(ascii & !DISGUISE)),
    }
}

/// Whether this folding reads anything in a text that canonical text does not.
pub(crate) fn adds_to(text: &str) -> bool {
    !text.is_ascii()
        && text
            .chars()
            .any(|c| !c.is_ascii() && fold(c) != canon::fold(c))
}

/// Whether a word is written with letters that are not what they seem: ASCII letters and lookalikes in one word, or
/// letters that are for formulas and headings only. Words of another script, and letters with marks, are what they are.
pub(crate) fn disguises(text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    let (mut plain, mut disguised) = (false, false);
    for c in text.chars() {
        if !c.is_alphanumeric() && !is_symbol_letter(c) {
            (plain, disguised) = (false, false);
            continue;
        }
        plain |= c.is_ascii_alphabetic();
        disguised |= is_disguise(c);
        if (plain && disguised) || (u32::from(c) > BASIC_MAX && is_disguise(c)) {
            return true;
        }
    }
    false
}

/// The table covers the characters up to here (the Basic Multilingual Plane); others are rare, and computed.
const BASIC_MAX: u32 = 0xFFFF;
const KEEP: u8 = 0;
const DROP: u8 = 1;
/// More than one character.
const LONGER: u8 = 2;
/// Added to a letter that only looks like the one that is read.
const DISGUISE: u8 = 0x80;

/// Per character of the Basic Multilingual Plane, what becomes of it.
static TABLE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let entry = |code| match char::from_u32(code) {
        None => KEEP,
        Some(c) => match computed(c) {
            Fold::Keep => KEEP,
            Fold::Drop => DROP,
            Fold::Two(..) => LONGER,
            Fold::To(ascii) => {
                let ascii = u8::try_from(ascii).unwrap_or(KEEP);
                let seems = ascii.is_ascii_alphabetic() && !has_base(c);
                ascii | if seems { DISGUISE } else { 0 }
            }
        },
    };
    (0..=BASIC_MAX).map(entry).collect()
});

fn is_disguise(c: char) -> bool {
    match usize::try_from(u32::from(c))
        .ok()
        .and_then(|code| TABLE.get(code))
    {
        Some(entry) => *entry & DISGUISE != 0,
        None => matches!(computed(c), Fold::To(ascii) if ascii.is_ascii_alphabetic()),
    }
}

/// Circled and squared letters are symbols to Unicode.
fn is_symbol_letter(c: char) -> bool {
    matches!(u32::from(c), 0x249C..=0x24E9 | 0x1F110..=0x1F1FF)
}

/// Whether a character is an ASCII letter with marks.
fn has_base(c: char) -> bool {
    let mut first = None;
    decompose_canonical(c, |part| {
        first.get_or_insert(part);
    });
    first.is_some_and(|first| first.is_ascii())
}

fn computed(c: char) -> Fold {
    match canon::fold(c) {
        Fold::Keep if c.is_ascii() => return Fold::Keep,
        Fold::Keep => {}
        known => return known,
    }
    if is_combining_mark(c) {
        return Fold::Drop;
    }
    // Circled on black, squared on black, and the letters of flags: no decomposition has them.
    if let 0x1F150..=0x1F169 | 0x1F170..=0x1F189 | 0x1F1E6..=0x1F1FF = u32::from(c) {
        let first = match u32::from(c) {
            0x1F150..=0x1F169 => 0x1F150,
            0x1F170..=0x1F189 => 0x1F170,
            _ => 0x1F1E6,
        };
        let letter = char::from_u32(u32::from('A') + u32::from(c) - first);
        return letter.map_or(Fold::Keep, Fold::To);
    }
    let mut parts = Vec::new();
    decompose_compatible(c, |part| parts.push(part));
    let read = |parts: &[char]| {
        let mut parts = parts
            .iter()
            .copied()
            .filter(|part| !is_combining_mark(*part));
        let all: Vec<char> = parts.by_ref().collect();
        let ascii = !all.is_empty() && all.iter().all(char::is_ascii);
        // `(a)` and `1.` are a letter and a digit with something around.
        let inner = all.iter().copied().filter(char::is_ascii_alphanumeric);
        ascii.then(|| inner.collect::<Vec<char>>())
    };
    let seen = || -> Vec<char> { skeleton(c.encode_utf8(&mut [0; 4])).collect() };
    match read(&parts).or_else(|| read(&seen())).as_deref() {
        Some(['l']) if c.is_uppercase() => Fold::To('I'),
        Some(&[one]) => Fold::To(one),
        Some(&[one, two]) if c.len_utf8() > 2 => Fold::Two(one, two),
        _ => Fold::Keep,
    }
}
