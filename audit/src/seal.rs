//! Sealing: bodies leave this process only as ciphertext that a stolen disk cannot open.
//!
//! ```text
//! recipient's P-256 key ──ECDH-ES + HKDF-SHA256──▶ wraps the epoch key   keyring/<epoch>
//! epoch key (≤ 10 min, in memory only) ──AES-256-KW──▶ wraps a body key  first part of each body
//! body key (one body) ──AES-256-GCM──▶ seals salt ‖ plaintext            rest of each body
//! ```
//!
//! A sealed body is `0x01 ‖ wrapped body key (40) ‖ ciphertext of (salt (32) ‖ plaintext) ‖ tag (16)`.
//! Its associated data are `origin | request id | direction`, so that bodies cannot change places.
//! The nonce is zero: each key seals exactly one body.
//!
//! The entry holds `commit = SHA-256(salt ‖ plaintext)` and `ct = SHA-256(sealed body)`: anybody
//! can check the ciphertext, whoever opened it can prove the text, and nobody can guess a short
//! text from the entry, because the salt is sealed with it.
//!
//! What this cannot do: keep the text from someone who reads this process's memory while an epoch
//! is open, or from a holder of the recipient's private key. The epoch key is wiped when its epoch
//! ends; the plaintext is wiped by whoever owns it.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::checkpoint::{KeyError, Origin};
use crate::content::Spot;
use crate::entry::{BodyRef, Digest, Direction, Omitted, RequestId, Tag};
use crate::keyfile;
use crate::merkle::sha256;

/// How many bytes sealing adds to a plaintext.
pub const SEALING_BYTES: u64 = 1 + WRAPPED_BYTES as u64 + SALT_BYTES as u64 + TAG_BYTES as u64;

const VERSION: u8 = 0x01;
const KEY_BYTES: usize = 32;
const WRAPPED_BYTES: usize = KEY_BYTES + 8;
const SALT_BYTES: usize = 32;
const TAG_BYTES: usize = 16;
/// A 256-bit key, wiped when dropped.
type Secret = Zeroizing<[u8; KEY_BYTES]>;

const INFO: &[u8] = b"portcullis audit epoch v1";

/// Who can open the bodies: an uncompressed P-256 point.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient([u8; 65]);

impl Recipient {
    /// A recipient from an uncompressed point (65 bytes), or from a `PUBLIC KEY` document that
    /// ends in one (DER, RFC 5480).
    ///
    /// # Errors
    /// [`KeyError::Malformed`] when there is none, or it is not on the curve.
    pub fn new(bytes: &[u8]) -> Result<Recipient, KeyError> {
        let point = match bytes.strip_prefix(&SPKI_P256) {
            Some(point) => point,
            None => bytes,
        };
        let recipient = Recipient(point.try_into().map_err(|_| KeyError::Malformed)?);
        let probe = PrivateKey::generate(&ECDH_P256).map_err(|_| KeyError::Crypto)?;
        recipient
            .agree(&probe, |_| Ok(()))
            .map_err(|_| KeyError::Malformed)?;
        Ok(recipient)
    }

    /// The point, base64.
    pub fn to_text(&self) -> String {
        BASE64.encode(self.0)
    }

    /// The recipient that [`Recipient::to_text`] spells.
    ///
    /// # Errors
    /// [`KeyError::Malformed`].
    pub fn parse(text: &str) -> Result<Recipient, KeyError> {
        Recipient::new(
            &BASE64
                .decode(text.trim())
                .map_err(|_| KeyError::Malformed)?,
        )
    }

    /// Names the recipient in `key.epoch` entries.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }

    fn agree<R>(
        &self,
        key: &PrivateKey,
        derive: impl FnOnce(&[u8]) -> Result<R, KeyError>,
    ) -> Result<R, KeyError> {
        agree(
            key,
            UnparsedPublicKey::new(&ECDH_P256, self.0),
            KeyError::Crypto,
            derive,
        )
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.to_text())
    }
}

/// What precedes the point in a P-256 `SubjectPublicKeyInfo` with named curve.
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Seals bodies to one recipient. Holds no secret of its own.
#[derive(Clone, Debug)]
pub struct Sealer {
    recipient: Recipient,
}

impl Sealer {
    /// A sealer to `recipient`.
    pub fn new(recipient: Recipient) -> Sealer {
        Sealer { recipient }
    }

