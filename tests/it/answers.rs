//! What is allowed comes through, unchanged and recorded.

use serde_json::json;
use tests::gateway_under_test::question;
use tests::{FakeLlama, Script, TestGateway};

#[tokio::test]
async fn a_plain_answer_comes_through_and_is_recorded() {
    let llama = FakeLlama::replying("The office opens at nine.")
        .start()
        .await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let reply = gateway
        .chat("svc:benefits-app", "When does the office open?")
        .await;
    assert_eq!(
        (
            reply.status(),
            reply.content().as_str(),
            reply.finish(0).as_str()
        ),
        (200, "The office opens at nine.", "stop")
    );
    let id = reply.header("x-request-id").to_owned();
    assert_eq!(reply.header("request-id"), id);
    assert_eq!(reply.json()["usage"]["total_tokens"], 8);
    let log = gateway.stop().await;
    log.check();
    let entries = log.about(&id);
    assert_eq!(entries.len(), 2, "{entries:#?}");
    assert_eq!(entries[0]["policy"]["rule"], "BA-101");
    assert_eq!(entries[1]["status"], "completed");
}

#[tokio::test]
async fn a_streamed_answer_comes_through_in_pieces() {
    let words: Vec<String> =
        "The office opens at nine and closes at five on every day of the week."
            .split_inclusive(' ')
            .map(str::to_owned)
            .collect();
    let llama = FakeLlama::scripted(Script::Reply(words.clone()))
        .start()
        .await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let mut body = question("When?");
    body["stream"] = true.into();
    body["stream_options"] = json!({ "include_usage": true });
    let reply = gateway.ask("svc:benefits-app", &body).await;
    assert_eq!((reply.status(), reply.content()), (200, words.concat()));
    assert!(reply.done() && reply.complete);
    assert_eq!(reply.events().last().unwrap()["usage"]["total_tokens"], 8);
    gateway.stop().await.check();
}

#[tokio::test]
async fn models_are_listed_for_those_who_may_use_them() {
    let gateway = TestGateway::new().start().await;
    let client = gateway.client();
    let list = |key| client.request(http::Method::GET, "/v1/models", Some(key), "");
    let reply = gateway
        .send(&client, list(gateway.key("svc:benefits-app")))
        .await;
    let names: Vec<_> = reply.json()["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| m["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(names, ["llama-3.3-70b", "llama-4-maverick"]);
    let reply = gateway
        .send(&client, list(gateway.key("svc:audit-probe")))
        .await;
    assert_eq!(reply.json()["data"], json!([]));
    gateway.stop().await.check();
}
