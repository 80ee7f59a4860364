//! The dialects that callers speak: each endpoint that asks a model reads its fields into one closed [`backends::Chat`],
//! and writes the one kind of [`Piece`] in its own words.
//!
//! Reading is in `pipeline::ingest`, one file for each dialect; writing is behind [`AnswerWriter`].

use backends::Usage;
use bytes::Bytes;
use policy::Action;

use crate::openai::{Envelope, chat::ChatWriter, completions::TextWriter};
use crate::pipeline::release::Piece;

/// How a request is read and its answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `POST /v1/chat/completions`
    Chat,
    /// `POST /v1/completions`
    Completions,
}

/// Writes one answer. Only released pieces reach it.
pub trait AnswerWriter: Send + Sync {
    /// Whether the dialect has a place for a piece. What it has none for is judged like the rest, and shown to nobody.
    fn shows(&self, piece: &Piece) -> bool;

    /// The events of these pieces in a stream.
    fn pieces(&mut self, pieces: &[Piece]) -> Bytes;

    /// The event with the token usage; empty if it was not asked for, or the upstream did not say.
    fn usage(&self, usage: Option<Usage>) -> Bytes;

    /// The last event of a stream.
    fn done(&self) -> Bytes;

    /// The whole answer in one object.
    fn whole(&self, pieces: &[Piece], usage: Option<Usage>) -> Bytes;
}

impl Dialect {
    /// What the policy calls it.
    pub fn action(self) -> Action {
        match self {
            Dialect::Chat => Action::Chat,
            Dialect::Completions => Action::Complete,
        }
    }

    /// What entries call it.
    pub fn op(self) -> audit::Op {
        match self {
            Dialect::Chat => audit::Op::ChatCompletions,
            Dialect::Completions => audit::Op::Completions,
        }
    }

    /// Before the request id, in the id of an answer.
    pub fn id_prefix(self) -> &'static str {
        match self {
            Dialect::Chat => "chatcmpl-",
            Dialect::Completions => "cmpl-",
        }
    }

    /// A writer for one answer. With `usage_wanted`, a stream ends with the token usage.
    pub fn writer(self, envelope: Envelope, usage_wanted: bool) -> Box<dyn AnswerWriter> {
        match self {
            Dialect::Chat => Box::new(ChatWriter::new(envelope, usage_wanted)),
            Dialect::Completions => Box::new(TextWriter::new(envelope, usage_wanted)),
        }
    }
}
