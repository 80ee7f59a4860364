//! Names for redacted values: the same value has the same name, and nobody without the key can try which value it was.
//!
//! A model that reads `[REDACTED:us_ssn:kqtbndfgrslm]` twice knows that one number was meant both times. HMAC-SHA-256
//! (RFC 2104), cut to 48 bits: among a million values of one label, two have one name with a chance of about 1 in 560.
//! Values that differ only in spacing or case, or in how digits are grouped, are one value.

use aws_lc_rs::hmac;

use crate::canon::canonical;

/// The key that names are made with.
#[derive(Clone)]
pub struct RedactionKey(hmac::Key);

impl RedactionKey {
    /// A key of 32 random bytes.
    pub fn new(secret: &[u8; 32]) -> RedactionKey {
        RedactionKey(hmac::Key::new(hmac::HMAC_SHA256, secret))
    }

    /// The name of a value, as it is written in the original text.
    pub(crate) fn name(&self, label: &str, value: &str) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(label.as_bytes());
        context.update(&[0]);
        context.update(plain(value).as_bytes());
        let tag = context.sign();
        let nibbles = tag.as_ref().iter().take(NAME_BYTES);
        let nibbles = nibbles.flat_map(|byte| [byte >> 4, byte & 15]);
        nibbles
            .filter_map(|nibble| LETTERS.chars().nth(nibble.into()))
            .collect()
    }
}

impl std::fmt::Debug for RedactionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RedactionKey")
    }
}

const NAME_BYTES: usize = 6;
/// Neither digits, which might read as another number, nor vowels, which might make words.
const LETTERS: &str = "bcdfghjklmnpqrst";

/// What is compared of a value.
fn plain(value: &str) -> String {
    let value = canonical(value).to_lowercase();
    let is_number = !value.chars().any(char::is_alphabetic);
    let kept = |c: &char| match is_number {
        true => c.is_ascii_digit(),
        false => !c.is_whitespace(),
    };
    value.chars().filter(kept).collect()
}
