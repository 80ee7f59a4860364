//! What the client sees: every refusal has one status, one type and code, one public sentence and one log level.
//!
//! The sentence says what to do next. It never holds rule text, scores, what a detector matched, or what the vendor
//! said; those go to the audit entry under the same request id.

use std::sync::Arc;
use std::time::Duration;

use audit::Unavailable;
use backends::{Failure, ProtocolFault, Usage};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use policy::Policy;
use serde_json::Value;
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::Gateway;
use crate::anthropic;
use crate::body::Body;
use crate::connections::Closed;
use crate::decisions;
use crate::dialect::{AnswerWriter, Dialect};
use crate::incoming::Incoming;
use crate::openai::{self, embeddings, moderations};
use crate::pipeline::deliver;
use crate::pipeline::forward::Embedding;
use crate::pipeline::ingest::Dropped;
use crate::pipeline::moderate::Moderated;
use crate::pipeline::release::Screened;
use crate::pipeline::route;
use crate::pipeline::trail::{Recorded, Trail};
use crate::refusal::{AuthFault, Refusal};

/// What the pipeline came to.
pub enum Answer {
    /// A model's answer, on its way, and how it was asked for.
    Asked(Dialect, Box<Screened>),
    /// Vectors.
    Vectors(Embedding),
    /// How many tokens a request has.
    Count(Usage),
    /// What the guardrails say.
    Moderated(Moderated),
    /// The names of models.
    Models(Vec<String>),
    /// The name of one.
    Model(String),
    /// What was decided about an earlier request.
    Decision(Value),
}

/// The connection is closed without an answer, and counted.
#[derive(Debug, thiserror::Error)]
#[error("closed without an answer")]
pub struct Unanswered;

/// A refusal as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// HTTP status.
    pub status: StatusCode,
    /// `error.type`
    pub kind: &'static str,
    /// `error.code`
    pub code: &'static str,
    /// `error.param`
    pub param: Option<String>,
    /// `error.message`
    pub message: String,
    /// The categories for which a content rule refused.
    pub categories: Vec<String>,
    /// The request that was refused.
    pub request: Option<Uuid>,
    /// Whether asking again can help.
    pub retry: Retry,
    /// How loud the operational log is about it.
    pub level: tracing::Level,
    headers: Vec<(HeaderName, &'static str)>,
}

/// What a client is told about asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It would only be refused again.
    Never,
    /// After this time.
    After(Duration),
    /// SDKs do as they like.
    Unsaid,
}

/// Names what in an answer is an upper bound of ours.
const ESTIMATED: &str = "x-portcullis-estimated";

/// Turns what the pipeline came to into a response, durable first.
///
/// # Errors
/// [`Unanswered`] for one unauthenticated request too many.
pub async fn render(
    gw: &Arc<Gateway>,
    outcome: Result<Answer, Refusal>,
    trail: Trail,
) -> Result<Response<Body>, Unanswered> {
    match outcome {
        Ok(Answer::Asked(dialect, screened)) => {
            let writer = deliver::writer(gw, dialect, &screened, &trail);
            match trail.streams() {
                true => Ok(streamed(gw, *screened, writer, trail)),
                false => Ok(whole(gw, *screened, writer, trail).await),
            }
        }
        Ok(Answer::Vectors(embedding)) => Ok(vectors(gw, &embedding, trail).await),
        Ok(Answer::Count(usage)) => Ok(counted(gw, usage, trail).await),
        Ok(Answer::Moderated(Moderated { model, results })) => {
            let count = u32::try_from(results.len()).unwrap_or(u32::MAX);
            let id = format!("modr-{}", trail.id().simple());
            let answer = moderations::moderation(&id, &model, &results);
            Ok(served(gw, &answer, count, trail).await)
        }
        Ok(Answer::Models(names)) => {
            let count = u32::try_from(names.len()).unwrap_or(u32::MAX);
            Ok(served(gw, &openai::models(&names), count, trail).await)
        }
        Ok(Answer::Decision(decision)) => Ok(served(gw, &decision, 1, trail).await),
        Ok(Answer::Model(name)) => Ok(served(gw, &openai::model(&name), 1, trail).await),
        Err(refusal) => refused(gw, refusal, trail).await,
    }
}

