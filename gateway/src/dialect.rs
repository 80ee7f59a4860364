//! The dialects that callers speak: each endpoint that asks a model reads its fields into one closed [`backends::Chat`],
//! and writes the one kind of [`Piece`] in its own words.
//!
//! Reading is in `pipeline::ingest`, one file for each dialect; writing is behind [`AnswerWriter`].

use backends::Usage;
use bytes::Bytes;
use policy::Action;
use serde_json::Value;

use crate::anthropic::{self, MessageWriter};
use crate::openai::{
    self, Envelope, chat::ChatWriter, completions::TextWriter, responses::ResponseWriter,
};
use crate::pipeline::ingest::Wanted;
use crate::pipeline::release::Piece;
use crate::reply::Described;

/// How a request is read and its answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `POST /v1/chat/completions`
    Chat,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/responses`
    Responses,
}

/// Writes one answer. Only released pieces reach it.
pub trait AnswerWriter: Send + Sync {
    /// Whether the dialect has a place for a piece. What it has none for is judged like the rest, and shown to nobody.
    fn shows(&self, piece: &Piece) -> bool;

    /// The events of these pieces in a stream.
    fn pieces(&mut self, pieces: &[Piece]) -> Bytes;

    /// What the guardrails said is to be told at the end, too.
    fn tells(&mut self, _: Moderated) {}

    /// What tells the token usage at the end of a stream; empty if that was not asked for.
    fn usage(&mut self, usage: Option<Usage>) -> Bytes;

    /// The last event of a stream.
    fn done(&self) -> Bytes;

    /// What keeps a silent stream open.
    fn keep_alive(&self) -> Bytes {
        openai::KEEP_ALIVE
    }

    /// The event that ends a stream in failure.
    fn failed(&self, told: &Described) -> Bytes {
        openai::event(&openai::error(told))
    }

    /// The whole answer in one object.
    fn whole(&self, pieces: &[Piece], usage: Option<Usage>) -> Bytes;
}

/// What a model is told a function of a group is called.
pub fn namespaced(namespace: &str, name: &str) -> String {
    format!("{namespace}{NAMESPACE_END}{name}")
}

/// The group and the name of a function, from what a model calls it; of groups that both fit, the longer one.
pub fn split_name<'n>(name: &'n str, namespaces: &'n [String]) -> (Option<&'n str>, &'n str) {
    let of = |namespace: &'n String| {
        let rest = name.strip_prefix(namespace.as_str())?;
        Some((namespace.as_str(), rest.strip_prefix(NAMESPACE_END)?))
    };
    let fits = namespaces.iter().filter_map(of);
    match fits.max_by_key(|(namespace, _)| namespace.len()) {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, name),
    }
}

/// Between the two; in names of functions, servers take letters, digits, `_` and `-`.
const NAMESPACE_END: &str = "__";

/// What the guardrails said of a prompt and its answer: OpenAI's *moderation result* objects.
#[derive(Debug, Clone)]
pub struct Moderated {
    /// Of the prompt.
    pub prompt: Value,
    /// Of the answer.
    pub answer: Value,
}

impl Dialect {
    /// Every dialect, in the order of the type.
    pub const ALL: [Dialect; 4] = [
        Dialect::Chat,
        Dialect::Completions,
        Dialect::Messages,
        Dialect::Responses,
    ];

    /// What the policy calls it.
    pub fn action(self) -> Action {
        match self {
            Dialect::Chat | Dialect::Messages | Dialect::Responses => Action::Chat,
            Dialect::Completions => Action::Complete,
        }
    }

    /// What entries call it.
    pub fn op(self) -> audit::Op {
        match self {
            Dialect::Chat => audit::Op::ChatCompletions,
            Dialect::Completions => audit::Op::Completions,
            Dialect::Messages => audit::Op::Messages,
            Dialect::Responses => audit::Op::Responses,
        }
    }

    /// In whose words a request is refused, whatever it asked for: OpenAI's, unless its endpoint is another's.
    pub fn of(op: audit::Op) -> Dialect {
        match op {
            audit::Op::Messages | audit::Op::CountTokens => Dialect::Messages,
            _ => Dialect::Chat,
        }
    }

    /// Before the request id, in the id of an answer.
    pub fn id_prefix(self) -> &'static str {
        match self {
            Dialect::Chat => "chatcmpl-",
            Dialect::Completions => "cmpl-",
            Dialect::Messages => "msg_",
            Dialect::Responses => "resp_",
        }
    }

    /// A writer for one answer, as its caller wants it told.
    pub fn writer(self, envelope: Envelope, wanted: &Wanted) -> Box<dyn AnswerWriter> {
        match self {
            Dialect::Chat => Box::new(ChatWriter::new(envelope, wanted.usage)),
            Dialect::Completions => Box::new(TextWriter::new(envelope, wanted.usage)),
            Dialect::Messages => Box::new(MessageWriter::new(envelope)),
            Dialect::Responses => {
                let namespaces = wanted.namespaces.clone();
                Box::new(ResponseWriter::new(envelope, namespaces))
            }
        }
    }

    /// An error, as its clients read it.
    pub fn error(self, told: &Described) -> Value {
        match self {
            Dialect::Chat | Dialect::Completions | Dialect::Responses => openai::error(told),
            Dialect::Messages => anthropic::error(told),
        }
    }
}
