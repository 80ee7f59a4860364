//! Status and headers of a response: an answer, or which failure.

use std::future::poll_fn;
use std::time::Duration;

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use http::{Response, StatusCode};
use hyper::body::Incoming;
use tokio::time::{Instant, timeout_at};

use crate::error::{Failure, ProtocolFault, UpstreamError};
use crate::openai::decode::Format;
use crate::openai::retry;
use crate::openai::settings::{EVENT_STREAM, JSON};
use crate::openai::vendor::VendorError;
use crate::openai::wire::Wire;

/// A response that promises an answer.
pub(super) struct Accepted {
    pub(super) wire: Wire,
    pub(super) body: Incoming,
    pub(super) format: Format,
    pub(super) vendor_request_id: Option<String>,
}

/// An attempt that failed before the first event.
pub(super) struct Refused {
    pub(super) error: UpstreamError,
    /// How long the server asks us to wait.
    pub(super) retry_after: Option<Duration>,
}

/// Judges a response by its head, and reads the body of a refusal.
pub(super) async fn accept(
    wire: Wire,
    response: Response<Incoming>,
    deadline: Instant,
) -> Result<Accepted, Refused> {
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK {
        let retry_after = retry::after(&head.headers);
        let error = refusal(wire, head.status, body, retry_after, deadline).await;
        return Err(Refused { error, retry_after });
    }
    Ok(Accepted {
        wire,
        body,
        format: format(&head.headers)?,
        vendor_request_id: vendor_request_id(&head.headers),
    })
}

/// By content type, not by what was asked for: some servers answer a stream with a document.
fn format(headers: &HeaderMap) -> Result<Format, UpstreamError> {
    let coding = headers.get(CONTENT_ENCODING);
    if coding.is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(ProtocolFault::Compressed.into());
    }
    let content_type = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = content_type
        .unwrap_or_default()
        .split(';')
        .next()
        .unwrap_or_default();
    match media_type.trim().to_ascii_lowercase().as_str() {
        EVENT_STREAM => Ok(Format::Stream),
        JSON => Ok(Format::Document),
        _ => Err(ProtocolFault::ContentType.into()),
    }
}

async fn refusal(
    mut wire: Wire,
    status: StatusCode,
    mut body: Incoming,
    retry_after: Option<Duration>,
    deadline: Instant,
) -> UpstreamError {
    if status.is_redirection() {
        return ProtocolFault::Redirect.into();
    }
    let until = deadline.min(Instant::now() + ERROR_BODY_WAIT);
    let mut words = Vec::new();
    // What has arrived by then will do: the status says the most important thing.
    let _ = timeout_at(until, read_some(&mut wire, &mut body, &mut words)).await;
    let error = VendorError::read(&words).under_status(status.as_u16());
    match error.failure() {
        Failure::Throttled { .. } => {
            UpstreamError::new(Failure::Throttled { retry_after }, error.detail().expose())
        }
        _ => error,
    }
}

async fn read_some(wire: &mut Wire, body: &mut Incoming, words: &mut Vec<u8>) {
    while words.len() < ERROR_BODY_BYTES_MAX {
        match poll_fn(|context| wire.poll_data(body, context)).await {
            Some(Ok(data)) => words.extend_from_slice(&data),
            Some(Err(_)) | None => return,
        }
    }
}

fn vendor_request_id(headers: &HeaderMap) -> Option<String> {
    let value = REQUEST_ID_HEADERS
        .iter()
        .find_map(|name| headers.get(*name))?;
    let id = value.to_str().ok()?;
    let printable = id.bytes().all(|byte| byte.is_ascii_graphic());
    (printable && id.len() <= REQUEST_ID_BYTES_MAX).then(|| id.to_owned())
}

impl From<UpstreamError> for Refused {
    fn from(error: UpstreamError) -> Refused {
        Refused {
            error,
            retry_after: None,
        }
    }
}

/// OpenAI, vLLM, Groq; Anthropic-like; Azure's front door.
const REQUEST_ID_HEADERS: [&str; 3] = ["x-request-id", "request-id", "apim-request-id"];
const REQUEST_ID_BYTES_MAX: usize = 128;

/// More than any error message needs.
const ERROR_BODY_BYTES_MAX: usize = 16 * 1024;
const ERROR_BODY_WAIT: Duration = Duration::from_secs(2);
