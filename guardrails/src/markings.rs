//! Markings in text, for the decision who may see it: always on, before any profile.
//!
//! Bounds: a text is scanned in slices, so that only the hits of one slice are held; each marking is given once, and of
//! those that differ at most [`MARKINGS_MAX`]: more is no document, and counts as the highest level.
//!
//! What it cannot do: yield. It runs before there is a permit, where the pipeline does not wait; what it reads is bounded
//! by the size of a request's body.

use std::collections::BTreeSet;

use crate::engine::Inner;
use crate::growing::{self, Growing, Reading};
use crate::shapes::marking::{self, Letters};
use crate::{Marking, Span, canonical};

/// Finds the markings of all spans, each once, in the order in which they first appear.
pub(crate) fn find(inner: &Inner, spans: &[Span<'_>]) -> Vec<Marking> {
    let mut seen = BTreeSet::new();
    let mut markings = Vec::new();
    for (number, span) in spans.iter().enumerate() {
        let mut growing = Growing::new(&inner.scanners, Reading::AsWritten);
        let mut letters = Letters::of(span.text);
        let (mut found, mut rest) = (Vec::new(), span.text);
        while !rest.is_empty() {
            let (slice, after) = growing::slice(rest);
            growing.push(slice);
            let (upto, last) = (growing.end(), after.is_empty());
            growing.scan(&inner.scanners, &inner.markings, upto, last, &mut found);
            growing.forget(usize::MAX, usize::MAX);
            found.sort_by_key(|found| found.range.start);
            for found in found.drain(..) {
                let Some(shape) = inner.scanners.canonical.shapes().get(found.shape) else {
                    continue;
                };
                let level = shape.label.as_str();
                let matched = span.text.get(found.range.clone()).unwrap_or_default();
                if seen.contains(&(level, matched)) || letters.is_no_mark(matched, &found.range) {
                    continue;
                }
                seen.insert((level, matched));
                let full = markings.len() >= MARKINGS_MAX;
                let after = span.text.get(found.range.end..).unwrap_or_default();
                markings.push(Marking {
                    level: if full { marking::HIGHEST } else { level }.to_owned(),
                    text: canonical(marking::whole_words(matched, after)).into_owned(),
                    span: number,
                    range: found.range,
                });
                if full {
                    return markings;
                }
            }
            rest = after;
        }
    }
    markings
}

/// So many different markings are told apart.
const MARKINGS_MAX: usize = 1_024;
