//! Answers of text completions: chunks of a stream, and the whole in one object. A choice is one text: reasoning and tool
//! calls have no place in it, and a refusal is what the model says.
//!
//! Shapes: OpenAI API reference, *The completion object* (chunks have the same shape).

use std::collections::BTreeMap;

use backends::{TextField, Usage};
use bytes::Bytes;
use serde::Serialize;

use super::{DONE, Envelope, Tokens, write_event, write_json};
use crate::dialect::AnswerWriter;
use crate::pipeline::release::{Piece, Reason};

/// Writes one answer.
#[derive(Debug)]
pub struct TextWriter {
    envelope: Envelope,
    usage_wanted: bool,
}

impl TextWriter {
    /// A writer for one answer. With `usage_wanted`, every chunk has a `usage` key, `null` until the last.
    pub fn new(envelope: Envelope, usage_wanted: bool) -> TextWriter {
        TextWriter {
            envelope,
            usage_wanted,
        }
    }

    fn write(&self, out: &mut Vec<u8>, choices: &[Choice<'_>], usage: Option<Tokens>) {
        let usage = self.usage_wanted.then_some(usage);
        write_event(out, &self.completion(choices, usage));
    }

    fn completion<'a>(
        &'a self,
        choices: &'a [Choice<'a>],
        usage: Option<Option<Tokens>>,
    ) -> Completion<'a> {
        let Envelope { id, created, model } = &self.envelope;
        Completion {
            id,
            object: "text_completion",
            created: *created,
            model,
            choices,
            usage,
        }
    }
}

impl AnswerWriter for TextWriter {
    fn shows(&self, piece: &Piece) -> bool {
        match piece {
            Piece::Text { field, .. } => *field != TextField::Reasoning,
            Piece::ToolCall { .. } => false,
            Piece::Finish { .. } => true,
        }
    }

    fn pieces(&mut self, pieces: &[Piece]) -> Bytes {
        let mut out = Vec::new();
        for piece in pieces.iter().filter(|piece| self.shows(piece)) {
            let (text, reason) = match piece {
                Piece::Text { text, .. } => (text.as_str(), None),
                Piece::Finish { reason, .. } => ("", Some(*reason)),
                Piece::ToolCall { .. } => continue,
            };
            let choice = Choice {
                text: text.into(),
                ..Choice::new(piece.choice(), reason)
            };
            self.write(&mut out, &[choice], None);
        }
        out.into()
    }

    fn usage(&mut self, usage: Option<Usage>) -> Bytes {
        let mut out = Vec::new();
        if let (true, Some(tokens)) = (self.usage_wanted, Tokens::told(usage)) {
            self.write(&mut out, &[], Some(tokens));
        }
        out.into()
    }

    fn done(&self) -> Bytes {
        DONE
    }

    fn whole(&self, pieces: &[Piece], usage: Option<Usage>) -> Bytes {
        let mut choices: BTreeMap<u32, Choice<'_>> = BTreeMap::new();
        for piece in pieces.iter().filter(|piece| self.shows(piece)) {
            let at = piece.choice();
            let choice = choices.entry(at).or_insert_with(|| Choice::new(at, None));
            match piece {
                Piece::Text { text, .. } => choice.text.to_mut().push_str(text),
                Piece::Finish { reason, .. } => choice.finish_reason = Some(word(*reason)),
                Piece::ToolCall { .. } => {}
            }
        }
        let choices: Vec<_> = choices.into_values().collect();
        let mut out = Vec::new();
        write_json(
            &mut out,
            &self.completion(
                &choices,
                Some(Some(Tokens::told(usage).unwrap_or_default())),
            ),
        );
        out.into()
    }
}

#[derive(Serialize)]
struct Completion<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: &'a [Choice<'a>],
    /// Not there, `null`, or the counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Option<Tokens>>,
}

#[derive(Serialize)]
struct Choice<'a> {
    index: u32,
    text: std::borrow::Cow<'a, str>,
    logprobs: (),
    finish_reason: Option<&'static str>,
}

impl Choice<'_> {
    fn new(index: u32, reason: Option<Reason>) -> Self {
        Choice {
            index,
            text: "".into(),
            logprobs: (),
            finish_reason: reason.map(word),
        }
    }
}

/// Text completions know no tool calls: a model that wants one is done.
fn word(reason: Reason) -> &'static str {
    match reason {
        Reason::ToolCalls => Reason::Stop.as_str(),
        other => other.as_str(),
    }
}
