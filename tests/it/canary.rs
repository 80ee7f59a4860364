//! Nothing that a caller typed is in an entry, in a metric, in the operational log, or in the clear in any file of the
//! log: a canary in every byte that a caller controls is looked for in all of them.

use http::Method;
use serde_json::{Value, json};
use tests::gateway_under_test::{CHAT, question};
use tests::{FakeLlama, Reply, Script, TestGateway, operational};

const ME: &str = "svc:benefits-app";

/// In everything that a caller writes, followed by where.
const CANARY: &str = "zqcanary";

/// A request line and headers, and a body, all full of canaries.
struct Song {
    what: &'static str,
    head: String,
    body: Vec<u8>,
    status: u16,
}

/// Headers that a client may send and that nobody should repeat.
fn headers() -> String {
    let names = [
        "user-agent",
        "referer",
        "origin",
        "cookie",
        "x-request-id",
        "request-id",
        "traceparent",
        "tracestate",
        "baggage",
        "accept",
        "accept-language",
        "from",
        "via",
        "forwarded",
        "x-forwarded-for",
        "x-forwarded-user",
        "x-real-ip",
        "x-user",
        "openai-organization",
        "openai-project",
        "idempotency-key",
        "x-stainless-lang",
        "sec-fetch-mode",
        "pragma",
    ];
    let known = names
        .iter()
        .map(|name| format!("{name}: {CANARY}-{name}\r\n"));
    let own = (0..3).map(|at| format!("x-{CANARY}-name{at}: {CANARY}-value{at}\r\n"));
    known.chain(own).collect()
}

fn everywhere(gateway: &TestGateway) -> Value {
    let _ = gateway;
    let c = |place: &str| format!("{CANARY}-{place}");
    let schema = json!({ "type": "object", "description": c("schema"), c("schemakey"): 1,
        "properties": { c("property"): { "type": "string", "enum": [c("enum")], "default": c("default") } } });
    let arguments =
        json!({ c("argumentkey"): c("argument"), "nested": { c("inner"): [c("item")] } })
            .to_string();
    let call = json!({ "id": c("callid"), "type": "function", c("callfield"): 1,
        "function": { "name": c("toolname"), "arguments": arguments, c("functionfield"): 2 } });
    json!({
        "model": "llama-3.3-70b", c("field"): { c("deep"): c("value") },
        "user": c("user"), "metadata": { c("metakey"): c("meta") }, "safety_identifier": c("safety"), "prompt_cache_key": c("cache"),
        "service_tier": c("tier"),
        "messages": [
            { "role": "system", "content": c("system"), "name": c("name"), c("messagefield"): 3 },
            { "role": "user", "content": [{ "type": "text", "text": c("part"), c("partfield"): 4 }] },
            { "role": "assistant", "content": c("assistant"), "refusal": c("refusal"), "reasoning_content": c("reasoning"), "tool_calls": [call] },
            { "role": "tool", "tool_call_id": c("callid"), "content": c("result") },
            { "role": "user", "content": c("user") },
        ],
        "tools": [{ "type": "function", "function": { "name": c("tool"), "description": c("description"), "parameters": schema } }],
        "tool_choice": { "type": "function", "function": { "name": c("tool") } },
        "stop": [c("stop")],
        "response_format": { "type": "json_schema", "json_schema": { "name": c("format"), "description": c("formatdescription"), "schema": schema } },
    })
}

