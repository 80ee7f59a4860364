//! The life of one request. Nothing about a request is decided anywhere else.
//!
//! Each line of `answer` is a question; each `?` leaves by exactly one refusal, with one status and one audit
//! outcome. `Permit`, `Clearance` and `Receipt` are proofs: only the stage that earned one can make it, and
//! [`forward::send`] takes nothing but a [`Cleared`], which holds all three.

use std::sync::Arc;

use http::Response;

use crate::Gateway;
use crate::body::Body;
use crate::deadline::Deadline;
use crate::dialect::Dialect;
use crate::incoming::Incoming;
use crate::refusal::Refusal;
use crate::reply::{self, Answer, Unanswered};
use trail::Trail;

pub mod authenticate;
pub mod authorize;
pub mod deliver;
pub mod forward;
pub mod ingest;
pub mod label;
pub mod models;
pub mod release;
pub mod route;
pub mod screen;
pub mod texts;
pub mod trail;

pub use forward::Cleared;
use release::Screened;
use route::Route;

/// From a request head to the response whose body keeps the trail to its last byte.
///
/// # Errors
/// [`Unanswered`]: the connection is closed without an answer, and counted.
pub async fn handle(
    gw: &Arc<Gateway>,
    mut incoming: Incoming,
) -> Result<Response<Body>, Unanswered> {
    // One version of the rules per request.
    let rules = gw.rules.load_full();
    let mut response = match Trail::open(gw, rules.clone(), &incoming).await {
        // Cannot record it => do not do it.
        Err(refusal) => reply::unrecorded(gw, &incoming, refusal),
        // The outcome's place is reserved first.
        Ok(mut trail) => {
            let outcome = serve(gw, &mut incoming, &mut trail).await;
            // Durable first.
            reply::render(gw, outcome, trail).await?
        }
    };
    reply::names_policy(response.headers_mut(), &rules.policy);
    // Nothing is held any more while the rest of a refused body is read.
    if !response.status().is_success() {
        ingest::discard(&mut incoming).await;
    }
    Ok(response)
}

/// What is asked for?
async fn serve(
    gw: &Arc<Gateway>,
    incoming: &mut Incoming,
    trail: &mut Trail,
) -> Result<Answer, Refusal> {
    match route::of(incoming)? {
        Route::Ask(dialect) => {
            let screened = answer(gw, incoming, dialect, trail).await?;
            Ok(Answer::Asked(dialect, Box::new(screened)))
        }
        Route::Models => models::list(gw, incoming, trail).await.map(Answer::Models),
        Route::Decision(id) => decision(gw, incoming, &id, trail)
            .await
            .map(Answer::Decision),
        Route::Model(name) => models::one(gw, incoming, &name, trail)
            .await
            .map(Answer::Model),
    }
}

/// Why an earlier request of the same caller was refused.
async fn decision(
    gw: &Gateway,
    incoming: &Incoming,
    id: &str,
    trail: &mut Trail,
) -> Result<serde_json::Value, Refusal> {
    let rules = trail.rules();
    authenticate::caller(gw, incoming, &rules.policy, trail).await?;
    let id = uuid::Uuid::try_parse(id).ok();
    let known = id.zip(trail.asker());
    known
        .and_then(|(id, asker)| gw.decisions.about(id, &asker))
        .ok_or(Refusal::DecisionNotFound)
}

/// A question to a model, top to bottom.
async fn answer(
    gw: &Gateway,
    incoming: &mut Incoming,
    dialect: Dialect,
    trail: &mut Trail,
) -> Result<Screened, Refusal> {
    let deadline = Deadline::after(gw.config.limits.request_timeout);
    let rules = trail.rules();
    // Who asks?
    let caller = authenticate::caller(gw, incoming, &rules.policy, trail).await?;
    // Is there room? Asked only now: nobody without a credential can take a place.
    trail.enter(&caller)?;
    // What, within limits?
    let prompt = ingest::prompt(incoming, dialect, &gw.config.limits, deadline, trail).await?;
    // Which markings does it bear?
    let labelled = label::labelled(&rules.guardrails, prompt, incoming)?;
    // Of which model?
    let target = gw.models.find(&labelled)?;
    // May they, for this data and purpose?
    let permit = authorize::permit(gw, &rules.policy, &caller, &labelled, &target, trail)?;
    // Is it acceptable, under that permit's profile?
    let (chat, clearance) = screen::prompt(gw, labelled, &permit, deadline, trail).await?;
    // Is it written down?
    let receipt = trail.admit(&permit, &clearance, &target, &chat).await?;
    // The only thing `send` takes.
    let cleared = Cleared::new(chat, target, permit, clearance, receipt)?;
    // Ask the model.
    let asked = forward::send(cleared, deadline).await?;
    // May the answer go out?
    release::screened(gw, asked, deadline, trail).await
}
