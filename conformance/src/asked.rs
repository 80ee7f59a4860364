//! One request of the suite.

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::endpoint::{Endpoint, Way};

/// Where a template takes the text that is tried.
pub(crate) const HERE: &str = "§";

/// A request, before the target adds who asks.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Below the base URL if it begins with `/`, else beside it.
    pub(crate) path: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
    /// Whether it is said who asks as Anthropic's clients do.
    pub(crate) anthropic: bool,
}

impl Asked {
    /// These fields, with what every request of this way needs.
    pub(crate) fn new(way: Way, model: &str, fields: Value) -> Asked {
        let mut body = Map::new();
        if way.endpoint != Endpoint::Moderations {
            body.insert("model".to_owned(), model.into());
        }
        if way.endpoint == Endpoint::Messages {
            body.insert("max_tokens".to_owned(), 64.into());
        }
        if way.streamed {
            body.insert("stream".to_owned(), true.into());
        }
        if let Value::Object(fields) = fields {
            body.extend(fields);
        }
        Asked::raw(way, Value::Object(body).to_string().into())
    }

    /// These bytes.
    pub(crate) fn raw(way: Way, body: Bytes) -> Asked {
        Asked {
            path: way.endpoint.path().to_owned(),
            headers: Vec::new(),
            body,
            anthropic: matches!(way.endpoint, Endpoint::Messages | Endpoint::CountTokens),
        }
    }

    /// The same at another path.
    pub(crate) fn at(mut self, path: impl Into<String>) -> Asked {
        self.path = path.into();
        self
    }

    /// The same with one more header.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Asked {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// The template with a text in its place, in values and in names.
pub(crate) fn filled(template: &Value, text: &str) -> Value {
    let fill = |s: &str| s.replace(HERE, text);
    match template {
        Value::String(s) => Value::String(fill(s)),
        Value::Array(items) => items.iter().map(|item| filled(item, text)).collect(),
        Value::Object(fields) => {
            let fields = fields.iter();
            Value::Object(
                fields
                    .map(|(name, value)| (fill(name), filled(value, text)))
                    .collect(),
            )
        }
        other => other.clone(),
    }
}
