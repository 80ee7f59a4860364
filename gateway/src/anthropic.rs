//! The Anthropic dialect, outwards: messages, their events in a stream, and errors.
//!
//! Shapes: Anthropic API reference, *Create a Message*, *Streaming Messages*, *Errors*. A stream has named events and no
//! `[DONE]`; what is sent to keep it open is a `ping`. Usage that nobody counted is 0, since clients add it up.

use std::collections::BTreeMap;

use backends::{TextField, Usage};
use bytes::Bytes;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::dialect::AnswerWriter;
use crate::openai::{Envelope, write_named_event as event};
use crate::pipeline::release::{Piece, Reason};
use crate::reply::Described;

/// Writes one answer: the one choice that the dialect knows, as a list of content blocks.
#[derive(Debug)]
pub struct MessageWriter {
    envelope: Envelope,
    begun: bool,
    /// The block that is being written, and how many there were.
    open: Option<Kind>,
    blocks: u32,
    reason: Option<Reason>,
}

/// Of a text block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Text,
    Thinking,
}

impl MessageWriter {
    /// A writer for one answer.
    pub fn new(envelope: Envelope) -> MessageWriter {
        MessageWriter {
            envelope,
            begun: false,
            open: None,
            blocks: 0,
            reason: None,
        }
    }

    fn message(&self, content: Vec<Value>, reason: Option<Reason>, usage: Option<Usage>) -> Value {
        json!({
            "id": self.envelope.id,
            "type": "message",
            "role": "assistant",
            "model": self.envelope.model,
            "content": content,
            "stop_reason": reason.map(word),
            "stop_sequence": null,
            "usage": tokens(usage),
        })
    }

    /// Once, ahead of everything else.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.begun, true) {
            let message = self.message(Vec::new(), None, None);
            event(out, &json!({ "type": "message_start", "message": message }));
        }
    }

    fn start(&mut self, out: &mut Vec<u8>, block: &Value) {
        let start =
            json!({ "type": "content_block_start", "index": self.blocks, "content_block": block });
        event(out, &start);
    }

    fn delta(&self, out: &mut Vec<u8>, delta: &Value) {
        let delta = json!({ "type": "content_block_delta", "index": self.blocks, "delta": delta });
        event(out, &delta);
    }

    /// Ends the block that is being written.
    fn stop(&mut self, out: &mut Vec<u8>) {
        event(
            out,
            &json!({ "type": "content_block_stop", "index": self.blocks }),
        );
        self.open = None;
        self.blocks += 1;
    }

    fn text(&mut self, out: &mut Vec<u8>, field: TextField, text: &str) {
        let kind = kind(field);
        if self.open.is_some_and(|open| open != kind) {
            self.stop(out);
        }
        if self.open.is_none() {
            self.start(out, &block(kind, ""));
            self.open = Some(kind);
        }
        let delta = match kind {
            Kind::Text => json!({ "type": "text_delta", "text": text }),
            Kind::Thinking => json!({ "type": "thinking_delta", "thinking": text }),
        };
        self.delta(out, &delta);
    }

    fn call(&mut self, out: &mut Vec<u8>, index: u32, name: &str, arguments: &str) {
        if self.open.is_some() {
            self.stop(out);
        }
        let id = self.envelope.minted_id("toolu", 0, index);
        self.start(
            out,
            &json!({ "type": "tool_use", "id": id, "name": name, "input": {} }),
        );
        let input = input(arguments).to_string();
        self.delta(
            out,
            &json!({ "type": "input_json_delta", "partial_json": input }),
        );
        self.stop(out);
    }
}

impl AnswerWriter for MessageWriter {
    fn shows(&self, piece: &Piece) -> bool {
        piece.choice() == 0
    }

    fn pieces(&mut self, pieces: &[Piece]) -> Bytes {
        let mut out = Vec::new();
        for piece in pieces.iter().filter(|piece| piece.choice() == 0) {
            self.begin(&mut out);
            match piece {
                Piece::Text { field, text, .. } => self.text(&mut out, *field, text),
                Piece::ToolCall {
                    index,
                    name,
                    arguments,
                    ..
                } => self.call(&mut out, *index, name, arguments),
                Piece::Finish { reason, .. } => self.reason = Some(*reason),
            }
        }
        out.into()
    }

