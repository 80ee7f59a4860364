//! Checkpoints: what the log commits itself to before strangers, signed.
//!
//! ```text
//! gw1.agency.example/audit                                 origin
//! 70000                                                    tree size
//! 6h1yYQ+0zsCvXvbkX8Tr9wmzTFTm7hHyQ0bHXGyQ2kM=             root hash, base64
//!
//! — gw1.agency.example/audit bW9ja…                        Ed25519 over the lines above
//! ```
//!
//! C2SP tlog-checkpoint in a C2SP signed-note. A note may carry lines of other keys (a witness's
//! cosignature, a post-quantum signature): they are kept in the text and skipped here.
//!
//! The dash is an em dash (U+2014). A signature line holds the first four bytes of
//! `SHA-256(name ‖ "\n" ‖ 0x01 ‖ public key)` and the 64 bytes of signature, base64.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::entry::{Digest, Name, NotAWord, Quote};
use crate::keyfile;
use crate::merkle::{Hash, sha256};

/// The name of a log, and of the key that signs it: `gw1.agency.example/audit`.
///
/// A [`Name`] without `+`, which separates the parts of a verifier key (C2SP signed-note).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "Name", into = "Name")]
pub struct Origin(Name);

impl Origin {
    /// The origin, if `text` can be one.
    pub fn new(text: &str) -> Option<Origin> {
        Name::new(text).and_then(|name| Origin::try_from(name).ok())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// As a word of an entry.
    pub fn name(&self) -> &Name {
        &self.0
    }

    /// The first bytes of its hash, which mark the segments of the write-ahead log as its own.
    pub(crate) fn mark(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = sha256(&[self.as_str().as_bytes()]);
        [a, b, c, d, e, f, g, h]
    }
}

impl TryFrom<Name> for Origin {
    type Error = NotAWord;
    fn try_from(name: Name) -> Result<Origin, NotAWord> {
        match name.as_str().contains('+') {
            true => Err(NotAWord("log origin")),
            false => Ok(Origin(name)),
        }
    }
}

impl From<Origin> for Name {
    fn from(origin: Origin) -> Name {
        origin.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A tree size and its root hash, under a log's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checkpoint {
    /// The log.
    pub origin: Origin,
    /// How many entries.
    pub size: u64,
    /// The root hash of them.
    pub root: Digest,
}

impl Checkpoint {
    /// The text that is signed, final newline included.
    fn body(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            BASE64.encode(self.root.0)
        )
    }

    /// What another log says of this one at that moment.
    pub fn quote(&self) -> Quote {
        Quote {
            origin: self.origin.name().clone(),
            size: self.size,
            root: self.root,
        }
    }

    /// Reads the text of a note without checking any signature.
    ///
    /// # Errors
    /// [`BadCheckpoint::Malformed`].
    pub fn read(note: &str) -> Result<Checkpoint, BadCheckpoint> {
        Checkpoint::split(note)
            .map(|(checkpoint, ..)| checkpoint)
            .ok_or(BadCheckpoint::Malformed)
    }

    /// Reads a note and requires a good signature of `key`.
    ///
    /// # Errors
    /// [`BadCheckpoint`]: malformed, of another log, unsigned by this key, or badly signed.
    pub fn open(note: &str, key: &VerifyKey) -> Result<Checkpoint, BadCheckpoint> {
        let (checkpoint, body, signatures) =
            Checkpoint::split(note).ok_or(BadCheckpoint::Malformed)?;
        if checkpoint.origin != key.origin {
            return Err(BadCheckpoint::OtherLog(checkpoint.origin));
        }
        let ours = signatures
            .split('\n')
            .find_map(|line| key.signature_in(line));
        match key.verify(body.as_bytes(), &ours.ok_or(BadCheckpoint::Unsigned)?) {
            true => Ok(checkpoint),
            false => Err(BadCheckpoint::BadSignature),
        }
    }

    /// The checkpoint, the signed text and the signature lines.
    fn split(note: &str) -> Option<(Checkpoint, &str, &str)> {
        if note.len() > NOTE_BYTES_MAX {
            return None;
        }
        let (body, signatures) = note.split_at(note.find("\n\n")? + 1);
        let signatures = signatures.strip_prefix('\n')?;
        let well_formed = signatures
            .strip_suffix('\n')
            .is_some_and(|lines| lines.split('\n').all(|line| line.starts_with(DASH)));
        let mut lines = body.split('\n');
        let checkpoint = Checkpoint {
            origin: Origin::new(lines.next()?)?,
            size: decimal(lines.next()?)?,
            root: Digest(BASE64.decode(lines.next()?).ok()?.try_into().ok()?),
        };
        // Extension lines may follow; we write none, and what we sign is compared exactly.
        (well_formed && !signatures.is_empty()).then_some((checkpoint, body, signatures))
    }
}

fn decimal(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with(['0', '+']);
    canonical.then(|| text.parse().ok()).flatten()
}

/// A note with a dozen witnesses and a post-quantum line is some 10 KB.
pub(crate) const NOTE_BYTES_MAX: usize = 64 * 1024;
/// Opens a signature line.
const DASH: &str = "— ";
/// The C2SP signature type of Ed25519.
const TYPE_ED25519: u8 = 0x01;

/// A checkpoint that cannot be relied on.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadCheckpoint {
    /// Not a checkpoint in a signed note.
    #[error("not a signed checkpoint")]
    Malformed,
    /// A checkpoint of another log.
    #[error("a checkpoint of another log, {0}")]
    OtherLog(Origin),
    /// No signature of the key asked for.
    #[error("no signature by the expected key")]
    Unsigned,
    /// A signature of the key asked for, over something else.
    #[error("the signature does not hold")]
    BadSignature,
}

