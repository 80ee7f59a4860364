//! The text that goes into the sealed bodies: what went upstream and downstream, after redaction, and what a refused
//! caller wrote where an entry may not hold it.

use audit::{Body, Direction};
use backends::{Chat, TextField};
use serde::Serialize;
use serde_json::json;

use super::Facts;
use crate::pipeline::ingest::Dropped;
use crate::pipeline::release::Piece;
use crate::pipeline::texts::{self, Text};
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

    /// The sealed body; none if nothing was shown.
    pub(super) fn body(&self) -> Option<Body> {
        if self.pieces.is_empty() {
            return None;
        }
        let shown = Answered {
            answer: self.pieces.iter().map(Shown::of).collect(),
        };
        Some(body(Direction::Response, &shown))
    }
}

#[derive(Serialize)]
struct Answered<'p> {
    answer: Vec<Shown<'p>>,
}

/// A piece as it is kept.
#[derive(Default, Serialize)]
struct Shown<'p> {
    choice: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'p str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finish_reason: Option<&'static str>,
}

impl Shown<'_> {
    fn of(piece: &Piece) -> Shown<'_> {
        let mut shown = Shown {
            choice: piece.choice(),
            ..Shown::default()
        };
        match piece {
            Piece::Text { field, text, .. } => {
                let place = match field {
                    TextField::Content => &mut shown.content,
                    TextField::Reasoning => &mut shown.reasoning_content,
                    TextField::Refusal => &mut shown.refusal,
                };
                *place = Some(text);
            }
            Piece::ToolCall {
                name, arguments, ..
            } => {
                shown.tool = Some(name);
                shown.arguments = Some(arguments);
            }
            Piece::Finish { reason, .. } => shown.finish_reason = Some(reason.as_str()),
        }
        shown
    }
}

/// What goes upstream: every text of the chat with its path.
pub(super) fn request(chat: &Chat, dropped: &Dropped) -> Body {
    #[derive(Serialize)]
    struct Asked<'c> {
        model: &'c str,
        texts: Vec<Text<'c>>,
        dropped: &'c [String],
    }
    let asked = Asked {
        model: &chat.model,
        texts: texts::texts(chat),
        dropped: &dropped.names,
    };
    body(Direction::Request, &asked)
}

/// Strings, numbers and lists of them: nothing that JSON could not hold.
fn body(direction: Direction, content: &impl Serialize) -> Body {
    Body {
        direction,
        plaintext: serde_json::to_vec(content).unwrap_or_default(),
    }
}

/// What a refused caller wrote that has no place in an entry.
pub(super) fn refused(facts: &Facts) -> Body {
    let cut = |text: &str| text.chars().take(TYPED_CHARS_MAX).collect::<String>();
    let typed = json!({
        "method": cut(&facts.method),
        "url": cut(&facts.path),
        "model": facts.model_asked.as_deref().map(cut),
        "dropped": facts.dropped.names,
    });
    body(Direction::Request, &typed)
}

/// What the model server said about its failure.
pub(super) fn said(refusal: &Refusal) -> Option<Body> {
    let Refusal::Upstream(error) = refusal else {
        return None;
    };
    let words = error.detail();
    let said = || json!({ "upstream_said": words.expose() });
    (!words.is_empty()).then(|| body(Direction::Response, &said()))
}

/// Of each thing a refused caller wrote, this much is kept.
const TYPED_CHARS_MAX: usize = 1024;
