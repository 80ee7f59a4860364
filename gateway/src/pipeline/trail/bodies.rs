//! The text that goes into the sealed bodies: what went upstream and downstream, after redaction, and what a refused
//! caller wrote where an entry may not hold it. How much of it is the audit level's affair.

use audit::{Body, Direction, Original, Text};
use backends::TextField;
use guardrails::{Channel, Field};
use serde::Serialize;
use serde_json::json;

use super::Facts;
use crate::config::AuditLevel;
use crate::pipeline::ingest::Dropped;
use crate::pipeline::release::{Piece, Screened};
use crate::pipeline::texts::Question;
use crate::refusal::Refusal;

/// Pieces that were shown, or are about to be.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    pieces: Vec<Piece>,
}

impl Transcript {
    /// Adds what follows. Neighbouring texts of one field grow together, so that a long stream stays a short list.
    pub(super) fn add(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            match (self.pieces.last_mut(), piece) {
                (
                    Some(Piece::Text {
                        choice,
                        field,
                        text,
                    }),
                    Piece::Text {
                        choice: same_choice,
                        field: same_field,
                        text: more,
                    },
                ) if (*choice, *field) == (same_choice, same_field) => text.push_str(&more),
                (_, piece) => self.pieces.push(piece),
            }
        }
    }

    /// What was added, in order.
    pub(super) fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// Bytes of text.
    pub(super) fn bytes(&self) -> u64 {
        let bytes = |piece: &Piece| match piece {
            Piece::Text { text, .. } => text.len(),
            Piece::ToolCall {
                name, arguments, ..
            } => name.len() + arguments.len(),
            Piece::Finish { .. } => 0,
        };
        self.pieces.iter().map(|piece| bytes(piece) as u64).sum()
    }

    /// The sealed body; none if there is nothing to say.
    pub(super) fn body<'t>(&'t self, kept: &Kept, facts: &'t Facts) -> Option<Body<'t>> {
        let mut said = Said::default();
        self.pieces.iter().for_each(|piece| said.add(piece));
        let same = |was: &&Text<'_>| said.texts.iter().any(|text| text == *was);
        let was = facts.answer_was.iter();
        let original: Vec<_> = was.filter(|was| !same(was)).cloned().collect();
        if self.pieces.is_empty() && original.is_empty() {
            return None;
        }
        let head = json!({ "finish": said.finish, "upstream_id": facts.vendor_id, "upstream_finish": facts.odd_reasons });
        kept.body(Direction::Response, &head, said.texts, original)
    }
}

/// An answer as it is kept: each text in one piece, whatever windows it went out in.
#[derive(Default)]
struct Said<'p> {
    texts: Vec<Text<'p>>,
    finish: Vec<Finished>,
}

/// How a choice ended.
#[derive(Serialize)]
struct Finished {
    choice: u32,
    reason: &'static str,
}

impl<'p> Said<'p> {
    fn add(&mut self, piece: &'p Piece) {
        match piece {
            Piece::Text {
                choice,
                field,
                text,
            } => self.say(text_at(*choice, *field), text),
            Piece::ToolCall {
                choice,
                index,
                name,
                arguments,
            } => {
                self.say(call_at(*choice, *index, "name"), name);
                self.say(call_at(*choice, *index, "arguments"), arguments);
            }
            Piece::Finish { choice, reason } => self.finish.push(Finished {
                choice: *choice,
                reason: reason.as_str(),
            }),
        }
    }

    fn say(&mut self, at: String, more: &'p str) {
        match self.texts.iter_mut().find(|text| text.at == at) {
            Some(text) => text.text.to_mut().push_str(more),
            None => self.texts.push(Text {
                at: at.into(),
                text: more.into(),
            }),
        }
    }
}

/// Where a text of an answer stands.
fn text_at(choice: u32, field: TextField) -> String {
    let field = match field {
        TextField::Content => "content",
        TextField::Reasoning => "reasoning_content",
        TextField::Refusal => "refusal",
    };
    format!("choices[{choice}].{field}")
}

