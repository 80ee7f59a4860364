//! Characters that hide text from people but not from models.
//!
//! Looked for in the original text: canonical text has lost them. Ordinary uses are not hits: single joiners in Persian
//! or in emoji, one variation selector, the flags of England, Scotland and Wales, direction isolates and marks.

use std::ops::Range;

use super::built_in;
use crate::shape::{Candidate, Edge, Judge, Shape};

pub(super) fn shapes() -> Vec<Shape> {
    let shape = |label, pattern, judge| built_in(label, pattern, None, Edge::Free, judge, RUN_MAX);
    vec![
        // Each tag character spells one ASCII character that nobody sees.
        shape(
            "tag_characters",
            r"[\x{E0000}-\x{E007F}]+",
            Judge::Code(not_a_flag),
        ),
        // Overrides show text in another order than it has (CVE-2021-42574).
        shape("bidi_override", r"[\x{202D}\x{202E}]", Judge::ANY),
        shape(
            "zero_width_run",
            r"[\x{200B}-\x{200D}\x{2060}-\x{2064}\x{FEFF}\x{180E}]{3,}",
            Judge::ANY,
        ),
        // Each selector of a run can carry a byte.
        shape(
            "variation_selector_run",
            r"[\x{FE00}-\x{FE0F}\x{E0100}-\x{E01EF}]{2,}",
            Judge::ANY,
        ),
    ]
}

/// A run that is still going on after so many bytes is a hit, and all of it goes.
const RUN_MAX: usize = 256;

fn not_a_flag(candidate: &Candidate<'_>) -> Option<Range<usize>> {
    let tagged: String = candidate
        .text
        .chars()
        .filter_map(|tag| char::from_u32(u32::from(tag).checked_sub(0xE0000)?))
        .collect();
    let is_flag = matches!(
        tagged.as_str(),
        "gbeng\u{7f}" | "gbsct\u{7f}" | "gbwls\u{7f}"
    );
    let end = candidate.text.len();
    match candidate.before.ends_with('\u{1F3F4}') && is_flag {
        true => Some(end..end),
        false => Some(0..end),
    }
}
