//! Tool arguments: usually JSON, where a secret can be spelled in escapes.
//!
//! The text is judged as it stands *and*, if it is JSON, string by string as decoded (keys too). A redaction replaces
//! just the string literals concerned, so everything else, number spelling and order and duplicate keys included, stays
//! byte for byte. What cannot be redacted cleanly is blocked:
//!
//! * a hit that only shows after unescaping text that is not JSON, or the inside of a decoded string (JSON in JSON);
//! * a hit after whose redaction the text would no longer be JSON, or would still hold a hit.
//!
//! Bounds: strings inside strings are unescaped [`LAYERS_MAX`] times; [`STRINGS_MAX`] strings are judged in one text,
//! within its deadline. Findings are compared with each other, and a judgement keeps few ([`Judgement::finds`]).
//!
//! What it cannot do: a secret that is spread over several strings is not put together.

use std::ops::Range;

use serde::de::IgnoredAny;
use tokio::time::Instant;

use crate::engine::Inner;
use crate::growing::Reading;
use crate::judge::{self, Judgement, Where};
use crate::plan::Plan;
use crate::redact::{Mask, Redactor};
use crate::screen::redacted;
use crate::{Action, Undecided};

#[cfg(test)]
mod tests;

/// The judgement of one text of tool arguments.
#[derive(Debug, Default)]
pub(crate) struct Judged {
    pub(crate) judgement: Judgement,
    /// The new text, if something was redacted and nothing blocks.
    pub(crate) rewritten: Option<String>,
    pub(crate) micros: u64,
}

/// Judges one text of tool arguments.
pub(crate) async fn judge(
    inner: &Inner,
    plan: &Plan,
    text: &str,
    place: Where<'_>,
    deadline: Instant,
) -> Result<Judged, Undecided> {
    let mut work = Work {
        inner,
        plan,
        place,
        deadline,
        judged: Judged::default(),
    };
    let as_written = work.scan(text).await?;
    work.judged.judgement = as_written.without_masks();
    if !is_json(text) {
        work.judged.rewritten = redacted(text, &as_written);
        let plain = work.judged.rewritten.clone();
        work.look_deeper(plain.as_deref().unwrap_or(text), 0..text.len())
            .await?;
    } else {
        let strings = work.strings(text).await?;
        let text = strings.as_deref().unwrap_or(text);
        let rest = match strings.is_some() {
            true => work.scan(text).await?,
            false => as_written,
        };
        work.judged.rewritten = strings.clone();
        if !rest.masks.is_empty() {
            work.judged.rewritten = Some(mask_json(text, &rest.masks));
        }
        work.check_rewritten().await?;
    }
    if work.judged.judgement.action() == Action::Block {
        work.judged.rewritten = None;
    }
    Ok(work.judged)
}

struct Work<'a> {
    inner: &'a Inner,
    plan: &'a Plan,
    place: Where<'a>,
    deadline: Instant,
    judged: Judged,
}

