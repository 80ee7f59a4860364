//! Who asks? An API key, a token of a trusted issuer, a client certificate, or a certificate with one of the others for
//! the same principal; and, from a declared front end, the token of the user for whom it asks.
//!
//! A key comes as `Authorization: Bearer pc_…` or `x-api-key: pc_…`, a token in the same places; both headers must then
//! agree. Certificates have been checked by the listener's CA; the policy maps their names to principals. A user's token
//! is read only from an application that is declared to pass one on, and from that one it is asked for: it can narrow
//! what the application may do, and never widen it. From anybody else it is refused, not overlooked.

use std::sync::Arc;

use http::header;
use jiff::Timestamp;
use policy::{Assurance, Evidence, Policy, Subject, UnixTime};

use crate::Gateway;
use crate::config::FrontEndConfig;
use crate::identity::{TokenFault, Verified};
use crate::incoming::Incoming;
use crate::keys::{self, KeyFault};
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
    /// The user for whom a front end asks.
    pub user: Option<Subject>,
    /// The zone they came in by.
    pub zone: Arc<str>,
    /// The purpose they picked, if any. Only one that was granted to them counts.
    pub purpose: Option<String>,
}

impl Caller {
    /// Whether some rule lets the caller, and the user for whom it asks, know of the model.
    pub fn sees(&self, policy: &Policy, model: &str) -> bool {
        policy.visible(&self.subject, model)
            && self
                .user
                .as_ref()
                .is_none_or(|user| policy.visible(user, model))
    }
}

/// What proved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Credential {
    /// An API key.
    ApiKey,
    /// A token of a trusted issuer.
    Token,
    /// A client certificate.
    Certificate,
    /// A certificate, and a key or token for the same principal.
    Both,
}

/// What a secret in the headers proves.
struct Bearer {
    principal: String,
    /// The only tenant in which it holds.
    tenant: Option<String>,
    assurance: Assurance,
    credential: Credential,
    /// Whose claims may say more.
    token: Option<Verified>,
}

/// Finds out who asks, and notes it on the trail.
///
/// # Errors
/// [`Refusal::Unauthenticated`]; [`Refusal::IdentityUnavailable`] where an issuer's keys cannot be had.
pub async fn caller(
    gw: &Gateway,
    incoming: &Incoming,
    policy: &Policy,
    trail: &mut Trail,
) -> Result<Caller, Refusal> {
    let bearer = match presented(incoming).map_err(Refusal::Unauthenticated)? {
        Some(secret) => Some(bearer(gw, secret, trail).await?),
        None => None,
    };
    let at = UnixTime(gw.now().as_second());
    let certified = certified(gw, incoming, policy, trail).map_err(Refusal::Unauthenticated)?;
    let (subject, credential) =
        agreed(policy, bearer, certified, at).map_err(Refusal::Unauthenticated)?;
    // A purpose that is not even text is none that was granted.
    let purpose = incoming.head.headers.get(PURPOSE_HEADER);
    let purpose = purpose.map(|value| value.to_str().unwrap_or("").to_owned());
    let mut caller = Caller {
        subject,
        credential,
        user: None,
        zone: incoming.peer.zone.clone(),
        purpose,
    };
    // Known even if the user is not.
    trail.is_from(&caller);
    caller.user = user(gw, incoming, policy, &caller.subject, trail).await?;
    trail.is_from(&caller);
    Ok(caller)
}

/// Whom a key or a token stands for.
async fn bearer(gw: &Gateway, secret: &str, trail: &mut Trail) -> Result<Bearer, Refusal> {
    if secret.starts_with(keys::PREFIX) {
        let keys = gw.keys.load();
        let record = keys.check(secret, gw.now());
        let record = record.map_err(|fault| {
            trail.doubts(fault.code());
            Refusal::Unauthenticated(key_fault(fault))
        })?;
        return Ok(Bearer {
            principal: record.principal.clone(),
            tenant: record.tenant.clone(),
            // A key can be copied.
            assurance: Assurance::Aal2,
            credential: Credential::ApiKey,
            token: None,
        });
    }
    let token = verified(gw, secret, trail).await?;
    if token.front_end_only {
        trail.doubts("token_of_a_front_end");
        return Err(Refusal::Unauthenticated(AuthFault::Unknown));
    }
    Ok(Bearer {
        principal: token.principal.clone(),
        tenant: None,
        assurance: token.assurance,
        credential: Credential::Token,
        token: Some(token),
    })
}

