//! Markings in text, for the decision who may see it: always on, before any profile.

use crate::engine::Inner;
use crate::growing::{Growing, Reading};
use crate::shapes::marking;
use crate::{Marking, Span};

/// Finds the markings of all spans, in order.
pub(crate) fn find(inner: &Inner, spans: &[Span<'_>]) -> Vec<Marking> {
    let mut markings = Vec::new();
    for (number, span) in spans.iter().enumerate() {
        let mut growing = Growing::new(&inner.scanners, Reading::AsWritten);
        let mut found = Vec::new();
        growing.push(span.text);
        growing.scan(
            &inner.scanners,
            &inner.markings,
            growing.end(),
            true,
            &mut found,
        );
        found.sort_by_key(|found| found.range.start);
        let mut lettered = None;
        for found in found {
            let Some(shape) = inner.scanners.canonical.shapes().get(found.shape) else {
                continue;
            };
            let matched = span.text.get(found.range.clone()).unwrap_or_default();
            let bare = matched.len() == "(S)".len();
            if bare
                && (*lettered.get_or_insert_with(|| marking::is_lettered(span.text))
                    || marking::is_copyright(span.text, found.range.clone()))
            {
                continue;
            }
            markings.push(Marking {
                level: shape.label.clone(),
                span: number,
                range: found.range,
            });
        }
    }
    markings
}