impl Work<'_> {
    async fn scan(&mut self, text: &str) -> Result<Judgement, Undecided> {
        let (judgement, micros) = judge::whole(
            self.inner,
            self.plan,
            text,
            Reading::AsWritten,
            self.place,
            self.deadline,
        )
        .await?;
        self.judged.micros += micros;
        Ok(judgement)
    }

    /// Judges every string of a JSON text as decoded; the text with the redacted ones replaced, if there are any.
    async fn strings(&mut self, json: &str) -> Result<Option<String>, Undecided> {
        let mut out = String::new();
        let mut done = 0;
        let literals = literals(json);
        if literals.len() > STRINGS_MAX {
            return Err(Undecided::TooManyStrings {
                count: literals.len(),
                max: STRINGS_MAX,
            });
        }
        for (number, literal) in literals.into_iter().enumerate() {
            if Instant::now() >= self.deadline {
                return Err(Undecided::Deadline);
            }
            if number % STRINGS_AT_ONCE == STRINGS_AT_ONCE - 1 {
                tokio::task::yield_now().await;
            }
            let Some(written) = json.get(literal.clone()) else {
                continue;
            };
            let Ok(decoded) = serde_json::from_str::<String>(written) else {
                // Valid JSON, yet no string: half a surrogate pair. Nobody can say what the receiver makes of it.
                self.look_deeper(written, literal).await?;
                continue;
            };
            let judgement = self.scan(&decoded).await?;
            self.add(&judgement, &literal, written, &decoded);
            let masked = redacted(&decoded, &judgement);
            self.look_deeper(masked.as_deref().unwrap_or(&decoded), literal.clone())
                .await?;
            if let Some(text) = masked {
                out.push_str(json.get(done..literal.start).unwrap_or_default());
                out.push_str(&serde_json::Value::String(text).to_string());
                done = literal.end;
            }
        }
        if done == 0 {
            return Ok(None);
        }
        out.push_str(json.get(done..).unwrap_or_default());
        Ok(Some(out))
    }

    /// Adds the findings of a decoded string that were not already found as written.
    fn add(&mut self, judgement: &Judgement, literal: &Range<usize>, written: &str, decoded: &str) {
        let verbatim = written.len() == decoded.len() + 2;
        for (detector, finding) in &judgement.findings {
            let mut finding = finding.clone();
            finding.range = match verbatim {
                true => {
                    literal.start + 1 + finding.range.start..literal.start + 1 + finding.range.end
                }
                false => literal.clone(),
            };
            let mut known = self
                .judged
                .judgement
                .findings
                .iter()
                .map(|(_, known)| known);
            let again = |known: &crate::Finding| {
                known.label == finding.label && overlap(&known.range, &finding.range)
            };
            if !known.any(again) {
                let action = finding.action;
                self.judged.judgement.finds(*detector, action, || finding);
            }
        }
        self.judged.judgement.counts(judgement);
    }

    /// Judges what a text (its plain hits already replaced) becomes when escapes are undone, again and again. What would
    /// have to be redacted there can only be blocked.
    async fn look_deeper(&mut self, text: &str, origin: Range<usize>) -> Result<(), Undecided> {
        let mut layer = text.to_owned();
        for _ in 0..LAYERS_MAX {
            if !layer.contains('\\') {
                break;
            }
            layer = unescape(&layer);
            let judgement = self.scan(&layer).await?;
            self.judged.judgement.counts(&judgement);
            // Each is compared with those that are known: few, since a judgement keeps few.
            for (detector, mut finding) in judgement.findings {
                let known = self
                    .judged
                    .judgement
                    .findings
                    .iter()
                    .any(|(_, known)| known.label == finding.label);
                if finding.action < Action::Redact && known {
                    continue;
                }
                if finding.action == Action::Redact {
                    finding.action = Action::Block;
                }
                finding.range = origin.clone();
                let action = finding.action;
                self.judged.judgement.finds(detector, action, || finding);
            }
        }
        Ok(())
    }

    /// Whether what would go out is JSON without a hit; otherwise it is blocked.
    async fn check_rewritten(&mut self) -> Result<(), Undecided> {
        let Some(rewritten) = self.judged.rewritten.take() else {
            return Ok(());
        };
        let left = self.scan(&rewritten).await?;
        if is_json(&rewritten) && left.masks.is_empty() {
            self.judged.rewritten = Some(rewritten);
            return Ok(());
        }
        for (_, finding) in &mut self.judged.judgement.findings {
            if finding.action == Action::Redact {
                finding.action = Action::Block;
            }
        }
        Ok(())
    }
}

/// A tool call has dozens of strings; more than this in one text is no tool call.
const STRINGS_MAX: usize = 8_192;
/// After so many strings others may run.
const STRINGS_AT_ONCE: usize = 256;
/// How often strings inside strings are unescaped.
const LAYERS_MAX: usize = 3;

pub(crate) fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

fn overlap(a: &Range<usize>, b: &Range<usize>) -> bool {
    a.start < b.end && b.start < a.end
}

