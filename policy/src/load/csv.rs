//! Rows of comma-separated cells, read more strictly than casbin's own reader does.
//!
//! ```text
//! # a comment stands on a line of its own
//! p, BA-101, role:app, demo/benefits/web, model/llama-3.3-70b, chat, …
//! ```
//!
//! A cell is printable ASCII without quotes, commas and `#`, trimmed of spaces. Anything else is an
//! error: a look-alike letter, a tab, a comment after values (casbin makes it part of the last
//! value), a quote (casbin splits `"a""b"` in two). Comment lines may hold any text.

use std::ops::Range;

use super::fields::{Place, Text};

/// One row that has no bad characters.
pub(super) struct Row<'a> {
    /// From 1.
    pub(super) line: u32,
    pub(super) span: Range<usize>,
    /// At least one.
    pub(super) cells: Vec<Text<'a>>,
}

/// Longest line that holds values, in bytes.
pub(super) const LINE_BYTES_MAX: usize = 4096;

/// All good rows; the others are reported.
pub(super) fn rows(place: Place<'_>) -> Vec<Row<'_>> {
    let mut start = 0;
    let mut rows = Vec::new();
    for (nth, line) in place.source.text.split('\n').enumerate() {
        let text = line.strip_suffix('\r').unwrap_or(line);
        let is_values = !text.trim().is_empty() && !text.trim_start().starts_with('#');
        if is_values && is_clean(place, start, text) {
            let line = u32::try_from(nth + 1).unwrap_or(u32::MAX);
            rows.push(Row {
                line,
                span: start..start + text.len(),
                cells: cells(start, text),
            });
        }
        start += line.len() + 1;
    }
    rows
}

/// Whether a line of values has only characters that mean what they look like; if not, says so once.
fn is_clean(place: Place<'_>, start: usize, text: &str) -> bool {
    if text.len() > LINE_BYTES_MAX {
        place.error(
            start..start + text.len(),
            format!("the line is longer than {LINE_BYTES_MAX} bytes"),
            None,
        );
        return false;
    }
    let Some((at, bad)) = text
        .char_indices()
        .find(|(_, c)| !matches!(c, ' '..='~') || matches!(c, '"' | '#'))
    else {
        return true;
    };
    let (message, hint) = match bad {
        '#' => (
            "a comment after values would become part of the last one".into(),
            "give it a line of its own",
        ),
        '"' => (
            "quotes have no meaning here".into(),
            "remove it: values hold no commas",
        ),
        '\t' => ("a tab between values".into(), "write ` `"),
        _ => (
            format!("character U+{:04X} in a value", u32::from(bad)),
            match plain(bad) {
                Some(' ') => "write ` `",
                Some(plain) => &format!("write `{plain}`"),
                None if INVISIBLE.contains(&bad) => "remove it: nobody sees it",
                None => "use plain ASCII letters",
            },
        ),
    };
    place.error(
        start + at..start + at + bad.len_utf8(),
        message,
        Some(hint.into()),
    );
    false
}

/// The ASCII character that a reader takes another for, for the look-alikes that keyboards, editors and
/// word processors slip in (Unicode TS 39, the letters of Latin, Cyrillic and Greek alike).
fn plain(look_alike: char) -> Option<char> {
    let code = u32::from(look_alike);
    if (0xff01..=0xff5e).contains(&code) {
        // Full-width forms, in the order of ASCII.
        return char::from_u32(code - 0xfee0);
    }
    LOOK_ALIKES
        .iter()
        .find(|(alike, _)| alike.contains(look_alike))
        .map(|(_, plain)| *plain)
}

const LOOK_ALIKES: [(&str, char); 33] = [
    ("\u{410}\u{391}", 'A'),
    ("\u{412}\u{392}", 'B'),
    ("\u{421}", 'C'),
    ("\u{415}\u{395}", 'E'),
    ("\u{41d}\u{397}", 'H'),
    ("\u{406}\u{399}", 'I'),
    ("\u{41a}\u{39a}", 'K'),
    ("\u{41c}\u{39c}", 'M'),
    ("\u{39d}", 'N'),
    ("\u{41e}\u{39f}", 'O'),
    ("\u{420}\u{3a1}", 'P'),
    ("\u{405}", 'S'),
    ("\u{422}\u{3a4}", 'T'),
    ("\u{425}\u{3a7}", 'X'),
    ("\u{423}\u{3a5}", 'Y'),
    ("\u{396}", 'Z'),
    ("\u{430}\u{3b1}", 'a'),
    ("\u{441}", 'c'),
    ("\u{435}", 'e'),
    ("\u{4bb}", 'h'),
    ("\u{456}\u{3b9}", 'i'),
    ("\u{458}", 'j'),
    ("\u{43e}\u{3bf}", 'o'),
    ("\u{440}\u{3c1}", 'p'),
    ("\u{455}", 's'),
    ("\u{3bd}", 'v'),
    ("\u{445}\u{3c7}", 'x'),
    ("\u{443}\u{3b3}", 'y'),
    ("\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{2212}", '-'),
    ("\u{2024}", '.'),
    ("\u{1c0}\u{2223}", '|'),
    ("\u{2217}\u{22c6}", '*'),
    ("\u{a0}\u{2002}\u{2003}\u{2009}\u{202f}\u{3000}", ' '),
];

/// Characters that take no place.
const INVISIBLE: [char; 6] = [
    '\u{200b}', '\u{200c}', '\u{200d}', '\u{2060}', '\u{feff}', '\u{ad}',
];

/// The trimmed cells of a line, each with its place in the file.
fn cells(start: usize, text: &str) -> Vec<Text<'_>> {
    let mut at = start;
    let mut out = Vec::new();
    for cell in text.split(',') {
        let trimmed = cell.trim();
        let from = at + (cell.len() - cell.trim_start().len());
        out.push(Text::new(trimmed, from..from + trimmed.len()));
        at += cell.len() + 1;
    }
    out
}

/// The cells of a row of the given kind and width; reports any other.
pub(super) fn cells_of<'r, 'a, const N: usize>(
    place: Place<'_>,
    row: &'r Row<'a>,
    columns: &[&str; N],
) -> Option<&'r [Text<'a>; N]> {
    let (kind, found) = (columns.first()?, row.cells.first()?);
    if found.text != *kind {
        let hint = format!("every row of this file begins with `{kind},`");
        place.error(
            found.span(),
            format!("unknown kind of row `{}`", found.text),
            Some(hint),
        );
        return None;
    }
    if let Ok(cells) = row.cells.as_slice().try_into() {
        return Some(cells);
    }
    let end = row.span.end;
    let span = row
        .cells
        .get(N)
        .map_or(end..end, |extra| extra.span().start..end);
    let message = format!("{} columns where {N} are needed", row.cells.len());
    place.error(
        span,
        message,
        Some(format!("columns: {}", columns.join(", "))),
    );
    None
}