/// Signs checkpoints: an Ed25519 key under the log's name.
///
/// Cloning shares the key. It never leaves the process; what others need is the
/// [`VerifyKey`].
#[derive(Clone)]
pub struct Signer {
    origin: Origin,
    key: Arc<Ed25519KeyPair>,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({} ***)", self.verify_key())
    }
}

impl Signer {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] when the provider has no randomness.
    pub fn generate(origin: Origin) -> Result<Signer, KeyError> {
        let key = Ed25519KeyPair::generate().map_err(|_| KeyError::Crypto)?;
        Ok(Signer {
            origin,
            key: Arc::new(key),
        })
    }

    /// The key in a PKCS#8 document (DER).
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when it holds no Ed25519 key.
    pub fn from_pkcs8(origin: Origin, der: &[u8]) -> Result<Signer, KeyError> {
        let key = Ed25519KeyPair::from_pkcs8(der).map_err(|_| KeyError::Malformed)?;
        Ok(Signer {
            origin,
            key: Arc::new(key),
        })
    }

    /// The key in a PEM file.
    ///
    /// # Errors
    /// [`KeyError`]: unreadable, readable by others than its owner, or not an Ed25519 key.
    pub fn load(origin: Origin, file: &Path) -> Result<Signer, KeyError> {
        Signer::from_pkcs8(origin, &keyfile::load(file)?)
    }

    /// A new key, written to a PEM file that only its owner can read. Refuses to overwrite.
    ///
    /// # Errors
    /// [`KeyError::Io`] when the file exists or cannot be written.
    pub fn create(origin: Origin, file: &Path) -> Result<Signer, KeyError> {
        let signer = Signer::generate(origin)?;
        let der = signer.key.to_pkcs8v1().map_err(|_| KeyError::Crypto)?;
        keyfile::create(file, der.as_ref())?;
        Ok(signer)
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What others need to check the signatures.
    pub fn verify_key(&self) -> VerifyKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.key.public_key().as_ref());
        VerifyKey {
            origin: self.origin.clone(),
            key,
        }
    }

    /// The signed note of a checkpoint.
    pub(crate) fn note(&self, size: u64, root: Hash) -> String {
        let body = Checkpoint {
            origin: self.origin.clone(),
            size,
            root: Digest(root),
        }
        .body();
        let mut signature = self.verify_key().hash().to_vec();
        signature.extend_from_slice(self.key.sign(body.as_bytes()).as_ref());
        format!(
            "{body}\n{DASH}{} {}\n",
            self.origin,
            BASE64.encode(signature)
        )
    }
}

/// Checks checkpoints. Its text is a C2SP verifier key: `origin+hash+base64`.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyKey {
    origin: Origin,
    key: [u8; 32],
}

impl VerifyKey {
    /// The key that this text spells.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when it spells none, or its hash is not that of the key.
    pub fn parse(text: &str) -> Result<VerifyKey, KeyError> {
        let mut parts = text.trim().splitn(3, '+');
        let origin = parts
            .next()
            .and_then(Origin::new)
            .ok_or(KeyError::Malformed)?;
        let hash = parts.next().ok_or(KeyError::Malformed)?;
        let bytes = parts
            .next()
            .and_then(|text| BASE64.decode(text).ok())
            .ok_or(KeyError::Malformed)?;
        let Some((&TYPE_ED25519, key)) = bytes.split_first() else {
            return Err(KeyError::Malformed);
        };
        let key = VerifyKey {
            origin,
            key: key.try_into().map_err(|_| KeyError::Malformed)?,
        };
        match key.hash_text() == hash {
            true => Ok(key),
            false => Err(KeyError::Malformed),
        }
    }

    /// The key of this log with these 32 bytes of Ed25519 public key.
    pub(crate) fn new(origin: Origin, key: [u8; 32]) -> VerifyKey {
        VerifyKey { origin, key }
    }

    /// The 32 bytes of the Ed25519 public key.
    pub fn bytes(&self) -> [u8; 32] {
        self.key
    }

    /// The log's name.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    fn hash(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = sha256(&[
            self.origin.as_str().as_bytes(),
            b"\n",
            &[TYPE_ED25519],
            &self.key,
        ]);
        [a, b, c, d]
    }

    fn hash_text(&self) -> String {
        self.hash()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    /// The signature in a line of a note, if the line is this key's.
    fn signature_in(&self, line: &str) -> Option<Vec<u8>> {
        let (name, text) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = BASE64.decode(text).ok()?;
        let signature = bytes.strip_prefix(&self.hash())?;
        (name == self.origin.as_str()).then(|| signature.to_vec())
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.key)
            .verify(message, signature)
            .is_ok()
    }
}

impl fmt::Display for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![TYPE_ED25519];
        bytes.extend_from_slice(&self.key);
        write!(
            f,
            "{}+{}+{}",
            self.origin,
            self.hash_text(),
            BASE64.encode(bytes)
        )
    }
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A key that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("key file: {0}")]
    Io(#[from] io::Error),
    /// Others than the owner may read the file.
    #[error("the key file is open to others than its owner (mode {0:o}); set it to 600")]
    Exposed(u32),
    /// Not a key of the right kind.
    #[error("not a key of the expected kind")]
    Malformed,
    /// The crypto provider failed.
    #[error("the crypto provider failed")]
    Crypto,
}

#[cfg(test)]
mod tests;