/// The string literals of a JSON text, quotes included.
fn literals(json: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut begun = None;
    let mut bytes = json.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match (byte, begun) {
            (b'"', None) => begun = Some(at),
            (b'"', Some(start)) => {
                found.push(start..at + 1);
                begun = None;
            }
            (b'\\', Some(_)) => {
                bytes.next();
            }
            _ => {}
        }
    }
    found
}

/// Masks hits of the text as written: inside a string as they are, elsewhere (numbers) the whole value as a string.
fn mask_json(json: &str, masks: &[Mask]) -> String {
    let literals = literals(json);
    let mut redactor = Redactor::default();
    let mut values: Vec<(Range<usize>, String)> = Vec::new();
    for mask in masks {
        let before = literals.partition_point(|literal| literal.start < mask.range.start);
        let nearest = before.checked_sub(1).and_then(|at| literals.get(at));
        let inside = nearest.is_some_and(|literal| mask.range.end < literal.end);
        match inside {
            true => redactor.add(mask.clone()),
            false => values.push((value_around(json, &mask.range), mask.text.clone())),
        }
    }
    let masked = |range: Range<usize>| json.get(range).unwrap_or_default();
    if values.is_empty() {
        return redactor.take(json.len(), masked);
    }
    // Values outside strings hold no string, so the two kinds never overlap.
    let mut out = String::new();
    values.sort_by_key(|(range, _)| range.start);
    let mut done = 0;
    for (range, mask) in values {
        if range.start >= done {
            out.push_str(&redactor.take(range.start, masked));
            out.push('"');
            out.push_str(&mask);
            out.push('"');
            let _replaced = redactor.take(range.end, masked);
            done = range.end;
        }
    }
    out.push_str(&redactor.take(json.len(), masked));
    out
}

/// The bare value (number, word) that a range lies in.
fn value_around(json: &str, range: &Range<usize>) -> Range<usize> {
    let ends = |c: char| matches!(c, '{' | '}' | '[' | ']' | ',' | ':' | '"') || c.is_whitespace();
    let before = json.get(..range.start).unwrap_or_default();
    let start = before.rfind(ends).map_or(0, |at| at + 1);
    let after = json.get(range.end..).unwrap_or_default();
    let end = range.end + after.find(ends).unwrap_or(after.len());
    start..end
}

/// Undoes JSON escapes, leniently: what is no escape stays as it is.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(rest.get(..at).unwrap_or_default());
        let escape = rest.get(at..).unwrap_or_default();
        let (c, length) = unescape_one(escape);
        match c {
            Some(c) => out.push(c),
            None => out.push_str(escape.get(..length).unwrap_or_default()),
        }
        rest = escape.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    out
}

/// The character of the escape that a text begins with, and the escape's length in bytes.
fn unescape_one(escape: &str) -> (Option<char>, usize) {
    let mut chars = escape.chars();
    let (_, Some(kind)) = (chars.next(), chars.next()) else {
        return (None, escape.len());
    };
    let simple = |c| (Some(c), 2);
    match kind {
        'n' => simple('\n'),
        't' => simple('\t'),
        'r' => simple('\r'),
        'b' => simple('\u{8}'),
        'f' => simple('\u{c}'),
        '"' | '\\' | '/' => simple(kind),
        'u' => match unit(escape) {
            Some(high @ 0xD800..=0xDBFF) => match escape.get(6..).and_then(unit) {
                Some(low @ 0xDC00..=0xDFFF) => (
                    char::from_u32(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00)),
                    12,
                ),
                _ => (Some(char::REPLACEMENT_CHARACTER), 6),
            },
            Some(unit) => (
                Some(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)),
                6,
            ),
            None => (None, 2),
        },
        other => (None, 1 + other.len_utf8()),
    }
}

/// The number in `\uXXXX`.
fn unit(escape: &str) -> Option<u32> {
    let digits = escape.strip_prefix("\\u")?.get(..4)?;
    digits
        .bytes()
        .all(|b| b.is_ascii_hexdigit())
        .then(|| u32::from_str_radix(digits, 16).ok())?
}
