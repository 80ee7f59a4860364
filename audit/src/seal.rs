//! Sealing: bodies leave this process only as ciphertext that a stolen disk cannot open.
//!
//! ```text
//! recipients' certificates ──CMS AuthEnvelopedData──▶ seals the epoch key  keyring/<epoch>
//! epoch key (≤ 10 min, in memory only) ──AES-256-KW──▶ wraps a body key    first part of each body
//! body key (one body) ──AES-256-GCM──▶ seals salt ‖ packed document        rest of each body
//! ```
//!
//! | file | owns |
//! |---|---|
//! | `recipient` | whose certificates can be sealed to |
//! | `envelope` | the CMS message, its one form, and how it is made and opened |
//! | `keyring` | the text in the message: epoch, log, key |
//! | `opener` | what an officer does |
//!
//! A sealed body is `0x01 ‖ wrapped body key (40) ‖ ciphertext of (salt (32) ‖ packed) ‖ tag (16)`. What
//! is packed is a [document](crate::document).
//! Its associated data are `origin | request id | direction`, so that bodies cannot change places.
//! The nonce is zero: each key seals exactly one body.
//!
//! The entry holds `commit = SHA-256(salt ‖ document)` and `ct = SHA-256(sealed body)`: anybody can
//! check the ciphertext, whoever opened it can prove the text, and nobody can guess a short text from
//! the entry, because the salt is sealed with it. Where something was masked, `original` commits with
//! the same salt to the texts as they were.
//!
//! What this cannot do: keep the text from someone who reads this process's memory while an epoch
//! is open, or from a holder of a recipient's private key. The epoch key is wiped when its epoch
//! ends; documents are wiped when they are sealed, but what they were made from is its owner's affair,
//! and the compressor keeps its last 32 KiB.
//!
//! Nor does `original` hide a masked value from whoever opens the body: they have the salt and the text
//! around it, and can try each number there is.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use crate::checkpoint::{KeyError, Origin};
use crate::content::Spot;
use crate::document::{Body, Known, Lesson, pack};
use crate::entry::{BodyRef, Digest, Direction, KeyedDigest, RequestId, Tag};
use crate::merkle::sha256;

mod envelope;
mod keyring;
mod opener;
mod recipient;

pub(crate) use keyring::{EpochSecret, Keyring};
pub use opener::{NotAnOpener, Opener, Unopened};
pub use recipient::{BadRecipients, NotARecipient, RECIPIENTS_MAX, Recipient, Recipients};

/// How many bytes sealing adds to what is packed.
pub const SEALING_BYTES: u64 = 1 + WRAPPED_BYTES as u64 + SALT_BYTES as u64 + TAG_BYTES as u64;

const VERSION: u8 = 0x01;
const KEY_BYTES: usize = 32;
const WRAPPED_BYTES: usize = KEY_BYTES + 8;
const SALT_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
/// A 256-bit key, wiped when dropped.
type Secret = Zeroizing<[u8; KEY_BYTES]>;

/// Seals bodies to some recipients. Holds no secret of its own.
#[derive(Clone, Debug)]
pub struct Sealer {
    recipients: Recipients,
}

impl Sealer {
    /// A sealer to these; to the recovery recipient alone, if that is all there is.
    pub fn new(recipients: impl Into<Recipients>) -> Sealer {
        Sealer {
            recipients: recipients.into(),
        }
    }

    /// A fresh epoch key, and the file that lets the recipients have it too.
    pub(crate) fn epoch(&self, origin: &Origin) -> Result<(EpochKey, Vec<u8>), KeyError> {
        let secret = EpochSecret {
            epoch: Tag(random()?),
            origin: origin.clone(),
            key: Zeroizing::new(random()?),
        };
        let keyring = secret.seal(&self.recipients)?;
        let key = EpochKey {
            tag: secret.epoch,
            origin: secret.origin,
            key: Arc::new(secret.key),
            known: Arc::new(Known::new()?),
        };
        Ok((key, keyring))
    }

    /// The recipients.
    pub fn recipients(&self) -> &Recipients {
        &self.recipients
    }
}

/// The key of one epoch. Clones share it; the last one wipes it.
#[derive(Clone)]
pub(crate) struct EpochKey {
    tag: Tag,
    origin: Origin,
    key: Arc<Secret>,
    known: Arc<Known>,
}