fn songs(gateway: &TestGateway) -> Vec<Song> {
    let key = gateway.key(ME).to_owned();
    let headers = headers();
    let song = |what, line: &str, more: &str, body: Vec<u8>, status| {
        let length = body.len();
        let head = format!(
            "{line} HTTP/1.1\r\nhost: {CANARY}-host.example\r\n{headers}{more}content-length: {length}\r\nconnection: close\r\n\r\n"
        );
        Song {
            what,
            head,
            body,
            status,
        }
    };
    let bearer = format!("authorization: Bearer {key}\r\n");
    let chat = format!("POST {CHAT}?{CANARY}-query={CANARY}");
    let full = everywhere(gateway);
    let ok = |what, line: &str, body: &Value, status| {
        song(what, line, &bearer, body.to_string().into_bytes(), status)
    };
    let raw = |what, body: String, status| song(what, &chat, &bearer, body.into_bytes(), status);
    let with = |path: &str, value: Value| {
        let mut body = full.clone();
        *body
            .pointer_mut(path)
            .unwrap_or_else(|| panic!("no {path}")) = value;
        body
    };
    let mut streamed = full.clone();
    streamed["stream"] = true.into();
    let refused = |key: &str| {
        let mut body = full.clone();
        body[key] = json!({ CANARY: true });
        body
    };
    let mut over = full.clone();
    over["messages"][4]["content"] = format!("{CANARY} ").repeat(600_000).into();
    vec![
        ok("plain", &chat, &full, 200),
        ok("streamed", &chat, &streamed, 200),
        ok(
            "model",
            &chat,
            &with("/model", json!(format!("{CANARY}-model"))),
            404,
        ),
        ok("role", &chat, &with("/messages/0/role", json!(CANARY)), 400),
        ok(
            "type",
            &chat,
            &with("/messages/1/content/0/type", json!(CANARY)),
            400,
        ),
        ok(
            "id",
            &chat,
            &with(
                "/messages/3/tool_call_id",
                json!(format!("{CANARY} spaced")),
            ),
            400,
        ),
        ok("choice", &chat, &with("/tool_choice", json!(CANARY)), 400),
        ok(
            "format",
            &chat,
            &with("/response_format/type", json!(CANARY)),
            400,
        ),
        ok("refused field", &chat, &refused("functions"), 400),
        ok(
            "blocked",
            &chat,
            &with(
                "/messages/4/content",
                json!(format!("{CANARY}\u{202e}txet")),
            ),
            400,
        ),
        ok(
            "blocked arguments",
            &chat,
            &with(
                "/messages/2/tool_calls/0/function/arguments",
                json!(format!("DROP TABLE {CANARY}")),
            ),
            400,
        ),
        ok(
            "masked",
            &chat,
            &with(
                "/messages/4/content",
                json!(format!("{CANARY} 078-05-1120 {CANARY}")),
            ),
            200,
        ),
        ok("too large", &chat, &over, 413),
        ok(
            "path",
            &format!("POST /v1/{CANARY}/completions"),
            &full,
            404,
        ),
        ok("method", &format!("ZQCANARY {CHAT}"), &full, 405),
        ok("another method", &format!("DELETE {CHAT}"), &full, 405),
        raw("no JSON", format!("{{\"{CANARY}\": {CANARY}"), 400),
        raw(
            "a key twice",
            format!("{{\"{CANARY}\":1,\"{CANARY}\":2}}"),
            400,
        ),
        raw("not an object", format!("[\"{CANARY}\"]"), 400),
        song("no credential", &chat, "", b"{}".to_vec(), 401),
        song(
            "a wrong key",
            &chat,
            &format!("authorization: Bearer pc_{CANARY}\r\n"),
            b"{}".to_vec(),
            401,
        ),
        song(
            "another scheme",
            &chat,
            &format!("authorization: {CANARY} {CANARY}\r\n"),
            b"{}".to_vec(),
            401,
        ),
        song(
            "two keys",
            &chat,
            &format!("{bearer}x-api-key: {CANARY}\r\n"),
            b"{}".to_vec(),
            401,
        ),
        song(
            "a purpose",
            &chat,
            &format!("{bearer}x-portcullis-purpose: {CANARY}\r\n"),
            question("hi").to_string().into_bytes(),
            403,
        ),
        song(
            "a label",
            &chat,
            &format!("{bearer}x-portcullis-label: {CANARY}\r\n"),
            question("hi").to_string().into_bytes(),
            400,
        ),
        song(
            "an encoding",
            &chat,
            &format!("{bearer}content-encoding: {CANARY}\r\n"),
            question("hi").to_string().into_bytes(),
            415,
        ),
        song(
            "a content type",
            &chat,
            &format!("{bearer}content-type: {CANARY}/{CANARY}\r\n"),
            question("hi").to_string().into_bytes(),
            200,
        ),
        song(
            "models",
            &format!("GET /v1/models?{CANARY}"),
            &bearer,
            Vec::new(),
            200,
        ),
    ]
}

