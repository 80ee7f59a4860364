//! Strict JSON: what the gateway reads of a request is exactly what it judges and forwards.
//!
//! Two parsers that disagree about one byte string are a way round every rule, so this one refuses what others
//! guess about: duplicate keys, text after the value, invalid UTF-8, and nesting deeper than [`DEPTH_MAX`].
//! Numbers keep serde_json's reading (`i64`, `u64` or `f64`); a number outside all three is a syntax error.

use std::cell::{Cell, RefCell};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

/// The deepest nesting of arrays and objects that is read.
pub const DEPTH_MAX: usize = 64;

/// The most values that are read, objects, arrays and keys included. A value of two bytes costs some hundred in memory;
/// this many cost 30 MB. A prompt of 4 MiB has a few hundred.
pub const VALUES_MAX: usize = 1 << 18;

/// A parsed value. Objects keep the order of their keys, and no key occurs twice.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// any number
    Number(Number),
    /// any string, unescaped
    String(String),
    /// `[…]`
    Array(Vec<Json>),
    /// `{…}`
    Object(Vec<(String, Json)>),
}

/// Why a body is not JSON that we read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonFault {
    /// The bytes are not UTF-8 from this offset on.
    #[error("the body is not UTF-8 from byte {offset} on")]
    NotUtf8 {
        /// bytes from the start
        offset: usize,
    },
    /// Not JSON at all from here on. `line` and `column` count from 1.
    #[error("the body is not valid JSON at line {line}, column {column}")]
    Syntax {
        /// line, from 1
        line: usize,
        /// column in bytes, from 1
        column: usize,
    },
    /// An object names the same key twice.
    #[error("the body names the same key twice in one object")]
    DuplicateKey {
        /// JSON path of the second occurrence
        path: String,
    },
    /// More values than [`VALUES_MAX`].
    #[error("the body holds more than {VALUES_MAX} values")]
    TooMany,
    /// Nested deeper than [`DEPTH_MAX`].
    #[error("the body nests deeper than {DEPTH_MAX} levels")]
    TooDeep,
}

/// Parses one JSON text.
///
/// # Errors
/// A [`JsonFault`] names the first thing that is not strict JSON, and where.
pub fn parse(bytes: &[u8]) -> Result<Json, JsonFault> {
    let text = std::str::from_utf8(bytes).map_err(|e| JsonFault::NotUtf8 {
        offset: e.valid_up_to(),
    })?;
    let state = State::default();
    let mut reader = serde_json::Deserializer::from_str(text);
    let parsed = Seed {
        state: &state,
        depth: 0,
    }
    .deserialize(&mut reader)
    .and_then(|value| {
        reader.end()?;
        Ok(value)
    });
    parsed.map_err(|e| {
        state.fault.take().unwrap_or(JsonFault::Syntax {
            line: e.line(),
            column: e.column(),
        })
    })
}

impl Json {
    /// The value as serde_json has it, for the parts that are forwarded whole (JSON Schemas).
    pub fn into_value(self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Json::Null => Value::Null,
            Json::Bool(b) => Value::Bool(b),
            Json::Number(n) => Value::Number(n),
            Json::String(s) => Value::String(s),
            Json::Array(items) => Value::Array(items.into_iter().map(Json::into_value).collect()),
            Json::Object(fields) => Value::Object(
                fields
                    .into_iter()
                    .map(|(k, v)| (k, v.into_value()))
                    .collect(),
            ),
        }
    }

    /// What an error message calls this kind of value.
    pub fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::String(_) => "a string",
            Json::Array(_) => "an array",
            Json::Object(_) => "an object",
        }
    }
}

/// The first fault that serde's own errors cannot carry, and how many values there were.
#[derive(Default)]
struct State {
    fault: RefCell<Option<JsonFault>>,
    values: Cell<usize>,
}

impl State {
    fn count<E: serde::de::Error>(&self) -> Result<(), E> {
        self.values.set(self.values.get() + 1);
        if self.values.get() > VALUES_MAX {
            return Err(self.fail(JsonFault::TooMany));
        }
        Ok(())
    }

    fn fail<E: serde::de::Error>(&self, fault: JsonFault) -> E {
        let message = E::custom(&fault);
        self.fault.borrow_mut().get_or_insert(fault);
        message
    }

    /// On its way out, a repeated key learns from each container where it stands; nobody keeps a path in case.
    fn within(&self, step: &str) {
        if let Some(JsonFault::DuplicateKey { path }) = &mut *self.fault.borrow_mut() {
            let joint = if path.starts_with('[') { "" } else { "." };
            *path = format!("{step}{joint}{path}");
        }
    }
}

#[derive(Clone, Copy)]
struct Seed<'s> {
    state: &'s State,
    depth: usize,
}

impl<'s> Seed<'s> {
    fn deeper<E: serde::de::Error>(self) -> Result<Seed<'s>, E> {
        if self.depth >= DEPTH_MAX {
            return Err(self.state.fail(JsonFault::TooDeep));
        }
        Ok(Seed {
            depth: self.depth + 1,
            ..self
        })
    }
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        self.state.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Json, E> {
        Number::from_f64(value)
            .map(Json::Number)
            .ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let inner = self.deeper::<A::Error>()?;
        let mut read = Vec::new();
        while let Some(item) = items
            .next_element_seed(inner)
            .inspect_err(|_| self.state.within(&format!("[{}]", read.len())))?
        {
            read.push(item);
        }
        Ok(Json::Array(read))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Json, A::Error> {
        let inner = self.deeper::<A::Error>()?;
        let mut seen = Seen::default();
        let mut read: Vec<(String, Json)> = Vec::new();
        while let Some(key) = fields.next_key::<String>()? {
            self.state.count()?;
            if seen.has(&key, &read) {
                return Err(self.state.fail(JsonFault::DuplicateKey { path: key }));
            }
            let value = fields
                .next_value_seed(inner)
                .inspect_err(|_| self.state.within(&key))?;
            read.push((key, value));
        }
        Ok(Json::Object(read))
    }
}

/// The keys of an object so far: looked through while they are few, hashed when they are many.
#[derive(Default)]
struct Seen(std::collections::HashSet<String>);

impl Seen {
    /// Whether `key` is among the keys that were `read`.
    fn has(&mut self, key: &str, read: &[(String, Json)]) -> bool {
        if read.len() < LOOKED_THROUGH {
            return read.iter().any(|(known, _)| known == key);
        }
        if self.0.is_empty() {
            self.0 = read.iter().map(|(known, _)| known.clone()).collect();
        }
        !self.0.insert(key.to_owned())
    }
}

/// Objects of so many keys are looked through one by one.
const LOOKED_THROUGH: usize = 16;

#[cfg(test)]
mod tests;