/// Where a part of a tool call of an answer stands.
fn call_at(choice: u32, call: u32, part: &str) -> String {
    format!("choices[{choice}].tool_calls[{call}].function.{part}")
}

/// The texts of an answer as the model server sent them.
pub(super) fn as_they_were(screened: &Screened) -> Vec<Text<'static>> {
    let text = |(channel, text): (&Channel, &String)| {
        let Channel { choice, field } = *channel;
        let at = match field {
            Field::Content => text_at(choice, TextField::Content),
            Field::Reasoning => text_at(choice, TextField::Reasoning),
            Field::Refusal => text_at(choice, TextField::Refusal),
            Field::ToolName(call) => call_at(choice, call, "name"),
            Field::ToolArguments(call) => call_at(choice, call, "arguments"),
        };
        Text {
            at: at.into(),
            text: text.clone().into(),
        }
    };
    screened.said().map(text).collect()
}

/// What is kept of a request: by the audit level of its route.
pub(super) struct Kept {
    /// The level.
    pub(super) level: AuditLevel,
    /// Whose texts they are.
    pub(super) whose: Option<audit::Name>,
}

impl Kept {
    /// What goes upstream: every text of the question with its place. `was` are the texts that were masked, as they were.
    pub(super) fn request<'c>(
        &self,
        question: &'c impl Question,
        dropped: &Dropped,
        was: Vec<Text<'static>>,
    ) -> Option<Body<'c>> {
        let head = json!({ "model": question.model(), "dropped": dropped.names });
        let texts = question.texts().into_iter().map(|text| Text {
            at: text.path.into(),
            text: text.text,
        });
        self.body(Direction::Request, &head, texts.collect(), was)
    }

    /// What a caller wrote that was refused, or was only asked about, and has no place in an entry. Nothing of it went
    /// anywhere: its texts, as far as they were read, are `was`.
    pub(super) fn unsent(&self, facts: &Facts, was: Vec<Text<'static>>) -> Option<Body<'static>> {
        let cut = |text: &str| text.chars().take(TYPED_CHARS_MAX).collect::<String>();
        let head = json!({
            "method": cut(&facts.method),
            "url": cut(&facts.path),
            "model": facts.model_asked.as_deref().map(cut),
            "dropped": facts.dropped.names,
        });
        self.body(Direction::Request, &head, Vec::new(), was)
    }

    /// What the model server said about its failure.
    pub(super) fn said<'r>(&self, refusal: &'r Refusal) -> Option<Body<'r>> {
        let Refusal::Upstream(error) = refusal else {
            return None;
        };
        let words = error.detail();
        if words.is_empty() {
            return None;
        }
        let said = Text {
            at: "upstream_error".into(),
            text: words.expose().into(),
        };
        self.body(Direction::Response, &json!({}), vec![said], Vec::new())
    }

    /// `None` where the level keeps nothing of this way.
    fn body<'t>(
        &self,
        direction: Direction,
        head: &serde_json::Value,
        texts: Vec<Text<'t>>,
        was: Vec<Text<'static>>,
    ) -> Option<Body<'t>> {
        let least = match direction {
            Direction::Request => AuditLevel::Request,
            Direction::Response => AuditLevel::RequestResponse,
        };
        if self.level < least {
            return None;
        }
        let original = match (was.is_empty(), self.level) {
            (true, _) => None,
            (false, AuditLevel::Full) => Some(Original::Kept(was)),
            (false, _) => Some(Original::Committed(was)),
        };
        Some(Body {
            direction,
            whose: self.whose.clone(),
            head: serde_json::to_vec(head).unwrap_or_default().into(),
            texts,
            original,
        })
    }
}

/// Of each thing a refused caller wrote, this much is kept.
const TYPED_CHARS_MAX: usize = 1024;
