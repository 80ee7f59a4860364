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
use policy::Action;

use crate::Limits;
use crate::deadline::Deadline;
use crate::dialect::Dialect;
use crate::incoming::Incoming;
use crate::json::{self, Json, JsonFault};
use crate::pipeline::texts::{Moderate, Question, Vectors};
use crate::pipeline::trail::Trail;
use crate::refusal::{BadRequest, Refusal};

mod assembled;
mod body;
mod chat;
mod completions;
pub mod contract;
mod embeddings;
mod fields;
mod messages;
pub mod moderations;
mod responses;
mod sampling;
mod wanted;

pub use body::discard;
pub use wanted::Wanted;

/// Reads the fields of a request by the contract of its endpoint.
pub type Reader<Q> = fn(Vec<(String, Json)>, &Limits) -> Result<Prompt<Q>, BadRequest>;

/// The reader of each dialect.
pub fn of(dialect: Dialect) -> Reader<Chat> {
    match dialect {
        Dialect::Chat => chat::read,
        Dialect::Completions => completions::read,
        Dialect::Messages => messages::read,
        Dialect::Responses => responses::read,
    }
}

/// The reader of `POST /v1/messages/count_tokens`.
pub const COUNT: Reader<Chat> = messages::read_to_count;

/// The reader of `POST /v1/embeddings`.
pub const EMBED: Reader<Vectors> = embeddings::read;

/// The reader of `POST /v1/moderations`.
pub const MODERATE: Reader<Moderate> = moderations::read;

/// A request that we understood.
pub struct Prompt<Q> {
    /// What it would do, as the policy calls it.
    pub action: Action,
    /// What will go upstream, once it is cleared. Its model is still the name the caller wrote.
    pub question: Q,
    /// Where in the request its texts stand.
    pub places: Places,
    /// What the caller is to be told besides.
    pub wanted: Wanted,
    /// Names of the fields that were dropped, in order of appearance.
    pub dropped: Dropped,
}

/// Where in a request a text stands, by where it stands in the question: the same, unless the dialect has other fields.
#[derive(Debug, Clone, Default)]
pub struct Places(HashMap<String, String>);

impl Places {
    fn put(&mut self, in_question: String, in_request: String) {
        self.0.insert(in_question, in_request);
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
pub async fn prompt<Q: Question>(
    incoming: &mut Incoming,
    reader: Reader<Q>,
    limits: &Limits,
    deadline: Deadline,
    trail: &mut Trail,
) -> Result<Prompt<Q>, Refusal> {
    let body = body::read(incoming, limits, deadline).await?;
    trail.will_record(body.len(), deadline).await?;
    let prompt = parse(&body, reader, limits)?;
    trail.asks(&prompt);
    Ok(prompt)
}

/// Parses a request. Pure, so that it can be fuzzed.
///
/// # Errors
/// The first thing wrong and where.
pub fn parse<Q>(body: &[u8], reader: Reader<Q>, limits: &Limits) -> Result<Prompt<Q>, BadRequest> {
    match json::parse(body).map_err(malformed)? {
        Json::Object(fields) => reader(fields, limits),
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
