//! The shapes that are built in, by detector.
//!
//! Vocabulary of credential formats: learned from public vendor documentation and from gitleaks' rules (MIT), written
//! anew for automata that run from a keyword. Documentation values (`078-05-1120`, `AKIAIOSFODNN7EXAMPLE`) are hits like
//! any other.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use crate::Kind;
use crate::shape::{Candidate, Edge, Judge, Limits, Shape, Trigger};

pub(crate) mod marking;
mod pii;
mod secret;
mod unicode;

#[cfg(test)]
mod tests;

/// A deterministic detector that is built in.
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) version: u32,
    pub(crate) kind: Kind,
    pub(crate) view: View,
    pub(crate) shapes: Vec<Arc<Shape>>,
}

/// Which form of the text shapes read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Canonical,
    /// As written: the shapes are about what canonical text has lost.
    Original,
}

/// All built-in detectors, compiled once per process.
pub(crate) static FAMILIES: LazyLock<[Family; 4]> = LazyLock::new(|| {
    let family = |name, kind, view, shapes: Vec<Shape>| Family {
        name,
        version: 1,
        kind,
        view,
        shapes: shapes.into_iter().map(Arc::new).collect(),
    };
    [
        family("secret", Kind::Secret, View::Canonical, secret::shapes()),
        family("pii", Kind::Pii, View::Canonical, pii::shapes()),
        family("unicode", Kind::Unicode, View::Original, unicode::shapes()),
        family("marking", Kind::Marking, View::Canonical, marking::shapes()),
    ]
});

impl Family {
    /// The labels of its findings, each once.
    pub(crate) fn labels(&self) -> Vec<&str> {
        let mut labels: Vec<&str> = self
            .shapes
            .iter()
            .map(|shape| shape.label.as_str())
            .collect();
        labels.dedup();
        labels
    }
}

/// A built-in shape is checked by the tests; one that does not compile cannot be shipped.
#[expect(
    clippy::expect_used,
    reason = "the patterns are constants, and every test compiles them all"
)]
fn built_in(
    label: &str,
    pattern: &str,
    trigger: Option<Trigger>,
    left: Edge,
    judge: Judge,
    max_span: usize,
) -> Shape {
    let limits = Limits {
        automaton: 1 << 20,
        max_span,
    };
    Shape::new(label, pattern, trigger, left, judge, limits).expect("a built-in pattern compiles")
}

/// Whether the keywords of a shape are meant letter by letter.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Exact,
    Ignored,
}

/// A shape that begins with one of `words`, goes on with `rest`, and ends within [`MAX_SPAN`] bytes unless it is finite.
fn keyword(label: &str, words: &[&str], case: Case, rest: &str, left: Edge, judge: Judge) -> Shape {
    let flags = match case {
        Case::Exact => "-u",
        Case::Ignored => "i-u",
    };
    let escaped: Vec<String> = words.iter().map(|word| regex::escape(word)).collect();
    let pattern = format!("(?{flags}:{})(?:{rest})", escaped.join("|"));
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    built_in(
        label,
        &pattern,
        Some(Trigger::Keywords(words)),
        left,
        judge,
        MAX_SPAN,
    )
}

/// The span of built-in shapes that have no length of their own (tokens, key blocks).
const MAX_SPAN: usize = 8 * 1024;

/// Accepts a match without a trailing `_`, which is how patterns spell a word boundary that emphasis marks do not hide.
fn without_underscore(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    Some(0..candidate.text.trim_end_matches('_').len())
}

/// Shannon entropy of the bytes, in bits per byte.
fn entropy(text: &str) -> f64 {
    let mut counts = [0u32; 256];
    for byte in text.bytes() {
        if let Some(count) = counts.get_mut(usize::from(byte)) {
            *count += 1;
        }
    }
    let total = text.len() as f64;
    counts
        .iter()
        .filter(|count| **count > 0)
        .map(|count| {
            let share = f64::from(*count) / total;
            -share * share.log2()
        })
        .sum()
}