/// The answer when not even the outcome's place could be reserved: nothing was done, and nothing can be recorded.
pub fn unrecorded(gw: &Gateway, incoming: &Incoming, refusal: Refusal) -> Response<Body> {
    let told = describe(&refusal, gw, incoming.id);
    gw.metrics.refused(&told);
    let source = incoming.peer.address.ip();
    gw.connections.count(Closed::Unrecorded, source);
    let op = route::of(incoming).map_or(audit::Op::Unknown, |route| route.op());
    error_response(Dialect::of(op), incoming.id, &told, None)
}

fn streamed(
    gw: &Arc<Gateway>,
    screened: Screened,
    writer: Box<dyn AnswerWriter>,
    mut trail: Trail,
) -> Response<Body> {
    trail.begins_stream();
    let mut response = Response::new(Body::Ended);
    response.headers_mut().extend([
        (
            header::CONTENT_TYPE,
            HeaderValue::from_static("text/event-stream; charset=utf-8"),
        ),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (
            HeaderName::from_static("x-accel-buffering"),
            HeaderValue::from_static("no"),
        ),
    ]);
    common_headers(
        response.headers_mut(),
        trail.id(),
        trail.decision(),
        Some(trail.dropped()),
    );
    let (client, body) = Body::stream();
    *response.body_mut() = body;
    gw.tasks
        .spawn(deliver::stream(gw.clone(), screened, writer, trail, client));
    response
}

async fn whole(
    gw: &Arc<Gateway>,
    screened: Screened,
    writer: Box<dyn AnswerWriter>,
    trail: Trail,
) -> Response<Body> {
    let shared = gw.clone();
    answered(gw, trail, |trail, client| {
        deliver::whole(shared, screened, writer, trail, client)
    })
    .await
}

async fn vectors(gw: &Arc<Gateway>, embedding: &Embedding, mut trail: Trail) -> Response<Body> {
    let Embedding {
        model,
        embedded,
        base64,
    } = embedding;
    let answer = embeddings::list(model, embedded, *base64);
    trail.note_vectors(embedded);
    answered(gw, trail, |trail, client| {
        deliver::made(answer, trail, client)
    })
    .await
}

async fn counted(gw: &Arc<Gateway>, usage: Usage, mut trail: Trail) -> Response<Body> {
    let answer = anthropic::counted(usage).to_string().into();
    trail.note_usage(usage);
    let mut response = answered(gw, trail, |trail, client| {
        deliver::made(answer, trail, client)
    })
    .await;
    if usage.estimated && response.status().is_success() {
        let headers = response.headers_mut();
        headers.insert(ESTIMATED, HeaderValue::from_static("input_tokens"));
    }
    response
}

/// A whole answer, from a task that ends whether or not the client waits for it.
async fn answered<W: Future<Output = ()> + Send + 'static>(
    gw: &Arc<Gateway>,
    trail: Trail,
    work: impl FnOnce(Trail, oneshot::Sender<Result<Bytes, Refusal>>) -> W,
) -> Response<Body> {
    let (id, dropped, decision) = (trail.id(), trail.dropped().clone(), trail.decision());
    let (dialect, asker) = (trail.dialect(), trail.asker());
    let (client, answer) = oneshot::channel();
    gw.tasks.spawn(work(trail, client));
    // A task that vanished (a panic) has left an outcome, and nothing that could be shown.
    let answer = answer.await.unwrap_or(Err(Refusal::ShuttingDown));
    match answer {
        Ok(answer) => json_response(StatusCode::OK, id, answer, decision, Some(&dropped)),
        Err(refusal) => {
            let told = describe(&refusal, gw, id);
            gw.metrics.refused(&told);
            if let Some(asker) = asker {
                gw.decisions.keep(id, asker, &refusal, &told);
            }
            error_response(dialect, id, &told, Some(&dropped))
        }
    }
}

/// Something that no model was asked for.
async fn served(gw: &Gateway, answer: &Value, count: u32, trail: Trail) -> Response<Body> {
    let (id, decision, dropped) = (trail.id(), trail.decision(), trail.dropped().clone());
    match trail.serve(count).await {
        Ok(()) => json_response(
            StatusCode::OK,
            id,
            answer.to_string().into(),
            decision,
            Some(&dropped),
        ),
        Err(refusal) => error_response(Dialect::Chat, id, &describe(&refusal, gw, id), None),
    }
}

