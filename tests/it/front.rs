//! Whatever is posted, the answer is a designed one, and the log tells the same story.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use tests::client::Session;
use tests::gateway_under_test::CHAT;
use tests::{AuditLog, FakeLlama, Reply, TestGateway};

const ME: &str = "svc:benefits-app";

fn valid() -> Value {
    let function = json!({ "name": "search", "description": "finds forms", "parameters": { "type": "object", "properties": { "q": { "type": "string" } } }, "strict": true });
    let call = json!({ "id": "call_1", "type": "function", "function": { "name": "search", "arguments": "{\"q\":\"form\"}" } });
    json!({
        "model": "llama-3.3-70b",
        "messages": [
            { "role": "system", "content": "Be brief." },
            { "role": "user", "content": [{ "type": "text", "text": "Which form?" }], "name": "clerk" },
            { "role": "assistant", "content": null, "tool_calls": [call] },
            { "role": "tool", "tool_call_id": "call_1", "content": "Form 7." },
        ],
        "tools": [{ "type": "function", "function": function }], "tool_choice": "auto", "parallel_tool_calls": false,
        "temperature": 0.5, "top_p": 1, "n": 1, "seed": 7, "max_tokens": 100, "stop": ["END"], "stream": false,
        "stream_options": { "include_usage": true }, "response_format": { "type": "text" }, "user": "somebody",
        "presence_penalty": 0.1, "frequency_penalty": 0, "reasoning_effort": "low", "logprobs": false, "metadata": { "a": "b" },
    })
}

/// One change to a request.
#[derive(Debug, Clone)]
enum Change {
    /// The value at a place becomes another.
    Replace(usize, Value),
    /// The place goes.
    Remove(usize),
    /// A field comes.
    Add(usize, String, Value),
    /// The value at one place is copied to another.
    Copy(usize, usize),
    /// A byte of the text becomes another.
    Byte(usize, u8),
    /// The text ends here.
    Cut(usize),
    /// A piece of the text comes twice.
    Twice(usize, usize),
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>()
            .prop_filter("finite", |f| f.is_finite())
            .prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "user",
            "assistant",
            "tool",
            "text",
            "function",
            "json_schema",
            "auto",
            "required",
            "llama-4-maverick",
            "llama-guard-internal",
            "078-05-1120",
            "AKIAIOSFODNN7EXAMPLE",
            "DROP TABLE x",
            "\u{202e}",
            "call_1",
            ""
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z_]{0,8}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn change() -> impl Strategy<Value = Change> {
    let at = || any::<usize>();
    prop_oneof![
        6 => (at(), value()).prop_map(|(at, value)| Change::Replace(at, value)),
        3 => at().prop_map(Change::Remove),
        3 => (at(), prop_oneof!["[a-z_]{1,10}", Just("logprobs".to_owned()), Just("tool_calls".to_owned()), Just("content".to_owned())], value())
            .prop_map(|(at, key, value)| Change::Add(at, key, value)),
        2 => (at(), at()).prop_map(|(from, to)| Change::Copy(from, to)),
        2 => (at(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        1 => at().prop_map(Change::Cut),
        1 => (at(), at()).prop_map(|(from, to)| Change::Twice(from, to)),
    ]
}

/// All places of a value, as JSON pointers.
fn places(value: &Value, at: String, found: &mut Vec<String>) {
    found.push(at.clone());
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(i, item)| places(item, format!("{at}/{i}"), found)),
        Value::Object(fields) => fields
            .iter()
            .for_each(|(key, item)| places(item, format!("{at}/{key}"), found)),
        _ => {}
    }
}

