//! Where the text of a [`Question`] is: every guarded place, its contract path, and the way to put a redacted text back.
//!
//! These lists and the field contracts of `ingest` are the two halves of one promise: what is forwarded is either listed
//! here, or cannot hold text.

use aws_lc_rs::digest::{self, Digest};
use guardrails::{Origin, Span};

mod chat;
mod embed;
mod moderate;

pub use embed::Vectors;
pub use moderate::Moderate;

/// What is asked of a model, or of the gateway itself.
pub trait Question: Send {
    /// The model's name: the caller's, until the request is sent.
    fn model(&self) -> &str;

    /// Whether the answer is to come as a stream.
    fn streams(&self) -> bool {
        false
    }

    /// Every guarded text, in a fixed order.
    fn texts(&self) -> Vec<Text<'_>>;

    /// Puts rewritten texts back: one entry per text of [`Question::texts`], in its order, `None` where nothing changes.
    /// `None` if a rewritten schema is no longer JSON, or the counts differ: then nothing may be sent.
    fn rewrite(&mut self, rewritten: Vec<Option<String>>) -> Option<()>;
}

/// One guarded text, borrowed.
pub struct Text<'c> {
    /// Who it comes from.
    pub origin: Origin,
    /// Its contract path, such as `messages[3].content[0].text`.
    pub path: String,
    /// The text itself; JSON for schemas.
    pub text: std::borrow::Cow<'c, str>,
}

impl Text<'_> {
    /// A copy of it, as it is kept in a sealed body.
    pub fn to_kept(&self) -> audit::Text<'static> {
        audit::Text {
            at: self.path.clone().into(),
            text: self.text.clone().into_owned().into(),
        }
    }
}

/// Texts of a user in one list.
fn lines<'t>(field: &str, input: &'t [String]) -> Vec<Text<'t>> {
    let text = |(at, text): (usize, &'t String)| Text {
        origin: Origin::User,
        path: format!("{field}[{at}]"),
        text: text.as_str().into(),
    };
    input.iter().enumerate().map(text).collect()
}

/// The way back into such a list.
fn put_back(input: &mut [String], rewritten: Vec<Option<String>>) -> Option<()> {
    if input.len() != rewritten.len() {
        return None;
    }
    for (place, new) in input.iter_mut().zip(rewritten) {
        if let Some(new) = new {
            *place = new;
        }
    }
    Some(())
}

/// The digest of everything that [`Question::texts`] shows: what a clearance is bound to.
pub fn digest(question: &impl Question) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    for text in question.texts() {
        for part in [text.path.as_bytes(), text.text.as_bytes()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
    }
    context.finish()
}

/// What is inside those texts that are JSON: their strings and keys as decoded, line by line. A marking behind an escaped
/// line break counts like any other.
pub fn decoded<'t>(texts: &[Text<'t>]) -> Vec<Text<'t>> {
    let inside = |text: &Text<'_>| {
        if !text.text.trim_start().starts_with(['{', '[']) {
            return None;
        }
        let value: serde_json::Value = serde_json::from_str(&text.text).ok()?;
        let mut lines = String::new();
        strings_of(&value, &mut lines);
        Some(Text {
            origin: text.origin,
            path: text.path.clone(),
            text: lines.into(),
        })
    };
    texts.iter().filter_map(inside).collect()
}

fn strings_of(value: &serde_json::Value, lines: &mut String) {
    use serde_json::Value;
    let mut line = |text: &str| lines.extend([text, "\n"]);
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => line(text),
        Value::Array(items) => items.iter().for_each(|item| strings_of(item, lines)),
        Value::Object(fields) => {
            for (key, value) in fields {
                lines.extend([key.as_str(), "\n"]);
                strings_of(value, lines);
            }
        }
    }
}

/// The texts as the guardrails take them.
pub fn spans<'t>(texts: &'t [Text<'_>]) -> Vec<Span<'t>> {
    texts
        .iter()
        .map(|t| Span {
            origin: t.origin,
            path: t.path.clone(),
            text: &t.text,
        })
        .collect()
}
