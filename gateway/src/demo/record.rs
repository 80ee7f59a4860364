//! What the log says, read from its files while it is being written.

use std::path::Path;

use serde_json::Value;

use super::beat::{Surprise, holds, same, some};

/// One entry.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) index: u64,
    pub(super) entry: Value,
    /// The leaf, byte for byte.
    pub(super) leaf: Vec<u8>,
}

/// Every entry, in order.
pub(super) fn all(log: &Path) -> Result<Vec<Record>, Surprise> {
    let unreadable = |damage| Surprise::failed("reading the log", damage);
    let mut records = Vec::new();
    for entry in audit::entries(log).map_err(unreadable)? {
        let (index, leaf) = entry.map_err(unreadable)?;
        let entry =
            serde_json::from_slice(&leaf).map_err(|e| Surprise::failed("parsing an entry", e))?;
        records.push(Record {
            index: index.0,
            entry,
            leaf,
        });
    }
    Ok(records)
}

/// The entries about one request.
pub(super) fn about(log: &Path, id: &str) -> Result<Vec<Record>, Surprise> {
    let mut records = all(log)?;
    records.retain(|record| record.text("/req") == id);
    Ok(records)
}

/// The intent of an answered request and its outcome, in that order, and nothing else.
pub(super) fn intent_and_outcome(log: &Path, id: &str) -> Result<(Record, Record), Surprise> {
    let records = about(log, id)?;
    let [intent, outcome] = records.as_slice() else {
        return Err(Surprise::new(
            "the entries about the request",
            "an intent and an outcome",
            format!("{} entries", records.len()),
        ));
    };
    same("the first entry", intent.kind(), "req.intent")?;
    same("the second entry", outcome.kind(), "req.outcome")?;
    same(
        "the outcome's intent",
        outcome.number("/intent"),
        Some(intent.index),
    )?;
    Ok((intent.clone(), outcome.clone()))
}

/// The one entry of a refused request.
pub(super) fn refusal(log: &Path, id: &str, kind: &str) -> Result<Record, Surprise> {
    let records = about(log, id)?;
    let [record] = records.as_slice() else {
        return Err(Surprise::new(
            "the entries about the request",
            "one refusal",
            format!("{} entries", records.len()),
        ));
    };
    same("the entry's type", record.kind(), kind)?;
    Ok(record.clone())
}

impl Record {
    /// What it is.
    pub(super) fn kind(&self) -> &str {
        self.text("/type")
    }

    /// A text in it, by JSON pointer; empty if there is none.
    pub(super) fn text(&self, pointer: &str) -> &str {
        let value = self.entry.pointer(pointer);
        value.and_then(Value::as_str).unwrap_or_default()
    }

    /// A number in it, by JSON pointer.
    pub(super) fn number(&self, pointer: &str) -> Option<u64> {
        self.entry.pointer(pointer)?.as_u64()
    }

    /// An outcome must count every byte of the answer as released.
    pub(super) fn released(&self, answer: &str) -> Result<(), Surprise> {
        let counted = self.number("/released_bytes");
        same(
            "the bytes released, as the entry counts",
            counted,
            Some(answer.len() as u64),
        )
    }

    /// The access rule that matched, and where it is written.
    pub(super) fn rule(&self) -> Result<String, Surprise> {
        let (rule, file) = (self.text("/policy/rule"), self.text("/policy/file"));
        let line = some("the line of the rule", self.number("/policy/line"))?;
        holds(
            "a rule with its file",
            !rule.is_empty() && !file.is_empty(),
            rule,
        )?;
        Ok(format!("rule {rule}, {file}:{line}"))
    }

    /// Whether a detector is listed as having run.
    pub(super) fn ran(&self, detector: &str) -> bool {
        let named = |check: &Value, wanted: &str| {
            let detectors = check.get("detectors").and_then(Value::as_array);
            let mut names = detectors.into_iter().flatten().filter_map(Value::as_str);
            names.any(|name| name.split_once('@').is_some_and(|(name, _)| name == wanted))
        };
        self.checks().any(|check| named(check, detector))
    }

    /// The first hit with this action, and the detector that made it.
    pub(super) fn hit(&self, action: &str) -> Result<Hit, Surprise> {
        let mut hits = self.checks().flat_map(|check| {
            let hits = check.get("hits").and_then(Value::as_array);
            hits.into_iter().flatten().map(move |hit| (check, hit))
        });
        let found = hits.find(|(_, hit)| hit.get("action").is_some_and(|a| a == action));
        let (check, hit) = some(&format!("a hit with the action {action}"), found)?;
        let text = |value: &Value, key: &str| {
            let text = value.get(key).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let score = |key: &str| hit.get(key).and_then(Value::as_u64).unwrap_or(0) as f64 / 10_000.0;
        Ok(Hit {
            detector: check
                .pointer("/detectors/0")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            path: text(hit, "path"),
            label: text(hit, "label"),
            score: score("score"),
            threshold: score("threshold"),
        })
    }

    fn checks(&self) -> impl Iterator<Item = &Value> {
        let checks = self.entry.get("checks").and_then(Value::as_array);
        checks.into_iter().flatten()
    }
}

/// What a detector found, as the entry tells it.
pub(super) struct Hit {
    pub(super) detector: String,
    pub(super) path: String,
    pub(super) label: String,
    pub(super) score: f64,
    pub(super) threshold: f64,
}

impl Hit {
    /// What stands where the text was.
    pub(super) fn mask(&self) -> String {
        format!("[REDACTED:{}]", self.label)
    }
}
