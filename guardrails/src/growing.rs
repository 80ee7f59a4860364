//! One growing text in both its forms, and the scans of them.
//!
//! The parts of a text agree on one measure: bytes of the original. Canonical offsets stay inside this module.

use std::ops::Range;

use crate::canon::Canon;
use crate::plan::{Plan, Scanners};
use crate::scan::{Cursor, Hit, Part, Retained};
use crate::shapes::View;

/// A text that is being read and scanned.
#[derive(Debug, Clone)]
pub(crate) struct Growing {
    canon: Canon,
    /// The retained original.
    original: String,
    /// The offset of its first byte.
    base: usize,
    canonical_scan: Cursor,
    original_scan: Cursor,
}

/// How far a growing text is scanned: one place, in both measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) original: usize,
    pub(crate) canonical: usize,
}

/// A hit in terms of the original text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) view: View,
    /// Index of the shape in the view's scanner.
    pub(crate) shape: usize,
    pub(crate) range: Range<usize>,
    pub(crate) part: Part,
}

impl Growing {
    pub(crate) fn new(scanners: &Scanners) -> Growing {
        Growing {
            canon: Canon::default(),
            original: String::new(),
            base: 0,
            canonical_scan: scanners.canonical.cursor(),
            original_scan: scanners.original.cursor(),
        }
    }

    /// Takes more text, without scanning it.
    pub(crate) fn push(&mut self, text: &str) {
        self.canon.push(text);
        self.original.push_str(text);
    }

    /// The end of what has been taken.
    pub(crate) fn end(&self) -> Place {
        Place {
            original: self.base + self.original.len(),
            canonical: self.canon.end(),
        }
    }

    /// Retained original text.
    pub(crate) fn original(&self, range: Range<usize>) -> &str {
        let inside = |offset: usize| offset.saturating_sub(self.base);
        self.original
            .get(inside(range.start)..inside(range.end))
            .unwrap_or_default()
    }

    /// Retained canonical text.
    pub(crate) fn canonical(&self, range: Range<usize>) -> &str {
        let (text, base) = self.canon.retained();
        text.get(range.start.saturating_sub(base)..range.end.saturating_sub(base))
            .unwrap_or_default()
    }

    /// The original bytes of a canonical range.
    pub(crate) fn original_range(&self, canonical: Range<usize>) -> Range<usize> {
        match canonical.is_empty() {
            true => {
                let at = self.canon.original_start(canonical.start);
                at..at
            }
            false => self.canon.original(canonical),
        }
    }

    /// Scans up to a place (if `last`, the end of the text) and adds what is settled to `found`.
    pub(crate) fn scan(
        &mut self,
        scanners: &Scanners,
        plan: &Plan,
        upto: Place,
        last: bool,
        found: &mut Vec<Found>,
    ) {
        let mut hits = Vec::new();
        let text = retained(&self.canon);
        self.canonical_scan.advance(
            &scanners.canonical,
            &plan.canonical.active,
            text,
            upto.canonical,
            last,
            &mut hits,
        );
        found.extend(hits.drain(..).map(|hit| Found {
            view: View::Canonical,
            shape: hit.shape,
            range: self.in_original(&hit),
            part: hit.part,
        }));
        // Nothing that the original's shapes look for is ASCII.
        let from = self.original_scan.scanned().saturating_sub(self.base);
        let new = self
            .original
            .get(from..upto.original.saturating_sub(self.base));
        if new.is_some_and(str::is_ascii) && self.original_scan.skip(upto.original) {
            return;
        }
        let text = Retained {
            text: &self.original,
            base: self.base,
        };
        self.original_scan.advance(
            &scanners.original,
            &plan.original.active,
            text,
            upto.original,
            last,
            &mut hits,
        );
        found.extend(hits.into_iter().map(|hit| Found {
            view: View::Original,
            shape: hit.shape,
            range: hit.range,
            part: hit.part,
        }));
    }

    /// The end of the original text, up to `scanned`, that no open candidate of a redacting or blocking rule can reach.
    pub(crate) fn settled(&self, scanners: &Scanners, plan: &Plan, scanned: Place) -> usize {
        let canonical = self
            .canonical_scan
            .open_from(
                &scanners.canonical,
                &plan.canonical.holding,
                retained(&self.canon),
            )
            .map(|start| self.canon.original_start(start));
        // What is dropped from canonical text after the last swallowed character may turn out to lie inside the hit.
        let swallowed = self
            .canonical_scan
            .is_swallowing(&plan.canonical.holding)
            .then(|| self.canon.original_end(scanned.canonical));
        let text = Retained {
            text: &self.original,
            base: self.base,
        };
        let original =
            self.original_scan
                .open_from(&scanners.original, &plan.original.holding, text);
        let open = canonical.into_iter().chain(swallowed).chain(original);
        open.fold(scanned.original, usize::min)
    }

    /// Forgets text that no scan needs, and that lies before both of these places.
    pub(crate) fn forget(&mut self, original: usize, canonical: usize) {
        self.canon
            .drop_before(canonical.min(self.canonical_scan.needed_from()));
        let mut cut = original
            .min(self.original_scan.needed_from())
            .saturating_sub(self.base)
            .min(self.original.len());
        while !self.original.is_char_boundary(cut) {
            cut -= 1;
        }
        self.original.drain(..cut);
        self.base += cut;
    }

    fn in_original(&self, hit: &Hit) -> Range<usize> {
        let range = self.canon.original(hit.range.clone());
        match hit.part {
            Part::New => range,
            // It joins what it continues, whatever was dropped in between.
            Part::More => self.canon.original_end(hit.range.start)..range.end,
        }
    }
}

fn retained(canon: &Canon) -> Retained<'_> {
    let (text, base) = canon.retained();
    Retained { text, base }
}