/// A token that holds.
async fn verified(gw: &Gateway, token: &str, trail: &mut Trail) -> Result<Verified, Refusal> {
    let checked = gw.issuers.check(token, gw.now()).await;
    checked.map_err(|fault| {
        trail.doubts(fault.code());
        match fault {
            TokenFault::Unavailable => Refusal::IdentityUnavailable,
            TokenFault::Expired => Refusal::Unauthenticated(AuthFault::Expired),
            _ => Refusal::Unauthenticated(AuthFault::Unknown),
        }
    })
}

/// Whom the client certificate stands for, if there is one.
fn certified(
    gw: &Gateway,
    incoming: &Incoming,
    policy: &Policy,
    trail: &mut Trail,
) -> Result<Option<String>, AuthFault> {
    let Some(shown) = &incoming.peer.certificate else {
        return Ok(None);
    };
    if !gw.tls.still_holds(shown, gw.now().as_second()) {
        trail.doubts("certificate_ended");
        return Err(AuthFault::Revoked);
    }
    let principal = policy.certificate_principal(&shown.certificate.facts());
    principal.map(Some).map_err(|fault| {
        trail.doubts(fault.code());
        AuthFault::Unknown
    })
}

/// The one principal for whom everything that was shown stands.
fn agreed(
    policy: &Policy,
    bearer: Option<Bearer>,
    certified: Option<String>,
    at: UnixTime,
) -> Result<(Subject, Credential), AuthFault> {
    let (principal, cap, credential) = match (&bearer, &certified) {
        (None, None) => return Err(AuthFault::Missing),
        (Some(bearer), None) => (&bearer.principal, bearer.assurance, bearer.credential),
        (None, Some(principal)) => (principal, Assurance::Aal3, Credential::Certificate),
        (Some(bearer), Some(principal)) if bearer.principal == *principal => {
            (principal, Assurance::Aal3, Credential::Both)
        }
        (Some(_), Some(_)) => return Err(AuthFault::Contradictory),
    };
    let token = bearer.as_ref().and_then(|bearer| bearer.token.as_ref());
    let subject = match token {
        Some(token) => token.subject(policy, at),
        None => policy.subject(principal, &Evidence::at(at)),
    };
    let subject = subject.ok_or(AuthFault::NoSubject)?;
    // A key that was made for one tenant does not move with its principal.
    let tenant = bearer.as_ref().and_then(|bearer| bearer.tenant.as_deref());
    if tenant.is_some_and(|tenant| tenant != subject.tenant()) {
        return Err(AuthFault::NoSubject);
    }
    // What the record grants holds only as far as the credential proves it.
    Ok((subject.with_assurance(cap), credential))
}

/// The user for whom a front end asks, if the caller is one.
async fn user(
    gw: &Gateway,
    incoming: &Incoming,
    policy: &Policy,
    application: &Subject,
    trail: &mut Trail,
) -> Result<Option<Subject>, Refusal> {
    let unauthenticated = Refusal::Unauthenticated;
    let headers = &incoming.head.headers;
    let is_caller = |front: &FrontEndConfig| front.application == application.principal();
    let shown = |front: &FrontEndConfig| headers.contains_key(&front.header);
    let fronts = &gw.config.front_ends;
    let foreign = |front: &FrontEndConfig| {
        let own = |other: &FrontEndConfig| is_caller(other) && other.header == front.header;
        shown(front) && !fronts.iter().any(own)
    };
    if fronts.iter().any(foreign) {
        return Err(unauthenticated(AuthFault::NotAFrontEnd));
    }
    let mut user = None;
    for front in fronts.iter().filter(|front| is_caller(front)) {
        let mut values = headers.get_all(&front.header).iter();
        let token = match (values.next(), values.next()) {
            (None, _) if front.required => return Err(unauthenticated(AuthFault::NoUser)),
            (None, _) => continue,
            (Some(token), None) => token.to_str().unwrap_or("").trim(),
            (Some(_), Some(_)) => return Err(unauthenticated(AuthFault::Ambiguous)),
        };
        // Two users at once are nobody.
        if user.is_some() {
            return Err(unauthenticated(AuthFault::Ambiguous));
        }
        let token = verified(gw, token, trail).await?;
        if token.issuer != front.issuer {
            trail.doubts(TokenFault::Issuer.code());
            return Err(unauthenticated(AuthFault::Unknown));
        }
        let subject = token.subject(policy, UnixTime(gw.now().as_second()));
        let subject = subject.ok_or(unauthenticated(AuthFault::NoSubject))?;
        user = Some(subject.with_assurance(token.assurance));
    }
    Ok(user)
}

/// The key or token in the headers, if there is one. Two that differ are nobody's.
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
        KeyFault::Unknown | KeyFault::Revoked => AuthFault::Unknown,
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
