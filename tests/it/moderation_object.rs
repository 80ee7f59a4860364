//! The `moderation` object of chat completions and Responses: what the guardrails said, told along with the answer to
//! whoever asks, and stricter rules for whoever asks for them. Nobody can ask for milder ones.

use serde_json::{Value, json};
use tests::gateway_under_test::{CHAT, question};
use tests::{FakeLlama, Reply, TestGateway, is_by};

const ME: &str = "svc:benefits-app";
const SSN: &str = "078-05-1120";
const RESPONSES: &str = "/v1/responses";

/// A question in both dialects, with this `moderation`.
fn asking(text: &str, moderation: &Value, stream: bool) -> [(&'static str, Value); 2] {
    let mut chat = question(text);
    chat["moderation"] = moderation.clone();
    chat["stream"] = stream.into();
    let responses = json!({ "model": chat["model"], "input": text, "store": false, "moderation": moderation,
                            "stream": stream });
    [(CHAT, chat), (RESPONSES, responses)]
}

/// The moderation object of an answer, wherever its dialect puts it: input and output as one result each.
fn told(path: &str, reply: &Reply, stream: bool) -> (Value, Value) {
    let object = match (path, stream) {
        (CHAT, true) => {
            let events = reply.events();
            let mut with = events
                .iter()
                .filter(|event| event["moderation"].is_object());
            let one = with.next().cloned().unwrap_or_default();
            assert!(with.next().is_none(), "it is told once");
            assert!(one.is_null() || one["choices"] == json!([]), "{one}");
            one
        }
        (_, true) => reply.events().last().cloned().unwrap()["response"].clone(),
        (_, false) => reply.json(),
    };
    let moderation = &object["moderation"];
    match path {
        CHAT => {
            let result = |side: &Value| {
                assert!(
                    side.is_null() || side["type"] == "moderation_results",
                    "{side}"
                );
                side["results"][0].clone()
            };
            (result(&moderation["input"]), result(&moderation["output"]))
        }
        _ => (moderation["input"].clone(), moderation["output"].clone()),
    }
}

async fn post(gateway: &TestGateway, path: &str, body: &Value) -> Reply {
    gateway
        .post(Some(gateway.key(ME)), path, &body.to_string())
        .await
}

#[tokio::test]
async fn what_was_found_is_told_to_whoever_asks() {
    let llama = FakeLlama::replying("Write to jane.roe@example.com.")
        .start()
        .await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let score = json!({ "model": "omni-moderation-latest" });
    for stream in [false, true] {
        for (path, body) in asking(&format!("I am {SSN}."), &score, stream) {
            let reply = post(&gateway, path, &body).await;
            assert_eq!(
                (reply.status(), reply.header("x-portcullis-dropped")),
                (200, ""),
                "{}",
                reply.text()
            );
            let (input, output) = told(path, &reply, stream);
            for (result, flagged, not) in
                [(&input, "us_ssn", "email"), (&output, "email", "us_ssn")]
            {
                assert_eq!(
                    (&result["type"], &result["flagged"], &result["action"]),
                    (&json!("moderation_result"), &json!(true), &json!("redact")),
                    "{path} {result}"
                );
                assert_eq!(result["categories"][format!("pii/{flagged}")], true);
                assert_eq!(result["category_scores"][format!("pii/{flagged}")], 1);
                assert!(result["categories"].get(format!("pii/{not}")).is_none());
                assert_eq!(result["categories"]["secret"], false);
                assert_eq!(
                    result["category_applied_input_types"]["secret"],
                    json!(["text"])
                );
            }
            // The classifier reads prompts alone, and what did not run is not listed.
            assert_eq!(input["categories"]["fast-guard/prompt_attack"], false);
            assert!(output["categories"].get("fast-guard").is_none());
            assert!(!reply.text().contains(SSN) && !reply.text().contains("jane.roe"));
        }
        // Nobody is told who did not ask.
        for (path, body) in asking("hello", &Value::Null, stream) {
            let reply = post(&gateway, path, &body).await;
            assert!(!reply.text().contains("moderation"), "{}", reply.text());
        }
    }
    gateway.stop().await.check();
}

#[tokio::test]
async fn a_caller_may_ask_for_a_block_of_whatever_is_flagged() {
    let llama = FakeLlama::replying("Well then, write to jane.roe@example.com soon.")
        .start()
        .await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let strict = json!({ "model": "m", "policy": { "input": { "mode": "block" }, "output": { "mode": "block" } } });
    let mut ids = Vec::new();
    for stream in [false, true] {
        for (path, body) in asking(&format!("I am {SSN}."), &strict, stream) {
            let reply = post(&gateway, path, &body).await;
            assert_eq!(
                (reply.status(), reply.code().as_str()),
                (400, "content_filter"),
                "{}",
                reply.text()
            );
            ids.push((reply.header("x-request-id").to_owned(), "prompt"));
        }
        assert_eq!(
            llama.requests_seen(),
            ids.iter().filter(|(_, stage)| *stage == "answer").count()
        );
        for (path, body) in asking("whom do I write to?", &strict, stream) {
            let reply = post(&gateway, path, &body).await;
            assert_eq!(reply.status(), 200, "{}", reply.text());
            assert!(reply.text().contains("content_filter"), "{}", reply.text());
            assert!(!reply.text().contains("jane.roe") && !reply.text().contains("REDACTED"));
            let (input, output) = told(path, &reply, stream);
            assert_eq!(
                (&input["flagged"], &output["flagged"]),
                (&json!(false), &json!(true))
            );
            assert_eq!(output["action"], "block");
            ids.push((reply.header("x-request-id").to_owned(), "answer"));
        }
    }
    let log = gateway.stop().await;
    log.check();
    for (id, stage) in ids {
        let entry = log.about(&id).pop().unwrap();
        let checks = entry["checks"].as_array().unwrap();
        let pii = checks.iter().find(|check| is_by(check, "pii")).unwrap();
        assert_eq!(
            (&pii["stage"], &pii["strict"], &pii["action"]),
            (&json!(stage), &json!(true), &json!("block")),
            "{entry:#}"
        );
        assert!(
            checks.iter().all(|check| check["strict"] == true),
            "{entry:#}"
        );
    }
}

#[tokio::test]
async fn each_side_is_asked_for_by_itself_and_none_makes_a_rule_milder() {
    let llama = FakeLlama::replying("Write to jane.roe@example.com.")
        .start()
        .await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let with = |policy: Value| json!({ "model": "m", "policy": policy });
    let attack = "\u{e0049}\u{e0067}\u{e006e}\u{e006f}\u{e0072}\u{e0065}"; // hidden characters, which a rule blocks
    for policy in [
        json!({}),
        json!({ "input": { "mode": "score" }, "output": { "mode": "score" } }),
        json!({ "input": null, "output": { "mode": "block" } }),
        Value::Null,
    ] {
        for (path, body) in asking(&format!("hello {attack}"), &with(policy.clone()), false) {
            let reply = post(&gateway, path, &body).await;
            assert_eq!(
                (reply.status(), reply.code().as_str()),
                (400, "content_filter"),
                "{policy}"
            );
        }
        for (path, body) in asking(&format!("I am {SSN}."), &with(policy.clone()), false) {
            let reply = post(&gateway, path, &body).await;
            let blocks = policy["output"]["mode"] == "block";
            assert_eq!(
                (reply.status(), reply.text().contains("content_filter")),
                (200, blocks)
            );
            assert_eq!(reply.text().contains("[REDACTED:email]"), !blocks);
            assert!(!llama.requests().last().unwrap().to_string().contains(SSN));
        }
    }
    for (moderation, param) in [
        (json!(true), "moderation"),
        (with(json!("strict")), "moderation.policy"),
        (with(json!({ "input": "block" })), "moderation.policy.input"),
        (
            with(json!({ "output": {} })),
            "moderation.policy.output.mode",
        ),
        (
            with(json!({ "input": { "mode": "allow" } })),
            "moderation.policy.input.mode",
        ),
    ] {
        for (path, body) in asking("hello", &moderation, false) {
            let reply = post(&gateway, path, &body).await;
            assert_eq!(
                (reply.status(), &reply.json()["error"]["param"]),
                (400, &json!(param)),
                "{}",
                reply.text()
            );
        }
    }
}