    /// A fresh epoch key, and the file that lets the recipient have it too.
    pub(crate) fn epoch(&self, origin: &Origin) -> Result<(EpochKey, Keyring), KeyError> {
        let (tag, secret): (Tag, Secret) = (Tag(random()?), Zeroizing::new(random()?));
        let ephemeral = PrivateKey::generate(&ECDH_P256).map_err(|_| KeyError::Crypto)?;
        let public = Recipient::of(&ephemeral)?;
        let wrapped = self.recipient.agree(&ephemeral, |shared| {
            wrapping_key(shared, &public, &self.recipient, origin, tag)
                .and_then(|key| wrap(&key, &secret))
        })?;
        let keyring = Keyring {
            epoch: tag,
            origin: origin.clone(),
            recipient: self.recipient.digest(),
            ephemeral: public.to_text(),
            wrapped: BASE64.encode(wrapped),
        };
        Ok((
            EpochKey {
                tag,
                origin: origin.clone(),
                key: Arc::new(secret),
            },
            keyring,
        ))
    }

    /// The recipient.
    pub fn recipient(&self) -> &Recipient {
        &self.recipient
    }
}

/// The file `keyring/<epoch>`: one JSON object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keyring {
    pub(crate) epoch: Tag,
    pub(crate) origin: Origin,
    pub(crate) recipient: Digest,
    ephemeral: String,
    wrapped: String,
}

impl Keyring {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

/// The key of one epoch. Clones share it; the last one wipes it.
#[derive(Clone)]
pub(crate) struct EpochKey {
    tag: Tag,
    origin: Origin,
    key: Arc<Secret>,
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
    pub(crate) bytes: Vec<u8>,
}

impl SealedBody {
    pub(crate) fn placed(&self, spot: Spot) -> BodyRef {
        let SealedBody {
            dir,
            epoch,
            commit,
            ct,
            ref bytes,
        } = *self;
        BodyRef {
            dir,
            epoch,
            commit,
            ct,
            vol: spot.vol,
            at: spot.at,
            len: bytes.len() as u64,
        }
    }
}

impl EpochKey {
    pub(crate) fn tag(&self) -> Tag {
        self.tag
    }

    /// Seals one body under a key of its own: one pass of GCM and two of SHA-256 over the bytes.
    pub(crate) fn seal(
        &self,
        req: RequestId,
        dir: Direction,
        plaintext: &[u8],
    ) -> Result<SealedBody, KeyError> {
        let (salt, secret): (_, Secret) = (random::<SALT_BYTES>()?, Zeroizing::new(random()?));
        let commit = Digest(sha256(&[&salt, plaintext]));
        let mut text = Vec::with_capacity(SALT_BYTES + plaintext.len() + TAG_BYTES);
        text.extend_from_slice(&salt);
        text.extend_from_slice(plaintext);
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
            bytes,
        })
    }
}

/// Opens bodies: the recipient's private key. It belongs with an officer, not on the gateway.
pub struct Opener {
    key: PrivateKey,
    public: Recipient,
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener({} ***)", self.public.to_text())
    }
}

/// A body that does not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unopened {
    /// The keyring file is not one, or is another epoch's.
    #[error("the keyring file is not this epoch's")]
    Keyring,
    /// Sealed to somebody else.
    #[error("sealed to another recipient")]
    NotForUs,
    /// The sealed bytes were altered, or belong to another request, direction or log.
    #[error("the sealed body was altered or moved")]
    Altered,
    /// It opens, but is not the text that the entry committed to.
    #[error("the text is not what the entry commits to")]
    Commitment,
}

impl Opener {
    /// A new key.
    ///
    /// # Errors
    /// [`KeyError::Crypto`] when the provider has no randomness.
    pub fn generate() -> Result<Opener, KeyError> {
        Opener::from_key(PrivateKey::generate(&ECDH_P256).map_err(|_| KeyError::Crypto)?)
    }

    /// The P-256 key in a PEM file (PKCS#8).
    ///
    /// # Errors
    /// [`KeyError`]: unreadable, readable by others than its owner, or not a P-256 key.
    pub fn load(file: &Path) -> Result<Opener, KeyError> {
        let der = keyfile::load(file)?;
        Opener::from_key(
            PrivateKey::from_private_key_der(&ECDH_P256, &der).map_err(|_| KeyError::Malformed)?,
        )
    }

    /// A new key, written to a PEM file that only its owner can read. Refuses to overwrite.
    ///
    /// # Errors
    /// [`KeyError::Io`] when the file exists or cannot be written.
    pub fn create(file: &Path) -> Result<Opener, KeyError> {
        let opener = Opener::generate()?;
        let der: Pkcs8V1Der<'_> = opener.key.as_der().map_err(|_| KeyError::Crypto)?;
        keyfile::create(file, der.as_ref())?;
        Ok(opener)
    }

