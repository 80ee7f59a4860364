//! The text that goes into the sealed bodies: what went upstream and downstream, after redaction, and what a refused
//! caller wrote where an entry may not hold it.

use audit::{Body, Direction};
use backends::{Chat, TextField};
use serde_json::json;

use super::Facts;
use crate::pipeline::ingest::Dropped;
use crate::pipeline::release::Piece;
use crate::pipeline::texts;
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
        let shown: Vec<_> = self.pieces.iter().map(described).collect();
        Some(Body {
            direction: Direction::Response,
            plaintext: json!({ "answer": shown }).to_string().into_bytes(),
        })
    }
}

fn described(piece: &Piece) -> serde_json::Value {
    match piece {
        Piece::Text {
            choice,
            field,
            text,
        } => {
            let field = match field {
                TextField::Content => "content",
                TextField::Reasoning => "reasoning_content",
                TextField::Refusal => "refusal",
            };
            json!({ "choice": choice, field: text })
        }
        Piece::ToolCall {
            choice,
            name,
            arguments,
            ..
        } => {
            json!({ "choice": choice, "tool": name, "arguments": arguments })
        }
        Piece::Finish { choice, reason } => {
            json!({ "choice": choice, "finish_reason": reason.as_str() })
        }
    }
}

/// What goes upstream: every text of the chat with its path.
pub(super) fn request(chat: &Chat, dropped: &Dropped) -> Body {
    let texts: Vec<_> = texts::texts(chat)
        .iter()
        .map(|t| json!({ "path": t.path, "text": t.text }))
        .collect();
    let body = json!({ "model": chat.model, "texts": texts, "dropped": dropped.names });
    Body {
        direction: Direction::Request,
        plaintext: body.to_string().into_bytes(),
    }
}

/// What a refused caller wrote that has no place in an entry.
pub(super) fn refused(facts: &Facts) -> Body {
    let cut = |text: &str| text.chars().take(TYPED_CHARS_MAX).collect::<String>();
    let body = json!({
        "method": cut(&facts.method),
        "url": cut(&facts.path),
        "model": facts.model_asked.as_deref().map(cut),
        "dropped": facts.dropped.names,
    });
    Body {
        direction: Direction::Request,
        plaintext: body.to_string().into_bytes(),
    }
}

/// What the model server said about its failure.
pub(super) fn said(refusal: &Refusal) -> Option<Body> {
    let Refusal::Upstream(error) = refusal else {
        return None;
    };
    let words = error.detail();
    let body = json!({ "upstream_said": words.expose() });
    let plaintext = body.to_string().into_bytes();
    (!words.is_empty()).then_some(Body {
        direction: Direction::Response,
        plaintext,
    })
}

/// Of each thing a refused caller wrote, this much is kept.
const TYPED_CHARS_MAX: usize = 1024;