/// A refusal is durable before it is sent. If it cannot be recorded, the reason becomes that.
async fn refused(
    gw: &Gateway,
    refusal: Refusal,
    trail: Trail,
) -> Result<Response<Body>, Unanswered> {
    let (id, dropped, dialect) = (trail.id(), trail.dropped().clone(), trail.dialect());
    let told = describe(&refusal, gw, id);
    let asker = trail.asker();
    let told = match trail.refuse(&refusal, &told).await {
        Ok(Recorded::Yes) => {
            // Whoever asks in vain does not push out what others may ask about.
            let vain = matches!(refusal, Refusal::DecisionNotFound);
            if let Some(asker) = asker.filter(|_| !vain) {
                gw.decisions.keep(id, asker, &refusal, &told);
            }
            told
        }
        Ok(Recorded::Counted) => return Err(Unanswered),
        Err(unrecorded) => describe(&unrecorded, gw, id),
    };
    gw.metrics.refused(&told);
    Ok(error_response(dialect, id, &told, Some(&dropped)))
}

/// One status, one type and code, one sentence, one log level for each way of refusing.
pub fn describe(refusal: &Refusal, gw: &Gateway, id: Uuid) -> Described {
    use tracing::Level;
    let told = match refusal {
        Refusal::Unauthenticated(fault) => {
            let challenge = (header::WWW_AUTHENTICATE, "Bearer realm=\"portcullis\"");
            told(
                401,
                "authentication_error",
                "invalid_api_key",
                auth_sentence(*fault),
            )
            .with(challenge)
        }
        Refusal::AccessDenied(_) => told(
            403,
            "permission_error",
            "access_denied",
            "Your access rules do not allow this model for this purpose and data.",
        )
        .never(),
        Refusal::ModelNotFound => {
            let mut told = told(
                404,
                "invalid_request_error",
                "model_not_found",
                "There is no such model for you. GET /v1/models lists those you may use.",
            );
            told.param = Some("model".to_owned());
            told
        }
        Refusal::Content(blocked) => {
            let finding = &blocked.finding;
            let sentence = format!(
                "A content rule does not allow this prompt ({}, at {}).",
                finding.label, finding.path
            );
            let mut told = told(400, "invalid_request_error", "content_filter", &sentence).never();
            told.param = Some(finding.path.clone());
            told.categories = decisions::categories(blocked);
            told
        }
        Refusal::BadRequest(fault) => {
            let mut told = told(400, "invalid_request_error", fault.code, &fault.message);
            told.param = fault.param.clone();
            told
        }
        Refusal::TooLarge { bytes_max } => told(
            413,
            "invalid_request_error",
            "request_too_large",
            &format!("The body is larger than {bytes_max} bytes."),
        )
        .never(),
        Refusal::SlowBody => told(
            408,
            "invalid_request_error",
            "request_timeout",
            "The body did not arrive in time.",
        ),
        Refusal::BrokenBody => told(
            400,
            "invalid_request_error",
            "invalid_body",
            "The body broke off before its end.",
        ),
        Refusal::UnknownUrl => told(
            404,
            "invalid_request_error",
            "unknown_url",
            "There is no such endpoint.",
        ),
        Refusal::DecisionNotFound => told(
            404,
            "invalid_request_error",
            "decision_not_found",
            "No refusal of yours has this request id, or it is too long ago to be remembered.",
        ),
        Refusal::MethodNotAllowed { allow } => told(
            405,
            "invalid_request_error",
            "method_not_allowed",
            &format!("This endpoint takes {allow} only."),
        )
        .with((header::ALLOW, *allow)),
        Refusal::UnsupportedEncoding => told(
            415,
            "invalid_request_error",
            "unsupported_encoding",
            "Send the body without a content encoding.",
        ),
        Refusal::Overloaded => told(
            503,
            "server_error",
            "overloaded",
            "Too many requests are in flight.",
        )
        .again(1),
        Refusal::ShuttingDown => told(
            503,
            "server_error",
            "overloaded",
            "The gateway is shutting down; what you have is not the whole answer.",
        )
        .again(5),
        Refusal::GuardrailUnavailable(..) => told(
            503,
            "server_error",
            "guardrail_unavailable",
            "The content checks could not decide, so nothing was released.",
        )
        .again(5)
        .at(Level::ERROR),
        Refusal::IdentityUnavailable => told(
            503,
            "server_error",
            "identity_unavailable",
            "Your token could not be checked, because its issuer's keys cannot be had; nothing was sent.",
        )
        .again(10)
        .at(Level::ERROR),
        Refusal::PolicyUnavailable => told(
            503,
            "server_error",
            "guardrail_unavailable",
            "The access rules could not be evaluated, so nothing was sent.",
        )
        .again(5)
        .at(Level::ERROR),
        Refusal::ClearanceMismatch => told(
            503,
            "server_error",
            "guardrail_unavailable",
            "What was checked is not what would have been sent, so nothing was sent.",
        )
        .at(Level::ERROR),
        Refusal::AuditUnavailable(why) => {
            let sentence = match why {
                Unavailable::Full => "The audit log has no room, so nothing may be answered.",
                Unavailable::Overloaded => {
                    "The audit log has more to write than it can take at once, so nothing may be answered."
                }
                Unavailable::Stalled => {
                    "The audit log's disk does not answer, so nothing may be answered."
                }
                Unavailable::Failed | Unavailable::Closed => {
                    "The audit log cannot be written, so nothing may be answered."
                }
            };
            told(503, "server_error", "audit_unavailable", sentence)
                .again(5)
                .at(Level::ERROR)
        }
        Refusal::Upstream(error) => upstream(error.failure()),
    };
    told.signed(gw, id)
}

