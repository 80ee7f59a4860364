//! Taking an object apart by a field contract: each known key is asked for once, the rest is dropped and counted.

use crate::json::Json;
use crate::pipeline::ingest::{DROPPED_NAMES_MAX, Dropped};
use crate::refusal::BadRequest;

/// One JSON object being read, and its path in the request.
pub(super) struct Fields<'d> {
    path: String,
    fields: Vec<(String, Json)>,
    dropped: &'d mut Dropped,
}

impl<'d> Fields<'d> {
    pub(super) fn new(
        path: String,
        fields: Vec<(String, Json)>,
        dropped: &'d mut Dropped,
    ) -> Fields<'d> {
        Fields {
            path,
            fields,
            dropped,
        }
    }

    /// Reads a value that must be an object.
    pub(super) fn of(
        path: String,
        value: Json,
        dropped: &'d mut Dropped,
    ) -> Result<Fields<'d>, BadRequest> {
        match value {
            Json::Object(fields) => Ok(Fields::new(path, fields, dropped)),
            other => Err(BadRequest::wrong_type(&path, "an object", other.kind())),
        }
    }

    /// The path of a key of this object.
    pub(super) fn path(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// Where dropped fields of objects inside this one are counted.
    pub(super) fn dropped(&mut self) -> &mut Dropped {
        self.dropped
    }

    /// The value of a key, `null` being the same as absent (SDKs send both).
    pub(super) fn take(&mut self, key: &str) -> Option<Json> {
        #[cfg(test)]
        super::contract::asked(&self.path(key));
        let at = self.fields.iter().position(|(name, _)| name == key)?;
        Some(self.fields.remove(at).1).filter(|value| *value != Json::Null)
    }

    pub(super) fn string(&mut self, key: &str) -> Result<Option<String>, BadRequest> {
        match self.take(key) {
            None => Ok(None),
            Some(Json::String(s)) => Ok(Some(s)),
            Some(other) => Err(self.wrong_type(key, "a string", &other)),
        }
    }

    pub(super) fn required_string(&mut self, key: &str) -> Result<String, BadRequest> {
        self.string(key)?
            .ok_or_else(|| BadRequest::missing(&self.path(key)))
    }

    pub(super) fn boolean(&mut self, key: &str) -> Result<Option<bool>, BadRequest> {
        match self.take(key) {
            None => Ok(None),
            Some(Json::Bool(b)) => Ok(Some(b)),
            Some(other) => Err(self.wrong_type(key, "a boolean", &other)),
        }
    }

    pub(super) fn array(&mut self, key: &str) -> Result<Option<Vec<Json>>, BadRequest> {
        match self.take(key) {
            None => Ok(None),
            Some(Json::Array(items)) => Ok(Some(items)),
            Some(other) => Err(self.wrong_type(key, "an array", &other)),
        }
    }

    /// A number within `range`.
    pub(super) fn number(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<f64>,
    ) -> Result<Option<f64>, BadRequest> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let Json::Number(number) = &value else {
            return Err(self.wrong_type(key, "a number", &value));
        };
        let number = number.as_f64().filter(|n| range.contains(n));
        number
            .map(Some)
            .ok_or_else(|| self.out_of_range(key, range.start(), range.end()))
    }

    /// A whole number within `range`.
    pub(super) fn whole(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Result<Option<i64>, BadRequest> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let Json::Number(number) = &value else {
            return Err(self.wrong_type(key, "a whole number", &value));
        };
        let Some(number) = number.as_i64() else {
            return Err(self.wrong_type(key, "a whole number", &value));
        };
        if range.contains(&number) {
            Ok(Some(number))
        } else {
            Err(self.out_of_range(key, range.start(), range.end()))
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, BadRequest> {
        let Some(found) = self.string(key)? else {
            return Ok(None);
        };
        let word = words
            .iter()
            .find(|(word, _)| *word == found)
            .map(|(_, value)| *value);
        word.map(Some).ok_or_else(|| {
            let all = words
                .iter()
                .map(|(word, _)| format!("'{word}'"))
                .collect::<Vec<_>>()
                .join(", ");
            BadRequest::invalid(&self.path(key), &format!("must be one of {all}"))
        })
    }

    /// Accepted, and not forwarded.
    pub(super) fn inert(&mut self, keys: &[&str]) {
        #[cfg(test)]
        keys.iter()
            .for_each(|key| super::contract::asked(&self.path(key)));
        self.fields
            .retain(|(name, _)| !keys.contains(&name.as_str()));
    }

    /// Refused unless absent, `null` or `false`.
    pub(super) fn refused(&mut self, keys: &[(&str, &str)]) -> Result<(), BadRequest> {
        for (key, why) in keys {
            if self
                .take(key)
                .is_some_and(|value| value != Json::Bool(false))
            {
                return Err(BadRequest {
                    code: "unsupported_parameter",
                    param: Some(self.path(key)),
                    message: format!("'{key}' is not supported: {why}."),
                });
            }
        }
        Ok(())
    }

    /// Whatever is left is unknown: dropped, counted and announced.
    pub(super) fn finish(self) {
        for (name, _) in &self.fields {
            self.dropped.count = self.dropped.count.saturating_add(1);
            if self.dropped.names.len() < DROPPED_NAMES_MAX {
                let path = match (self.path.is_empty(), name.contains(['.', '['])) {
                    (true, false) => name.clone(),
                    (false, false) => format!("{}.{name}", self.path),
                    // A name that would read as a path is quoted, so that its end is not taken for a name.
                    (_, true) => format!("{}[{name:?}]", self.path),
                };
                self.dropped.names.push(path);
            }
        }
    }

    pub(super) fn wrong_type(&self, key: &str, wanted: &str, found: &Json) -> BadRequest {
        BadRequest::wrong_type(&self.path(key), wanted, found.kind())
    }

    fn out_of_range(
        &self,
        key: &str,
        low: impl std::fmt::Display,
        high: impl std::fmt::Display,
    ) -> BadRequest {
        BadRequest::invalid(
            &self.path(key),
            &format!("must be between {low} and {high}"),
        )
    }
}
