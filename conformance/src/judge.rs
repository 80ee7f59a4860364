//! What arrived where it must not.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::Received;
use crate::target::Reply;

/// What became of one probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The text did not come through.
    Held(How),
    /// It did; what was seen of it.
    Leaked(String),
    /// There was nothing to see here; why.
    Untested(String),
}

/// How a text was held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// Refused because of the text: the same request with another text is answered.
    Refused,
    /// Refused with any text there.
    NotAccepted,
    /// The model was asked, and got something else in this place.
    Masked,
    /// The model was asked without this place.
    NotForwarded,
    /// What came through was without it; how, was not looked at.
    KeptBack,
    /// The gateway has no such endpoint.
    NotOffered,
    /// The protocol in which the gateway asked the model has no such field.
    NoSuchField,
}

impl How {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            How::Refused => "refused",
            How::NotAccepted => "not accepted",
            How::Masked => "masked",
            How::NotForwarded => "not forwarded",
            How::KeptBack => "kept back",
            How::NotOffered => "not offered",
            How::NoSuchField => "no such field",
        }
    }
}

/// Whether these texts arrived at the model with one request: one text anywhere; several side by side, or each in a string
/// of its own. (Put together into one string with something between them, they are what the scanner has seen.)
pub(crate) fn arrived(received: &[Received], texts: &[String]) -> bool {
    let together = texts.concat();
    received.iter().any(|request| {
        let seen = seen(request);
        let has = |text: &str| seen.iter().any(|one| one.contains(text));
        let alone = |text: &String| {
            let others = texts.iter().filter(|other| *other != text);
            let others: Vec<&String> = others.collect();
            let is_alone = |one: &String| {
                one.contains(text.as_str())
                    && !others.iter().any(|other| one.contains(other.as_str()))
            };
            seen.iter().any(is_alone)
        };
        has(&together) || (texts.len() > 1 && texts.iter().all(alone))
    })
}

/// The texts of a request: its head, its body as it came, and every string in it.
fn seen(request: &Received) -> Vec<String> {
    let mut seen = vec![request.head.clone()];
    let body = String::from_utf8_lossy(&request.body);
    seen.push(body.split_whitespace().collect());
    if let Ok(value) = serde_json::from_slice(&request.body) {
        strings(&value, &mut |_, text| seen.push(text.to_owned()), "");
    }
    seen.push(body.into_owned());
    let (pairs, _) = request.body.as_chunks();
    let utf16: Vec<u16> = pairs.iter().map(|&pair| u16::from_le_bytes(pair)).collect();
    seen.push(String::from_utf16_lossy(&utf16));
    seen
}

/// What of a text came back: the place, if half of it did.
pub(crate) fn leaked(reply: &Reply, text: &str) -> Option<String> {
    let middle = text.chars().count() / 2;
    let middle = text
        .char_indices()
        .nth(middle)
        .map_or(text.len(), |(at, _)| at);
    let (first, second) = text.split_at(middle);
    let halves = [first, second];
    let found = told(reply)
        .into_iter()
        .find(|(_, told)| halves.iter().any(|half| told.contains(half)));
    found.map(|(place, _)| place)
}

/// Every text that a client could read in a reply, with its place: the bytes as they came, every field, and the deltas
/// of a stream put together.
fn told(reply: &Reply) -> BTreeMap<String, String> {
    let mut told = BTreeMap::new();
    let headers = [("header", &reply.headers), ("trailer", &reply.trailers)];
    for (kind, headers) in headers {
        for (name, value) in headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            told.insert(format!("{kind} {name}"), value);
        }
    }
    let body = String::from_utf8_lossy(&reply.body);
    let mut put = |place: &str, text: &str| {
        told.entry(place.to_owned()).or_default().push_str(text);
    };
    match serde_json::from_str(&body) {
        Ok(value) => strings(&value, &mut put, ""),
        Err(_) => {
            let events = body.lines().filter_map(|line| line.strip_prefix("data:"));
            for event in events.filter_map(|data| serde_json::from_str::<Value>(data).ok()) {
                strings(&event, &mut put, &place_of(&event));
            }
        }
    }
    told.insert("the bytes".to_owned(), body.into_owned());
    told
}

/// What tells the events of one text from those of another.
fn place_of(event: &Value) -> String {
    let name = event["type"].as_str().unwrap_or_default();
    let numbers = ["output_index", "content_index", "index"];
    let numbers = numbers.iter().filter_map(|number| event[number].as_u64());
    numbers.fold(name.to_owned(), |place, number| format!("{place} {number}"))
}

/// Hands over every name and every text of a value, with its place.
fn strings(value: &Value, put: &mut impl FnMut(&str, &str), place: &str) {
    match value {
        Value::String(text) => put(place, text),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                let index = item["index"].as_u64().unwrap_or(at as u64);
                strings(item, put, &format!("{place}[{index}]"));
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                put("a name", name);
                // Names stand beside one another in this place, and make no text together.
                put("a name", "\n");
                strings(value, put, &format!("{place}.{name}"));
            }
        }
        _ => {}
    }
}
