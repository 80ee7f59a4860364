//! Which texts durable bodies of this epoch hold already, and where.
//!
//! Addressed by HMAC-SHA-256 of principal and text, under a key that lives in memory for one epoch and
//! is written nowhere. What the disk tells is a length: that of a body whose texts were said before is
//! shorter. So texts are shared within a principal only: nobody learns of another's. What is not found is sealed again: to forget costs space, and nothing else.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use super::Spoken;
use crate::checkpoint::KeyError;
use crate::entry::Name;
use crate::seal;

/// A text of a principal.
pub(crate) type Address = [u8; 32];

/// The texts of one epoch.
pub(crate) struct Known {
    key: hmac::Key,
    texts: Mutex<Generations>,
}

/// Two generations: when the young one is full it becomes the old one, and what nobody has asked for
/// since goes.
#[derive(Default)]
struct Generations {
    young: HashMap<Address, Spoken>,
    old: HashMap<Address, Spoken>,
}

/// Some 60 bytes each.
const GENERATION: usize = 16 * 1024;
/// A shorter text is repeated: a reference would not be much shorter.
const TEXT_BYTES_MIN: usize = 64;

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Known(***)")
    }
}

impl Known {
    pub(crate) fn new() -> Result<Known, KeyError> {
        let key = Zeroizing::new(seal::random::<32>()?);
        Ok(Known {
            key: hmac::Key::new(hmac::HMAC_SHA256, &*key),
            texts: Mutex::default(),
        })
    }

    /// Where this text would be looked up; `None` for one that is always repeated.
    pub(super) fn address(&self, whose: Option<&Name>, text: &str) -> Option<Address> {
        let whose = whose.filter(|_| text.len() >= TEXT_BYTES_MIN)?;
        let mut digest = hmac::Context::with_key(&self.key);
        digest.update(whose.as_str().as_bytes());
        digest.update(b"\n"); // which no name holds
        digest.update(text.as_bytes());
        digest.sign().as_ref().try_into().ok()
    }

    pub(super) fn find(&self, address: &Address) -> Option<Spoken> {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(spoken) = texts.young.get(address) {
            return Some(*spoken);
        }
        let spoken = texts.old.remove(address)?;
        texts.insert(*address, spoken);
        Some(spoken)
    }
}

impl Generations {
    fn insert(&mut self, address: Address, spoken: Spoken) {
        if self.young.len() >= GENERATION {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(address, spoken);
    }
}

/// What a body holds, to be learnt when its entry is durable.
#[derive(Clone, Debug)]
pub(crate) struct Lesson {
    known: Arc<Known>,
    texts: Vec<(Address, u32)>,
}

impl Lesson {
    /// `None` where there is nothing to learn.
    pub(crate) fn new(known: &Arc<Known>, texts: Vec<(Address, u32)>) -> Option<Lesson> {
        (!texts.is_empty()).then(|| Lesson {
            known: Arc::clone(known),
            texts,
        })
    }

    /// The entry is durable, and the body is the one of this number there.
    pub(crate) fn learn(&self, entry: u64, body: u8) {
        let mut texts = self
            .known
            .texts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for (address, n) in &self.texts {
            texts.insert(*address, Spoken(entry, body, *n));
        }
    }
}
