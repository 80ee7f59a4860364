//! The CMS message around a short secret text: AuthEnvelopedData (RFC 5083), AES-256-GCM (RFC 5084).
//!
//! ```text
//! ContentInfo  id-ct-authEnvelopedData
//!   AuthEnvelopedData
//!     recipientInfos  one for each recipient, by issuer and serial number:
//!       KeyAgree  P-256, P-384: ephemeral-static ECDH, X9.63 KDF, AES-256 key wrap   RFC 5753
//!       KeyTrans  RSA: RSAES-OAEP with SHA-256 and MGF1-SHA-256                      RFC 3560
//!     authEncryptedContentInfo  id-data, aes256-GCM (nonce 12 bytes, tag 16), the text
//!     mac  the tag
//! ```
//!
//! No attributes are authenticated: OpenSSL 3.0 does not feed them to the cipher, and would refuse
//! the message. What must be bound stands in the text itself.
//!
//! Reading is as strict as it is for entries: a message is read if composing what was understood
//! gives the same bytes again. So a message has one spelling, and every byte of it is accounted for.
//! What an opener cannot see is a change to what belongs to *other* recipients; the file's digest in
//! the tree shows that.
//!
//! Only the types come from the `cms` crate. It orders the recipients of a message by length, which
//! is not DER's order (X.690 section 11.6); hence the set of `Any` here, which is in it.

use std::fmt;

use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use aws_lc_rs::agreement::{PrivateKey as EcKey, UnparsedPublicKey, agree};
use aws_lc_rs::digest;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey};
use cms::cert::IssuerAndSerialNumber;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::enveloped_data::{
    EncryptedContentInfo, KeyAgreeRecipientIdentifier, KeyAgreeRecipientInfo,
    KeyTransRecipientInfo, OriginatorIdentifierOrKey, OriginatorPublicKey, RecipientEncryptedKey,
    RecipientIdentifier, RecipientInfo,
};
use der::asn1::{BitString, ObjectIdentifier, OctetString, SetOfVec};
use der::{Any, Decode, Encode, Reader, Sequence, SliceReader};
use x509_cert::spki::AlgorithmIdentifierOwned;
use zeroize::Zeroizing;

use super::recipient::{Curve, PublicKey, RECIPIENTS_MAX, Recipient, Recipients};
use super::{KEY_BYTES, Secret, TAG_BYTES, gcm, random, unwrap, wrap};
use crate::checkpoint::KeyError;

/// No message is longer: sixteen recipients with RSA keys of 8192 bits and long names take 24 KiB.
const MESSAGE_BYTES_MAX: usize = 32 * 1024;

const AUTH_ENVELOPED_DATA: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.23");
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const AES_256_GCM: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.46");
const AES_256_WRAP: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.45");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ECDH_SHA_256_KDF: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.1.11.1");
const ECDH_SHA_384_KDF: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.1.11.2");
const RSAES_OAEP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");

/// `ECC-CMS-SharedInfo` (RFC 5753 section 7.2): the key is for AES-256 key wrap (no parameters), and
/// has 256 bits.
const SHARED_INFO: [u8; 23] = [
    0x30, 0x15, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2d, 0xa2,
    0x06, 0x04, 0x04, 0x00, 0x00, 0x01, 0x00,
];

/// A message, understood.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    keys: Vec<SealedKey>,
    nonce: [u8; NONCE_LEN],
    text: Vec<u8>,
    tag: [u8; TAG_BYTES],
}

/// The message's key, as sealed to one recipient.
#[derive(Clone, PartialEq, Eq)]
struct SealedKey {
    to: IssuerAndSerialNumber,
    how: How,
}

#[derive(Clone, PartialEq, Eq)]
enum How {
    Agreed {
        curve: Curve,
        ephemeral: Vec<u8>,
        wrapped: Vec<u8>,
    },
    Transported(Vec<u8>),
}

