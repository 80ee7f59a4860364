//! One growing text in its readings, and the scans of them.
//!
//! | reading | read by | from |
//! |---|---|---|
//! | canonical | all shapes but those of hidden characters | the beginning |
//! | original | the shapes of hidden characters | the beginning |
//! | canonical, with its escapes read | as canonical | the first backslash |
//! | with letters folded that look alike | as canonical | the first such letter |
//! | canonical, with what is encoded decoded: once, twice, three times, and unwrapped | as canonical | the first run that may be encoded |
//!
//! The third is for text that is not judged string by string as JSON but may be JSON, or hold some: `\u0030\u0037\u0038`
//! reads as `078` to whoever parses it. These readings only ever stand *beside* the canonical one, and add to what it
//! gives: whether `\n` is a line end or the beginning of a folder's name, and whether `рак` is Russian, is the reader's
//! business. Up to the place where one begins it is the canonical text, so it begins as a copy, and it makes no difference if
//! it begins sooner. A hit that several give is one hit.
//!
//! The readings of a text agree on one measure: bytes of the original. Canonical offsets stay inside this module and its
//! callers' [`Place`]s; a reading beside reads no further than the text is judged.
//!
//! What it cannot do: hidden characters that are spelled as escapes or encoded are not looked for (they are passed over
//! where they stand inside something else), and neither is what is encoded within an escape.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::canon::{self, Canon};
use crate::plan::{Plan, Scanners};
use crate::scan::{Cursor, Hit, Part, Retained};
use crate::shapes::View;
use crate::{encoded, escapes, lookalikes};

/// A text that is being read and scanned.
#[derive(Debug, Clone)]
pub(crate) struct Growing {
    reading: Reading,
    canon: Canon,
    /// The retained original.
    original: String,
    /// The offset of its first byte.
    base: usize,
    canonical_scan: Cursor,
    original_scan: Cursor,
    /// The text up to here is scanned.
    scanned: Place,
    beside: Vec<Beside>,
    /// Original bytes and shape of the hits given since there is anything beside.
    given: BTreeSet<(usize, usize, usize)>,
}

/// Whether escapes in a text are read besides what is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    AsWritten,
    WithEscapes,
}

/// A reading beside the canonical one.
#[derive(Debug, Clone)]
struct Beside {
    reading: canon::Reading,
    canon: Canon,
    scan: Cursor,
}

/// One place in a growing text, in both measures.
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

/// The readings beside the canonical one that a text calls for, in which it reads otherwise. Unless it is the text's end
/// (`last`), what may go on to call for one counts.
fn readings_beside(text: &str, reading: Reading, last: bool) -> Vec<canon::Reading> {
    let mut readings = Vec::new();
    if reading == Reading::WithEscapes && text.contains('\\') {
        readings.push(canon::Reading::Escapes(escapes::LAYERS_MAX));
    }
    if lookalikes::adds_to(text) {
        readings.push(canon::Reading::Lookalikes);
    }
    if encoded::is_in(text, last) {
        readings.extend((1..=encoded::LAYERS_MAX).map(canon::Reading::Encoded));
        readings.push(canon::Reading::Unwrapped);
    }
    readings
}

/// A slice of a long text, and the rest: at the end of a word if there is one near, since there no reading waits.
pub(crate) fn slice(text: &str) -> (&str, &str) {
    if text.len() <= SLICE_BYTES {
        return (text, "");
    }
    let most = text.floor_char_boundary(SLICE_BYTES);
    let near = text.ceil_char_boundary(most.saturating_sub(WORD_BYTES));
    let word = text
        .get(near..most)
        .and_then(|near| near.rfind(char::is_whitespace));
    let end = word.map_or(most, |at| text.ceil_char_boundary(near + at + 1));
    text.split_at(end)
}

/// A long text is scanned in slices of so many bytes (half a millisecond or so), with a pause for others in between.
const SLICE_BYTES: usize = 64 * 1024;
/// The end of a word is looked for in so many bytes.
const WORD_BYTES: usize = 1024;

