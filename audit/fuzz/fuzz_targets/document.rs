//! What is sealed in a body, unpacked and read as an officer does.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|packed: &[u8]| audit::fuzzing::document(packed));
