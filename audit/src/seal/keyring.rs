//! The file `keyring/<epoch>`: a CMS message ([`envelope`](super::envelope)) around one line of text:
//!
//! ```text
//! {"epoch":"23a2d6cbac6d168a","origin":"gw1.agency.example/audit","key":"9f3c…64 digits…07"}
//! ```
//!
//! The line says which epoch of which log the key belongs to, so that a file passed off as another
//! one is seen for what it is, by `openssl cms -decrypt` as well as here.

use std::fmt;

use zeroize::Zeroizing;

use super::envelope::{self, Envelope};
use super::opener::Unopened;
use super::{Opener, Recipients, Secret};
use crate::checkpoint::{KeyError, Origin};
use crate::entry::{Tag, unhex};

/// The key of one epoch of one log.
pub(crate) struct EpochSecret {
    pub(crate) epoch: Tag,
    pub(crate) origin: Origin,
    pub(super) key: Secret,
}

impl fmt::Debug for EpochSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochSecret({} ***)", self.epoch)
    }
}

impl EpochSecret {
    /// The file that lets the recipients have it.
    pub(crate) fn seal(&self, recipients: &Recipients) -> Result<Vec<u8>, KeyError> {
        envelope::seal(self.to_line().as_bytes(), recipients)
    }

    fn to_line(&self) -> Zeroizing<String> {
        let EpochSecret { epoch, origin, key } = self;
        // Of its whole length at once: growing would leave pieces of the key behind.
        let mut line = Zeroizing::new(String::with_capacity(256 + origin.as_str().len()));
        line.push_str(&format!(
            r#"{{"epoch":"{epoch}","origin":"{origin}","key":""#
        ));
        for byte in key.iter() {
            for nibble in [byte >> 4, byte & 15] {
                line.extend(char::from_digit(u32::from(nibble), 16));
            }
        }
        line.push_str("\"}\n");
        line
    }

    fn from_line(line: &[u8]) -> Option<EpochSecret> {
        let line = std::str::from_utf8(line).ok()?;
        let rest = line.strip_prefix(r#"{"epoch":""#)?;
        let (epoch, rest) = rest.split_once(r#"","origin":""#)?;
        let (origin, rest) = rest.split_once(r#"","key":""#)?;
        let key = rest.strip_suffix("\"}\n")?;
        Some(EpochSecret {
            epoch: Tag::parse(epoch)?,
            origin: Origin::new(origin)?,
            key: Zeroizing::new(unhex(key)?),
        })
    }
}

/// A keyring file, read but not opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Keyring(Envelope);

impl Keyring {
    /// Reads a file; it must be in the one form that this log writes.
    pub(crate) fn read(file: &[u8]) -> Option<Keyring> {
        Envelope::read(file).map(Keyring)
    }

    /// How many it is sealed to.
    pub(crate) fn recipients(&self) -> usize {
        self.0.recipients()
    }

    /// Whether it is sealed to these and nobody else, by the names of their certificates.
    pub(crate) fn is_to(&self, recipients: &Recipients) -> bool {
        self.0.is_to(recipients)
    }

    /// The key, which must be that epoch's of that log.
    pub(crate) fn open(
        &self,
        opener: &Opener,
        origin: &Origin,
        epoch: Tag,
    ) -> Result<EpochSecret, Unopened> {
        if !self.0.is_for(&opener.recipient) {
            return Err(Unopened::NotForUs);
        }
        self.0
            .open(&opener.recipient, &opener.key)
            .and_then(|line| EpochSecret::from_line(&line))
            .filter(|secret| (&secret.origin, secret.epoch) == (origin, epoch))
            .ok_or(Unopened::Keyring)
    }
}