/// What opens a message.
pub(super) enum PrivateKey {
    Ec(Curve, EcKey),
    Rsa(OaepPrivateDecryptingKey),
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Envelope(to {})", self.keys.len())
    }
}

/// Seals `text` to all of them, under a key and a nonce of its own.
pub(super) fn seal(text: &[u8], recipients: &Recipients) -> Result<Vec<u8>, KeyError> {
    let (key, nonce): (Secret, _) = (Zeroizing::new(random()?), random()?);
    let mut text = Zeroizing::new(text.to_vec());
    let tag = gcm(&key)?
        .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut text)
        .map_err(|_| KeyError::Crypto)?;
    let keys = recipients.iter().map(|to| SealedKey::new(to, &key));
    let envelope = Envelope {
        keys: keys.collect::<Result<_, _>>()?,
        nonce,
        text: text.to_vec(),
        tag: tag.as_ref().try_into().map_err(|_| KeyError::Crypto)?,
    };
    // Writing plain structs into memory does not fail.
    envelope.to_der().map_err(|_| KeyError::Crypto)
}

impl Envelope {
    /// Reads a message in the one form that [`seal`] writes.
    pub(super) fn read(message: &[u8]) -> Option<Envelope> {
        if message.len() > MESSAGE_BYTES_MAX {
            return None;
        }
        let info = ContentInfo::from_der(message).ok()?;
        let data = info.content.decode_as::<AuthEnvelopedData>().ok()?;
        let sealed = data.content;
        let parameters = sealed.content_enc_alg.parameters?;
        let parameters = parameters.decode_as::<GcmParameters>().ok()?;
        let keys = elements(&data.recipients)?;
        let keys = keys.iter().map(SealedKey::read);
        let envelope = Envelope {
            keys: keys.collect::<Option<_>>()?,
            nonce: parameters.nonce.as_bytes().try_into().ok()?,
            text: sealed.encrypted_content?.into_bytes().into_vec(),
            tag: data.mac.as_bytes().try_into().ok()?,
        };
        let same = envelope.to_der().is_ok_and(|bytes| bytes == message);
        (same && !envelope.keys.is_empty()).then_some(envelope)
    }

    /// How many it is sealed to.
    pub(super) fn recipients(&self) -> usize {
        self.keys.len()
    }

    /// Whether it is sealed to these and nobody else, by the names of their certificates.
    pub(super) fn is_to(&self, recipients: &Recipients) -> bool {
        let named = |to: &Recipient| self.keys.iter().any(|key| key.to == to.id);
        self.keys.len() == recipients.iter().len() && recipients.iter().all(named)
    }

    /// Whether a recipient is among them.
    pub(super) fn is_for(&self, recipient: &Recipient) -> bool {
        self.keys.iter().any(|key| key.to == recipient.id)
    }

    /// The text, if `key` is that of `recipient`, who is among them, and nothing was altered.
    pub(super) fn open(
        &self,
        recipient: &Recipient,
        key: &PrivateKey,
    ) -> Option<Zeroizing<Vec<u8>>> {
        let sealed = self.keys.iter().find(|sealed| sealed.to == recipient.id)?;
        let secret = sealed.open(key)?;
        let mut text = Zeroizing::new([self.text.as_slice(), &self.tag].concat());
        let nonce = Nonce::assume_unique_for_key(self.nonce);
        let opened = gcm(&secret)
            .ok()?
            .open_in_place(nonce, Aad::empty(), &mut text)
            .ok()?;
        Some(Zeroizing::new(opened.to_vec()))
    }

    fn to_der(&self) -> der::Result<Vec<u8>> {
        let recipients = self.keys.iter().map(SealedKey::to_any);
        let data = AuthEnvelopedData {
            version: CmsVersion::V0,
            recipients: Any::encode_from(&SetOfVec::try_from(
                recipients.collect::<der::Result<Vec<_>>>()?,
            )?)?,
            content: EncryptedContentInfo {
                content_type: DATA,
                content_enc_alg: algorithm(
                    AES_256_GCM,
                    Some(Any::encode_from(&GcmParameters {
                        nonce: OctetString::new(self.nonce)?,
                        tag_bytes: TAG_BYTES as u8,
                    })?),
                ),
                encrypted_content: Some(OctetString::new(self.text.as_slice())?),
            },
            mac: OctetString::new(self.tag)?,
        };
        let info = ContentInfo {
            content_type: AUTH_ENVELOPED_DATA,
            content: Any::encode_from(&data)?,
        };
        info.to_der()
    }
}

