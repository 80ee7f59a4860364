//! Canonical text of any text: idempotent, never longer, never a change to ASCII.
#![no_main]

use guardrails::canonical;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let once = canonical(text);
    assert!(once.len() <= text.len());
    assert_eq!(canonical(&once), once);
    assert!(!text.is_ascii() || once == text);
    // Folding is local to a character: any two halves fold to the halves.
    let middle = text.floor_char_boundary(text.len() / 2);
    let (left, right) = text.split_at(middle);
    assert_eq!(format!("{}{}", canonical(left), canonical(right)), once);
});
