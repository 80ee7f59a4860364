//! Opening: for whoever holds the private key of a recipient. It belongs with an officer, not on
//! the gateway.

use std::fmt;
use std::path::Path;

use aws_lc_rs::aead::Aad;
use aws_lc_rs::agreement::PrivateKey as EcKey;
use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, PrivateDecryptingKey};
use zeroize::Zeroizing;

use super::envelope::PrivateKey;
use super::keyring::{EpochSecret, Keyring};
use super::recipient::{NotARecipient, PublicKey, Recipient};
use super::{SALT_BYTES, VERSION, WRAPPED_BYTES, associated_data, gcm, unwrap, zero_nonce};
use crate::checkpoint::{KeyError, Origin};
use crate::document::{Sealed, unpack};
use crate::entry::{BodyRef, Digest, RequestId, Tag};
use crate::keyfile;
use crate::merkle::sha256;

/// Opens bodies: a recipient's private key and certificate.
pub struct Opener {
    pub(super) recipient: Recipient,
    pub(super) key: PrivateKey,
}

impl fmt::Debug for Opener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opener({:?} ***)", self.recipient)
    }
}

/// A key and a certificate that open nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotAnOpener {
    /// The private key cannot be had: a PKCS#8 document without a password is wanted.
    #[error("the private key: {0}")]
    Key(#[from] KeyError),
    /// The certificate cannot be had.
    #[error("the certificate: {0}")]
    Certificate(#[from] NotARecipient),
    /// They are of two people, or of two years.
    #[error("the private key is not the one that the certificate is for")]
    Mismatch,
}

/// A body that does not open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unopened {
    /// The keyring file is not one, was altered, or is another epoch's or log's.
    #[error("the keyring file is not this epoch's")]
    Keyring,
    /// Sealed to others.
    #[error("not sealed to this recipient")]
    NotForUs,
    /// The sealed bytes were altered, or belong to another request, direction or log.
    #[error("the sealed body was altered or moved")]
    Altered,
    /// It opens, and is no document, or refers to a text that is not there.
    #[error(
        "the document is not in the form that this log writes, or refers to a text that is not there"
    )]
    Document,
    /// It opens, but is not the text that the entry committed to.
    #[error("the text is not what the entry commits to")]
    Commitment,
}

impl Opener {
    /// The private key in a PEM file (PKCS#8) that only its owner can read, and its certificate in
    /// another, which may have expired.
    ///
    /// # Errors
    /// [`NotAnOpener`].
    pub fn load(key: &Path, certificate: &Path) -> Result<Opener, NotAnOpener> {
        let pem = std::fs::read_to_string(certificate).map_err(NotARecipient::from)?;
        Opener::new(&keyfile::load(key)?, Recipient::read(&pem)?)
    }

    /// The same from the texts of such files.
    ///
    /// # Errors
    /// [`NotAnOpener`].
    pub fn from_pem(key: &str, certificate: &str) -> Result<Opener, NotAnOpener> {
        Opener::new(&keyfile::decode(key)?, Recipient::read(certificate)?)
    }

    fn new(pkcs8: &[u8], recipient: Recipient) -> Result<Opener, NotAnOpener> {
        let malformed = |_| KeyError::Malformed;
        let (key, public) = match &recipient.key {
            PublicKey::Ec(curve, _) => {
                let key = EcKey::from_private_key_der(curve.agreement(), pkcs8);
                let key = key.map_err(|_| NotAnOpener::Mismatch)?;
                let public = PublicKey::of_ec(*curve, &key)?;
                (PrivateKey::Ec(*curve, key), public)
            }
            PublicKey::Rsa(_) => {
                let key = PrivateDecryptingKey::from_pkcs8(pkcs8);
                let key = key.map_err(|_| NotAnOpener::Mismatch)?;
                let public = PublicKey::of_rsa(&key)?;
                let key = OaepPrivateDecryptingKey::new(key).map_err(malformed)?;
                (PrivateKey::Rsa(key), public)
            }
        };
        match public == recipient.key {
            true => Ok(Opener { recipient, key }),
            false => Err(NotAnOpener::Mismatch),
        }
    }

    /// Whose key this is, as a recipient of a [`Sealer`](super::Sealer).
    pub fn recipient(&self) -> Recipient {
        self.recipient.clone()
    }

    /// Opens one body of the log `origin`: `keyring` is the content of `keyring/<epoch>`, `sealed`
    /// the bytes that the entry's reference points at. The document as it was sealed, in JSON: texts
    /// that stand in other bodies are named there ([`open_body`](crate::open_body) looks them up).
    ///
    /// # Errors
    /// [`Unopened`] says what does not hold.
    pub fn open(
        &self,
        origin: &Origin,
        keyring: &[u8],
        req: RequestId,
        body: &BodyRef,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Unopened> {
        let epoch = self.epoch(origin, keyring, body.epoch)?;
        let rest = sealed.strip_prefix(&[VERSION]).ok_or(Unopened::Altered)?;
        let (wrapped, ciphertext) = rest
            .split_at_checked(WRAPPED_BYTES)
            .ok_or(Unopened::Altered)?;
        let secret = unwrap(&epoch.key, wrapped).ok_or(Unopened::Altered)?;
        let mut text = Zeroizing::new(ciphertext.to_vec());
        let aad = associated_data(origin, req, body.dir);
        let opened = gcm(&secret)
            .map_err(|_| Unopened::Altered)?
            .open_in_place(zero_nonce(), Aad::from(aad), &mut text)
            .map_err(|_| Unopened::Altered)?;
        let (salt, packed) = opened
            .split_at_checked(SALT_BYTES)
            .ok_or(Unopened::Altered)?;
        let document = unpack(packed).ok_or(Unopened::Altered)?;
        let original = Sealed::read(&document).and_then(|document| document.original_list());
        let as_committed =
            original.is_none_or(|list| Some(Digest(sha256(&[salt, &list]))) == body.original);
        match sha256(&[salt, &document]) == body.commit.0 && as_committed {
            true => Ok(document),
            false => Err(Unopened::Commitment),
        }
    }

    /// Opens a keyring file, which must be that epoch's of that log.
    pub(crate) fn epoch(
        &self,
        origin: &Origin,
        keyring: &[u8],
        epoch: Tag,
    ) -> Result<EpochSecret, Unopened> {
        let keyring = Keyring::read(keyring).ok_or(Unopened::Keyring)?;
        keyring.open(self, origin, epoch)
    }
}
