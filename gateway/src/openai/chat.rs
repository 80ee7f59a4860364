//! Answers of chat completions: chunks of a stream, and the whole in one object.
//!
//! Shapes: OpenAI API reference, *The chat completion object*, *The chat completion chunk object*.

use std::collections::BTreeMap;

use backends::{TextField, Usage};
use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use super::{DONE, Envelope, Tokens, write_event, write_json};
use crate::dialect::{AnswerWriter, Moderated};
use crate::pipeline::release::{Piece, Reason};

/// Writes one answer.
#[derive(Debug)]
pub struct ChatWriter {
    envelope: Envelope,
    usage_wanted: bool,
    begun: Vec<u32>,
    /// For the end, if it was asked for.
    moderation: Option<Value>,
}

impl ChatWriter {
    /// A writer for one answer. With `usage_wanted`, every chunk has a `usage` key, `null` until the last.
    pub fn new(envelope: Envelope, usage_wanted: bool) -> ChatWriter {
        ChatWriter {
            envelope,
            usage_wanted,
            begun: Vec::new(),
            moderation: None,
        }
    }

    /// Told once for each choice.
    fn role(&mut self, choice: u32) -> Option<&'static str> {
        if self.begun.contains(&choice) {
            return None;
        }
        self.begun.push(choice);
        Some("assistant")
    }

    fn write(&self, out: &mut Vec<u8>, choices: &[ChoiceDelta<'_>], usage: Option<Tokens>) {
        let Envelope { id, created, model } = &self.envelope;
        let chunk = Chunk {
            id,
            object: "chat.completion.chunk",
            created: *created,
            model,
            choices,
            usage: self.usage_wanted.then_some(usage),
            moderation: None,
        };
        write_event(out, &chunk);
    }

    /// A chunk of its own, with no choice in it.
    fn write_moderation(&self, out: &mut Vec<u8>) {
        let Envelope { id, created, model } = &self.envelope;
        if self.moderation.is_some() {
            let chunk = Chunk {
                id,
                object: "chat.completion.chunk",
                created: *created,
                model,
                choices: &[],
                usage: self.usage_wanted.then_some(None),
                moderation: self.moderation.as_ref(),
            };
            write_event(out, &chunk);
        }
    }
}

impl AnswerWriter for ChatWriter {
    fn shows(&self, _: &Piece) -> bool {
        true
    }

    fn pieces(&mut self, pieces: &[Piece]) -> Bytes {
        let mut out = Vec::new();
        for piece in pieces {
            let role = self.role(piece.choice());
            let (delta, finish_reason) = match piece {
                Piece::Text { field, text, .. } => (Delta::text(*field, text), None),
                Piece::ToolCall {
                    choice,
                    index,
                    name,
                    arguments,
                } => {
                    let id = self.envelope.minted_id("call", *choice, *index);
                    let call = Call::new(Some(*index), id, name, arguments);
                    (Delta::call(call), None)
                }
                Piece::Finish { reason, .. } => (Delta::default(), Some(reason.as_str())),
            };
            let choice = ChoiceDelta {
                index: piece.choice(),
                delta: Delta { role, ..delta },
                logprobs: (),
                finish_reason,
            };
            self.write(&mut out, &[choice], None);
        }
        out.into()
    }

    fn tells(&mut self, moderated: Moderated) {
        let results = |result: Value| {
            let model = result.get("model").cloned();
            json!({ "type": "moderation_results", "model": model, "results": [result] })
        };
        let Moderated { prompt, answer } = moderated;
        self.moderation = Some(json!({ "input": results(prompt), "output": results(answer) }));
    }

    fn usage(&mut self, usage: Option<Usage>) -> Bytes {
        let mut out = Vec::new();
        self.write_moderation(&mut out);
        if let (true, Some(tokens)) = (self.usage_wanted, Tokens::told(usage)) {
            self.write(&mut out, &[], Some(tokens));
        }
        out.into()
    }

    fn done(&self) -> Bytes {
        DONE
    }

    fn whole(&self, pieces: &[Piece], usage: Option<Usage>) -> Bytes {
        let Envelope { id, created, model } = &self.envelope;
        let mut messages: BTreeMap<u32, Message<'_>> = BTreeMap::new();
        for piece in pieces {
            messages
                .entry(piece.choice())
                .or_default()
                .add(&self.envelope, piece);
        }
        let choices = messages.into_iter().map(|(index, message)| Choice {
            index,
            finish_reason: message.reason.map(Reason::as_str),
            message,
            logprobs: (),
        });
        let answer = Completion {
            id,
            object: "chat.completion",
            created: *created,
            model,
            choices: choices.collect(),
            usage: Tokens::told(usage).unwrap_or_default(),
            moderation: self.moderation.as_ref(),
        };
        let mut out = Vec::new();
        write_json(&mut out, &answer);
        out.into()
    }
}

#[derive(Serialize)]
struct Chunk<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [ChoiceDelta<'a>],
    /// Not there, `null`, or the counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Tokens>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    moderation: Option<&'a Value>,
}

#[derive(Serialize)]
struct ChoiceDelta<'a> {
    index: u32,
    delta: Delta<'a>,
    logprobs: (),
    finish_reason: Option<&'static str>,
}

#[derive(Default, Serialize)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[Call<'a>; 1]>,
}

impl<'a> Delta<'a> {
    fn text(field: TextField, text: &'a str) -> Delta<'a> {
        let mut delta = Delta::default();
        let place = match field {
            TextField::Content => &mut delta.content,
            TextField::Reasoning => &mut delta.reasoning_content,
            TextField::Refusal => &mut delta.refusal,
        };
        *place = Some(text);
        delta
    }

    fn call(call: Call<'a>) -> Delta<'a> {
        Delta {
            tool_calls: Some([call]),
            ..Delta::default()
        }
    }
}

/// A tool call; only chunks number theirs.
#[derive(Serialize)]
struct Call<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<u32>,
    id: String,
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    arguments: &'a str,
}

impl<'a> Call<'a> {
    fn new(index: Option<u32>, id: String, name: &'a str, arguments: &'a str) -> Call<'a> {
        Call {
            index,
            id,
            r#type: "function",
            function: Function { name, arguments },
        }
    }
}

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: Vec<Choice<'a>>,
    /// Always there: clients take it for granted.
    usage: Tokens,
    #[serde(skip_serializing_if = "Option::is_none")]
    moderation: Option<&'a Value>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    message: Message<'a>,
    logprobs: (),
    finish_reason: Option<&'static str>,
}

/// The texts of one choice, put together.
#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<String>,
    refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_calls: Vec<Call<'a>>,
    #[serde(skip)]
    reason: Option<Reason>,
}

impl Default for Message<'_> {
    fn default() -> Self {
        Message {
            role: "assistant",
            content: None,
            refusal: None,
            reasoning_content: None,
            tool_calls: Vec::new(),
            reason: None,
        }
    }
}

impl<'a> Message<'a> {
    fn add(&mut self, envelope: &Envelope, piece: &'a Piece) {
        match piece {
            Piece::Text { field, text, .. } => {
                let place = match field {
                    TextField::Content => &mut self.content,
                    TextField::Reasoning => &mut self.reasoning_content,
                    TextField::Refusal => &mut self.refusal,
                };
                place.get_or_insert_default().push_str(text);
            }
            Piece::ToolCall {
                choice,
                index,
                name,
                arguments,
            } => {
                let id = envelope.minted_id("call", *choice, *index);
                self.tool_calls.push(Call::new(None, id, name, arguments));
            }
            Piece::Finish { reason, .. } => self.reason = Some(*reason),
        }
    }
}
