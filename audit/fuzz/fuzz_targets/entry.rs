//! The entry parser: never panics, and accepts only what this log would write.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|leaf: &[u8]| {
    if let Ok(stored) = audit::entry::parse(leaf) {
        assert!(leaf.len() <= audit::entry::ENTRY_BYTES_MAX);
        assert!(leaf.starts_with(format!("{{\"type\":\"{}\"", stored.entry.kind()).as_bytes()));
        audit::fuzzing::peek_agrees(leaf, &stored);
    }
});
