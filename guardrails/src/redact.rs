//! Replacing what was found by masks: `[REDACTED:us_ssn]`, or with a name for the value, `[REDACTED:us_ssn:kqtbndfgrslm]`
//! ([`pseudonym`]).
//!
//! Masks that overlap are one mask, that of the match which begins first (of several, the longest): a hit inside another
//! adds no second mask. The state is one offset, so text may be redacted in any pieces with the same result.

use std::ops::Range;

use crate::scan::Part;

mod pseudonym;

pub use pseudonym::RedactionKey;

#[cfg(test)]
mod tests;

/// Something to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mask {
    /// Bytes of the original text.
    pub(crate) range: Range<usize>,
    /// What stands in their place.
    pub(crate) text: String,
    pub(crate) part: Part,
    /// Of two masks of the same bytes the one with the lower rank names them.
    pub(crate) rank: usize,
}

/// Redacts one text from its beginning to its end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Redactor {
    /// Everything before this has been written or replaced.
    done: usize,
    waiting: Vec<Mask>,
}

impl Redactor {
    /// Adds a mask that begins at or after the point up to which text has been taken.
    pub(crate) fn add(&mut self, mask: Mask) {
        self.waiting.push(mask);
    }

    /// Whether nothing was and nothing will be replaced.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Gives the text from where the last call ended up to `upto`, redacted. No mask that begins before `upto` may be
    /// added later, but for [`Part::More`] of one that reaches it.
    pub(crate) fn take<'t>(
        &mut self,
        upto: usize,
        text: impl Fn(Range<usize>) -> &'t str,
    ) -> String {
        // Ties: what continues a mask first, then the longest.
        self.waiting.sort_by_key(|mask| {
            (
                mask.range.start,
                mask.part,
                std::cmp::Reverse(mask.range.end),
                mask.rank,
            )
        });
        let ready = self.waiting.partition_point(|mask| mask.range.start < upto);
        let mut out = String::new();
        for mask in self.waiting.drain(..ready) {
            if mask.range.start >= self.done && mask.part == Part::New {
                out.push_str(text(self.done..mask.range.start));
                out.push_str(&mask.text);
                self.done = mask.range.start;
            }
            self.done = self.done.max(mask.range.end);
        }
        if self.done < upto {
            out.push_str(text(self.done..upto));
            self.done = upto;
        }
        out
    }
}

/// `[REDACTED:us_ssn]`: the same for every value, so that nothing of it is left; unless it is given a name.
pub(crate) fn mask_text(label: &str, name: Option<&str>) -> String {
    match name {
        Some(name) => format!("[REDACTED:{label}:{name}]"),
        None => format!("[REDACTED:{label}]"),
    }
}

/// Whether a text is just a mask: nothing is left in it to be found.
pub(crate) fn is_mask(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    let label = text
        .strip_prefix("[REDACTED:")
        .and_then(|rest| rest.strip_suffix(']'));
    label.is_some_and(|label| label.chars().all(plain))
}
