use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use super::super::{parse, tests::limits};
use super::*;
use crate::dialect::Dialect;
use crate::pipeline::ingest;
use crate::refusal::BadRequest;

/// Requests that have every kind of part, so that the readers come past each of their questions.
fn samples(path: &str) -> Vec<Value> {
    let schema = json!({ "type": "object" });
    let function = json!({ "name": "f", "description": "d", "parameters": schema, "strict": true });
    let call =
        json!({ "id": "c", "type": "function", "function": { "name": "f", "arguments": "{}" } });
    let chat = json!({
        "model": "m",
        "messages": [
            { "role": "user", "content": [{ "type": "text", "text": "t" }, { "type": "refusal", "refusal": "r" }] },
            { "role": "assistant", "tool_calls": [call] },
            { "role": "tool", "tool_call_id": "c", "content": "r" },
        ],
        "tools": [{ "type": "function", "function": function }],
        "tool_choice": { "type": "function", "function": { "name": "f" } },
        "response_format": { "type": "json_schema", "json_schema": { "name": "n", "schema": schema } },
        "stream_options": { "include_usage": true },
        "moderation": moderation(),
    });
    let messages = json!({
        "model": "m", "max_tokens": 1,
        "system": [{ "type": "text", "text": "s" }],
        "messages": [
            { "role": "assistant", "content": [
                { "type": "text", "text": "t" }, { "type": "thinking", "thinking": "t" },
                { "type": "tool_use", "id": "c", "name": "f", "input": {} }] },
            { "role": "user", "content": [
                { "type": "tool_result", "tool_use_id": "c", "content": [{ "type": "text", "text": "t" }] }] },
        ],
        "tools": [{ "name": "f", "input_schema": schema }],
        "tool_choice": { "type": "tool", "name": "f" },
        "output_config": { "format": { "type": "json_schema", "schema": schema } },
    });
    let mut older = messages.clone();
    older["output_format"] = json!({ "type": "json_schema", "schema": schema });
    older["output_config"] = Value::Null;
    match path {
        "/v1/chat/completions" => vec![chat],
        "/v1/completions" => vec![
            json!({ "model": "m", "prompt": "p", "stream_options": { "include_usage": true } }),
        ],
        "/v1/embeddings" => vec![json!({ "model": "m", "input": ["t"] })],
        "/v1/messages" => vec![messages, older],
        "/v1/responses" => vec![responses()],
        "/v1/moderations" => vec![
            json!({ "input": "t" }),
            json!({ "input": [{ "type": "text", "text": "t" }] }),
        ],
        other => panic!("no samples of {other}"),
    }
}

fn moderation() -> Value {
    json!({ "model": "m", "policy": { "input": { "mode": "score" }, "output": { "mode": "score" } } })
}

fn responses() -> Value {
    let schema = json!({ "type": "object" });
    json!({
        "model": "m", "instructions": "i",
        "input": [
            { "role": "user", "content": [{ "type": "input_text", "text": "t" }, { "type": "refusal", "refusal": "r" }] },
            { "type": "reasoning", "summary": [{ "type": "summary_text", "text": "t" }],
              "content": [{ "type": "reasoning_text", "text": "t" }] },
            { "type": "function_call", "call_id": "c", "name": "f", "namespace": "g", "arguments": "{}" },
            { "type": "function_call_output", "call_id": "c",
              "output": [{ "type": "input_text", "text": "t" }, { "type": "refusal", "refusal": "r" }] },
        ],
        "tools": [
            { "type": "function", "name": "f", "parameters": schema },
            { "type": "namespace", "name": "g", "description": "d", "tools": [
                { "type": "function", "name": "f", "parameters": schema },
            ] },
        ],
        "moderation": moderation(),
        "tool_choice": { "type": "function", "name": "f" },
        "text": { "format": { "type": "json_schema", "name": "n", "schema": schema } },
        "reasoning": { "effort": "low" },
        "stream_options": {},
    })
}

/// Reads a sample as its endpoint does.
fn read(path: &str, sample: &Value) -> Result<(), BadRequest> {
    let body = sample.to_string();
    let (body, limits) = (body.as_bytes(), limits());
    match path {
        "/v1/chat/completions" => parse(body, ingest::of(Dialect::Chat), &limits).map(drop),
        "/v1/completions" => parse(body, ingest::of(Dialect::Completions), &limits).map(drop),
        "/v1/embeddings" => parse(body, ingest::EMBED, &limits).map(drop),
        "/v1/messages" => parse(body, ingest::of(Dialect::Messages), &limits).map(drop),
        "/v1/responses" => parse(body, ingest::of(Dialect::Responses), &limits).map(drop),
        "/v1/moderations" => parse(body, ingest::MODERATE, &limits).map(drop),
        other => panic!("no reader of {other}"),
    }
}

#[test]
fn the_contracts_list_what_the_readers_ask_for() {
    for (path, contract) in ALL {
        ASKED.take();
        for sample in samples(path) {
            if let Err(fault) = read(path, &sample) {
                panic!("{path}: {}", fault.message);
            }
        }
        let asked = ASKED.take();
        let listed: BTreeSet<String> = contract
            .iter()
            .map(|(field, _)| (*field).to_owned())
            .collect();
        assert_eq!(listed.len(), contract.len(), "{path}: a field twice");
        let unlisted: Vec<_> = asked.difference(&listed).collect();
        assert!(unlisted.is_empty(), "{path} has no line for {unlisted:?}");
        let unasked: Vec<_> = listed.difference(&asked).collect();
        assert!(unasked.is_empty(), "{path} never asks for {unasked:?}");
    }
}

/// A finding in a field whose place cannot stand in an entry could not be recorded.
#[test]
fn every_guarded_place_can_stand_in_an_entry() {
    for (path, contract) in ALL {
        for (field, kind) in contract {
            let fits = audit::FieldPattern::new(field).is_some();
            assert!(fits || *kind != Kind::Guarded, "{path}: {field}");
        }
    }
}

/// The tables of `docs/api.md` are written from the contracts.
#[test]
fn the_documentation_has_the_contracts() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api.md");
    let mut text = std::fs::read_to_string(&file).expect("docs/api.md");
    for (path, contract) in ALL {
        let begin = format!("<!-- contract: {path} -->\n");
        let (before, rest) = text.split_once(&begin).expect("its beginning");
        let (_, after) = rest.split_once("<!-- end -->").expect("its end");
        text = format!("{before}{begin}{}<!-- end -->{after}", table(contract));
    }
    if std::env::var_os("PORTCULLIS_WRITE_TABLE").is_some() {
        std::fs::write(&file, text).expect("written");
        return;
    }
    let written = std::fs::read_to_string(&file).expect("docs/api.md");
    assert!(
        written == text,
        "PORTCULLIS_WRITE_TABLE=1 writes it; it should be:\n{text}"
    );
}

/// One line for each kind.
fn table(contract: &[Field]) -> String {
    let kinds = [Kind::Guarded, Kind::Constrained, Kind::Inert, Kind::Refused];
    let line = |kind: Kind| {
        let fields = contract.iter().filter(|(_, of)| *of == kind);
        let names: Vec<_> = fields.map(|(path, _)| format!("`{path}`")).collect();
        (!names.is_empty()).then(|| format!("| {} | {} |\n", kind.as_str(), names.join(", ")))
    };
    let lines: String = kinds.into_iter().filter_map(line).collect();
    format!("| kind | fields |\n|---|---|\n{lines}")
}