impl fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EpochKey({} ***)", self.tag)
    }
}

/// A sealed body, and what its entry will say of it. Its place is the sequencer's to give.
#[derive(Clone, Debug)]
pub(crate) struct SealedBody {
    pub(crate) dir: Direction,
    pub(crate) epoch: Tag,
    pub(crate) commit: Digest,
    pub(crate) ct: Digest,
    pub(crate) original: Option<Digest>,
    pub(crate) bytes: Vec<u8>,
    /// What to remember of it once its entry is durable.
    pub(crate) lesson: Option<Lesson>,
}

impl SealedBody {
    pub(crate) fn placed(&self, spot: Spot) -> BodyRef {
        let SealedBody {
            dir,
            epoch,
            commit,
            ct,
            original,
            ref bytes,
            ..
        } = *self;
        BodyRef {
            dir,
            epoch,
            commit,
            ct,
            vol: spot.vol,
            at: spot.at,
            len: bytes.len() as u64,
            original,
        }
    }
}

impl EpochKey {
    pub(crate) fn tag(&self) -> Tag {
        self.tag
    }

    /// The keyed digest of somebody else's words. Its key is one of its own, so that it says nothing of
    /// the key that wraps.
    pub(crate) fn digest(&self, words: &str) -> KeyedDigest {
        let own = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &**self.key), b"vendor");
        let key = hmac::Key::new(hmac::HMAC_SHA256, own.as_ref());
        let digest = hmac::sign(&key, words.as_bytes());
        KeyedDigest {
            epoch: self.tag,
            hmac: Digest(digest.as_ref().try_into().unwrap_or_default()),
        }
    }

    /// Seals one body under a key of its own: one pass of zlib, one of GCM, and two of SHA-256.
    pub(crate) fn seal(&self, req: RequestId, body: &Body<'_>) -> Result<SealedBody, KeyError> {
        let dir = body.direction;
        let (salt, secret): (_, Secret) = (random::<SALT_BYTES>()?, Zeroizing::new(random()?));
        let (document, told) = body.document(&self.known);
        let commit = Digest(sha256(&[&salt, &document]));
        let original = body.original_list();
        let original = original.map(|list| Digest(sha256(&[&salt, &list])));
        let mut text = pack(&salt, &document);
        let aad = associated_data(&self.origin, req, dir);
        gcm(&secret)?
            .seal_in_place_append_tag(zero_nonce(), Aad::from(aad), &mut text)
            .map_err(|_| KeyError::Crypto)?;
        let mut bytes = Vec::with_capacity(1 + WRAPPED_BYTES + text.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&wrap(&self.key, &secret)?);
        bytes.extend_from_slice(&text);
        let ct = Digest(sha256(&[&bytes]));
        Ok(SealedBody {
            dir,
            epoch: self.tag,
            commit,
            ct,
            original,
            bytes,
            lesson: Lesson::new(&self.known, told),
        })
    }
}

fn wrap(key: &Secret, secret: &Secret) -> Result<[u8; WRAPPED_BYTES], KeyError> {
    let mut wrapped = [0; WRAPPED_BYTES];
    let kek = AesKek::new(&AES_256, &**key).map_err(|_| KeyError::Crypto)?;
    kek.wrap(&**secret, &mut wrapped)
        .map_err(|_| KeyError::Crypto)?;
    Ok(wrapped)
}

fn unwrap(key: &Secret, wrapped: &[u8]) -> Option<Secret> {
    let kek = AesKek::new(&AES_256, &**key).ok()?;
    // The provider asks for room for one block more than the key that comes out.
    let mut room = Zeroizing::new([0; WRAPPED_BYTES]);
    let secret = kek.unwrap(wrapped, &mut *room).ok()?;
    <[u8; KEY_BYTES]>::try_from(&*secret)
        .ok()
        .map(Zeroizing::new)
}

fn gcm(key: &Secret) -> Result<LessSafeKey, KeyError> {
    UnboundKey::new(&AES_256_GCM, &**key)
        .map(LessSafeKey::new)
        .map_err(|_| KeyError::Crypto)
}

fn zero_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

fn associated_data(origin: &Origin, req: RequestId, dir: Direction) -> Vec<u8> {
    format!("{origin}|{req}|{}", dir.as_str()).into_bytes()
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| KeyError::Crypto)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
