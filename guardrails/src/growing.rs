//! One growing text in its forms, and the scans of them.
//!
//! | form | read by |
//! |---|---|
//! | canonical | all shapes but those of hidden characters |
//! | original | the shapes of hidden characters |
//! | canonical with its escapes read, from the first backslash on | as canonical, and adds to what that gives |
//!
//! The third is for text that is not judged string by string as JSON but may be JSON, or hold some: `\u0030\u0037\u0038`
//! reads as `078` to whoever parses it. Escapes are only ever read *besides*: whether `\n` is a line end or the beginning
//! of a folder's name is the reader's business. Up to the first backslash the two canonical forms are one, so the third
//! begins as a copy. A hit that both give is one hit.
//!
//! The parts of a text agree on one measure: bytes of the original. Canonical offsets stay inside this module.
//!
//! What it cannot do: hidden characters that are spelled as escapes are not looked for (they are passed over where they
//! stand inside something else).

use std::collections::BTreeSet;
use std::ops::Range;

use crate::canon::Canon;
use crate::escapes::LAYERS_MAX;
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
    unescaped: Unescaped,
}

/// Whether escapes in a text are read besides what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    AsWritten,
    WithEscapes,
}

/// The form with escapes read.
#[derive(Debug, Clone)]
enum Unescaped {
    Never,
    /// There was no backslash yet.
    NotYet,
    Begun(Box<Second>),
}

#[derive(Debug, Clone)]
struct Second {
    canon: Canon,
    scan: Cursor,
    /// Original bytes and shape of the hits that only one form has given so far.
    given: BTreeSet<(usize, usize, usize)>,
}

/// How far a growing text is scanned: one place, in all measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Place {
    pub(crate) original: usize,
    pub(crate) canonical: usize,
    /// As `canonical`, with escapes read; what may still become one is left out.
    pub(crate) unescaped: usize,
    /// So many bytes of the original before this place may still become an escape.
    pub(crate) held: usize,
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
    pub(crate) fn new(scanners: &Scanners, reading: Reading) -> Growing {
        Growing {
            canon: Canon::default(),
            original: String::new(),
            base: 0,
            canonical_scan: scanners.canonical.cursor(),
            original_scan: scanners.original.cursor(),
            unescaped: match reading {
                Reading::AsWritten => Unescaped::Never,
                Reading::WithEscapes => Unescaped::NotYet,
            },
        }
    }

    /// Takes more text, without scanning it.
    pub(crate) fn push(&mut self, text: &str) {
        if matches!(self.unescaped, Unescaped::NotYet) && text.contains('\\') {
            self.unescaped = Unescaped::Begun(Box::new(Second {
                canon: self.canon.clone().reading_escapes(LAYERS_MAX),
                scan: self.canonical_scan.clone(),
                given: BTreeSet::new(),
            }));
        }
        if let Unescaped::Begun(second) = &mut self.unescaped {
            second.canon.push(text);
        }
        self.canon.push(text);
        self.original.push_str(text);
    }

    /// The text ends here: what may still become an escape does not.
    pub(crate) fn finish(&mut self) {
        if let Unescaped::Begun(second) = &mut self.unescaped {
            second.canon.finish();
        }
    }

    /// The end of what has been taken.
    pub(crate) fn end(&self) -> Place {
        let original = self.base + self.original.len();
        let second = self.second().map(|second| &second.canon);
        Place {
            original,
            canonical: self.canon.end(),
            unescaped: second.unwrap_or(&self.canon).end(),
            held: second.map_or(0, |canon| original - canon.read()),
        }
    }

    fn second(&self) -> Option<&Second> {
        match &self.unescaped {
            Unescaped::Begun(second) => Some(second),
            Unescaped::Never | Unescaped::NotYet => None,
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
        let canonical = |canon: &Canon, hit: &Hit| Found {
            view: View::Canonical,
            shape: hit.shape,
            range: in_original(canon, hit),
            part: hit.part,
        };
        let first = hits.drain(..).map(|hit| canonical(&self.canon, &hit));
        match &mut self.unescaped {
            Unescaped::Never | Unescaped::NotYet => found.extend(first),
            Unescaped::Begun(second) => {
                let mut both: Vec<Found> = first.collect();
                second.scan.advance(
                    &scanners.canonical,
                    &plan.canonical.active,
                    retained(&second.canon),
                    upto.unescaped,
                    last,
                    &mut hits,
                );
                both.extend(hits.drain(..).map(|hit| canonical(&second.canon, &hit)));
                both.retain(|found| second.is_new(found));
                found.append(&mut both);
            }
        }
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
        let escapes = self
            .second()
            .map(|second| second.settled(scanners, plan, scanned));
        let open = canonical.into_iter().chain(swallowed).chain(original);
        open.chain(escapes).fold(scanned.original, usize::min)
    }

    /// Forgets text that no scan needs, and that lies before both of these places.
    pub(crate) fn forget(&mut self, original: usize, canonical: usize) {
        if let Unescaped::Begun(second) = &mut self.unescaped {
            let needed = self.canon.original_start(self.canonical_scan.needed_from());
            second.forget(needed);
        }
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
}

impl Second {
    /// Whether the other form has not given this hit already. Each form gives a hit once.
    fn is_new(&mut self, found: &Found) -> bool {
        if found.part == Part::More {
            // It only makes a mask longer, which may be done twice.
            return true;
        }
        let hit = (found.range.start, found.range.end, found.shape);
        let known = self.given.remove(&hit);
        if !known {
            self.given.insert(hit);
        }
        !known
    }

    /// As [`Growing::settled`], for this form alone.
    fn settled(&self, scanners: &Scanners, plan: &Plan, scanned: Place) -> usize {
        let holding = &plan.canonical.holding;
        let open = self
            .scan
            .open_from(&scanners.canonical, holding, retained(&self.canon))
            .map(|start| self.canon.original_start(start));
        let swallowed = self
            .scan
            .is_swallowing(holding)
            .then(|| self.canon.original_end(scanned.unescaped));
        let read = scanned.original - scanned.held;
        open.into_iter().chain(swallowed).fold(read, usize::min)
    }

    /// `needed`: where the other form's scan may still give something.
    fn forget(&mut self, needed: usize) {
        let from = self.scan.needed_from();
        let needed = needed.min(self.canon.original_start(from));
        self.given = self.given.split_off(&(needed, 0, 0));
        self.canon.drop_before(from);
    }
}

fn in_original(canon: &Canon, hit: &Hit) -> Range<usize> {
    let range = canon.original(hit.range.clone());
    match hit.part {
        Part::New => range,
        // It joins what it continues, whatever was dropped in between.
        Part::More => canon.original_end(hit.range.start)..range.end,
    }
}

fn retained(canon: &Canon) -> Retained<'_> {
    let (text, base) = canon.retained();
    Retained { text, base }
}
