//! To whom epoch keys are sealed: the holders of these certificates, and nobody else.
//!
//! A certificate is taken as the operator gave it: no chain is followed and no revocation list is
//! asked, because whoever may name recipients in the settings decides who reads. What is checked is
//! what would make a sealed key unreadable or badly kept: the kind and length of the key, what the
//! certificate says the key is for, and whether it is valid now.
//!
//! It is checked when the recipients are loaded. A certificate that expires while the log is open
//! stays in use: its holder can still open, and a gateway that stops is not what an officer wants.

use std::fmt;
use std::io;
use std::path::Path;

use aws_lc_rs::agreement::{self, ECDH_P256, ECDH_P384};
use aws_lc_rs::digest::{self, SHA256, SHA384};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{OaepPublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey};
use cms::cert::IssuerAndSerialNumber;
use der::asn1::ObjectIdentifier;
use der::{Decode, Encode};
use x509_cert::Certificate;
use x509_cert::ext::pkix::KeyUsage;
use x509_cert::spki::SubjectPublicKeyInfoOwned;
use x509_cert::time::Validity;

use crate::checkpoint::KeyError;
use crate::entry::Digest;
use crate::keyfile;

/// The most recipients of one epoch key: their digests stand in an entry, which must stay small.
pub const RECIPIENTS_MAX: usize = 16;

const CERTIFICATE_FILE_BYTES_MAX: usize = 64 * 1024;
const ID_EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ID_RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Who can open the bodies: the certificate of a P-256, P-384 or RSA key.
#[derive(Clone)]
pub struct Recipient {
    digest: Digest,
    /// How a CMS message names the certificate.
    pub(super) id: IssuerAndSerialNumber,
    pub(super) key: PublicKey,
    usage: Option<KeyUsage>,
    validity: Validity,
}

/// The public key of a recipient.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum PublicKey {
    /// An uncompressed point.
    Ec(Curve, Vec<u8>),
    /// A `SubjectPublicKeyInfo`, DER.
    Rsa(Vec<u8>),
}

/// The curves that can be agreed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Curve {
    P256,
    P384,
}

/// Why epoch keys are not sealed to this.
#[derive(Debug, thiserror::Error)]
pub enum NotARecipient {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// There is none.
    #[error("holds no certificate")]
    NoCertificate,
    /// It is not clear which of them is meant.
    #[error("holds {0} certificates; each recipient has a file of its own")]
    Several(usize),
    /// The private key is where the gateway can read it.
    #[error("holds a private key; that belongs with its officer, not here")]
    PrivateKey,
    /// The certificate is not one.
    #[error("the certificate cannot be understood")]
    Malformed,
    /// Its time is over.
    #[error("the certificate expired at {0}")]
    Expired(String),
    /// Its time has not come.
    #[error("the certificate is not valid before {0}")]
    NotYetValid(String),
    /// The certificate's issuer did not mean it for this.
    #[error("the certificate's key usage does not allow {0}")]
    KeyUsage(&'static str),
    /// Nothing can be sealed to it.
    #[error("the key is not one that can be sealed to: P-256, P-384 and RSA are")]
    Key,
    /// Too weak, or too long for the provider.
    #[error("the RSA key does not have 2048 to 8192 bits")]
    RsaBits,
}

/// Recipients that do not go together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadRecipients {
    /// One certificate, key or name of a certificate occurs twice: the second would be of no use.
    #[error("the certificate {0} or its key occurs twice")]
    Twice(Digest),
    /// More than an entry can name.
    #[error("more than {RECIPIENTS_MAX} recipients")]
    TooMany,
}

impl Recipient {
    /// The recipient whose certificate is in a PEM file, alone. `now` is in unix nanoseconds.
    ///
    /// # Errors
    /// [`NotARecipient`]: what is wrong with the file or the certificate.
    pub fn load(file: &Path, now: u64) -> Result<Recipient, NotARecipient> {
        Recipient::from_pem(&std::fs::read_to_string(file)?, now)
    }

