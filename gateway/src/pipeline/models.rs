//! `GET /v1/models` and `GET /v1/models/{name}`: only what the caller may know of.

use crate::Gateway;
use crate::incoming::Incoming;
use crate::pipeline::authenticate;
use crate::pipeline::trail::Trail;
use crate::refusal::Refusal;

/// The names of the models that some rule lets this subject use.
///
/// # Errors
/// [`Refusal::Unauthenticated`], [`Refusal::IdentityUnavailable`].
pub async fn list(
    gw: &Gateway,
    incoming: &Incoming,
    trail: &mut Trail,
) -> Result<Vec<String>, Refusal> {
    let rules = trail.rules();
    let policy = &rules.policy;
    let caller = authenticate::caller(gw, incoming, policy, trail).await?;
    Ok(gw
        .models
        .names()
        .filter(|model| caller.sees(policy, model))
        .map(str::to_owned)
        .collect())
}

/// The model of that name, if some rule lets this subject use it. Clients write `/` and `:` of a name as they are, or
/// percent-encoded.
///
/// # Errors
/// [`Refusal::ModelNotFound`], whether it does not exist or is hidden; else as [`list`].
pub async fn one(
    gw: &Gateway,
    incoming: &Incoming,
    name: &str,
    trail: &mut Trail,
) -> Result<String, Refusal> {
    let mut known = list(gw, incoming, trail).await?.into_iter();
    known
        .find(|known| known == name || percent_decoded(name).as_ref() == Some(known))
        .ok_or(Refusal::ModelNotFound)
}

/// RFC 3986, 2.1; `None` where that is no text.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}
