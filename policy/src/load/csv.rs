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
            "remove them: values hold no commas",
        ),
        '\t' => ("a tab between values".into(), "use spaces"),
        _ => (
            format!("character U+{:04X} in a value", u32::from(bad)),
            "use plain ASCII letters",
        ),
    };
    place.error(
        start + at..start + at + bad.len_utf8(),
        message,
        Some(hint.into()),
    );
    false
}

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