    /// The same from the text of such a file.
    ///
    /// # Errors
    /// [`NotARecipient`].
    pub fn from_pem(pem: &str, now: u64) -> Result<Recipient, NotARecipient> {
        if pem.contains("PRIVATE KEY-----") {
            return Err(NotARecipient::PrivateKey);
        }
        let recipient = Recipient::read(pem)?;
        recipient.may_be_sealed_to()?;
        recipient.is_valid_at(now)?;
        Ok(recipient)
    }

    /// Any certificate of a key that could be sealed to: whoever opens old files may hold one that
    /// has expired since.
    pub(super) fn read(pem: &str) -> Result<Recipient, NotARecipient> {
        if pem.len() > CERTIFICATE_FILE_BYTES_MAX {
            return Err(NotARecipient::Malformed);
        }
        let mut found = keyfile::documents(pem, "CERTIFICATE");
        let der = match (found.len(), found.pop()) {
            (1, Some(der)) => der.ok_or(NotARecipient::Malformed)?,
            (0, _) => return Err(NotARecipient::NoCertificate),
            (several, _) => return Err(NotARecipient::Several(several)),
        };
        let certificate = Certificate::from_der(&der).map_err(|_| NotARecipient::Malformed)?;
        let tbs = certificate.tbs_certificate();
        let usage = tbs
            .get_extension::<KeyUsage>()
            .map_err(|_| NotARecipient::Malformed)?;
        Ok(Recipient {
            digest: Digest::of(&der),
            id: IssuerAndSerialNumber {
                issuer: tbs.issuer().clone(),
                serial_number: tbs.serial_number().clone(),
            },
            key: PublicKey::read(tbs.subject_public_key_info())?,
            usage: usage.map(|(_, usage)| usage),
            validity: *tbs.validity(),
        })
    }

    /// SHA-256 of the certificate (DER), by which entries name it: what
    /// `openssl x509 -fingerprint -sha256` prints.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// When the certificate ends, in unix seconds.
    pub fn expires(&self) -> u64 {
        self.validity.not_after.to_unix_duration().as_secs()
    }

    fn is_valid_at(&self, now: u64) -> Result<(), NotARecipient> {
        let Validity {
            not_before,
            not_after,
            ..
        } = self.validity;
        let now = now / 1_000_000_000;
        if now < not_before.to_unix_duration().as_secs() {
            return Err(NotARecipient::NotYetValid(
                not_before.to_date_time().to_string(),
            ));
        }
        match now > not_after.to_unix_duration().as_secs() {
            true => Err(NotARecipient::Expired(not_after.to_date_time().to_string())),
            false => Ok(()),
        }
    }

    /// A certificate without the extension may be used for anything (RFC 5280 section 4.2.1.3).
    fn may_be_sealed_to(&self) -> Result<(), NotARecipient> {
        let Some(usage) = self.usage else {
            return Ok(());
        };
        let (allowed, wanted) = match self.key {
            PublicKey::Ec(..) => (usage.key_agreement(), "keyAgreement"),
            PublicKey::Rsa(_) => (usage.key_encipherment(), "keyEncipherment"),
        };
        match allowed {
            true => Ok(()),
            false => Err(NotARecipient::KeyUsage(wanted)),
        }
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({})", self.digest)
    }
}