impl SealedKey {
    fn new(to: &Recipient, key: &Secret) -> Result<SealedKey, KeyError> {
        let how = match &to.key {
            PublicKey::Ec(curve, point) => {
                let ephemeral = EcKey::generate(curve.agreement()).map_err(|_| KeyError::Crypto)?;
                let public = ephemeral
                    .compute_public_key()
                    .map_err(|_| KeyError::Crypto)?;
                let wrapping = agreed(*curve, &ephemeral, point).ok_or(KeyError::Crypto)?;
                How::Agreed {
                    curve: *curve,
                    ephemeral: public.as_ref().to_vec(),
                    wrapped: wrap(&wrapping, key)?.to_vec(),
                }
            }
            PublicKey::Rsa(der) => {
                let public = PublicKey::rsa(der)?;
                let mut sealed = vec![0; public.ciphertext_size()];
                let written = public
                    .encrypt(&OAEP_SHA256_MGF1SHA256, &**key, &mut sealed, None)
                    .map_err(|_| KeyError::Crypto)?
                    .len();
                sealed.truncate(written);
                How::Transported(sealed)
            }
        };
        let to = to.id.clone();
        Ok(SealedKey { to, how })
    }

    fn open(&self, key: &PrivateKey) -> Option<Secret> {
        match (&self.how, key) {
            (
                How::Agreed {
                    curve,
                    ephemeral,
                    wrapped,
                },
                PrivateKey::Ec(ours, key),
            ) if curve == ours && curve.holds(ephemeral) => {
                unwrap(&agreed(*curve, key, ephemeral)?, wrapped)
            }
            (How::Transported(sealed), PrivateKey::Rsa(key)) => {
                let mut room = Zeroizing::new(vec![0; key.min_output_size()]);
                let opened = key
                    .decrypt(&OAEP_SHA256_MGF1SHA256, sealed, &mut room, None)
                    .ok()?;
                <[u8; KEY_BYTES]>::try_from(&*opened)
                    .ok()
                    .map(Zeroizing::new)
            }
            _ => None,
        }
    }

    fn to_any(&self) -> der::Result<Any> {
        let to = self.to.clone();
        let info = match &self.how {
            How::Agreed {
                curve,
                ephemeral,
                wrapped,
            } => RecipientInfo::Kari(KeyAgreeRecipientInfo {
                version: CmsVersion::V3,
                originator: OriginatorIdentifierOrKey::OriginatorKey(OriginatorPublicKey {
                    // The recipient's key says on which curve.
                    algorithm: algorithm(EC_PUBLIC_KEY, None),
                    public_key: BitString::from_bytes(ephemeral)?,
                }),
                ukm: None,
                key_enc_alg: algorithm(
                    scheme(*curve),
                    Some(Any::encode_from(&algorithm(AES_256_WRAP, None))?),
                ),
                recipient_enc_keys: vec![RecipientEncryptedKey {
                    rid: KeyAgreeRecipientIdentifier::IssuerAndSerialNumber(to),
                    enc_key: OctetString::new(wrapped.as_slice())?,
                }],
            }),
            How::Transported(sealed) => RecipientInfo::Ktri(KeyTransRecipientInfo {
                version: CmsVersion::V0,
                rid: RecipientIdentifier::IssuerAndSerialNumber(to),
                key_enc_alg: algorithm(RSAES_OAEP, Some(oaep_parameters()?)),
                enc_key: OctetString::new(sealed.as_slice())?,
            }),
        };
        Any::from_der(&info.to_der()?)
    }

