//! Vectors: the texts are judged like any prompt, the numbers go out as they were asked for.

use serde_json::{Value, json};
use tests::llama::http_json;
use tests::{FakeLlama, Reply, Script, TestGateway};

const EMBEDDINGS: &str = "/v1/embeddings";
const ME: &str = "svc:benefits-app";
const SSN: &str = "078-05-1120";
const SSN_MASK: &str = "[REDACTED:us_ssn]";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

fn asking(input: impl Into<Value>) -> Value {
    json!({ "model": "llama-3.3-70b", "input": input.into() })
}

async fn embed(gateway: &TestGateway, principal: &str, body: &Value) -> Reply {
    let key = gateway.key(principal).to_owned();
    gateway
        .post(Some(&key), EMBEDDINGS, &body.to_string())
        .await
}

#[tokio::test]
async fn each_text_gets_its_vector_and_the_log_says_so() {
    let llama = FakeLlama::replying("").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let mut body = asking(json!(["one", "three"]));
    body["dimensions"] = 3.into();
    body["user"] = "u-1".into();
    let reply = embed(&gateway, ME, &body).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    assert_eq!(
        reply.json(),
        json!({
            "object": "list", "model": "llama-3.3-70b",
            "data": [
                { "object": "embedding", "index": 0, "embedding": [3.0, 0.25, -1e-7] },
                { "object": "embedding", "index": 1, "embedding": [5.0, 0.25, -1e-7] },
            ],
            "usage": { "prompt_tokens": 3, "total_tokens": 3 },
        })
    );
    let sent = json!({
        "model": "llama-3.3-70b", "input": ["one", "three"], "dimensions": 3, "encoding_format": "float",
    });
    assert_eq!(llama.requests(), [sent]);
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    let entries = log.about(&id);
    assert_eq!(entries[0]["op"], "embeddings");
    assert_eq!(entries[0]["policy"]["rule"], "BA-101");
    let read = &entries[0]["checks"][0]["fields"];
    assert_eq!(read, &json!([["input[]", 2]]));
    assert_eq!(entries[1]["status"], "completed");
    assert_eq!(entries[1]["tokens"]["input"], 3);
    assert_eq!(entries[1]["checks"], json!([]), "numbers are not scanned");
    let body = &log.opened(&id)[0];
    assert!(body.to_string().contains("three"), "{body}");
}

/// Little-endian 32-bit floats, as the official clients ask for them by default.
#[tokio::test]
async fn vectors_come_as_base64_when_asked() {
    let llama = FakeLlama::replying("").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let mut body = asking("one");
    body["encoding_format"] = "base64".into();
    let reply = embed(&gateway, ME, &body).await;
    let expected = "AABAQAAAgD6Vv9az"; // 3.0, 0.25, -1e-7
    assert_eq!(reply.json()["data"][0]["embedding"], expected);
    assert_eq!(llama.requests()[0]["encoding_format"], "float");
    gateway.stop().await.check();
}

#[tokio::test]
async fn what_a_content_rule_masks_goes_up_masked_and_what_it_blocks_does_not_go() {
    let llama = FakeLlama::replying("").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let masked = embed(
        &gateway,
        ME,
        &asking(json!(["fine", format!("It is {SSN}.")])),
    )
    .await;
    assert_eq!(
        (masked.status(), masked.header("x-portcullis-decision")),
        (200, "redact")
    );
    assert_eq!(
        llama.requests()[0]["input"],
        json!(["fine", format!("It is {SSN_MASK}.")])
    );
    let hidden = "two\u{e0041}";
    for (input, place) in [
        (json!(hidden), "input"),
        (json!(["one", hidden]), "input[1]"),
    ] {
        let reply = embed(&gateway, ME, &asking(input)).await;
        let told = (reply.status(), reply.code());
        assert_eq!(told, (400, "content_filter".to_owned()), "{}", reply.text());
        assert_eq!(reply.json()["error"]["param"], place);
    }
    assert_eq!(llama.requests_seen(), 1, "nothing else reaches the model");
    let log = gateway.stop().await;
    log.check();
    assert!(!log.raw_text().contains(SSN));
}

