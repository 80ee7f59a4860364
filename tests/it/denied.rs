//! Who may not, does not, and the model never hears of it.

use serde_json::json;
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
}