    fn from_key(key: PrivateKey) -> Result<Opener, KeyError> {
        Ok(Opener {
            public: Recipient::of(&key)?,
            key,
        })
    }

    /// The public half, for the gateway's [`Sealer`].
    pub fn recipient(&self) -> Recipient {
        self.public.clone()
    }

    /// Opens one body: `keyring` is the content of `keyring/<epoch>`, `sealed` the bytes that the
    /// entry's reference points at.
    ///
    /// # Errors
    /// [`Unopened`] says what does not hold.
    pub fn open(
        &self,
        keyring: &[u8],
        req: RequestId,
        body: &BodyRef,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let keyring: Keyring = serde_json::from_slice(keyring).map_err(|_| Unopened::Keyring)?;
        let epoch = self.epoch_key(&keyring, body.epoch)?;
        let rest = sealed.strip_prefix(&[VERSION]).ok_or(Unopened::Altered)?;
        let (wrapped, ciphertext) = rest
            .split_at_checked(WRAPPED_BYTES)
            .ok_or(Unopened::Altered)?;
        let secret = unwrap(&epoch, wrapped).ok_or(Unopened::Altered)?;
        let mut text = Zeroizing::new(ciphertext.to_vec());
        let aad = associated_data(&keyring.origin, req, body.dir);
        let opened = gcm(&secret)
            .map_err(|_| Unopened::Altered)?
            .open_in_place(zero_nonce(), Aad::from(aad), &mut text)
            .map_err(|_| Unopened::Altered)?;
        if sha256(&[opened]) != body.commit.0 {
            return Err(Unopened::Commitment);
        }
        Ok(Zeroizing::new(
            opened.get(SALT_BYTES..).ok_or(Unopened::Altered)?.to_vec(),
        ))
    }

    fn epoch_key(&self, keyring: &Keyring, epoch: Tag) -> Result<Secret, Unopened> {
        if keyring.epoch != epoch {
            return Err(Unopened::Keyring);
        }
        if keyring.recipient != self.public.digest() {
            return Err(Unopened::NotForUs);
        }
        let ephemeral = Recipient::parse(&keyring.ephemeral).map_err(|_| Unopened::Keyring)?;
        let wrapped = BASE64
            .decode(&keyring.wrapped)
            .map_err(|_| Unopened::Keyring)?;
        let key = ephemeral
            .agree(&self.key, |shared| {
                wrapping_key(shared, &ephemeral, &self.public, &keyring.origin, epoch)
            })
            .map_err(|_| Unopened::Keyring)?;
        unwrap(&key, &wrapped).ok_or(Unopened::Keyring)
    }
}

impl Recipient {
    fn of(key: &PrivateKey) -> Result<Recipient, KeyError> {
        let public = key.compute_public_key().map_err(|_| KeyError::Crypto)?;
        Ok(Recipient(
            public.as_ref().try_into().map_err(|_| KeyError::Crypto)?,
        ))
    }
}

/// The key that wraps an epoch key: HKDF over the agreement, bound to both points, log and epoch.
fn wrapping_key(
    shared: &[u8],
    ephemeral: &Recipient,
    recipient: &Recipient,
    origin: &Origin,
    epoch: Tag,
) -> Result<Secret, KeyError> {
    let salt = Salt::new(HKDF_SHA256, &[ephemeral.0, recipient.0].concat());
    let info = [INFO, origin.as_str().as_bytes(), &epoch.0];
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    salt.extract(shared)
        .expand(&info, HKDF_SHA256)
        .and_then(|material| material.fill(&mut *key))
        .map_err(|_| KeyError::Crypto)?;
    Ok(key)
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

/// Plaintext that belongs to an entry. Wiped when dropped.
pub struct Body {
    /// Which way it went.
    pub direction: Direction,
    /// The bytes.
    pub plaintext: Vec<u8>,
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Body({}, {} bytes ***)",
            self.direction.as_str(),
            self.plaintext.len()
        )
    }
}

impl Body {
    /// What its entry says when it cannot be kept.
    pub(crate) fn omitted(&self) -> Omitted {
        Omitted {
            dir: self.direction,
            bytes: self.plaintext.len() as u64,
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.plaintext.zeroize();
    }
}

#[cfg(test)]
mod tests;
