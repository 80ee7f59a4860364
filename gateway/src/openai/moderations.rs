//! What the guardrails say, as a moderation.
//!
//! Shape: OpenAI API reference, *The moderation object*. Its thirteen categories are there because its clients ask for
//! them; none of ours looks for them, and `category_applied_input_types` says so. Ours are named after the detector
//! that ran (`pii`) and what it looked for or found (`pii/us_ssn`, `fast-guard/prompt_attack`); what did not run is not
//! listed. A category's score is 1 or 0: how near a text came would teach how to stay below.

use std::collections::BTreeMap;

use guardrails::{Action, Report};
use serde_json::{Map, Value, json};

use crate::pipeline::ingest::moderations::MODERATION;

/// The whole answer.
pub fn moderation(id: &str, model: &str, results: &[Report]) -> Value {
    let results: Vec<Value> = results.iter().map(result).collect();
    json!({ "id": id, "model": model, "results": results })
}

/// What was said about a prompt or an answer, for whoever asked for it along with the answer.
pub fn verdict(report: &Report) -> Value {
    let mut verdict = result(report);
    if let Value::Object(members) = &mut verdict {
        members.insert("type".to_owned(), "moderation_result".into());
        members.insert("model".to_owned(), MODERATION.into());
    }
    verdict
}

/// What was said about one text.
fn result(report: &Report) -> Value {
    let (mut found, mut scores, mut read) = (Map::new(), Map::new(), Map::new());
    let mut put = |category: &str, is_found: bool, looked_for: bool| {
        found.insert(category.to_owned(), is_found.into());
        scores.insert(category.to_owned(), u8::from(is_found).into());
        let types = if looked_for { vec!["text"] } else { Vec::new() };
        read.insert(category.to_owned(), types.into());
    };
    for category in OPENAI_CATEGORIES {
        put(category, false, false);
    }
    for (category, is_found) in categories(report) {
        put(&category, is_found, true);
    }
    json!({
        "flagged": report.action() > Action::Allow,
        "action": report.action().as_str(),
        "categories": found,
        "category_scores": scores,
        "category_applied_input_types": read,
    })
}

/// Every detector that ran and what it was asked for, and whether it was found.
fn categories(report: &Report) -> BTreeMap<String, bool> {
    let mut categories = BTreeMap::new();
    for check in &report.checks {
        let detector = &check.detector;
        categories.insert(detector.clone(), false);
        for score in &check.scores {
            categories.insert(format!("{detector}/{}", score.label), false);
        }
        for finding in &check.findings {
            let is_found = finding.action > Action::Allow;
            for category in [detector.clone(), format!("{detector}/{}", finding.label)] {
                *categories.entry(category).or_default() |= is_found;
            }
        }
    }
    categories
}

const OPENAI_CATEGORIES: [&str; 13] = [
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
];
