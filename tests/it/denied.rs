//! Who may not, does not, and the model never hears of it.

use http::{HeaderValue, Method};
use serde_json::json;
use tests::gateway_under_test::CHAT;
use tests::{FakeLlama, TestGateway};

#[tokio::test]
async fn a_model_that_is_visible_but_not_permitted_is_denied() {
    let llama = FakeLlama::replying("never").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let body = json!({ "model": "llama-4-maverick", "messages": [{ "role": "user", "content": "hello" }] });
    let reply = gateway.ask("svc:benefits-app", &body).await;
    assert_eq!(
        (reply.status(), reply.code().as_str()),
        (403, "access_denied")
    );
    assert_eq!(reply.header("x-should-retry"), "false");
    assert_eq!(llama.requests_seen(), 0);
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    let entries = log.about(&id);
    assert_eq!(
        (entries.len(), entries[0]["type"].as_str()),
        (1, Some("req.deny"))
    );
    assert_eq!(entries[0]["stage"], "authorize");
    // Why, and that the rule it names does not forbid: it came nearest to permitting.
    assert_eq!(entries[0]["reason"], "assurance");
    assert_eq!(entries[0]["policy"]["rule"], "BA-110");
    assert_eq!(entries[0]["policy"]["nearest"], true);
}

#[tokio::test]
async fn a_rule_that_forbids_is_named_as_such() {
    let llama = FakeLlama::replying("never").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let body =
        json!({ "model": "llama-3.3-70b", "messages": [{ "role": "user", "content": "hello" }] });
    let client = gateway.client();
    let key = Some(gateway.key("svc:benefits-app"));
    let mut request = client.request(Method::POST, CHAT, key, &body.to_string());
    let purpose = HeaderValue::from_static("benefits.decide");
    request
        .headers_mut()
        .insert("x-portcullis-purpose", purpose);
    let reply = gateway.send(&client, request).await;
    assert_eq!(
        (reply.status(), reply.code().as_str()),
        (403, "access_denied")
    );
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    let entry = &log.about(&id)[0];
    assert_eq!(entry["reason"], "rule");
    assert_eq!(entry["policy"]["rule"], "BA-190");
    assert!(entry["policy"].get("nearest").is_none(), "{entry}");
}
