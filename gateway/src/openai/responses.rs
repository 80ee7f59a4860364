//! Answers of the Responses API: items, their events in a stream, and the whole in one object.
//!
//! Shapes: OpenAI API reference, *The response object*, *Streaming events*. Of the one choice that the dialect knows,
//! thoughts, words and calls become items in the order in which they are released. A stream has named events with
//! numbers, and no `[DONE]`: its last event holds the whole answer. Nothing is stored, and every answer says so.

use backends::{TextField, Usage};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{Envelope, Tokens, write_named_event};
use crate::dialect::{AnswerWriter, Moderated, split_name};
use crate::pipeline::release::{Piece, Reason};
use crate::reply::Described;

/// Writes one answer.
#[derive(Debug)]
pub struct ResponseWriter {
    envelope: Envelope,
    /// The number of the next event; 0 before the first.
    number: u64,
    /// The item that is being written.
    open: Option<Item>,
    /// Those that are complete.
    output: Vec<Value>,
    reason: Option<Reason>,
    /// What the guardrails said, if it was asked for.
    moderated: Option<Moderated>,
    /// The groups of functions that the caller has.
    namespaces: Vec<String>,
}

/// An item of texts: a message, or a train of thought.
#[derive(Debug)]
struct Item {
    id: String,
    is_thought: bool,
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    field: TextField,
    text: String,
}

impl ResponseWriter {
    /// A writer for one answer to a caller with these groups of functions.
    pub fn new(envelope: Envelope, namespaces: Vec<String>) -> ResponseWriter {
        ResponseWriter {
            envelope,
            number: 0,
            open: None,
            output: Vec::new(),
            reason: None,
            moderated: None,
            namespaces,
        }
    }

    fn response(&self, status: &str, usage: Option<Usage>) -> Value {
        let why = match self.reason {
            Some(Reason::ContentFilter) => json!({ "reason": "content_filter" }),
            Some(Reason::Length) => json!({ "reason": "max_output_tokens" }),
            _ => Value::Null,
        };
        let usage = Tokens::told(usage).map(|tokens| {
            json!({
                "input_tokens": tokens.prompt_tokens,
                "input_tokens_details": { "cached_tokens": 0 },
                "output_tokens": tokens.completion_tokens,
                "output_tokens_details": { "reasoning_tokens": 0 },
                "total_tokens": tokens.total_tokens,
            })
        });
        let response = json!({
            "id": self.envelope.id,
            "object": "response",
            "created_at": self.envelope.created,
            "status": status,
            "error": null,
            "incomplete_details": why,
            "instructions": null,
            "metadata": {},
            "model": self.envelope.model,
            "output": self.output,
            "parallel_tool_calls": true,
            "previous_response_id": null,
            "store": false,
            "tool_choice": "auto",
            "tools": [],
            "temperature": null,
            "top_p": null,
            "usage": usage,
        });
        match &self.moderated {
            Some(Moderated { prompt, answer }) => {
                let moderation = json!({ "input": prompt, "output": answer });
                with(response, [("moderation", moderation)])
            }
            None => response,
        }
    }