    fn usage(&mut self, usage: Option<Usage>) -> Bytes {
        let mut out = Vec::new();
        self.begin(&mut out);
        if self.open.is_some() {
            self.stop(&mut out);
        }
        let delta = json!({ "stop_reason": self.reason.map(word), "stop_sequence": null });
        let delta = json!({ "type": "message_delta", "delta": delta, "usage": tokens(usage) });
        event(&mut out, &delta);
        out.into()
    }

    fn done(&self) -> Bytes {
        one_event(&json!({ "type": "message_stop" }))
    }

    fn keep_alive(&self) -> Bytes {
        one_event(&json!({ "type": "ping" }))
    }

    fn failed(&self, told: &Described) -> Bytes {
        one_event(&error(told))
    }

    fn whole(&self, pieces: &[Piece], usage: Option<Usage>) -> Bytes {
        let mut texts: BTreeMap<u8, (Kind, String)> = BTreeMap::new();
        let (mut calls, mut reason) = (Vec::new(), None);
        for piece in pieces.iter().filter(|piece| piece.choice() == 0) {
            match piece {
                Piece::Text { field, text, .. } => {
                    let kind = kind(*field);
                    // A model thinks before it speaks.
                    let place = u8::from(kind == Kind::Text);
                    let (_, all) = texts.entry(place).or_insert((kind, String::new()));
                    all.push_str(text);
                }
                Piece::ToolCall {
                    index,
                    name,
                    arguments,
                    ..
                } => {
                    let id = self.envelope.minted_id("toolu", 0, *index);
                    calls.push(json!({ "type": "tool_use", "id": id, "name": name, "input": input(arguments) }));
                }
                Piece::Finish { reason: why, .. } => reason = Some(*why),
            }
        }
        let texts = texts.into_values().map(|(kind, text)| block(kind, &text));
        let content = texts.chain(calls).collect();
        self.message(content, reason, usage).to_string().into()
    }
}

/// The token count of a request.
pub fn counted(usage: Usage) -> Value {
    json!({ "input_tokens": usage.input })
}

/// An error, with our own code and place beside the type that the dialect knows.
pub fn error(told: &Described) -> Value {
    json!({
        "type": "error",
        "error": {
            "type": error_type(told),
            "message": told.message,
            "code": told.code,
            "param": told.param,
        },
        "request_id": told.request.map(|id: Uuid| id.to_string()),
    })
}

fn error_type(told: &Described) -> &'static str {
    match (told.status.as_u16(), told.code) {
        (401, _) => "authentication_error",
        (403, _) => "permission_error",
        (404, _) => "not_found_error",
        (413, _) => "request_too_large",
        (429, _) => "rate_limit_error",
        (504, _) => "timeout_error",
        (503, "overloaded") => "overloaded_error",
        (500.., _) => "api_error",
        _ => "invalid_request_error",
    }
}

/// A refusal is what the model says; the dialect's own refusals are stop reasons.
fn kind(field: TextField) -> Kind {
    match field {
        TextField::Reasoning => Kind::Thinking,
        TextField::Content | TextField::Refusal => Kind::Text,
    }
}

fn block(kind: Kind, text: &str) -> Value {
    match kind {
        Kind::Text => json!({ "type": "text", "text": text }),
        // Signatures are the vendor's, and clients want one.
        Kind::Thinking => json!({ "type": "thinking", "thinking": text, "signature": "" }),
    }
}

/// Arguments as the object that the dialect wants. What is none is handed over as text, under a name that says so.
fn input(arguments: &str) -> Value {
    match serde_json::from_str(arguments) {
        Ok(value @ Value::Object(_)) => value,
        _ if arguments.trim().is_empty() => json!({}),
        _ => json!({ "unparsed_arguments": arguments }),
    }
}

fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::Stop => "end_turn",
        Reason::Length => "max_tokens",
        Reason::ToolCalls => "tool_use",
        Reason::ContentFilter => "refusal",
    }
}

fn tokens(usage: Option<Usage>) -> Value {
    let usage = usage.filter(|usage| !usage.estimated);
    let (input, output) = usage.map_or((0, 0), |usage| (usage.input, usage.output));
    json!({ "input_tokens": input, "output_tokens": output })
}

fn one_event(value: &Value) -> Bytes {
    let mut out = Vec::new();
    event(&mut out, value);
    out.into()
}
