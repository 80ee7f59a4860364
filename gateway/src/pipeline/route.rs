//! Which endpoint is asked? Exact paths only: no trailing slash, no case folding, no prefix; only the name of a
//! model is percent-decoded, since names have slashes.

use http::Method;

use crate::dialect::Dialect;
use crate::incoming::Incoming;
use crate::refusal::Refusal;

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// Asks a model.
    Ask(Dialect),
    /// `POST /v1/embeddings`
    Embed,
    /// `POST /v1/messages/count_tokens`
    Count,
    /// `POST /v1/moderations`
    Moderate,
    /// `GET /v1/models`
    Models,
    /// `GET /v1/models/{name}`, the name as it stands in the path
    Model(String),
    /// `GET /v1/portcullis/decisions/{request-id}`, the id as it stands in the path
    Decision(String),
}

impl Route {
    /// What entries call it.
    pub fn op(&self) -> audit::Op {
        match self {
            Route::Ask(dialect) => dialect.op(),
            Route::Embed => audit::Op::Embeddings,
            Route::Count => audit::Op::CountTokens,
            Route::Moderate => audit::Op::Moderations,
            Route::Models => audit::Op::Models,
            Route::Model(_) => audit::Op::Model,
            Route::Decision(_) => audit::Op::Decisions,
        }
    }
}

/// The endpoint of a request.
///
/// # Errors
/// [`Refusal::UnknownUrl`] and [`Refusal::MethodNotAllowed`].
pub fn of(incoming: &Incoming) -> Result<Route, Refusal> {
    let (route, method, allow) = match incoming.head.uri.path() {
        "/v1/chat/completions" => (Route::Ask(Dialect::Chat), Method::POST, "POST"),
        "/v1/completions" => (Route::Ask(Dialect::Completions), Method::POST, "POST"),
        "/v1/responses" => (Route::Ask(Dialect::Responses), Method::POST, "POST"),
        "/v1/messages" => (Route::Ask(Dialect::Messages), Method::POST, "POST"),
        "/v1/messages/count_tokens" => (Route::Count, Method::POST, "POST"),
        "/v1/embeddings" => (Route::Embed, Method::POST, "POST"),
        "/v1/moderations" => (Route::Moderate, Method::POST, "POST"),
        "/v1/models" => (Route::Models, Method::GET, "GET"),
        path => (named(path).ok_or(Refusal::UnknownUrl)?, Method::GET, "GET"),
    };
    if incoming.head.method == method {
        Ok(route)
    } else {
        Err(Refusal::MethodNotAllowed { allow })
    }
}

/// An endpoint whose path ends with a name.
fn named(path: &str) -> Option<Route> {
    let below = |prefix: &str| {
        let name = path.strip_prefix(prefix)?;
        (!name.is_empty()).then(|| name.to_owned())
    };
    let decision = || below("/v1/portcullis/decisions/").map(Route::Decision);
    below("/v1/models/").map(Route::Model).or_else(decision)
}