    /// How the answer ended.
    fn status(&self) -> &'static str {
        match self.reason {
            Some(Reason::ContentFilter | Reason::Length) => "incomplete",
            Some(Reason::Stop | Reason::ToolCalls) | None => "completed",
        }
    }

    /// The next event.
    fn event(&mut self, out: &mut Vec<u8>, kind: &str, event: Value) {
        let head = [
            ("type", kind.into()),
            ("sequence_number", self.number.into()),
        ];
        self.number += 1;
        write_named_event(out, &with(event, head));
    }

    /// Once, ahead of everything else.
    fn begin(&mut self, out: &mut Vec<u8>) {
        if self.number == 0 {
            for kind in ["response.created", "response.in_progress"] {
                let response = self.response("in_progress", None);
                self.event(out, kind, json!({ "response": response }));
            }
        }
    }

    fn text(&mut self, out: &mut Vec<u8>, field: TextField, text: &str) {
        let is_thought = field == TextField::Reasoning;
        if self
            .open
            .as_ref()
            .is_some_and(|open| open.is_thought != is_thought)
        {
            self.close(out);
        }
        let mut item = match self.open.take() {
            Some(item) => item,
            None => self.begin_item(out, is_thought),
        };
        if item.parts.last().is_none_or(|last| last.field != field) {
            self.end_part(out, &item);
            item.parts.push(Part {
                field,
                text: String::new(),
            });
            let part = part(field, "");
            self.event(
                out,
                "response.content_part.added",
                item.at(json!({ "part": part }), self.output.len()),
            );
        }
        let delta = match field {
            TextField::Content => json!({ "delta": text, "logprobs": [] }),
            TextField::Refusal | TextField::Reasoning => json!({ "delta": text }),
        };
        let event = item.at(delta, self.output.len());
        self.event(out, &format!("{}.delta", name(field)), event);
        if let Some(last) = item.parts.last_mut() {
            last.text.push_str(text);
        }
        self.open = Some(item);
    }

    fn begin_item(&mut self, out: &mut Vec<u8>, is_thought: bool) -> Item {
        let at = u32::try_from(self.output.len()).unwrap_or(u32::MAX);
        let item = Item {
            id: self
                .envelope
                .minted_id(if is_thought { "rs" } else { "msg" }, 0, at),
            is_thought,
            parts: Vec::new(),
        };
        let added = json!({ "output_index": at, "item": item.value("in_progress") });
        self.event(out, "response.output_item.added", added);
        item
    }

    /// Ends the part that is being written, if there is one.
    fn end_part(&mut self, out: &mut Vec<u8>, item: &Item) {
        let Some(last) = item.parts.last() else {
            return;
        };
        let at = self.output.len();
        let done = match last.field {
            TextField::Refusal => json!({ "refusal": last.text }),
            TextField::Content => json!({ "text": last.text, "logprobs": [] }),
            TextField::Reasoning => json!({ "text": last.text }),
        };
        let kind = format!("{}.done", name(last.field));
        self.event(out, &kind, item.at(done, at));
        let part = json!({ "part": part(last.field, &last.text) });
        self.event(out, "response.content_part.done", item.at(part, at));
    }

    /// Ends the item that is being written, if there is one.
    fn close(&mut self, out: &mut Vec<u8>) {
        let Some(item) = self.open.take() else {
            return;
        };
        self.end_part(out, &item);
        self.complete(out, item.value(self.status()));
    }

    fn complete(&mut self, out: &mut Vec<u8>, item: Value) {
        let done = json!({ "output_index": self.output.len(), "item": item });
        self.event(out, "response.output_item.done", done);
        self.output.push(item);
    }

    fn call(&mut self, out: &mut Vec<u8>, index: u32, function: &str, arguments: &str) {
        self.close(out);
        let id = self.envelope.minted_id("fc", 0, index);
        let call_id = self.envelope.minted_id("call", 0, index);
        let namespaces = std::mem::take(&mut self.namespaces);
        let (namespace, function) = split_name(function, &namespaces);
        let item = |arguments: &str, status: &str| {
            let call = json!({
                "id": id, "type": "function_call", "status": status,
                "call_id": call_id, "name": function, "arguments": arguments,
            });
            match namespace {
                Some(namespace) => with(call, [("namespace", namespace.into())]),
                None => call,
            }
        };
        let at = self.output.len();
        let added = json!({ "output_index": at, "item": item("", "in_progress") });
        self.event(out, "response.output_item.added", added);
        let delta = json!({ "item_id": id, "output_index": at, "delta": arguments });
        self.event(out, "response.function_call_arguments.delta", delta);
        let done = json!({
            "item_id": id, "output_index": at, "name": function, "arguments": arguments,
        });
        self.event(out, "response.function_call_arguments.done", done);
        self.complete(out, item(arguments, "completed"));
        self.namespaces = namespaces;
    }

    fn take(&mut self, out: &mut Vec<u8>, piece: &Piece) {
        match piece {
            Piece::Text { field, text, .. } => self.text(out, *field, text),
            Piece::ToolCall {
                index,
                name,
                arguments,
                ..
            } => self.call(out, *index, name, arguments),
            Piece::Finish { reason, .. } => self.reason = Some(*reason),
        }
    }
}