#[tokio::test]
async fn the_rules_for_embedding_are_their_own() {
    let llama = FakeLlama::replying("").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    // The contracts office may chat with this model, and not embed.
    let reply = embed(&gateway, "svc:contracts-app", &asking("hello")).await;
    assert_eq!(
        (reply.status(), reply.code()),
        (403, "access_denied".to_owned())
    );
    let reply = embed(&gateway, ME, &json!({ "model": "nonesuch", "input": "x" })).await;
    assert_eq!(
        (reply.status(), reply.code()),
        (404, "model_not_found".to_owned())
    );
    assert_eq!(llama.requests_seen(), 0);
    gateway.stop().await.check();
}

#[tokio::test]
async fn what_cannot_be_scanned_or_understood_is_refused() {
    let gateway = TestGateway::new().start().await;
    let cases = [
        (json!([1, 2]), "unsupported_content", "input"),
        (json!([[1, 2]]), "unsupported_content", "input"),
        (json!(["a", 1]), "unsupported_content", "input"),
        (json!([]), "invalid_value", "input"),
        (json!(""), "invalid_value", "input"),
        (json!(["a", ""]), "invalid_value", "input[1]"),
        (json!({ "a": 1 }), "invalid_type", "input"),
        (json!(["a", {}]), "invalid_type", "input[1]"),
        (json!(vec!["a"; 2049]), "invalid_value", "input"),
        (Value::Null, "missing_required_parameter", "input"),
    ];
    for (input, code, param) in cases {
        let reply = embed(&gateway, ME, &asking(input)).await;
        assert_eq!(
            (reply.status(), reply.code().as_str()),
            (400, code),
            "{}",
            reply.text()
        );
        assert_eq!(reply.json()["error"]["param"], param);
    }
    for (key, value) in [("dimensions", json!(0)), ("encoding_format", json!("int8"))] {
        let mut body = asking("x");
        body[key] = value;
        let reply = embed(&gateway, ME, &body).await;
        assert_eq!(
            (reply.status(), reply.code().as_str()),
            (400, "invalid_value")
        );
        assert_eq!(reply.json()["error"]["param"], key);
    }
    let mut body = asking("x");
    body["input_type"] = "query".into();
    let reply = embed(&gateway, ME, &body).await;
    assert_eq!(reply.header("x-portcullis-dropped"), "input_type");
    gateway.stop().await.check();
}

/// What the server says instead of vectors is not shown, and the log says what came of it.
#[tokio::test]
async fn an_answer_that_is_not_what_was_asked_for_is_no_answer() {
    let liars = [
        json!({ "data": [] }).to_string(),
        json!({ "data": [{ "embedding": ["text in place of numbers"] }] }).to_string(),
        json!({ "error": { "message": "text of the vendor" } }).to_string(),
    ];
    for lie in liars {
        let llama = FakeLlama::scripted(Script::Raw(http_json(&lie)))
            .start()
            .await;
        let gateway = TestGateway::new().backend(&llama).start().await;
        let reply = embed(&gateway, ME, &asking("hello")).await;
        let told = (reply.status(), reply.code());
        assert_eq!(told, (502, "upstream_error".to_owned()), "{lie}");
        assert!(!reply.text().contains("text of") && !reply.text().contains("text in"));
        let id = reply.header("x-request-id").to_owned();
        let log = gateway.stop().await;
        log.check();
        assert_eq!(log.about(&id)[1]["status"], "upstream_error");
    }
}

#[tokio::test]
async fn a_secret_in_a_lookup_is_masked_before_anything_is_kept() {
    let llama = FakeLlama::replying("").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let reply = embed(&gateway, ME, &asking(format!("find {KEY}"))).await;
    assert_eq!(reply.status(), 200);
    assert!(!llama.requests()[0].to_string().contains(KEY));
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    for body in log.opened(&id) {
        assert!(!body.to_string().contains(KEY), "{body}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_is_recorded_as_gone() {
    let llama = FakeLlama::scripted(Script::Silent).start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let client = gateway.client();
    let key = gateway.key(ME).to_owned();
    let request = client.request(
        http::Method::POST,
        EMBEDDINGS,
        Some(&key),
        &asking("hello").to_string(),
    );
    tokio::select! {
        _ = client.send(request) => panic!("there is no answer"),
        () = llama.has_seen(1) => {}
    }
    llama.was_left(1).await;
    tests::until("the request to end", || gateway.in_flight() == 0).await;
    let log = gateway.stop().await;
    log.check();
    let outcome = &log.of_type("req.outcome")[0];
    assert_eq!(
        (&outcome["status"], &outcome["http"]),
        (&json!("client_gone"), &json!(0))
    );
}