    fn read(info: &Any) -> Option<SealedKey> {
        match RecipientInfo::from_der(&info.to_der().ok()?).ok()? {
            RecipientInfo::Kari(mut info) => {
                let sealed = info.recipient_enc_keys.pop()?;
                let KeyAgreeRecipientIdentifier::IssuerAndSerialNumber(to) = sealed.rid else {
                    return None;
                };
                let OriginatorIdentifierOrKey::OriginatorKey(originator) = info.originator else {
                    return None;
                };
                let curve = [Curve::P256, Curve::P384]
                    .into_iter()
                    .find(|curve| scheme(*curve) == info.key_enc_alg.oid)?;
                let how = How::Agreed {
                    curve,
                    ephemeral: originator.public_key.as_bytes()?.to_vec(),
                    wrapped: sealed.enc_key.into_bytes().into_vec(),
                };
                Some(SealedKey { to, how })
            }
            RecipientInfo::Ktri(info) => {
                let RecipientIdentifier::IssuerAndSerialNumber(to) = info.rid else {
                    return None;
                };
                let how = How::Transported(info.enc_key.into_bytes().into_vec());
                Some(SealedKey { to, how })
            }
            _ => None,
        }
    }
}

/// The key-wrapping key that two agree on: the X9.63 key derivation (SEC 1 section 3.6.1) over
/// `SHARED_INFO`. Either digest gives the 32 bytes in its first block.
fn agreed(curve: Curve, ours: &EcKey, theirs: &[u8]) -> Option<Secret> {
    let theirs = UnparsedPublicKey::new(curve.agreement(), theirs);
    agree(ours, theirs, (), |shared| {
        let mut block = digest::Context::new(curve.digest());
        block.update(shared);
        block.update(&1_u32.to_be_bytes());
        block.update(&SHARED_INFO);
        let block = block.finish();
        let key = block.as_ref().first_chunk::<KEY_BYTES>().ok_or(())?;
        Ok(Zeroizing::new(*key))
    })
    .ok()
}

/// The elements of a set, [`RECIPIENTS_MAX`] at most. Not by way of `SetOfVec`, which sorts what it
/// reads, in a time that grows with the square of their number.
fn elements(set: &Any) -> Option<Vec<Any>> {
    let mut reader = SliceReader::new(set.value()).ok()?;
    let mut elements = Vec::new();
    while !reader.is_finished() {
        if elements.len() == RECIPIENTS_MAX {
            return None;
        }
        elements.push(Any::decode(&mut reader).ok()?);
    }
    Some(elements)
}

fn scheme(curve: Curve) -> ObjectIdentifier {
    match curve {
        Curve::P256 => ECDH_SHA_256_KDF,
        Curve::P384 => ECDH_SHA_384_KDF,
    }
}

fn algorithm(oid: ObjectIdentifier, parameters: Option<Any>) -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid, parameters }
}

fn oaep_parameters() -> der::Result<Any> {
    let sha_256 = algorithm(SHA_256, Some(Any::null()));
    Any::encode_from(&OaepParameters {
        mask: algorithm(MGF1, Some(Any::encode_from(&sha_256)?)),
        digest: sha_256,
    })
}

/// `AuthEnvelopedData` (RFC 5083 section 2.1), as far as it is used.
#[derive(Sequence)]
struct AuthEnvelopedData {
    version: CmsVersion,
    /// A set of `RecipientInfo`.
    recipients: Any,
    content: EncryptedContentInfo,
    mac: OctetString,
}

/// `GCMParameters` (RFC 5084 section 3.2). The default of the tag's length is 12.
#[derive(Sequence)]
struct GcmParameters {
    nonce: OctetString,
    tag_bytes: u8,
}

/// `RSAES-OAEP-params` (RFC 4055 section 4.1), without a label.
#[derive(Sequence)]
struct OaepParameters {
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    digest: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "1", tag_mode = "EXPLICIT")]
    mask: AlgorithmIdentifierOwned,
}
