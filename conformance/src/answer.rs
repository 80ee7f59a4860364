//! What the model answers, in words of no protocol; the files below write it in one protocol each.

mod chat;
mod completions;
mod messages;
mod responses;

use bytes::Bytes;
use serde_json::{Value, json};

use crate::endpoint::Endpoint;

/// What a model says when nothing else is asked of it.
pub(crate) const FINE: &str = "All is well.";

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    /// In the order in which their first pieces are sent; pieces of several parts take turns.
    pub(crate) parts: Vec<Part>,
    pub(crate) oddity: Option<Oddity>,
}

/// One text within an answer.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) choice: u64,
    pub(crate) field: Field,
    /// One delta each.
    pub(crate) pieces: Vec<String>,
}

/// Where a text of an answer stands. Names with dots are nested objects, and `[]` a list of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Field {
    Content,
    Reasoning,
    Refusal,
    ToolArguments,
    ToolName,
    ToolId,
    /// The log probabilities of the answer's tokens.
    Logprobs,
    /// Another field of a message or a delta.
    InMessage(&'static str),
    /// Another field of a choice.
    InChoice(&'static str),
    /// Another field of the whole answer.
    AtTop(&'static str),
}

/// What no honest server would send.
#[derive(Debug, Clone)]
pub(crate) enum Oddity {
    /// An error with this status, whose message is the text.
    Error(u16, String),
    /// The same that is no JSON.
    PlainError(u16, String),
    Header(String),
    Trailer(String),
    /// Lines of an event stream that are no data.
    Line(String),
    /// An error in the middle of a stream.
    ErrorEvent(String),
    /// An event that is no JSON.
    BrokenEvent(String),
    /// One more event after the end.
    AfterTheEnd(String),
    /// A byte that is no UTF-8, behind the content.
    NotUtf8,
    /// The content twice: this text first, or last.
    Twice {
        text: String,
        first: bool,
    },
    /// A whole answer where a stream was asked for, and the other way round.
    OtherKind,
    /// This content type.
    Typed(&'static str),
    /// What was asked, word by word.
    Echo,
}

/// What goes over the wire.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<Bytes>,
    /// Sent at the end, which makes the body one of chunks.
    pub(crate) trailers: Vec<(&'static str, String)>,
}

/// A byte that no UTF-8 has takes this one's place.
const STAND_IN: char = '\u{e000}';
/// Content that is there twice takes its place.
const TWICE: &str = "\u{e001}";

impl Default for Answer {
    fn default() -> Answer {
        Answer::saying(FINE)
    }
}

impl Answer {
    /// This text, in the first choice's content, in one piece.
    pub(crate) fn saying(text: &str) -> Answer {
        Answer::with(Field::Content, text)
    }

    /// This text there, in one piece.
    pub(crate) fn with(field: Field, text: &str) -> Answer {
        Answer::of(0, field, [text])
    }

    /// These pieces there.
    pub(crate) fn of<'t>(
        choice: u64,
        field: Field,
        pieces: impl IntoIterator<Item = &'t str>,
    ) -> Answer {
        let pieces = pieces.into_iter().map(str::to_owned).collect();
        Answer {
            parts: vec![Part {
                choice,
                field,
                pieces,
            }],
            oddity: None,
        }
    }

    /// The same, and this as well.
    pub(crate) fn and(mut self, other: Answer) -> Answer {
        self.parts.extend(other.parts);
        self
    }

    /// A plain answer with an oddity.
    pub(crate) fn odd(oddity: Oddity) -> Answer {
        Answer {
            oddity: Some(oddity),
            ..Answer::saying(FINE)
        }
    }

    /// The same with an oddity.
    pub(crate) fn but(mut self, oddity: Oddity) -> Answer {
        self.oddity = Some(oddity);
        self
    }

    /// The answer in the protocol of an endpoint. `None` where that protocol has no such thing.
    pub(crate) fn written(&self, endpoint: Endpoint, asked: &Value) -> Option<Written> {
        let streamed = asked["stream"] == true;
        let mut answer = self.clone();
        let kind = match &self.oddity {
            Some(Oddity::OtherKind) => !streamed,
            Some(Oddity::Echo) => {
                answer = Answer::saying(&asked.to_string());
                streamed
            }
            Some(Oddity::NotUtf8) => {
                let content = answer.parts.first_mut()?.pieces.last_mut()?;
                content.push(STAND_IN);
                streamed
            }
            Some(Oddity::Twice { .. }) => {
                answer = Answer::saying(TWICE);
                streamed
            }
            Some(
                Oddity::Line(_)
                | Oddity::ErrorEvent(_)
                | Oddity::BrokenEvent(_)
                | Oddity::AfterTheEnd(_),
            ) if !streamed => {
                return None;
            }
            _ => streamed,
        };
        let model = asked["model"].as_str().unwrap_or("model");
        let mut written = match (endpoint, kind) {
            (Endpoint::Chat, false) => whole(chat::whole(&answer, model)),
            (Endpoint::Chat, true) => events(chat::stream(&answer, model)),
            (Endpoint::Completions, false) => whole(completions::whole(&answer, model)?),
            (Endpoint::Completions, true) => events(completions::stream(&answer, model)?),
            (Endpoint::Messages, false) => whole(messages::whole(&answer, model)?),
            (Endpoint::Messages, true) => events(messages::stream(&answer, model)?),
            (Endpoint::Responses, false) => whole(responses::whole(&answer, model)?),
            (Endpoint::Responses, true) => events(responses::stream(&answer, model)?),
            (Endpoint::Embeddings, _) => whole(vectors(asked)),
            (Endpoint::CountTokens, _) => whole(json!({ "input_tokens": 3 })),
            (Endpoint::Moderations, _) => whole(moderated()),
        };
        if let Some(oddity) = &self.oddity {
            oddity.spoil(&mut written);
        }
        Some(written)
    }

    /// Pieces that take turns, as they are sent.
    fn turns(&self) -> Vec<(&Part, usize, &str)> {
        let longest = self.parts.iter().map(|part| part.pieces.len()).max();
        let turn = |at: usize| {
            let parts = self.parts.iter();
            parts.filter_map(move |part| Some((part, at, part.pieces.get(at)?.as_str())))
        };
        (0..longest.unwrap_or_default()).flat_map(turn).collect()
    }
}

impl Part {
    fn text(&self) -> String {
        self.pieces.concat()
    }

    fn is_last(&self, at: usize) -> bool {
        at + 1 == self.pieces.len()
    }
}

impl Oddity {
    fn spoil(&self, written: &mut Written) {
        match self {
            Oddity::Error(status, text) => {
                let error = json!({ "message": text, "type": "invalid_request_error", "param": text, "code": text });
                *written = whole(json!({ "type": "error", "error": error, "detail": text }));
                written.status = *status;
            }
            Oddity::PlainError(status, text) => {
                *written = whole(Value::Null);
                written.status = *status;
                written.headers = vec![("content-type", "text/plain".to_owned())];
                written.body = vec![text.clone().into()];
            }
            Oddity::Header(text) => written.headers.push(("x-note", text.clone())),
            Oddity::Trailer(text) => {
                written.headers.push(("trailer", "x-note".to_owned()));
                written.trailers.push(("x-note", text.clone()));
            }
            Oddity::Line(line) => insert_event(written, &format!("{line}\n\n")),
            Oddity::ErrorEvent(text) => {
                let error =
                    json!({ "error": { "message": text, "type": "server_error", "code": text } });
                insert_event(written, &format!("data: {error}\n\n"));
            }
            Oddity::BrokenEvent(text) => {
                insert_event(
                    written,
                    &format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{text}\n\n"),
                );
            }
            Oddity::AfterTheEnd(text) => {
                let late = chat::stream(&Answer::saying(text), "model");
                written.body.extend(late.into_iter().map(Bytes::from));
            }
            Oddity::NotUtf8 => replace(written, STAND_IN.to_string().as_bytes(), &[0xff]),
            Oddity::Twice { text, first } => twice(written, text, *first),
            Oddity::Typed(kind) => written.headers = vec![("content-type", (*kind).to_owned())],
            Oddity::OtherKind | Oddity::Echo => {}
        }
    }
}

fn insert_event(written: &mut Written, event: &str) {
    let at = written.body.len().min(2);
    written
        .body
        .insert(at, Bytes::copy_from_slice(event.as_bytes()));
}

fn replace(written: &mut Written, from: &[u8], to: &[u8]) {
    for piece in &mut written.body {
        let mut rest = &piece[..];
        let mut new = Vec::new();
        while let Some(at) = rest.windows(from.len()).position(|some| some == from) {
            let (before, after) = rest.split_at(at);
            new.extend_from_slice(before);
            new.extend_from_slice(to);
            rest = after.get(from.len()..).unwrap_or_default();
        }
        new.extend_from_slice(rest);
        *piece = new.into();
    }
}

/// Puts the field that holds the mark there twice.
fn twice(written: &mut Written, text: &str, first: bool) {
    for piece in &mut written.body {
        let body = String::from_utf8_lossy(piece).into_owned();
        let marked = format!(":\"{TWICE}\"");
        let Some((before, after)) = body.split_once(&marked) else {
            continue;
        };
        let name = before.rsplit('"').nth(1).unwrap_or_default();
        let (one, other) = match first {
            true => (text, FINE),
            false => (FINE, text),
        };
        *piece = format!("{before}:\"{one}\",\"{name}\":\"{other}\"{after}").into();
    }
    replace(written, TWICE.as_bytes(), FINE.as_bytes());
}

fn whole(body: Value) -> Written {
    Written {
        status: 200,
        headers: vec![("content-type", "application/json".to_owned())],
        body: vec![body.to_string().into()],
        trailers: Vec::new(),
    }
}

fn events(events: Vec<String>) -> Written {
    Written {
        status: 200,
        headers: vec![("content-type", "text/event-stream".to_owned())],
        body: events.into_iter().map(Bytes::from).collect(),
        trailers: Vec::new(),
    }
}

fn data(value: &Value) -> String {
    format!("data: {value}\n\n")
}

fn named(value: &Value) -> String {
    let name = value["type"].as_str().unwrap_or_default();
    format!("event: {name}\ndata: {value}\n\n")
}

/// A value at a path such as `audio.transcript` or `annotations.[].title`.
fn nested(path: &str, value: Value) -> Value {
    path.split('.').rev().fold(value, |inner, name| match name {
        "[]" => json!([inner]),
        name => json!({ name: inner }),
    })
}

/// The arguments of a call that say this, in the pieces of the part.
fn arguments(part: &Part, at: usize, piece: &str) -> String {
    let open = if at == 0 { "{\"q\":\"" } else { "" };
    let close = if part.is_last(at) { "\"}" } else { "" };
    let quoted = Value::from(piece).to_string();
    let inner = quoted
        .trim_start_matches('"')
        .strip_suffix('"')
        .unwrap_or_default();
    format!("{open}{inner}{close}")
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(from)) => into.extend(from),
        (into, from) => *into = from,
    }
}

fn vectors(asked: &Value) -> Value {
    let count = asked["input"].as_array().map_or(1, Vec::len);
    let item = |index| json!({ "object": "embedding", "index": index, "embedding": [0.5, 0.25] });
    json!({ "object": "list", "model": asked["model"], "data": (0..count).map(item).collect::<Vec<_>>(),
            "usage": { "prompt_tokens": 3, "total_tokens": 3 } })
}

fn moderated() -> Value {
    json!({ "id": "modr-1", "model": "m", "results": [{ "flagged": false, "categories": {}, "category_scores": {} }] })
}
