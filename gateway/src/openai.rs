//! The OpenAI dialects, outwards: what their answers share, and how lists and errors are written.
//!
//! ```text
//! chat          answers of chat completions
//! completions   answers of text completions
//! embeddings    vectors
//! moderations   what the guardrails say
//! responses     answers of the Responses API
//! ```
//!
//! Shapes: OpenAI API reference, *List models*, *Retrieve model*, *Errors*.
//! A stream never carries an `id:` line: the official Python SDK then fails on the next blank line.

use backends::Usage;
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use crate::reply::Described;

pub mod chat;
pub mod completions;
pub mod embeddings;
pub mod moderations;
pub mod responses;

/// What every object of one answer repeats.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// The dialect's prefix and the request id.
    pub id: String,
    /// Unix seconds.
    pub created: i64,
    /// The model's name as the caller wrote it.
    pub model: String,
}

impl Envelope {
    /// Tool-call ids are minted here: what an upstream calls them is text that nobody judged.
    pub fn minted_id(&self, kind: &str, choice: u32, index: u32) -> String {
        let tail = self
            .id
            .get(self.id.len().saturating_sub(12)..)
            .unwrap_or_default();
        format!("{kind}_{tail}_{choice}_{index}")
    }
}

/// The last line of a stream.
pub const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// A comment that keeps a silent stream open. One newline: a blank line would make some parsers see an empty event.
pub const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n");

/// One event of a stream.
pub fn event(value: &Value) -> Bytes {
    let mut out = Vec::new();
    write_event(&mut out, value);
    out.into()
}

/// The list of models.
pub fn models(names: &[String]) -> Value {
    let data: Vec<_> = names.iter().map(|name| model(name)).collect();
    json!({ "object": "list", "data": data })
}

/// One model.
pub fn model(name: &str) -> Value {
    json!({ "id": name, "object": "model", "created": 0, "owned_by": "portcullis" })
}

/// An error: four keys, always. Where a content rule refused, a fifth names its categories, in the shape that clients of
/// Azure OpenAI read (its REST reference, *Content filtering*).
pub fn error(told: &Described) -> Value {
    let Described {
        message,
        kind,
        param,
        code,
        categories,
        ..
    } = told;
    if categories.is_empty() {
        return json!({ "error": { "message": message, "type": kind, "param": param, "code": code } });
    }
    let filtered = |category: &String| {
        (
            category.clone(),
            json!({ "filtered": true, "detected": true }),
        )
    };
    let filtered: serde_json::Map<_, _> = categories.iter().map(filtered).collect();
    let inner =
        json!({ "code": "ResponsibleAIPolicyViolation", "content_filter_result": filtered });
    json!({ "error": {
        "message": message, "type": kind, "param": param, "code": code, "innererror": inner,
    } })
}

#[derive(Default, Serialize)]
struct Tokens {
    prompt_tokens: u64,
    completion_tokens: u64,
    total_tokens: u64,
}

impl Tokens {
    /// What may be told: what somebody counted, and not what was estimated.
    fn told(usage: Option<Usage>) -> Option<Tokens> {
        let usage = usage.filter(|usage| !usage.estimated)?;
        Some(Tokens {
            prompt_tokens: usage.input,
            completion_tokens: usage.output,
            total_tokens: usage.input.saturating_add(usage.output),
        })
    }
}

/// An event that bears the name of its type.
pub fn write_named_event(out: &mut Vec<u8>, value: &Value) {
    let name = value.get("type").and_then(Value::as_str).unwrap_or("error");
    out.extend(format!("event: {name}\ndata: {value}\n\n").into_bytes());
}

fn write_event(out: &mut Vec<u8>, value: &impl Serialize) {
    out.extend_from_slice(b"data: ");
    write_json(out, value);
    out.extend_from_slice(b"\n\n");
}

/// Everything written here is strings and numbers, and a vector takes all of it: there is nothing to fail.
fn write_json(out: &mut Vec<u8>, value: &impl Serialize) {
    let written = serde_json::to_writer(out, value);
    debug_assert!(written.is_ok(), "{written:?}");
}