fn upstream(failure: &Failure) -> Described {
    let warn = tracing::Level::WARN;
    match failure {
        Failure::Auth => told(
            502,
            "server_error",
            "upstream_auth",
            "The model server refused the gateway's credential.",
        )
        .at(tracing::Level::ERROR),
        Failure::Throttled { retry_after } => {
            let told = told(
                429,
                "rate_limit_error",
                "rate_limit_exceeded",
                "The model server is busy.",
            )
            .at(warn);
            // SDKs retry at all only up to a minute.
            let seconds = retry_after.map_or(5, |time| time.as_secs().clamp(1, 60));
            told.again(seconds)
        }
        Failure::ContextLength => told(
            400,
            "invalid_request_error",
            "context_length_exceeded",
            "The prompt is longer than the model's context window.",
        )
        .never(),
        Failure::ContentFilter => told(
            400,
            "invalid_request_error",
            "content_filter",
            "The model server's own filter refused the prompt.",
        )
        .never(),
        Failure::Timeout(_) => told(
            504,
            "server_error",
            "upstream_timeout",
            "The model server did not answer in time.",
        )
        .at(warn),
        Failure::Protocol(ProtocolFault::Oversized) => told(
            502,
            "server_error",
            "upstream_error",
            "The model server's answer is larger than the limit.",
        )
        .at(warn),
        Failure::Connect(_)
        | Failure::Tls
        | Failure::Status { .. }
        | Failure::Incomplete
        | Failure::Protocol(_)
        | Failure::Closed => told(
            502,
            "server_error",
            "upstream_error",
            "The model server failed.",
        )
        .at(warn),
    }
}

fn auth_sentence(fault: AuthFault) -> &'static str {
    match fault {
        AuthFault::Missing => {
            "No credential: send 'Authorization: Bearer …' with an API key or a token, or a client certificate."
        }
        AuthFault::Expired => "The API key or token has expired: ask for a new one.",
        AuthFault::Contradictory => {
            "The API key or token and the client certificate stand for different principals."
        }
        AuthFault::Ambiguous => "The request holds two different credentials.",
        AuthFault::Revoked => "The client certificate has expired or was revoked.",
        AuthFault::NoUser => {
            "This application asks for its users: it must pass on the token of the one who asks."
        }
        AuthFault::NotAFrontEnd => "This application may not pass on the token of a user.",
        AuthFault::Unknown | AuthFault::NoSubject => "The credential is not known here.",
    }
}

fn told(status: u16, kind: &'static str, code: &'static str, sentence: &str) -> Described {
    Described {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        kind,
        code,
        param: None,
        message: sentence.to_owned(),
        categories: Vec::new(),
        request: None,
        retry: Retry::Unsaid,
        level: tracing::Level::INFO,
        headers: Vec::new(),
    }
}

