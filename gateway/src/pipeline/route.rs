//! Which endpoint is asked? Exact paths only: no trailing slash, no case folding, no percent-decoding, no prefix.

use http::Method;

use crate::incoming::Incoming;
use crate::refusal::Refusal;

/// An endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// `POST /v1/chat/completions`
    ChatCompletions,
    /// `GET /v1/models`
    Models,
}

/// The endpoint of a request.
///
/// # Errors
/// [`Refusal::UnknownUrl`] and [`Refusal::MethodNotAllowed`].
pub fn of(incoming: &Incoming) -> Result<Route, Refusal> {
    let (route, method, allow) = match incoming.head.uri.path() {
        "/v1/chat/completions" => (Route::ChatCompletions, Method::POST, "POST"),
        "/v1/models" => (Route::Models, Method::GET, "GET"),
        _ => return Err(Refusal::UnknownUrl),
    };
    if incoming.head.method == method {
        Ok(route)
    } else {
        Err(Refusal::MethodNotAllowed { allow })
    }
}
