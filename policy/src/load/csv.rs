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
use crate::hint::{Hint, plain};

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

/// Whether a line of values has only characters that mean what they look like; says so of each cell
/// that has others.
fn is_clean(place: Place<'_>, start: usize, text: &str) -> bool {
    if text.len() > LINE_BYTES_MAX {
        let message = format!("the line is longer than {LINE_BYTES_MAX} bytes");
        place.error(start..start + text.len(), message, "make two rows of it");
        return false;
    }
    let mut clean = true;
    let mut at = start;
    for cell in text.split(',') {
        let bad = |c: char| !matches!(c, ' '..='~') || matches!(c, '"' | '#');
        if let Some((from, c)) = cell.char_indices().find(|(_, c)| bad(*c)) {
            clean = false;
            let (message, hint) = unclean(c, at, cell, at + from);
            place.error(at + from..at + from + c.len_utf8(), message, hint);
            if c == '#' {
                break; // all that follows is the comment
            }
        }
        at += cell.len() + 1;
    }
    clean
}

/// What is wrong with a character of a cell, and what to write.
fn unclean(c: char, start: usize, cell: &str, at: usize) -> (String, Hint) {
    let trimmed = cell.trim();
    let from = start + (cell.len() - cell.trim_start().len());
    let span = from..from + trimmed.len();
    match c {
        '#' => {
            let before = cell.get(..at - start).unwrap_or_default();
            let blank = before.len() - before.trim_end().len();
            let hint = Hint::replace(at - blank..at, "\n");
            (
                "a comment after values would become part of the last one".into(),
                hint.saying("give it a line of its own"),
            )
        }
        '"' => {
            let bare = trimmed
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'));
            let hint = match bare {
                Some(bare) if !bare.contains('"') => Hint::replace(span, bare),
                _ => "remove them: values hold no commas".into(),
            };
            ("quotes have no meaning here".into(), hint)
        }
        '\t' => {
            // Between values it is a space; inside one, somebody has to look what belongs there.
            let run = cell.get(at - start..).unwrap_or_default();
            let blank = run.len() - run.trim_start().len();
            let hint = match at < span.start || at >= span.end {
                true => Hint::replace(at..at + blank, " ").saying("use spaces"),
                false => "use spaces".into(),
            };
            ("a tab between values".into(), hint)
        }
        _ => {
            let message = format!("character U+{:04X} in a value", u32::from(c));
            let meant = plain(cell).replace('"', "");
            let hint = match meant.chars().all(|c| matches!(c, ' '..='~') && c != '#') {
                true => Hint::replace(start..start + cell.len(), meant.as_str())
                    .saying(format!("write `{}`", meant.trim())),
                false => "use plain ASCII letters".into(),
            };
            (message, hint)
        }
    }
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

/// The cells of a row of the given kind and width; reports any other, with what a row of another
/// width means.
pub(super) fn cells_of<'r, 'a, const N: usize>(
    place: Place<'_>,
    row: &'r Row<'a>,
    columns: &[&str; N],
    meant: impl FnOnce() -> Hint,
) -> Option<&'r [Text<'a>; N]> {
    let (kind, found) = (columns.first()?, row.cells.first()?);
    if found.text != *kind {
        let message = format!("unknown kind of row `{}`", found.text);
        let hint = kind_meant::<N>(found, kind, row);
        let hint = hint.or(format!("every row of this file begins with `{kind},`"));
        place.error(found.span(), message, hint);
        return None;
    }
    if let Ok(cells) = row.cells.as_slice().try_into() {
        return Some(cells);
    }
    let end = row.span.end;
    let extra = row.cells.get(N);
    let span = extra.map_or(end..end, |extra| extra.span().start..end);
    let message = format!("{} columns where {N} are needed", row.cells.len());
    let hint = spare_comma::<N>(place, row).or(meant());
    let hint = hint.or(format!("columns: {}", columns.join(", ")));
    place.error(span, message, hint);
    None
}

/// The kind in capitals, with a space where its comma belongs, or a row with other commas.
fn kind_meant<const N: usize>(found: &Text<'_>, kind: &str, row: &Row<'_>) -> Hint {
    let one_short = row.cells.len() + 1 == N;
    let mut signs = [";", "|"].into_iter().filter(|_| row.cells.len() == 1);
    if let Some(sign) = signs.find(|sign| found.text.split(*sign).count() == N) {
        return found.write(found.text.replace(sign, ","));
    }
    let rest = found.text.strip_prefix(kind);
    if found.text.eq_ignore_ascii_case(kind) {
        return found.write(kind);
    }
    match rest.filter(|rest| one_short && rest.starts_with(' ')) {
        Some(rest) => found.write(format!("{kind}, {}", rest.trim())),
        None => Hint::default(),
    }
}

/// No column may be empty, so of one cell too many the empty one is meant.
fn spare_comma<const N: usize>(place: Place<'_>, row: &Row<'_>) -> Hint {
    let mut empty = row.cells.iter().filter(|cell| cell.text.is_empty());
    match (empty.next(), empty.next()) {
        (Some(cell), None) if row.cells.len() == N + 1 => {
            place.remove_item(cell).saying("remove the comma too many")
        }
        _ => Hint::default(),
    }
}
