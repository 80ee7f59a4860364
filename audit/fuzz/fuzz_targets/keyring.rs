//! The reader of keyring files: never panics, and opens none as what it is not.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| audit::fuzzing::keyring(file));