impl PublicKey {
    fn read(info: &SubjectPublicKeyInfoOwned) -> Result<PublicKey, NotARecipient> {
        if info.algorithm.oid == ID_RSA_ENCRYPTION {
            let der = info.to_der().map_err(|_| NotARecipient::Malformed)?;
            let key = PublicEncryptingKey::from_der(&der);
            key.map_err(|_| NotARecipient::RsaBits)?;
            return Ok(PublicKey::Rsa(der));
        }
        if info.algorithm.oid != ID_EC_PUBLIC_KEY {
            return Err(NotARecipient::Key);
        }
        let named = info.algorithm.parameters.as_ref();
        let named = named.and_then(|parameters| parameters.decode_as::<ObjectIdentifier>().ok());
        let curve = [Curve::P256, Curve::P384]
            .into_iter()
            .find(|curve| Some(curve.oid()) == named)
            .ok_or(NotARecipient::Key)?;
        let point = info.subject_public_key.as_bytes().unwrap_or_default();
        match curve.holds(point) {
            true => Ok(PublicKey::Ec(curve, point.to_vec())),
            false => Err(NotARecipient::Malformed),
        }
    }

    pub(super) fn of_ec(curve: Curve, key: &agreement::PrivateKey) -> Result<PublicKey, KeyError> {
        let point = key.compute_public_key().map_err(|_| KeyError::Crypto)?;
        Ok(PublicKey::Ec(curve, point.as_ref().to_vec()))
    }

    pub(super) fn of_rsa(key: &PrivateDecryptingKey) -> Result<PublicKey, KeyError> {
        let der = key.public_key().as_der().map_err(|_| KeyError::Crypto)?;
        Ok(PublicKey::Rsa(der.as_ref().to_vec()))
    }

    pub(super) fn rsa(der: &[u8]) -> Result<OaepPublicEncryptingKey, KeyError> {
        let key = PublicEncryptingKey::from_der(der).map_err(|_| KeyError::Malformed)?;
        OaepPublicEncryptingKey::new(key).map_err(|_| KeyError::Crypto)
    }
}

impl Curve {
    fn oid(self) -> ObjectIdentifier {
        match self {
            Curve::P256 => ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"),
            Curve::P384 => ObjectIdentifier::new_unwrap("1.3.132.0.34"),
        }
    }

    pub(super) fn agreement(self) -> &'static agreement::Algorithm {
        match self {
            Curve::P256 => &ECDH_P256,
            Curve::P384 => &ECDH_P384,
        }
    }

    /// The digest of its key derivation (RFC 5753 section 7.1.4).
    pub(super) fn digest(self) -> &'static digest::Algorithm {
        match self {
            Curve::P256 => &SHA256,
            Curve::P384 => &SHA384,
        }
    }

    /// Whether this is an uncompressed point of the curve.
    pub(super) fn holds(self, point: &[u8]) -> bool {
        let key = agreement::UnparsedPublicKey::new(self.agreement(), point);
        point.first() == Some(&0x04) && agreement::ParsedPublicKey::try_from(&key).is_ok()
    }
}

/// Everybody that an epoch key is sealed to. One of them is there to recover when no officer can.
#[derive(Clone, Debug)]
pub struct Recipients(Vec<Recipient>);

impl Recipients {
    /// The recovery recipient, and the officers.
    ///
    /// # Errors
    /// [`BadRecipients`].
    pub fn new(
        recovery: Recipient,
        officers: impl IntoIterator<Item = Recipient>,
    ) -> Result<Recipients, BadRecipients> {
        let mut recipients = Recipients::from(recovery);
        for officer in officers {
            let same = |other: &Recipient| other.key == officer.key || other.id == officer.id;
            if recipients.iter().any(same) {
                return Err(BadRecipients::Twice(officer.digest));
            }
            recipients.0.push(officer);
        }
        match recipients.0.len() <= RECIPIENTS_MAX {
            true => Ok(recipients),
            false => Err(BadRecipients::TooMany),
        }
    }

    /// Each of them; the one who recovers comes first.
    pub fn iter(&self) -> std::slice::Iter<'_, Recipient> {
        self.0.iter()
    }

    /// How entries name them.
    pub fn digests(&self) -> Vec<Digest> {
        self.iter().map(Recipient::digest).collect()
    }
}

/// The recovery recipient alone.
impl From<Recipient> for Recipients {
    fn from(recovery: Recipient) -> Recipients {
        Recipients(vec![recovery])
    }
}
