//! Classification and CUI markings: banner lines and portion marks (32 CFR 2001.20-2001.24; 32 CFR 2002.20).
//!
//! First form: the level counts, what follows `//` is recognised but not read. A single letter in parentheses is a
//! portion mark only at the beginning of a line, and [`is_lettered`] keeps enumerations (`(A) … (B) … (C)`) apart.
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

/// Whether a text has lines that begin like items of a lettered list: then a bare `(C)` in it marks nothing.
/// Reads the whole text: ask once per text, not once per mark.
pub(crate) fn is_lettered(text: &str) -> bool {
    let lettered = |line: &str| {
        ["(A)", "(B)", "(D)", "(E)"]
            .iter()
            .any(|item| line.trim_start().starts_with(item))
    };
    text.lines().any(lettered)
}

/// Whether a bare `(C)` is a copyright sign, by what follows it.
pub(crate) fn is_copyright(text: &str, portion: Range<usize>) -> bool {
    let after = text.get(portion.end..).unwrap_or_default();
    let after = after.trim_start_matches([' ', '\t']);
    after.starts_with(|c: char| c.is_ascii_digit()) || after.starts_with("Copyright")
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
    line.chars()
        .all(|c| matches!(c, ' ' | '\t' | '*' | '_' | '#' | '>' | '-'))
}

#[cfg(test)]
mod tests;
