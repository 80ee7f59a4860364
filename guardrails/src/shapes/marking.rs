//! Classification and CUI markings: banner lines and portion marks (32 CFR 2001.20-2001.24; 32 CFR 2002.20).
//!
//! First form: the level counts, what follows `//` is recognised but not read. A single letter in parentheses is a
//! portion mark only at the beginning of a line, and [`Letters`] keeps enumerations (`(A) … (B) … (C)`) apart.
//!
//! A marking *found in text* is a signal, not proof; and text without one may still be classified.

use std::ops::Range;

use super::{Case, keyword};
use crate::shape::{Candidate, Edge, Judge, Shape};

/// The levels, mildest first, with the words of banners and the letters of portion marks.
const LEVELS: [(&str, &[&str], &str); 5] = [
    ("U", &["UNCLASSIFIED"], "U"),
    ("CUI", &["CUI", "CONTROLLED"], "CUI"),
    ("C", &["CONFIDENTIAL"], "C"),
    ("S", &["SECRET"], "S"),
    ("TS", &["TOP SECRET"], "TS"),
];

pub(super) fn shapes() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for (level, words, letters) in LEVELS {
        // Alone on its line, or with caveats anywhere.
        let alone = r"[ \t*_]{0,4}(?:\r?\n|\z)";
        shapes.push(exact(level, words, alone, alone_on_its_line));
        shapes.push(exact(
            level,
            words,
            "//[A-Z]{2}[A-Z0-9 ,/-]{0,120}",
            with_caveats,
        ));
        let portion = [format!("({letters})"), format!("({letters}//")];
        let [bare, caveats] = &portion;
        shapes.push(exact(level, &[bare], "", begins_its_line));
        shapes.push(exact(
            level,
            &[caveats],
            r"[A-Z][A-Z0-9 ,/-]{1,80}\)",
            |c| Some(0..c.text.len()),
        ));
    }
    shapes
}

fn exact(
    level: &str,
    words: &[&str],
    rest: &str,
    judge: fn(&Candidate<'_>) -> Option<Range<usize>>,
) -> Shape {
    keyword(
        level,
        words,
        Case::Exact,
        rest,
        Edge::Free,
        Judge::Code(judge),
    )
}

/// Of the levels, the last.
pub(crate) const HIGHEST: &str = "TS";

/// The lines of a text that begin with a letter in parentheses, read once from its beginning to its end: is such a letter
/// a portion mark, or an item of a list?
pub(crate) struct Letters<'t> {
    text: &'t str,
    /// Lines before this have been read.
    at: usize,
    /// The letters that the last two of those lines began with.
    last: [Option<u8>; 2],
}

impl<'t> Letters<'t> {
    pub(crate) fn of(text: &'t str) -> Letters<'t> {
        Letters {
            text,
            at: 0,
            last: [None, None],
        }
    }

    /// Whether a match is a letter in parentheses that marks nothing. Ask in the order of the text.
    pub(crate) fn is_no_mark(&mut self, matched: &str, range: &Range<usize>) -> bool {
        let &[b'(', letter, b')'] = matched.as_bytes() else {
            return false;
        };
        self.is_item(letter, range.start) || (letter == b'C' && is_copyright(self.text, range))
    }

    /// A letter is an item of a list if the two letters before it in the alphabet began the two lettered lines before it:
    /// `(A) … (B) … (C)`. Anything less would let one `(A)` lift the marks of a whole text.
    fn is_item(&mut self, letter: u8, start: usize) -> bool {
        while let Some(length) = self
            .text
            .get(self.at..start)
            .and_then(|text| text.find('\n'))
        {
            let line = self.text.get(self.at..self.at + length);
            if let Some(letter) = line.and_then(letter_of) {
                self.last = [self.last[1], Some(letter)];
            }
            self.at += length + 1;
        }
        self.last == [letter.checked_sub(2), letter.checked_sub(1)]
    }
}

/// The letter in parentheses that a line begins with.
fn letter_of(line: &str) -> Option<u8> {
    match line.trim_start_matches(is_ornament).as_bytes() {
        [b'(', letter @ b'A'..=b'Z', b')', ..] => Some(*letter),
        _ => None,
    }
}

/// Whether a bare `(C)` is a copyright sign, by what follows it: a year or the word.
fn is_copyright(text: &str, portion: &Range<usize>) -> bool {
    let after = text.get(portion.end..).unwrap_or_default();
    let after = after.trim_start_matches([' ', '\t']);
    let digits = after.bytes().take_while(u8::is_ascii_digit).count();
    let is_year = digits == 4 && (after.starts_with("19") || after.starts_with("20"));
    is_year || after.starts_with("Copyright")
}

/// A match without the capital that it took from the word after it: `SECRET//NOFORN T` before `he`.
pub(crate) fn whole_words<'t>(matched: &'t str, after: &str) -> &'t str {
    if !after.starts_with(|c: char| c.is_ascii_lowercase()) {
        return matched;
    }
    let capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    matched
        .trim_end_matches(capital)
        .trim_end_matches([' ', ',', '/', '-'])
}

fn alone_on_its_line(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    let line = line_before(candidate);
    let introduced = line.trim_end_matches([' ', '\t', ':']).to_ascii_uppercase();
    let introduced = matches!(
        introduced.as_str(),
        "CLASSIFICATION" | "OVERALL CLASSIFICATION"
    );
    (introduced || is_blank(line))
        .then(|| 0..candidate.text.trim_end().trim_end_matches(['*', '_']).len())
}

/// `TOP SECRET//SI` is one marking: the shorter word inside it is not another.
fn with_caveats(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    let inside = candidate
        .before
        .ends_with(|c: char| c.is_ascii_alphanumeric())
        || candidate.before.ends_with("TOP ");
    (!inside).then(|| 0..candidate.text.trim_end_matches([' ', ',', '/', '-']).len())
}

fn begins_its_line(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    is_blank(line_before(candidate)).then_some(0..candidate.text.len())
}

fn line_before<'a>(candidate: &Candidate<'a>) -> &'a str {
    candidate.before.rsplit('\n').next().unwrap_or_default()
}

fn is_blank(line: &str) -> bool {
    line.chars().all(is_ornament)
}

/// What may stand between the beginning of a line and its mark.
fn is_ornament(c: char) -> bool {
    matches!(c, ' ' | '\t' | '*' | '_' | '#' | '>' | '-')
}

#[cfg(test)]
mod tests;
