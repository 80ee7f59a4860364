//! Counting tokens: the request is judged as if it were to be answered, and is not.

use serde_json::{Value, json};
use tests::{FakeLlama, Reply, TestGateway};

const COUNT: &str = "/v1/messages/count_tokens";
const ME: &str = "svc:benefits-app";

fn asking(text: &str) -> Value {
    json!({ "model": "llama-3.3-70b", "messages": [{ "role": "user", "content": text }] })
}

async fn count(gateway: &TestGateway, body: &Value) -> Reply {
    let key = gateway.key(ME).to_owned();
    gateway.post(Some(&key), COUNT, &body.to_string()).await
}

#[tokio::test]
async fn a_backend_that_counts_is_believed() {
    let gateway = TestGateway::new().start().await;
    let mut body = asking("good morning to you");
    body["system"] = "be kind".into();
    body["stream"] = true.into();
    let reply = count(&gateway, &body).await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    assert_eq!(reply.json(), json!({ "input_tokens": 6 }));
    assert!(reply.headers().get("x-portcullis-estimated").is_none());
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    let entries = log.about(&id);
    assert_eq!(entries[0]["op"], "count_tokens");
    assert!(!entries[0]["checks"].as_array().unwrap().is_empty());
    assert_eq!(
        entries[1]["tokens"],
        json!({ "input": 6, "output": 0, "estimated": false })
    );
}

#[tokio::test]
async fn what_nobody_counts_is_an_upper_bound_and_says_so() {
    let llama = FakeLlama::replying("never").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let reply = count(&gateway, &asking("good morning")).await;
    assert_eq!(reply.header("x-portcullis-estimated"), "input_tokens");
    assert!(reply.json()["input_tokens"].as_u64().unwrap() > 12);
    assert_eq!(llama.requests_seen(), 0, "it cannot be asked");
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    assert_eq!(log.about(&id)[1]["tokens"]["estimated"], true);
}

#[tokio::test]
async fn what_would_not_be_answered_is_not_counted() {
    let gateway = TestGateway::new().start().await;
    let reply = count(&gateway, &asking("two\u{e0041}")).await;
    let error = &reply.json()["error"];
    assert_eq!(
        (reply.status(), &error["code"]),
        (400, &json!("content_filter"))
    );
    assert_eq!(error["param"], "messages[0].content");
    let mut hidden = asking("hello");
    hidden["model"] = "llama-guard-internal".into();
    let reply = count(&gateway, &hidden).await;
    assert_eq!(
        (reply.status(), reply.json()["type"].clone()),
        (404, json!("error"))
    );
    gateway.stop().await.check();
}
