//! Windows over a growing text, for one classifier.
//!
//! A window ends at every cut that completes a stride (`words - overlap` cuts) and reaches `words` cuts back; the last
//! one ends with the text. Every word is in some window before it can leave.

use std::collections::VecDeque;
use std::ops::Range;

use crate::WindowSize;
use crate::growing::Place;

/// Finds the windows of a text from its cuts.
#[derive(Debug, Clone)]
pub(super) struct Windows {
    size: WindowSize,
    /// Canonical offsets at which the last `words` pieces begin, and the end of the last one.
    marks: VecDeque<usize>,
    /// Pieces since the last window's end.
    since: usize,
    /// Where the last window ended, in the original text.
    ended: usize,
}

impl Windows {
    pub(super) fn new(size: WindowSize) -> Windows {
        let words = size.words.max(1);
        let overlap = size.overlap.min(words - 1);
        Windows {
            size: WindowSize { words, overlap },
            marks: VecDeque::from([0]),
            since: 0,
            ended: 0,
        }
    }

    /// The text is cut here; the canonical bytes of the window that ends here, if one does.
    pub(super) fn cut(&mut self, place: Place) -> Option<Range<usize>> {
        self.marks.push_back(place.canonical);
        self.since += 1;
        while self.marks.len() > self.size.words + 1 {
            self.marks.pop_front();
        }
        if self.since < self.size.words - self.size.overlap {
            return None;
        }
        self.since = 0;
        self.ended = place.original;
        Some(self.start()..place.canonical)
    }

    /// The text ends here; its last window, if anything has come since the one before.
    pub(super) fn end(&mut self, place: Place) -> Option<Range<usize>> {
        let new = self.since > 0
            || self
                .marks
                .back()
                .is_some_and(|last| *last < place.canonical);
        self.ended = place.original;
        new.then(|| self.start()..place.canonical)
    }

    /// Everything before this original offset lies in windows that have ended.
    pub(super) fn ended(&self) -> usize {
        self.ended
    }

    /// Canonical text from here on is still needed.
    pub(super) fn start(&self) -> usize {
        self.marks.front().copied().unwrap_or(0)
    }
}