impl Described {
    /// Something to tell, for tests of what is done with it.
    #[cfg(test)]
    pub(crate) fn for_test(status: u16, code: &'static str) -> Described {
        told(status, "invalid_request_error", code, "A sentence.")
    }

    fn never(mut self) -> Described {
        self.retry = Retry::Never;
        self
    }

    fn again(mut self, seconds: u64) -> Described {
        self.retry = Retry::After(Duration::from_secs(seconds));
        self
    }

    fn at(mut self, level: tracing::Level) -> Described {
        self.level = level;
        self
    }

    fn with(mut self, header: (HeaderName, &'static str)) -> Described {
        self.headers.push(header);
        self
    }

    /// Adds whom to ask, and under which number.
    fn signed(mut self, gw: &Gateway, id: Uuid) -> Described {
        self.request = Some(id);
        self.message.push_str(&format!(" Request {id}."));
        if let Some(contact) = &gw.config.contact {
            self.message.push_str(&format!(" Questions: {contact}."));
        }
        self
    }
}

fn error_response(
    dialect: Dialect,
    id: Uuid,
    told: &Described,
    dropped: Option<&Dropped>,
) -> Response<Body> {
    log(told, id);
    let body = Bytes::from(dialect.error(told).to_string());
    let mut response = json_response(told.status, id, body, "refuse", dropped);
    let headers = response.headers_mut();
    for (name, value) in &told.headers {
        headers.insert(name.clone(), HeaderValue::from_static(value));
    }
    match told.retry {
        Retry::Unsaid => {}
        Retry::Never => drop(headers.insert("x-should-retry", HeaderValue::from_static("false"))),
        Retry::After(time) => {
            drop(headers.insert(header::RETRY_AFTER, HeaderValue::from(time.as_secs())))
        }
    }
    response
}

fn json_response(
    status: StatusCode,
    id: Uuid,
    body: Bytes,
    decision: &'static str,
    dropped: Option<&Dropped>,
) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    common_headers(response.headers_mut(), id, decision, dropped);
    response
}

/// Names the bundle that decided: the one that was in force when the request came.
pub fn names_policy(headers: &mut HeaderMap, policy: &Policy) {
    if let Ok(digest) = HeaderValue::from_str(policy.short_digest()) {
        headers.insert("x-portcullis-policy", digest);
    }
}

/// What every answer carries, errors included.
fn common_headers(
    headers: &mut HeaderMap,
    id: Uuid,
    decision: &'static str,
    dropped: Option<&Dropped>,
) {
    let mut set = |name: &'static str, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    let id = id.to_string();
    set("x-request-id", &id);
    set("request-id", &id);
    set("x-portcullis-decision", decision);
    if let Some(names) = dropped.and_then(announced) {
        set("x-portcullis-dropped", &names);
    }
}

/// At most eight names, and only such as cannot carry anything but a name.
fn announced(dropped: &Dropped) -> Option<String> {
    const NAMES_MAX: usize = 8;
    const NAME_BYTES_MAX: usize = 64;
    if dropped.count == 0 {
        return None;
    }
    let plain = |name: &&str| {
        name.len() <= NAME_BYTES_MAX && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let last = |path: &'_ str| path.rsplit('.').next().unwrap_or_default().to_owned();
    let names: Vec<_> = dropped.names.iter().map(|path| last(path)).collect();
    let mut shown: Vec<_> = names
        .iter()
        .map(String::as_str)
        .filter(plain)
        .filter(|name| !name.is_empty())
        .take(NAMES_MAX)
        .collect();
    shown.dedup();
    let hidden = (dropped.count as usize).saturating_sub(shown.len());
    let mut text = shown.join(", ");
    if hidden > 0 {
        text.push_str(&format!(
            "{}+{hidden}",
            if shown.is_empty() { "" } else { ", " }
        ));
    }
    Some(text)
}

/// Never with anything the caller wrote: the request id leads to the audit entry.
fn log(told: &Described, id: Uuid) {
    let (status, code) = (told.status.as_u16(), told.code);
    match told.level {
        tracing::Level::ERROR => tracing::error!(request = %id, status, code, "refused"),
        tracing::Level::WARN => tracing::warn!(request = %id, status, code, "refused"),
        _ => tracing::info!(request = %id, status, code, "refused"),
    }
}
