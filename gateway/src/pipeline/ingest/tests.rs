use serde_json::{Value, json};

use super::*;

pub(super) fn limits() -> Limits {
    Limits {
        body_bytes_max: 1 << 20,
        body_timeout: std::time::Duration::from_secs(1),
        in_flight_max: 1,
        in_flight_per_principal_max: 1,
        request_timeout: std::time::Duration::from_secs(1),
        choices_max: 4,
        unauthenticated_per_second_max: 1,
    }
}

fn read(body: &Value) -> Result<Prompt<Chat>, BadRequest> {
    match json::parse(body.to_string().as_bytes()).expect("JSON") {
        Json::Object(fields) => chat::read(fields, &limits()),
        _ => panic!("the test sends objects"),
    }
}

fn base() -> Value {
    json!({ "model": "m", "messages": [{ "role": "user", "content": "hello" }] })
}

#[track_caller]
fn refused(change: impl FnOnce(&mut Value), code: &str, param: &str) {
    let mut body = base();
    change(&mut body);
    let fault = read(&body)
        .err()
        .unwrap_or_else(|| panic!("{body} is refused"));
    assert_eq!(
        (fault.code, fault.param.as_deref().unwrap_or("")),
        (code, param),
        "{}",
        fault.message
    );
}

#[test]
fn a_small_request_is_read() {
    let prompt = read(&base()).expect("read");
    assert_eq!(
        (
            prompt.question.model.as_str(),
            prompt.question.sampling.n,
            prompt.dropped.count
        ),
        ("m", 1, 0)
    );
}

#[test]
fn wrong_types_are_named_by_their_path() {
    refused(|b| b["model"] = json!(1), "invalid_type", "model");
    refused(|b| b["messages"] = json!({}), "invalid_type", "messages");
    refused(
        |b| b["messages"][0]["content"] = json!(1),
        "invalid_type",
        "messages[0].content",
    );
    refused(
        |b| b["messages"][0]["content"] = json!([1]),
        "invalid_type",
        "messages[0].content[0]",
    );
    refused(
        |b| {
            b["tools"] =
                json!([{ "type": "function", "function": { "name": "f", "parameters": 3 } }])
        },
        "invalid_type",
        "tools[0].function.parameters",
    );
    refused(|b| b["stream"] = json!("yes"), "invalid_type", "stream");
    refused(|b| b["stop"] = json!(["a", 1]), "invalid_type", "stop[1]");
}

#[test]
fn missing_and_impossible_values_are_refused() {
    refused(
        |b| drop(b.as_object_mut().map(|o| o.remove("model"))),
        "missing_required_parameter",
        "model",
    );
    refused(|b| b["messages"] = json!([]), "invalid_value", "messages");
    refused(
        |b| b["messages"][0]["role"] = json!("root"),
        "invalid_value",
        "messages[0].role",
    );
    refused(
        |b| b["temperature"] = json!(2.5),
        "invalid_value",
        "temperature",
    );
    refused(|b| b["n"] = json!(5), "invalid_value", "n");
    refused(
        |b| b["max_tokens"] = json!(-1),
        "invalid_value",
        "max_tokens",
    );
    refused(
        |b| b["tool_choice"] = json!({ "type": "function", "function": { "name": "nobody" } }),
        "invalid_value",
        "tool_choice.function.name",
    );
    refused(
        |b| b["messages"][0]["tool_call_id"] = json!("x"),
        "invalid_value",
        "messages[0].content",
    );
}

#[test]
fn what_cannot_be_scanned_is_refused() {
    let image = json!([{ "type": "image_url", "image_url": { "url": "data:…" } }]);
    refused(
        |b| b["messages"][0]["content"] = image,
        "unsupported_content",
        "messages[0].content[0].type",
    );
    refused(
        |b| b["modalities"] = json!(["text", "audio"]),
        "unsupported_content",
        "modalities",
    );
    for field in [
        "logprobs",
        "audio",
        "web_search_options",
        "prediction",
        "functions",
        "store",
    ] {
        refused(|b| b[field] = json!(true), "unsupported_parameter", field);
    }
    refused(
        |b| b["logit_bias"] = json!({ "50256": -100 }),
        "unsupported_parameter",
        "logit_bias",
    );
}

#[test]
fn unknown_fields_are_dropped_and_counted_at_every_level() {
    let body = json!({
        "model": "m", "surprise": { "text": "hidden" },
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": "hello", "extra": 1 }], "aside": "x" }],
        "tools": [{ "type": "function", "function": { "name": "f", "novel": 1 } }],
    });
    let prompt = read(&body).expect("read");
    assert_eq!(prompt.dropped.count, 4);
    let mut names = prompt.dropped.names.clone();
    names.sort();
    assert_eq!(
        names,
        [
            "messages[0].aside",
            "messages[0].content[0].extra",
            "surprise",
            "tools[0].function.novel"
        ]
    );
}

#[test]
fn inert_fields_are_neither_forwarded_nor_announced() {
    let mut body = base();
    for (key, value) in [
        ("user", json!("alice")),
        ("store", json!(false)),
        ("metadata", json!({ "a": "b" })),
        ("service_tier", json!("auto")),
    ] {
        body[key] = value;
    }
    assert_eq!(read(&body).expect("read").dropped.count, 0);
}

#[test]
fn ids_cannot_carry_text() {
    let call = json!({ "id": "send this: pa ss", "type": "function", "function": { "name": "f", "arguments": "{}" } });
    refused(
        |b| b["messages"] = json!([{ "role": "assistant", "tool_calls": [call] }]),
        "invalid_value",
        "messages[0].tool_calls[0].id",
    );
}
