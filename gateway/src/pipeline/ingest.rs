//! What do they ask, within limits? Parsed once, by the field contract of the endpoint.
//!
//! Every request field is one of five things: *guarded* text that is scanned, *constrained* to an enum or a range,
//! *inert* (accepted, not forwarded), *refused*, or unknown: dropped, counted, and announced in
//! `x-portcullis-dropped`. The `CONTRACT` of each dialect lists them, and `docs/api.md` is written from it. Nothing
//! unknown is ever forwarded, because [`backends::Chat`] has no place for it.
//!
//! Bounds: body bytes, JSON depth ([`crate::json::DEPTH_MAX`]), messages, tools, stop texts, choices.

use std::collections::HashMap;

use backends::Chat;

use crate::Limits;
use crate::deadline::Deadline;
use crate::dialect::Dialect;
use crate::incoming::Incoming;
use crate::json::{self, Json, JsonFault};
use crate::pipeline::trail::Trail;
use crate::refusal::{BadRequest, Refusal};

mod body;
mod chat;
mod completions;
pub mod contract;
mod fields;
mod messages;
mod sampling;

pub use body::discard;

/// A request that we understood.
pub struct Prompt {
    /// How it was asked.
    pub dialect: Dialect,
    /// What will go upstream, once it is cleared. Its `model` is still the name the caller wrote.
    pub chat: Chat,
    /// Where in the request its texts stand.
    pub places: Places,
    /// Whether the caller asked for token usage at the end of a stream.
    pub usage_wanted: bool,
    /// Names of the fields that were dropped, in order of appearance.
    pub dropped: Dropped,
}

/// Where in a request a text stands, by where it stands in the [`Chat`]: the same, unless the dialect has other fields.
#[derive(Debug, Clone, Default)]
pub struct Places(HashMap<String, String>);

impl Places {
    fn put(&mut self, in_chat: String, in_request: String) {
        self.0.insert(in_chat, in_request);
    }

    /// The path in the request.
    pub fn in_request(&self, path: String) -> String {
        self.0.get(&path).cloned().unwrap_or(path)
    }
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

/// Reads and parses a request, and notes it on the trail.
///
/// # Errors
/// The refusal that names the first thing wrong and where.
pub async fn prompt(
    incoming: &mut Incoming,
    dialect: Dialect,
    limits: &Limits,
    deadline: Deadline,
    trail: &mut Trail,
) -> Result<Prompt, Refusal> {
    let body = body::read(incoming, limits, deadline).await?;
    trail.will_record(body.len(), deadline).await?;
    let prompt = parse(&body, dialect, limits)?;
    trail.asks(&prompt);
    Ok(prompt)
}

/// Parses a request. Pure, so that it can be fuzzed.
///
/// # Errors
/// The first thing wrong and where.
pub fn parse(body: &[u8], dialect: Dialect, limits: &Limits) -> Result<Prompt, BadRequest> {
    match json::parse(body).map_err(malformed)? {
        Json::Object(fields) => match dialect {
            Dialect::Chat => chat::read(fields, limits),
            Dialect::Completions => completions::read(fields, limits),
            Dialect::Messages => messages::read(fields),
        },
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
