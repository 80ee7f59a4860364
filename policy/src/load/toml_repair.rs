//! What was meant by a line that is no TOML.
//!
//! The usual slips of the pen are undone one at a time: a quote or bracket left open, a value without
//! quotes, `:` for `=`, a comma at the end of a line, typographic quotes, a date without its zeros.
//! The change that leaves the fewest syntax errors is proposed, the likeliest of several.

use std::ops::Range;

use toml::de::{DeTable, Error};

use crate::hint::{Hint, plain};

/// For each syntax error of a text, what to write instead, if one small change mends it.
pub(super) fn hints(text: &str, errors: &[Error]) -> Vec<Hint> {
    let bearable = text.len() <= REPAIRED_BYTES_MAX;
    // How many errors a change leaves, if fewer than there are.
    let left = |hint: &Hint| {
        let mended = hint.fix.as_ref()?.apply(text)?;
        let left = DeTable::parse_recoverable(&mended).1.len();
        (left < errors.len()).then_some(left)
    };
    let hint = |(nth, error): (usize, &Error)| {
        let span = error.span().filter(|_| bearable && nth < REPAIRS_MAX);
        let candidates = span.map(|span| candidates(text, span, error.message()));
        let mending = candidates.into_iter().flatten();
        let mending = mending.filter_map(|hint| Some((left(&hint)?, hint)));
        mending
            .min_by_key(|(left, _)| *left)
            .map(|(_, hint)| hint)
            .unwrap_or_default()
    };
    errors.iter().enumerate().map(hint).collect()
}

/// Changes that may mend an error, the likeliest first.
fn candidates(text: &str, span: Range<usize>, message: &str) -> Vec<Hint> {
    let written = text.get(span.clone()).unwrap_or_default();
    let (at, meant) = (span.start, plain(written));
    let mut found = Vec::new();
    if message.starts_with("duplicate key") {
        found.extend(repeated_line(text, at));
    }
    if let Some(token) = wanted(message).filter(|_| span.is_empty()) {
        found.push(Hint::insert(at, token));
    }
    match written {
        "" => {}
        ":" => found.push(Hint::replace(span.clone(), " =").saying("write `=`")),
        "=" => found.push(Hint::remove(span.clone()).saying("write one `=`")),
        "//" | ";" | "--" => {
            found.push(Hint::replace(span.clone(), "#").saying("comments begin with `#`"));
        }
        _ => {
            let bare = meant.trim_end_matches([',', ';']).trim_matches('"');
            let end = span.end;
            if meant != written {
                found.push(Hint::replace(span.clone(), &*meant));
            }
            if let Some(number) = padded(bare) {
                found.push(Hint::replace(span.clone(), number));
            }
            match written.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" => found.push(Hint::replace(span.clone(), "true")),
                "false" | "no" | "off" => found.push(Hint::replace(span.clone(), "false")),
                _ => {}
            }
            // What begins like a number was not meant as a text.
            if bare.starts_with(|c: char| c.is_ascii_digit()) {
                found.push(Hint::replace(span, bare));
            } else if !bare.contains(['"', '\'', '\\', '#', '=']) {
                found.push(Hint::replace(at..end, format!("\"{bare}\"")));
            }
        }
    }
    let (before, after) = text.split_at(at.min(text.len()));
    if let Some(stray) = after
        .chars()
        .next()
        .filter(|c| matches!(c, ',' | ';' | '"'))
    {
        found.push(Hint::remove(at..at + 1).saying(format!("remove `{stray}`")));
    }
    let last = before.trim_end();
    if message.contains("array")
        && before
            .get(last.len()..)
            .is_some_and(|gap| gap.contains('\n'))
    {
        found.push(Hint::insert(last.len(), "]"));
    }
    found
}

/// The quote or bracket that the parser wants: "unclosed table, expected `]`".
fn wanted(message: &str) -> Option<&str> {
    let token = message.split('`').nth(1)?;
    matches!(token, "\"" | "'" | "]" | "}" | "," | "=").then_some(token)
}

/// A date or a time with the zeros and signs that it needs.
fn padded(text: &str) -> Option<String> {
    let digits = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let join = |parts: Vec<&str>, with| -> Option<String> {
        let sound = parts.len() == 3 && parts.iter().all(digits);
        let pad = |part: &&str| format!("{part:0>2}");
        sound.then(|| parts.iter().map(pad).collect::<Vec<_>>().join(with))
    };
    match text.split_once(['-', '/', '.']) {
        // A year in front leaves no doubt which number is the month.
        Some((year, _)) if year.len() == 4 => join(text.split(['-', '/', '.']).collect(), "-"),
        Some(_) => None,
        None => join(text.split(':').collect(), ":"),
    }
}

/// "remove the line", if the line before it says the same.
fn repeated_line(text: &str, at: usize) -> Option<Hint> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
    let line = text.get(start..)?.split_inclusive('\n').next()?;
    let heading = text.get(..start)?.rfind("\n[").unwrap_or(0);
    let mut above = text.get(heading..start)?.lines();
    let same = !line.starts_with('[') && above.any(|above| above.trim() == line.trim());
    same.then(|| Hint::remove(start..start + line.len()).saying("remove the line"))
}

/// Errors of one file for which a repair is looked for.
const REPAIRS_MAX: usize = 4;

/// Largest file that is parsed again to see whether a repair helps.
const REPAIRED_BYTES_MAX: usize = 1 << 18;
