//! What do they ask, within limits? Parsed once, by the field contract of the endpoint.
//!
//! Every request field is one of five things (`fields.rs` lists them, field by field): *guarded* text that is scanned,
//! *constrained* to an enum or a range, *inert* (accepted, not forwarded), *refused*, or unknown: dropped, counted,
//! and announced in `x-portcullis-dropped`. Nothing unknown is ever forwarded, because [`backends::Chat`] has no place
//! for it.
//!
//! Bounds: body bytes, JSON depth ([`crate::json::DEPTH_MAX`]), messages, tools, stop texts, choices.

use backends::Chat;

use crate::Limits;
use crate::deadline::Deadline;
use crate::incoming::Incoming;
use crate::json::{self, Json, JsonFault};
use crate::pipeline::trail::Trail;
use crate::refusal::{BadRequest, Refusal};

mod body;
mod chat;
mod fields;

pub use body::discard;

/// A request that we understood.
pub struct Prompt {
    /// What will go upstream, once it is cleared. Its `model` is still the name the caller wrote.
    pub chat: Chat,
    /// Whether the caller asked for token usage at the end of a stream.
    pub usage_wanted: bool,
    /// Names of the fields that were dropped, in order of appearance.
    pub dropped: Dropped,
}

/// Field names that were dropped. The names are the caller's text: only their count may stand in an entry.
#[derive(Debug, Clone, Default)]
pub struct Dropped {
    /// JSON paths of dropped fields; at most [`DROPPED_NAMES_MAX`] are kept.
    pub names: Vec<String>,
    /// How many there were.
    pub count: u32,
}

/// Dropped names that are kept for the sealed body.
pub const DROPPED_NAMES_MAX: usize = 64;

/// Reads and parses a chat completion request, and notes it on the trail.
///
/// # Errors
/// The refusal that names the first thing wrong and where.
pub async fn prompt(
    incoming: &mut Incoming,
    limits: &Limits,
    deadline: Deadline,
    trail: &mut Trail,
) -> Result<Prompt, Refusal> {
    let body = body::read(incoming, limits, deadline).await?;
    trail.will_record(body.len(), deadline).await?;
    let prompt = parse(&body, limits)?;
    trail.asks(&prompt);
    Ok(prompt)
}

/// Parses a chat completion request. Pure, so that it can be fuzzed.
///
/// # Errors
/// The first thing wrong and where.
pub fn parse(body: &[u8], limits: &Limits) -> Result<Prompt, BadRequest> {
    match json::parse(body).map_err(malformed)? {
        Json::Object(fields) => chat::read(fields, limits),
        other => Err(BadRequest::wrong_type("", "an object", other.kind())),
    }
}

fn malformed(fault: JsonFault) -> BadRequest {
    let param = match &fault {
        JsonFault::DuplicateKey { path } => Some(path.clone()),
        _ => None,
    };
    BadRequest {
        code: "invalid_json",
        param,
        message: fault.to_string(),
    }
}

#[cfg(test)]
mod tests;
