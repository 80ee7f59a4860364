//! The administrator's own patterns.

use aho_corasick::AhoCorasick;

use super::fields::{At, Fields, Problems};
use crate::shape::{Edge, Judge, Limits, Shape, ShapeError};

/// The list's name and its shapes, each labelled `LIST.ID`.
pub(super) struct PatternList {
    pub(super) name: String,
    pub(super) shapes: Vec<Shape>,
}

/// Reads `[pattern.NAME]`.
pub(super) fn read(
    name: &str,
    mut fields: Fields<'_, '_>,
    problems: &mut Problems<'_>,
) -> PatternList {
    fields.text("description", problems);
    let mut shapes: Vec<Shape> = Vec::new();
    for entry in fields.tables("entry", problems) {
        let span = entry.id_span();
        if let Some(shape) = entry_shape(name, entry, problems) {
            if shapes.iter().any(|other| other.label == shape.label) {
                let id = shape.label.rsplit('.').next().unwrap_or_default();
                problems.report(
                    span,
                    format!("a second pattern of this list has the id `{id}`"),
                );
            }
            shapes.push(shape);
        }
    }
    fields.finish(problems);
    PatternList {
        name: name.to_owned(),
        shapes,
    }
}

fn entry_shape(
    list: &str,
    mut fields: Fields<'_, '_>,
    problems: &mut Problems<'_>,
) -> Option<Shape> {
    let id = fields
        .needed("id", problems)
        .filter(|id| is_name(id, problems));
    let regex = fields.needed("regex", problems);
    let keywords = fields.texts("keywords", problems);
    let max_span = fields.number("max_span", problems);
    fields.finish(problems);
    let bound = max_span
        .as_ref()
        .map_or(Some(MAX_SPAN_DEFAULT), |max_span| {
            span_bound(max_span, problems)
        })?;
    let (id, regex) = (id?, regex?);
    let judge = match keywords {
        Some(keywords) => Judge::Keyword(keyword_finder(&keywords, problems)?),
        None => Judge::ANY,
    };
    let label = format!("{list}.{}", id.value);
    let limits = Limits {
        automaton: AUTOMATON_MAX,
        max_span: bound,
    };
    let shape = Shape::new(
        label,
        &ascii_boundaries(&regex.value),
        None,
        Edge::Free,
        judge,
        limits,
    );
    let shape = shape.map_err(|error| refuse(&regex, &error, problems));
    if let (Ok(shape), Some(max_span)) = (&shape, max_span)
        && shape.max_span != bound
    {
        let message = format!(
            "`max_span` changes nothing: no match is longer than {} bytes",
            shape.max_span
        );
        problems.warn(max_span.span, message, "leave it out");
    }
    shape.ok()
}

fn span_bound(max_span: &At<f64>, problems: &mut Problems<'_>) -> Option<usize> {
    let bound = 1.0..=MAX_SPAN_MAX as f64;
    if !bound.contains(&max_span.value) || max_span.value.fract() != 0.0 {
        let message = format!("`max_span` is a whole number of bytes from 1 to {MAX_SPAN_MAX}");
        problems.report(max_span.span.clone(), message);
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a whole number in a small range"
    )]
    Some(max_span.value as usize)
}

fn keyword_finder(
    keywords: &At<Vec<At<String>>>,
    problems: &mut Problems<'_>,
) -> Option<AhoCorasick> {
    let words = keywords.value.iter().map(|word| word.value.as_str());
    if let Some(empty) = keywords.value.iter().find(|word| word.value.is_empty()) {
        problems.report(empty.span.clone(), "a keyword is empty");
        return None;
    }
    let finder = AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(words);
    finder
        .map_err(|error| problems.report(keywords.span.clone(), error.to_string()))
        .ok()
}

fn refuse(regex: &At<String>, error: &ShapeError, problems: &mut Problems<'_>) {
    let hint = match error {
        ShapeError::Syntax(_) => {
            "the syntax is that of the Rust `regex` crate: no look-around, no back-references"
        }
        ShapeError::TooBig { .. } => {
            "use `[a-z0-9]` or `(?-u:\\w)` instead of `\\w`, and smaller repetitions"
        }
        ShapeError::MatchesEmpty => "begin with something that must be there",
        ShapeError::Unsupported(_) => {
            "write `(?-u:\\b)` for a word boundary; `\\B` is not available"
        }
    };
    problems.report_with(regex.span.clone(), format!("bad pattern: {error}"), hint);
}

/// Makes every `\b` an ASCII word boundary, the only one that automata know; with it `ä` is no letter, so that a match
/// beside it is found rather than missed.
fn ascii_boundaries(regex: &str) -> String {
    let mut out = String::with_capacity(regex.len());
    let mut chars = regex.chars().peekable();
    let mut in_class = 0usize;
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('b') if in_class == 0 && chars.peek() != Some(&'{') => {
                    out.push_str("(?-u:\\b)")
                }
                Some(escaped) => out.extend(['\\', escaped]),
                None => out.push('\\'),
            },
            _ => {
                match c {
                    '[' => in_class += 1,
                    ']' => in_class = in_class.saturating_sub(1),
                    _ => {}
                }
                out.push(c);
            }
        }
    }
    out
}

/// Names appear in masks, headers and entries, so they are plain.
pub(super) fn is_name(name: &At<String>, problems: &mut Problems<'_>) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let fine = name.value.len() <= NAME_MAX && name.value.chars().all(plain);
    if !fine {
        let message = format!("a name has at most {NAME_MAX} letters, digits, `-` and `_`");
        problems.report(name.span.clone(), message);
    }
    fine
}

const NAME_MAX: usize = 64;
/// In bytes; for patterns that have no longest match of their own.
const MAX_SPAN_DEFAULT: usize = 256;
/// In bytes. Text is held back and candidates are followed for so long.
const MAX_SPAN_MAX: usize = 4_096;
/// In bytes; the time to build an automaton grows with it.
const AUTOMATON_MAX: usize = 1 << 20;
