//! Who asks? An API key, a client certificate, or both for the same principal.
//!
//! A key comes as `Authorization: Bearer pc_…` or `x-api-key: pc_…`; both headers must then agree. Certificates have
//! been checked by the listener's CA; the policy maps their names to principals.

use std::sync::Arc;

use http::header;
use jiff::Timestamp;
use policy::{Assurance, CertificateFacts, Policy, Subject};

use crate::Gateway;
use crate::incoming::Incoming;
use crate::keys::KeyFault;
use crate::pipeline::trail::Trail;
use crate::refusal::{AuthFault, Refusal};

/// The header in which a caller may pick one of the purposes granted to it.
pub const PURPOSE_HEADER: &str = "x-portcullis-purpose";

/// Somebody we know.
pub struct Caller {
    /// Whom the policy knows.
    pub subject: Subject,
    /// How they proved it.
    pub credential: Credential,
    /// The zone they came in by.
    pub zone: Arc<str>,
    /// The purpose they picked, if any. Only one that was granted to them counts.
    pub purpose: Option<String>,
}

/// What proved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// An API key.
    ApiKey,
    /// A client certificate.
    Certificate,
    /// Both, for the same principal.
    Both,
}

/// Finds out who asks, and notes it on the trail.
///
/// # Errors
/// [`Refusal::Unauthenticated`].
pub fn caller(
    gw: &Gateway,
    incoming: &Incoming,
    policy: &Policy,
    trail: &mut Trail,
) -> Result<Caller, Refusal> {
    let caller = identify(gw, incoming, policy).map_err(Refusal::Unauthenticated)?;
    trail.is_from(&caller);
    Ok(caller)
}

fn identify(gw: &Gateway, incoming: &Incoming, policy: &Policy) -> Result<Caller, AuthFault> {
    let keys = gw.keys.load();
    let by_key = match presented(incoming)? {
        None => None,
        Some(key) => Some(
            keys.check(key, gw.now())
                .map_err(key_fault)?
                .principal
                .as_str(),
        ),
    };
    let by_certificate = match &incoming.peer.certificate {
        None => None,
        Some(certificate) => {
            let uris: Vec<_> = certificate.uris.iter().map(String::as_str).collect();
            let dns: Vec<_> = certificate.dns.iter().map(String::as_str).collect();
            let facts = CertificateFacts {
                san_uris: &uris,
                san_dns: &dns,
                sha256: &certificate.sha256,
            };
            Some(
                policy
                    .certificate_principal(&facts)
                    .ok_or(AuthFault::Unknown)?,
            )
        }
    };
    let (principal, credential) = match (by_key, by_certificate) {
        (None, None) => return Err(AuthFault::Missing),
        (Some(principal), None) => (principal, Credential::ApiKey),
        (None, Some(principal)) => (principal, Credential::Certificate),
        (Some(one), Some(other)) if one == other => (one, Credential::Both),
        (Some(_), Some(_)) => return Err(AuthFault::Contradictory),
    };
    let subject = policy.subject(principal).ok_or(AuthFault::NoSubject)?;
    // What the record grants holds only as far as the credential proves it: a key can be copied.
    let subject = match credential {
        Credential::ApiKey => subject.with_assurance(Assurance::Aal2),
        Credential::Certificate | Credential::Both => subject,
    };
    // A purpose that is not even text is none that was granted.
    let purpose = incoming.head.headers.get(PURPOSE_HEADER);
    let purpose = purpose.map(|value| value.to_str().unwrap_or("").to_owned());
    let zone = incoming.peer.zone.clone();
    Ok(Caller {
        subject,
        credential,
        zone,
        purpose,
    })
}

/// The API key in the headers, if there is one. Two that differ are nobody's.
fn presented(incoming: &Incoming) -> Result<Option<&str>, AuthFault> {
    let headers = &incoming.head.headers;
    let mut found = None;
    for value in headers.get_all(header::AUTHORIZATION) {
        let value = value.to_str().map_err(|_| AuthFault::Unknown)?;
        let (scheme, key) = value.split_once(' ').ok_or(AuthFault::Unknown)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(AuthFault::Unknown);
        }
        agree(&mut found, key.trim())?;
    }
    for value in headers.get_all("x-api-key") {
        agree(
            &mut found,
            value.to_str().map_err(|_| AuthFault::Unknown)?.trim(),
        )?;
    }
    Ok(found)
}

fn agree<'k>(found: &mut Option<&'k str>, key: &'k str) -> Result<(), AuthFault> {
    match found {
        Some(other) if *other != key => Err(AuthFault::Ambiguous),
        _ => {
            *found = Some(key);
            Ok(())
        }
    }
}

fn key_fault(fault: KeyFault) -> AuthFault {
    match fault {
        KeyFault::Unknown => AuthFault::Unknown,
        KeyFault::Expired => AuthFault::Expired,
    }
}

/// The wall clock as the rest of the gateway takes it.
impl Gateway {
    /// Now, to the second: enough for expiry dates.
    pub fn now(&self) -> Timestamp {
        let nanoseconds = i128::from(self.clock.now());
        Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::MAX)
    }
}