/// What an upstream says is no more for the clear than what a caller says.
fn upstream(asked: &Value) -> Script {
    let c = |place: &str| format!("{CANARY}-upstream-{place}");
    let call = json!({ "index": 0, "id": c("id"), "type": "function", "function": { "name": c("name"), "arguments": json!({ c("key"): c("value") }).to_string() } });
    let delta = json!({ "role": "assistant", "content": c("content"), "reasoning_content": c("reasoning"), "tool_calls": [call], c("field"): c("extra") });
    if asked["stream"] == true {
        let end = json!([{ "index": 0, "delta": {}, "finish_reason": c("reason") }]);
        return Script::Chunks(vec![
            json!([{ "index": 0, "delta": delta, "finish_reason": null }]),
            end,
        ]);
    }
    let body = json!({ "id": c("id"), "object": "chat.completion", "created": 1, "model": c("model"), c("field"): c("extra"),
        "choices": [{ "index": 0, "message": delta, "finish_reason": c("reason") }] });
    Script::Raw(tests::llama::http_json(&body.to_string()))
}

fn assert_no_canary(place: &str, text: &str) {
    if let Some(at) = text.to_ascii_lowercase().find(CANARY) {
        let around: String = text
            .chars()
            .skip(text[..at].chars().count().saturating_sub(200))
            .take(400)
            .collect();
        panic!("a canary in {place}: …{around}…");
    }
}

#[tokio::test]
async fn nothing_that_a_caller_typed_is_anywhere_but_sealed() {
    let lines = operational::caught();
    let llama = FakeLlama::scripted(Script::depending(upstream))
        .start()
        .await;
    let gateway = TestGateway::new()
        .backend(&llama)
        .setting("limits", "unauthenticated_per_second_max = 1000")
        .start()
        .await;
    let mut sung = Vec::new();
    for song in songs(&gateway) {
        let answer = gateway
            .client()
            .raw(&[song.head.as_bytes(), &song.body].concat())
            .await;
        let text = String::from_utf8_lossy(&answer).into_owned();
        assert!(
            text.starts_with(&format!("HTTP/1.1 {}", song.status)),
            "{}: {text}",
            song.what
        );
        let head = text.split("\r\n\r\n").next().unwrap();
        let echoed: Vec<_> = head.lines().filter(|line| line.contains(CANARY)).collect();
        // Their own names of dropped fields are told to callers, no other header repeats anything.
        assert!(
            echoed
                .iter()
                .all(|line| line.starts_with("x-portcullis-dropped: ")),
            "{}: {echoed:?}",
            song.what
        );
        sung.push((song.what, request_id(head)));
    }
    let plain = gateway.client();
    let over_http2 = gateway.http2();
    for client in [&plain, &over_http2] {
        let mut request = client.request(
            Method::POST,
            CHAT,
            Some(gateway.key(ME)),
            &everywhere(&gateway).to_string(),
        );
        request
            .headers_mut()
            .insert("x-canary", CANARY.parse().unwrap());
        let reply: Reply = gateway.send(client, request).await;
        assert_eq!(reply.status(), 200, "{}", reply.text());
    }
    assert!(
        llama
            .requests()
            .iter()
            .any(|asked| asked.to_string().contains(CANARY)),
        "the canaries are alive"
    );
    let (_, metrics) = gateway.admin_get("/metrics").await;
    assert!(metrics.contains("portcullis_requests"), "{metrics}");
    assert_no_canary("the metrics", &metrics);
    let log = gateway.stop().await;
    log.check();
    for entry in log.entries() {
        assert_no_canary("an entry", &entry.to_string());
    }
    assert_no_canary("the files of the log", &log.raw_text());
    let lines = lines.text();
    assert!(
        lines.contains("refused"),
        "the operational log was caught: {lines}"
    );
    assert_no_canary("the operational log", &lines);
    for (what, id) in sung {
        let about = log.about(&id);
        assert!(!about.is_empty(), "{what} is recorded");
        if ["plain", "model", "path", "blocked"].contains(&what) {
            let sealed = Value::from(log.opened(&id)).to_string();
            assert!(
                sealed.contains(CANARY),
                "{what}: sealed, it is kept: {sealed}"
            );
        }
    }
}

fn request_id(head: &str) -> String {
    let line = head
        .lines()
        .find_map(|line| line.strip_prefix("x-request-id: "));
    line.expect("every answer has an id").to_owned()
}
