//! The life of one request. Nothing about a request is decided anywhere else.
//!
//! Each line of `cleared` is a question; each `?` leaves by exactly one refusal, with one status and one audit
//! outcome. `Permit`, `Clearance` and `Receipt` are proofs: only the stage that earned one can make it, and
//! [`forward::send`] takes nothing but a [`Cleared`], which holds all three.

use std::sync::Arc;

use http::Response;

use crate::Gateway;
use crate::body::Body;
use crate::deadline::Deadline;
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
pub mod moderate;
pub mod release;
pub mod route;
pub mod screen;
pub mod texts;
pub mod trail;

pub use forward::Cleared;
use ingest::Reader;
use moderate::Moderated;
use route::Route;
use texts::Question;

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
    let deadline = Deadline::after(gw.config.limits.request_timeout);
    match route::of(incoming)? {
        Route::Ask(dialect) => {
            let cleared = cleared(gw, incoming, ingest::of(dialect), deadline, trail).await?;
            // Ask the model.
            let asked = forward::send(cleared, deadline).await?;
            // May the answer go out?
            let screened = release::screened(gw, asked, deadline, trail).await?;
            Ok(Answer::Asked(dialect, Box::new(screened)))
        }
        Route::Embed => {
            let cleared = cleared(gw, incoming, ingest::EMBED, deadline, trail).await?;
            // Numbers, which nobody can scan: nothing but their shape is checked.
            forward::embed(cleared, deadline).await.map(Answer::Vectors)
        }
        Route::Count => {
            let cleared = cleared(gw, incoming, ingest::COUNT, deadline, trail).await?;
            forward::count(cleared, deadline).await.map(Answer::Count)
        }
        Route::Moderate => moderation(gw, incoming, deadline, trail)
            .await
            .map(Answer::Moderated),
        Route::Models => models::list(gw, incoming, trail).await.map(Answer::Models),
        Route::Decision(id) => decision(gw, incoming, &id, trail)
            .await
            .map(Answer::Decision),
        Route::Model(name) => models::one(gw, incoming, &name, trail)
            .await
            .map(Answer::Model),
    }
}

/// A question to a model, top to bottom: the only way to what can be sent.
async fn cleared<Q: Question>(
    gw: &Gateway,
    incoming: &mut Incoming,
    reader: Reader<Q>,
    deadline: Deadline,
    trail: &mut Trail,
) -> Result<Cleared<Q>, Refusal> {
    let rules = trail.rules();
    // Who asks?
    let caller = authenticate::caller(gw, incoming, &rules.policy, trail).await?;
    // Is there room? Asked only now: nobody without a credential can take a place.
    trail.enter(&caller)?;
    // What, within limits?
    let prompt = ingest::prompt(incoming, reader, &gw.config.limits, deadline, trail).await?;
    // Which markings does it bear?
    let labelled = label::labelled(&rules.guardrails, prompt, incoming)?;
    // Of which model?
    let target = gw.models.find(&labelled)?;
    // May they, for this data and purpose?
    let model = &target.model;
    let permit = authorize::permit(gw, &rules.policy, &caller, &labelled, model, trail)?;
    // Is it acceptable, under that permit's profile?
    let (question, clearance) = screen::prompt(gw, labelled, &permit, deadline, trail).await?;
    // Is it written down?
    let receipt = trail.admit(&permit, &clearance, &target, &question).await?;
    // The only thing `send` takes.
    Cleared::new(question, target, permit, clearance, receipt)
}

/// A question to the guardrails: nothing of it is sent anywhere.
async fn moderation(
    gw: &Gateway,
    incoming: &mut Incoming,
    deadline: Deadline,
    trail: &mut Trail,
) -> Result<Moderated, Refusal> {
    let rules = trail.rules();
    let caller = authenticate::caller(gw, incoming, &rules.policy, trail).await?;
    trail.enter(&caller)?;
    let limits = &gw.config.limits;
    let prompt = ingest::prompt(incoming, ingest::MODERATE, limits, deadline, trail).await?;
    let labelled = label::labelled(&rules.guardrails, prompt, incoming)?;
    let model = moderate::model(gw, &labelled, trail)?;
    let permit = authorize::permit(gw, &rules.policy, &caller, &labelled, &model, trail)?;
    moderate::judged(gw, labelled, model, &permit, deadline, trail).await
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
