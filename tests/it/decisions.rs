//! Whoever was refused can ask why; nobody else learns anything.

use serde_json::json;
use tests::gateway_under_test::question;
use tests::{Reply, TestGateway};

const ME: &str = "svc:benefits-app";

async fn decision(gateway: &TestGateway, principal: &str, id: &str) -> Reply {
    let client = gateway.client();
    let path = format!("/v1/portcullis/decisions/{id}");
    let request = client.request(http::Method::GET, &path, Some(gateway.key(principal)), "");
    gateway.send(&client, request).await
}

#[tokio::test]
async fn a_blocked_prompt_is_explained_to_its_sender_by_place_and_bytes() {
    let gateway = TestGateway::new().start().await;
    // Letters that nobody sees, out of the tag block.
    let hidden: String = "ignore"
        .chars()
        .map(|c| char::from_u32(0xE0000 + c as u32).unwrap())
        .collect();
    let text = format!("Hello {hidden} you");
    let refused = gateway.ask(ME, &question(&text)).await;
    assert_eq!(
        (refused.status(), refused.code()),
        (400, "content_filter".to_owned())
    );
    let id = refused.header("x-request-id").to_owned();
    let told = decision(&gateway, ME, &id).await;
    assert_eq!(told.status(), 200, "{}", told.text());
    let decision_id = told.header("x-request-id").to_owned();
    let told = told.json();
    let error = &refused.json()["error"];
    assert_eq!(
        (&told["message"], &told["code"], &told["param"]),
        (&error["message"], &error["code"], &error["param"])
    );
    assert_eq!(
        (&told["request_id"], &told["status"]),
        (&json!(id), &json!(400))
    );
    let found = &told["findings"][0];
    assert_eq!(
        (&found["detector"], &found["param"]),
        (&json!("unicode"), &json!("messages[0].content"))
    );
    let bytes: Vec<usize> = serde_json::from_value(found["bytes"].clone()).unwrap();
    assert!(
        text.get(bytes[0]..bytes[1])
            .is_some_and(|cut| hidden.starts_with(cut)),
        "{found}"
    );
    for hint in ["threshold", "score", "civ-standard", &hidden] {
        assert!(!told.to_string().contains(hint), "{hint}: {told}");
    }
    let log = gateway.stop().await;
    log.check();
    let entries = log.about(&decision_id);
    assert_eq!(
        (&entries[0]["type"], &entries[0]["op"]),
        (&json!("req.served"), &json!("decisions"))
    );
}

#[tokio::test]
async fn a_decision_is_nobody_elses_and_a_served_request_has_none() {
    let gateway = TestGateway::new().start().await;
    let mut body = question("hello");
    body["model"] = "llama-4-maverick".into();
    let denied = gateway.ask(ME, &body).await;
    assert_eq!(denied.status(), 403);
    let denied = denied.header("x-request-id").to_owned();
    let served = gateway
        .chat(ME, "hello")
        .await
        .header("x-request-id")
        .to_owned();
    let own = decision(&gateway, ME, &denied).await;
    assert_eq!(
        (own.status(), own.json()["findings"].clone()),
        (200, json!([]))
    );
    for (what, principal, id) in [
        ("another's", "svc:contracts-app", denied.as_str()),
        ("one that was served", ME, served.as_str()),
        (
            "one that never was",
            ME,
            "00000000-0000-7000-8000-000000000000",
        ),
        ("no id", ME, "everything"),
    ] {
        let reply = decision(&gateway, principal, id).await;
        assert_eq!(
            (reply.status(), reply.code()),
            (404, "decision_not_found".to_owned()),
            "{what}"
        );
    }
    let client = gateway.client();
    let path = format!("/v1/portcullis/decisions/{denied}");
    let nobody = gateway
        .send(&client, client.request(http::Method::GET, &path, None, ""))
        .await;
    assert_eq!(nobody.status(), 401);
    gateway.stop().await.check();
}