impl Item {
    fn value(&self, status: &str) -> Value {
        let content: Vec<_> = self
            .parts
            .iter()
            .map(|of| part(of.field, &of.text))
            .collect();
        match self.is_thought {
            true => json!({
                "id": self.id, "type": "reasoning", "status": status, "summary": [], "content": content,
            }),
            false => json!({
                "id": self.id, "type": "message", "status": status, "role": "assistant", "content": content,
            }),
        }
    }

    /// An event about the part that is being written.
    fn at(&self, event: Value, output_index: usize) -> Value {
        let place = [
            ("item_id", self.id.as_str().into()),
            ("output_index", output_index.into()),
            ("content_index", self.parts.len().saturating_sub(1).into()),
        ];
        with(event, place)
    }
}

impl AnswerWriter for ResponseWriter {
    fn shows(&self, piece: &Piece) -> bool {
        piece.choice() == 0
    }

    fn pieces(&mut self, pieces: &[Piece]) -> Bytes {
        let mut out = Vec::new();
        for piece in pieces {
            self.begin(&mut out);
            self.take(&mut out, piece);
        }
        out.into()
    }

    fn tells(&mut self, moderated: Moderated) {
        self.moderated = Some(moderated);
    }

    fn usage(&mut self, usage: Option<Usage>) -> Bytes {
        let mut out = Vec::new();
        self.begin(&mut out);
        self.close(&mut out);
        let status = self.status();
        let response = self.response(status, usage);
        let last = json!({ "response": response });
        self.event(&mut out, &format!("response.{status}"), last);
        out.into()
    }

    fn done(&self) -> Bytes {
        Bytes::new()
    }

    /// The event of the API, with the `error` at which its official clients raise.
    fn failed(&self, told: &Described) -> Bytes {
        let head = [
            ("type", "error".into()),
            ("sequence_number", self.number.into()),
            ("code", told.code.into()),
            ("message", told.message.as_str().into()),
            ("param", told.param.as_deref().into()),
        ];
        let event = with(super::error(told), head);
        let mut out = Vec::new();
        write_named_event(&mut out, &event);
        out.into()
    }

    fn whole(&self, pieces: &[Piece], usage: Option<Usage>) -> Bytes {
        let mut events = Vec::new();
        let mut writer = ResponseWriter::new(self.envelope.clone(), self.namespaces.clone());
        writer.moderated.clone_from(&self.moderated);
        pieces
            .iter()
            .for_each(|piece| writer.take(&mut events, piece));
        writer.close(&mut events);
        let status = writer.status();
        writer.response(status, usage).to_string().into()
    }
}

/// The object, with more in it.
fn with<const N: usize>(mut object: Value, more: [(&str, Value); N]) -> Value {
    if let Value::Object(fields) = &mut object {
        fields.extend(more.map(|(key, value)| (key.to_owned(), value)));
    }
    object
}

fn part(field: TextField, text: &str) -> Value {
    match field {
        TextField::Content => {
            json!({ "type": "output_text", "text": text, "annotations": [], "logprobs": [] })
        }
        TextField::Refusal => json!({ "type": "refusal", "refusal": text }),
        TextField::Reasoning => json!({ "type": "reasoning_text", "text": text }),
    }
}

/// The events of a text are called after it.
fn name(field: TextField) -> &'static str {
    match field {
        TextField::Content => "response.output_text",
        TextField::Refusal => "response.refusal",
        TextField::Reasoning => "response.reasoning_text",
    }
}
