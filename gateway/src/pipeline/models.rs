//! `GET /v1/models`: only what the caller may know of.

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
