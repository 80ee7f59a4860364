//! For whom a client certificate stands.
//!
//! ```text
//! named      identities.toml lists one of its names, or its digest, for a principal
//! card       its issuer is listed under [card.NAME], and it is a card's authentication certificate:
//!            dod:1234567890 (the EDIPI in the subject's CN), or piv:NAME:… (a digest of the subject)
//! workload   its only URI is a SPIFFE id of a listed trust domain: spiffe:agency.example/app
//! ```
//!
//! The chain has been checked before. Whoever two of these lead to different principals for stands for
//! nobody. A service is never known by its common name, which a certification authority may give to
//! several; and no attribute is taken from a certificate, since it outlives a change of duties.
//!
//! Sources: FIPS 201-3 and SP 800-73 (PIV authentication certificate), X.509 Certificate Policy for the
//! U.S. Federal PKI Common Policy Framework (policy OIDs), DoD PKI functional interface (CN with EDIPI),
//! the SPIFFE X.509-SVID specification.

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest;

use crate::records::{CertificateName, Identities};

/// What a verified client certificate says about its holder.
#[derive(Debug, Clone, Copy, Default)]
pub struct CertificateFacts<'a> {
    /// Subject alternative names of type URI, as written.
    pub san_uris: &'a [String],
    /// Subject alternative names of type DNS; compared without regard to case.
    pub san_dns: &'a [String],
    /// SHA-256 of the DER encoding, 64 lower-case hexadecimal digits.
    pub sha256: &'a str,
    /// The issuer's distinguished name (RFC 4514), such as `CN=Agency CA 2,O=Agency,C=US`.
    pub issuer: &'a str,
    /// The subject's distinguished name, DER.
    pub subject_der: &'a [u8],
    /// Every common name of the subject.
    pub common_names: &'a [String],
    /// Object identifiers of its certificate policies, dotted.
    pub policies: &'a [String],
    /// Whether its extended key usage names client authentication (not merely any usage).
    pub client_auth: bool,
    /// Whether its key usage has digital signatures.
    pub digital_signature: bool,
    /// Whether it is one of a certification authority.
    pub is_ca: bool,
}

/// Why a certificate stands for nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateFault {
    /// Nothing in the bundle is about it.
    Unknown,
    /// It leads to two principals.
    Ambiguous,
    /// It comes from an issuer of cards and is not the authentication certificate of one.
    NotAuthentication,
    /// It is a card's, and its subject has no single common name that ends in an EDIPI.
    NoEdipi,
}

impl CertificateFault {
    /// The word for entries and logs.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Unknown => "certificate_unknown",
            Self::Ambiguous => "certificate_ambiguous",
            Self::NotAuthentication => "certificate_not_authentication",
            Self::NoEdipi => "certificate_no_edipi",
        }
    }
}

/// `[card.NAME]`: whose cards stand for people, and how they are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Card {
    pub(crate) name: String,
    /// An authentication certificate bears one of these.
    pub(crate) policies: BTreeSet<String>,
    pub(crate) principal: CardPrincipal,
}

/// What a card's holder is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CardPrincipal {
    /// `dod:` and the ten digits at the end of the common name.
    Edipi,
    /// `piv:NAME:` and 32 hexadecimal digits of SHA-256 over the card table's name, a zero byte and the
    /// subject. It survives a new card, and a renewed issuer that is listed in the same table.
    Subject,
}

/// How certificates become principals, beside the names in identity records.
#[derive(Debug, Default)]
pub(crate) struct CertificateRules {
    /// By the issuer's distinguished name.
    pub(crate) cards: BTreeMap<String, Card>,
    pub(crate) trust_domains: BTreeSet<String>,
}

impl CertificateRules {
    /// The one principal for whom a certificate stands; it need not exist.
    pub(crate) fn principal(
        &self,
        identities: &Identities,
        facts: &CertificateFacts<'_>,
    ) -> Result<String, CertificateFault> {
        let mut found = named(identities, facts);
        let card = self.cards.get(facts.issuer);
        let mut fault = CertificateFault::Unknown;
        if let Some(card) = card {
            match card.principal(facts) {
                Ok(principal) => _ = found.insert(principal),
                Err(other) => fault = other,
            }
        }
        if found.is_empty() {
            found.extend(self.workload(facts));
        }
        let mut found = found.into_iter();
        match (found.next(), found.next()) {
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(CertificateFault::Ambiguous),
            (None, _) => Err(fault),
        }
    }

    /// The principal of an X.509-SVID: the only URI is a SPIFFE id, and the certificate no authority's.
    fn workload(&self, facts: &CertificateFacts<'_>) -> Option<String> {
        let ([uri], false) = (facts.san_uris, facts.is_ca) else {
            return None;
        };
        let id = uri.strip_prefix("spiffe://")?;
        let (domain, path) = id.split_once('/')?;
        let segment = |part: &str| {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
            !part.is_empty() && part != "." && part != ".." && part.bytes().all(plain)
        };
        let fits = self.trust_domains.contains(domain) && path.split('/').all(segment);
        fits.then(|| format!("spiffe:{domain}/{path}"))
    }
}

impl Card {
    fn principal(&self, facts: &CertificateFacts<'_>) -> Result<String, CertificateFault> {
        let is_authentication = !facts.is_ca
            && facts.client_auth
            && facts.digital_signature
            && facts
                .policies
                .iter()
                .any(|policy| self.policies.contains(policy));
        if !is_authentication {
            return Err(CertificateFault::NotAuthentication);
        }
        match self.principal {
            CardPrincipal::Edipi => edipi(facts.common_names),
            CardPrincipal::Subject => Ok(self.subject(facts.subject_der)),
        }
    }

    fn subject(&self, subject: &[u8]) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(self.name.as_bytes());
        context.update(&[0]);
        context.update(subject);
        let digest = context.finish();
        let short = digest.as_ref().iter().take(16);
        let hex: String = short.map(|byte| format!("{byte:02x}")).collect();
        format!("piv:{}:{hex}", self.name)
    }
}

/// `dod:1234567890` of `LAST.FIRST.MIDDLE.1234567890`.
fn edipi(common_names: &[String]) -> Result<String, CertificateFault> {
    let [name] = common_names else {
        return Err(CertificateFault::NoEdipi);
    };
    match name.rsplit_once('.') {
        Some((names, edipi))
            if !names.is_empty()
                && edipi.len() == 10
                && edipi.bytes().all(|b| b.is_ascii_digit()) =>
        {
            Ok(format!("dod:{edipi}"))
        }
        _ => Err(CertificateFault::NoEdipi),
    }
}

/// The principals whose records list the certificate.
fn named(identities: &Identities, facts: &CertificateFacts<'_>) -> BTreeSet<String> {
    let uris = facts.san_uris.iter().cloned().map(CertificateName::SanUri);
    let dns = facts.san_dns.iter();
    let dns = dns.map(|name| CertificateName::SanDns(name.to_ascii_lowercase()));
    let digest = std::iter::once(CertificateName::Sha256(facts.sha256.to_owned()));
    uris.chain(dns)
        .chain(digest)
        .filter_map(|name| identities.by_certificate.get(&name))
        .cloned()
        .collect()
}
