//! The OpenAI dialect, outwards: how released pieces, lists and errors are written.
//!
//! Shapes: OpenAI API reference, *Create chat completion*, *The chat completion chunk object*, *List models*.
//! A stream never carries an `id:` line: the official Python SDK then fails on the next blank line.

use std::collections::BTreeMap;

use backends::{TextField, Usage};
use bytes::Bytes;
use serde_json::{Value, json};

use crate::pipeline::release::{Piece, Reason};

/// What every object of one answer repeats.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// `chatcmpl-` and the request id.
    pub id: String,
    /// Unix seconds.
    pub created: i64,
    /// The model's name as the caller wrote it.
    pub model: String,
}

/// The last line of a stream.
pub const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");

/// A comment that keeps a silent stream open. One newline: a blank line would make some parsers see an empty event.
pub const KEEP_ALIVE: Bytes = Bytes::from_static(b": keep-alive\n");

/// Writes pieces as stream chunks.
#[derive(Debug)]
pub struct ChunkWriter {
    envelope: Envelope,
    usage_wanted: bool,
    begun: Vec<u32>,
}

impl ChunkWriter {
    /// A writer for one stream. With `usage_wanted`, every chunk has a `usage` key, `null` until the last.
    pub fn new(envelope: Envelope, usage_wanted: bool) -> ChunkWriter {
        ChunkWriter {
            envelope,
            usage_wanted,
            begun: Vec::new(),
        }
    }

    /// The chunks of these pieces.
    pub fn pieces(&mut self, pieces: &[Piece]) -> Bytes {
        let mut out = Vec::new();
        for piece in pieces {
            let (choice, delta, reason) = self.delta(piece);
            let choices = json!([{ "index": choice, "delta": delta, "logprobs": null, "finish_reason": reason }]);
            self.write(&mut out, choices, Value::Null);
        }
        out.into()
    }

    /// The chunk with the token usage, empty if it was not asked for or the upstream did not say.
    pub fn usage(&self, usage: Option<Usage>) -> Bytes {
        let mut out = Vec::new();
        if let Some(usage) = usage.filter(|u| self.usage_wanted && !u.estimated) {
            self.write(&mut out, json!([]), usage_json(usage));
        }
        out.into()
    }

    fn delta(&mut self, piece: &Piece) -> (u32, Value, Option<&'static str>) {
        let (choice, mut delta, reason) = match piece {
            Piece::Text {
                choice,
                field,
                text,
            } => (*choice, json!({ key_of(*field): text }), None),
            Piece::ToolCall {
                choice,
                index,
                name,
                arguments,
            } => {
                let call = json!({ "index": index, "id": self.envelope.call_id(*choice, *index), "type": "function",
                                   "function": { "name": name, "arguments": arguments } });
                (*choice, json!({ "tool_calls": [call] }), None)
            }
            Piece::Finish { choice, reason } => (*choice, json!({}), Some(reason.as_str())),
        };
        if !self.begun.contains(&choice) {
            self.begun.push(choice);
            if let Value::Object(fields) = &mut delta {
                fields.shift_insert(0, "role".to_owned(), "assistant".into());
            }
        }
        (choice, delta, reason)
    }

    fn write(&self, out: &mut Vec<u8>, choices: Value, usage: Value) {
        let Envelope { id, created, model } = &self.envelope;
        let mut chunk = json!({ "id": id, "object": "chat.completion.chunk", "created": created, "model": model, "choices": choices });
        if let (true, Value::Object(fields)) = (self.usage_wanted, &mut chunk) {
            fields.insert("usage".to_owned(), usage);
        }
        write_event(out, &chunk);
    }
}

impl Envelope {
    /// Tool-call ids are minted here: what an upstream calls them is text that nobody judged.
    fn call_id(&self, choice: u32, index: u32) -> String {
        let tail = self
            .id
            .get(self.id.len().saturating_sub(12)..)
            .unwrap_or_default();
        format!("call_{tail}_{choice}_{index}")
    }
}

/// One event of a stream.
pub fn event(value: &Value) -> Bytes {
    let mut out = Vec::new();
    write_event(&mut out, value);
    out.into()
}

/// A whole answer in one object.
pub fn whole(envelope: &Envelope, pieces: &[Piece], usage: Option<Usage>) -> Value {
    let Envelope { id, created, model } = envelope;
    let mut choices: BTreeMap<u32, Message> = BTreeMap::new();
    for piece in pieces {
        match piece {
            Piece::Text {
                choice,
                field,
                text,
            } => choices.entry(*choice).or_default().text(*field, text),
            Piece::ToolCall {
                choice,
                index,
                name,
                arguments,
            } => {
                let call = json!({ "id": envelope.call_id(*choice, *index), "type": "function",
                                   "function": { "name": name, "arguments": arguments } });
                choices.entry(*choice).or_default().calls.push(call);
            }
            Piece::Finish { choice, reason } => {
                choices.entry(*choice).or_default().reason = Some(*reason)
            }
        }
    }
    let choices: Vec<_> = choices
        .into_iter()
        .map(|(index, message)| message.into_json(index))
        .collect();
    let mut answer = json!({ "id": id, "object": "chat.completion", "created": created, "model": model, "choices": choices });
    if let (Some(usage), Value::Object(fields)) = (usage.filter(|u| !u.estimated), &mut answer) {
        fields.insert("usage".to_owned(), usage_json(usage));
    }
    answer
}

/// The list of models.
pub fn models(names: &[String]) -> Value {
    let data: Vec<_> = names
        .iter()
        .map(|id| json!({ "id": id, "object": "model", "created": 0, "owned_by": "portcullis" }))
        .collect();
    json!({ "object": "list", "data": data })
}

/// An error: four keys, always.
pub fn error(message: &str, kind: &str, param: Option<&str>, code: &str) -> Value {
    json!({ "error": { "message": message, "type": kind, "param": param, "code": code } })
}

/// The texts of one choice, put together.
#[derive(Default)]
struct Message {
    content: Option<String>,
    reasoning: Option<String>,
    refusal: Option<String>,
    calls: Vec<Value>,
    reason: Option<Reason>,
}

impl Message {
    fn text(&mut self, field: TextField, text: &str) {
        let place = match field {
            TextField::Content => &mut self.content,
            TextField::Reasoning => &mut self.reasoning,
            TextField::Refusal => &mut self.refusal,
        };
        place.get_or_insert_default().push_str(text);
    }

    fn into_json(self, index: u32) -> Value {
        let mut message =
            json!({ "role": "assistant", "content": self.content, "refusal": self.refusal });
        if let Value::Object(fields) = &mut message {
            if let Some(reasoning) = self.reasoning {
                fields.insert("reasoning_content".to_owned(), reasoning.into());
            }
            if !self.calls.is_empty() {
                fields.insert("tool_calls".to_owned(), self.calls.into());
            }
        }
        json!({ "index": index, "message": message, "logprobs": null, "finish_reason": self.reason.map(Reason::as_str) })
    }
}

fn key_of(field: TextField) -> &'static str {
    match field {
        TextField::Content => "content",
        TextField::Reasoning => "reasoning_content",
        TextField::Refusal => "refusal",
    }
}

fn usage_json(usage: Usage) -> Value {
    let total = usage.input.saturating_add(usage.output);
    json!({ "prompt_tokens": usage.input, "completion_tokens": usage.output, "total_tokens": total })
}

fn write_event(out: &mut Vec<u8>, value: &Value) {
    out.extend_from_slice(b"data: ");
    out.extend_from_slice(value.to_string().as_bytes());
    out.extend_from_slice(b"\n\n");
}