impl Growing {
    pub(crate) fn new(scanners: &Scanners, reading: Reading) -> Growing {
        Growing {
            reading,
            canon: Canon::default(),
            original: String::new(),
            base: 0,
            canonical_scan: scanners.canonical.cursor(),
            original_scan: scanners.original.cursor(),
            scanned: Place::default(),
            beside: Vec::new(),
            given: BTreeSet::new(),
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
        self.read_beside(upto, last);
        let mut hits = Vec::new();
        let active = &plan.canonical.active;
        let text = retained(&self.canon);
        let canonical = |canon: &Canon, hit: &Hit| Found {
            view: View::Canonical,
            shape: hit.shape,
            range: in_original(canon, hit),
            part: hit.part,
        };
        self.canonical_scan.advance(
            &scanners.canonical,
            active,
            text,
            upto.canonical,
            last,
            &mut hits,
        );
        let first = hits.drain(..).map(|hit| canonical(&self.canon, &hit));
        if self.beside.is_empty() {
            found.extend(first);
        } else {
            let mut all: Vec<Found> = first.collect();
            for beside in &mut self.beside {
                let (text, end) = (retained(&beside.canon), beside.canon.end());
                beside
                    .scan
                    .advance(&scanners.canonical, active, text, end, last, &mut hits);
                all.extend(hits.drain(..).map(|hit| canonical(&beside.canon, &hit)));
            }
            // More of a hit only makes a mask longer, which may be done twice.
            all.retain(|found| {
                let hit = (found.range.start, found.range.end, found.shape);
                found.part == Part::More || self.given.insert(hit)
            });
            found.append(&mut all);
        }
        self.scanned = upto;
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
        let beside = self.beside.iter();
        let beside = beside.map(|beside| beside.settled(scanners, plan));
        open.chain(beside).fold(scanned.original, usize::min)
    }

    /// Reads on, up to a place, in all readings beside; begins those that the new text calls for.
    fn read_beside(&mut self, upto: Place, last: bool) {
        let from = self.scanned.original.saturating_sub(self.base);
        let to = upto.original.saturating_sub(self.base);
        let new = self.original.get(from..to).unwrap_or_default();
        for reading in readings_beside(new, self.reading, last) {
            if self.beside.iter().all(|beside| beside.reading != reading) {
                let written = self
                    .canon
                    .cut_at(self.scanned.canonical, self.scanned.original);
                self.beside.push(Beside {
                    reading,
                    canon: written.reading(reading),
                    scan: self.canonical_scan.clone(),
                });
            }
        }
        for beside in &mut self.beside {
            beside.canon.push(new);
            if last {
                beside.canon.finish();
            }
        }
    }

    /// Forgets text that no scan needs, and that lies before both of these places.
    pub(crate) fn forget(&mut self, original: usize, canonical: usize) {
        if !self.beside.is_empty() {
            let written = self.canon.original_start(self.canonical_scan.needed_from());
            let beside = self.beside.iter_mut().map(Beside::forget);
            let needed = beside.fold(written, usize::min);
            self.given = self.given.split_off(&(needed, 0, 0));
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

impl Beside {
    /// As [`Growing::settled`], for this reading alone.
    fn settled(&self, scanners: &Scanners, plan: &Plan) -> usize {
        let holding = &plan.canonical.holding;
        let open = self
            .scan
            .open_from(&scanners.canonical, holding, retained(&self.canon))
            .map(|start| self.canon.original_start(start));
        let swallowed = self
            .scan
            .is_swallowing(holding)
            .then(|| self.canon.original_end(self.canon.end()));
        open.into_iter()
            .chain(swallowed)
            .fold(self.canon.read(), usize::min)
    }

    /// Forgets text that the scan does not need. From the given place of the original on it may still give something.
    fn forget(&mut self) -> usize {
        let from = self.scan.needed_from();
        let needed = self.canon.original_start(from);
        self.canon.drop_before(from);
        needed
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
