//! Where a growing text is judged: places that its content decides, never the way it arrives.
//!
//! A cut comes after the first whitespace behind a word, and after [`UNCUT_MAX`] bytes without one. Whether a place is a
//! cut depends on the text before it alone.

use crate::canon::folded;
use crate::growing::Place;
use crate::ngrams;

/// Finds the cuts of a text as it comes in.
#[derive(Debug, Clone, Default)]
pub(super) struct Cuts {
    at: Place,
    /// Bytes of original text since the last cut.
    uncut: usize,
    /// Whether there was anything but whitespace in them.
    word: bool,
}

/// In bytes of original text: what the classifiers' features count as one word at most.
const UNCUT_MAX: usize = ngrams::WORD_BYTES_MAX;

impl Cuts {
    /// Reads more text, and gives the cuts in it.
    pub(super) fn read(&mut self, text: &str) -> Vec<Place> {
        let mut places = Vec::with_capacity(text.len() / 6 + 1);
        for c in text.chars() {
            let seen = folded(c);
            let length = seen.map_or(0, char::len_utf8);
            self.at.original += c.len_utf8();
            self.at.canonical += length;
            self.uncut += c.len_utf8();
            let space = seen.is_some_and(char::is_whitespace);
            if (space && self.word) || self.uncut >= UNCUT_MAX {
                places.push(self.at);
                self.uncut = 0;
                self.word = false;
            } else if seen.is_some() && !space {
                self.word = true;
            }
        }
        places
    }
}
