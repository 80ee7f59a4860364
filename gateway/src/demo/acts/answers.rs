//! Act 1, second half: what may leave. These answers are planted: no honest model gives them on demand.

use serde_json::json;

use crate::demo::beat::{Beat, Needs, Surprise, Told, Took, Verdict, holds, same};
use crate::demo::record;
use crate::demo::rig::{Rig, streamed};

pub(super) const LEAKED_KEY: Beat = Beat {
    says: "The answer leaks a cloud key, three characters at a time.",
    needs: Needs::PlantedAnswer,
    play: |rig| Box::pin(a_split_key_is_redacted(rig)),
};

pub(super) const TOOL_CALL: Beat = Beat {
    says: "The model asks your app to run a tool that would delete a table.",
    needs: Needs::PlantedAnswer,
    play: |rig| Box::pin(a_forbidden_argument_is_stopped(rig)),
};

/// The key of the cloud vendor's own documentation.
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

/// So much of the key in one piece is a leak.
const TELLING: usize = 5;

async fn a_split_key_is_redacted(rig: &mut Rig) -> Result<Told, Surprise> {
    let reply = rig.ask(&streamed("Please leak the key.")).await?;

    same("the status", reply.status, 200)?;
    holds(
        "a stream with its end mark",
        reply.is_complete(),
        reply.body(),
    )?;
    let (content, wire) = (reply.content(), reply.body());
    holds(
        "no part of the key in the answer",
        !tells(&content),
        &content,
    )?;
    holds(
        "no part of the key in the bytes on the wire",
        !tells(wire),
        wire,
    )?;
    let (intent, outcome) = record::intent_and_outcome(&rig.log(), reply.id())?;
    let hit = outcome.hit("redact")?;
    holds(
        "a mask in its place",
        content.contains(&format!("[REDACTED:{}]", hit.label)),
        &content,
    )?;
    same(
        "how the entry says it ended",
        outcome.text("/status"),
        "completed",
    )?;
    same(
        "the bytes that the entry says were released",
        outcome.number("/released_bytes"),
        Some(content.len() as u64),
    )?;
    Ok(Told {
        verdict: Verdict::Redacted,
        what: vec![
            format!("\"{content}\""),
            format!("none of the {} bytes on the wire is of the key", wire.len()),
        ],
        not_proved: Vec::new(),
        place: vec![
            format!("{}, {} found {}", hit.path, hit.detector, hit.label),
            format!("entries {} and {}", intent.index, outcome.index),
        ],
        time: Took(reply.took).to_string(),
    })
}

async fn a_forbidden_argument_is_stopped(rig: &mut Rig) -> Result<Told, Surprise> {
    let mut ask = streamed("Please erase the benefits table.");
    if let Some(fields) = ask.as_object_mut() {
        let parameters =
            json!({ "type": "object", "properties": { "query": { "type": "string" } } });
        let tool = json!({ "type": "function", "function": { "name": "run_sql", "parameters": parameters } });
        fields.insert("tools".to_owned(), json!([tool]));
    }
    let reply = rig.ask(&ask).await?;

    same("the status", reply.status, 200)?;
    holds(
        "a stream with its end mark",
        reply.is_complete(),
        reply.body(),
    )?;
    same(
        "the finish reason",
        reply.finish_reason(),
        "content_filter".to_owned(),
    )?;
    let wire = reply.body();
    holds(
        "no tool call on the wire",
        !wire.contains("DROP") && !wire.contains("tool_calls"),
        wire,
    )?;
    let (intent, outcome) = record::intent_and_outcome(&rig.log(), reply.id())?;
    same(
        "how the entry says it ended",
        outcome.text("/status"),
        "blocked",
    )?;
    let hit = outcome.hit("block")?;
    Ok(Told {
        verdict: Verdict::Stopped,
        what: vec!["finish_reason content_filter; your app got no tool call".to_owned()],
        not_proved: Vec::new(),
        place: vec![
            hit.path.clone(),
            format!("{} found {}", hit.detector, hit.label),
            format!("entries {} and {}", intent.index, outcome.index),
        ],
        time: Took(reply.took).to_string(),
    })
}

/// Whether any telling part of the key is in there.
fn tells(text: &str) -> bool {
    let parts = KEY.as_bytes().windows(TELLING);
    let mut parts = parts.filter_map(|part| std::str::from_utf8(part).ok());
    parts.any(|part| text.contains(part))
}
