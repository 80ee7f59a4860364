//! The checkpoint parser: never panics, and no signature is good by accident.

#![no_main]

use audit::{Checkpoint, VerifyKey};
use libfuzzer_sys::fuzz_target;

/// A key that signed nothing in the corpus.
const KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";

fuzz_target!(|input: &[u8]| {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let _ = VerifyKey::parse(text).map(|key| assert_eq!(key.to_string(), text.trim()));
    let read = Checkpoint::read(text);
    if let Ok(key) = VerifyKey::parse(KEY) {
        assert!(Checkpoint::open(text, &key).is_err());
    }
    if let Ok(checkpoint) = read {
        let size = checkpoint.size.to_string();
        assert_eq!(text.lines().next(), Some(checkpoint.origin.as_str()));
        assert_eq!(text.lines().nth(1), Some(size.as_str()));
    }
});