fn changed(changes: &[Change]) -> Vec<u8> {
    let mut body = valid();
    let place = |body: &Value, at: usize| {
        let mut found = Vec::new();
        places(body, String::new(), &mut found);
        found[at % found.len()].clone()
    };
    for change in changes {
        match change {
            Change::Replace(at, value) => {
                let place = place(&body, *at);
                *body.pointer_mut(&place).unwrap() = value.clone();
            }
            Change::Remove(at) => {
                let place = place(&body, *at);
                if let Some((parent, key)) = place.rsplit_once('/') {
                    match body.pointer_mut(parent).unwrap() {
                        Value::Object(fields) => drop(fields.remove(key)),
                        Value::Array(items) => drop(items.remove(key.parse().unwrap())),
                        _ => {}
                    }
                }
            }
            Change::Add(at, key, value) => {
                let place = place(&body, *at);
                if let Some(fields) = body.pointer_mut(&place).and_then(Value::as_object_mut) {
                    fields.insert(key.clone(), value.clone());
                }
            }
            Change::Copy(from, to) => {
                let (from, to) = (place(&body, *from), place(&body, *to));
                let value = body.pointer(&from).unwrap().clone();
                *body.pointer_mut(&to).unwrap() = value;
            }
            Change::Byte(..) | Change::Cut(_) | Change::Twice(..) => {}
        }
    }
    let mut bytes = body.to_string().into_bytes();
    for change in changes {
        let length = bytes.len().max(1);
        match change {
            Change::Byte(at, byte) if !bytes.is_empty() => bytes[at % length] = *byte,
            Change::Cut(at) => bytes.truncate(at % length),
            Change::Twice(from, to) => {
                let (from, to) = (
                    (from % length).min(to % length),
                    (from % length).max(to % length),
                );
                let piece = bytes[from..to].to_vec();
                bytes.splice(to..to, piece);
            }
            _ => {}
        }
    }
    bytes
}

/// Status and code that the design has for a posted chat.
const DESIGNED: [(u16, &str); 13] = [
    (400, "invalid_json"),
    (400, "invalid_type"),
    (400, "invalid_value"),
    (400, "missing_required_parameter"),
    (400, "unsupported_parameter"),
    (400, "unsupported_content"),
    (400, "content_filter"),
    (403, "access_denied"),
    (404, "model_not_found"),
    (413, "request_too_large"),
    (200, ""),
    (400, "context_length_exceeded"),
    (408, "request_timeout"),
];

fn assert_designed(reply: &Reply, body: &[u8]) -> Result<(), TestCaseError> {
    let body = String::from_utf8_lossy(body);
    let streamed = reply
        .header("content-type")
        .starts_with("text/event-stream");
    let code = if streamed {
        String::new()
    } else {
        reply.code()
    };
    prop_assert!(
        DESIGNED.contains(&(reply.status(), code.as_str())),
        "{} {}: {}",
        reply.status(),
        reply.text(),
        body
    );
    prop_assert!(reply.complete, "{}", body);
    prop_assert_eq!(reply.header("x-request-id").len(), 36);
    if streamed {
        prop_assert!(reply.done(), "{}: {}", reply.text(), body);
    }
    Ok(())
}

/// An answer has an intent and an outcome; anything else has one denial, of the same status.
fn assert_recorded(log: &AuditLog, told: &[(String, u16)]) {
    log.check();
    let entries = log.entries();
    for (id, status) in told {
        let about: Vec<_> = entries.iter().filter(|entry| entry["req"] == *id).collect();
        let kinds: Vec<_> = about
            .iter()
            .map(|entry| entry["type"].as_str().unwrap())
            .collect();
        match status {
            200 => assert_eq!(kinds, ["req.intent", "req.outcome"], "{id}"),
            _ => assert_eq!(
                (kinds.as_slice(), &about[0]["http"]),
                (["req.deny"].as_slice(), &json!(status)),
                "{id}"
            ),
        }
    }
}

#[test]
fn whatever_is_posted_gets_a_designed_answer_and_a_true_record() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let (gateway, session, llama) = runtime.block_on(async {
        let llama = FakeLlama::replying("A short answer.").start().await;
        let gateway = TestGateway::new().backend(&llama).start().await;
        let session: Session = gateway.http2().session().await;
        (gateway, session, llama)
    });
    let told = std::cell::RefCell::new(Vec::new());
    let mut runner = TestRunner::new(ProptestConfig {
        cases: 300,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let law = runner.run(&prop::collection::vec(change(), 0..4), |changes| {
        let body = changed(&changes);
        let request = http::Request::post(format!("https://localhost{CHAT}"))
            .header("authorization", format!("Bearer {}", gateway.key(ME)))
            .body(http_body_util::Full::from(body.clone()))
            .unwrap();
        let reply = runtime.block_on(session.send(request));
        told.borrow_mut()
            .push((reply.header("x-request-id").to_owned(), reply.status()));
        assert_designed(&reply, &body)
    });
    let told = told.into_inner();
    let answered = told.iter().filter(|(_, status)| *status == 200).count();
    let seen = llama.requests_seen();
    let log = runtime.block_on(gateway.stop());
    if let Err(broken) = law {
        panic!("{broken}");
    }
    assert!(
        answered > 20 && answered < told.len(),
        "{answered} of {}: both kinds were tried",
        told.len()
    );
    assert_eq!(
        seen, answered,
        "the model was asked for each answer, and for nothing else"
    );
    assert_recorded(&log, &told);
}
