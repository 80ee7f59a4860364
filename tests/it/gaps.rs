//! Gaps that gateways have had, each looked for on every endpoint that takes text, streamed and not. What the other files
//! try on one endpoint with many texts is tried here with few texts on all of them.

use serde_json::{Value, json};
use tests::{FakeLlama, Reply, TestGateway};

use crate::guard_fails::{Switch, Trouble};

const ME: &str = "svc:benefits-app";
const MODEL: &str = "llama-3.3-70b";
const SSN: &str = "078-05-1120";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
/// Letters that nobody sees, which a rule blocks.
const HIDDEN: &str = "two\u{e0041}";
/// What stands where no gateway looks.
const CANARY: &str = "canary-in-an-unlisted-field";

/// One way to ask.
#[derive(Clone, Copy, Debug)]
struct Way {
    path: &'static str,
    stream: bool,
    /// Whether a model's words come back.
    answers: bool,
}

const fn way(path: &'static str, stream: bool, answers: bool) -> Way {
    Way {
        path,
        stream,
        answers,
    }
}

const WAYS: [Way; 11] = [
    way("/v1/chat/completions", false, true),
    way("/v1/chat/completions", true, true),
    way("/v1/completions", false, true),
    way("/v1/completions", true, true),
    way("/v1/messages", false, true),
    way("/v1/messages", true, true),
    way("/v1/responses", false, true),
    way("/v1/responses", true, true),
    way("/v1/messages/count_tokens", false, false),
    way("/v1/embeddings", false, false),
    way("/v1/moderations", false, false),
];

impl Way {
    fn body(self, text: &str) -> Value {
        let messages = json!([{ "role": "user", "content": text }]);
        let mut body = match self.path {
            "/v1/completions" => json!({ "prompt": text }),
            "/v1/messages" => json!({ "max_tokens": 64, "messages": messages }),
            "/v1/responses" | "/v1/embeddings" | "/v1/moderations" => json!({ "input": text }),
            _ => json!({ "messages": messages }),
        };
        if self.path != "/v1/moderations" {
            body["model"] = MODEL.into();
        }
        if self.stream {
            body["stream"] = true.into();
        }
        body
    }

    /// Whether a text that a rule blocks is refused; a moderation says so instead.
    fn refuses(self) -> bool {
        self.path != "/v1/moderations"
    }

    async fn ask(self, gateway: &TestGateway, body: &str) -> Reply {
        let key = gateway.key(ME).to_owned();
        gateway.post(Some(&key), self.path, body).await
    }
}

#[tokio::test]
async fn streaming_skips_no_guard_and_no_endpoint_lacks_one() {
    let llama = FakeLlama::replying("fine").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    for way in WAYS {
        let reply = way.ask(&gateway, &way.body(HIDDEN).to_string()).await;
        match way.refuses() {
            true => assert_eq!(
                (reply.status(), reply.code().as_str()),
                (400, "content_filter"),
                "{way:?}"
            ),
            false => assert_eq!(reply.json()["results"][0]["action"], "block"),
        }
        assert!(
            !reply.text().contains(HIDDEN),
            "{way:?} echoes what it refused"
        );
        if way.refuses() && !way.path.starts_with("/v1/messages") {
            let inner = &reply.json()["error"]["innererror"];
            assert_eq!(inner["code"], "ResponsibleAIPolicyViolation");
            let filtered = json!({ "tag_characters": { "filtered": true, "detected": true } });
            assert_eq!(inner["content_filter_result"], filtered);
        }
    }
    assert_eq!(llama.requests_seen(), 0);
    let log = gateway.stop().await;
    log.check();
    for entry in log.of_type("req.deny") {
        assert_eq!(entry["code"], "content_filter");
        assert!(
            tests::is_by(&entry["checks"][0], "unicode")
                || entry["checks"].to_string().contains("unicode")
        );
    }
}

#[tokio::test]
async fn a_field_in_no_contract_goes_nowhere() {
    let llama = FakeLlama::replying("fine").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    for way in WAYS {
        let mut body = way.body("hello");
        body["a_new_field"] = CANARY.into();
        body["user"] = CANARY.into();
        body["metadata"] = json!({ "user_id": CANARY });
        let reply = way.ask(&gateway, &body.to_string()).await;
        assert_eq!(reply.status(), 200, "{way:?}: {}", reply.text());
        let dropped = reply.header("x-portcullis-dropped");
        assert!(dropped.contains("a_new_field"), "{way:?}: {dropped}");
        assert!(!reply.text().contains(CANARY), "{way:?}");
    }
    for request in llama.requests() {
        assert!(!request.to_string().contains(CANARY), "{request}");
    }
    let log = gateway.stop().await;
    log.check();
    assert!(!log.raw_text().contains(CANARY));
}

#[tokio::test]
async fn what_two_readers_could_read_differently_is_refused() {
    let gateway = TestGateway::new().start().await;
    for way in WAYS {
        let body = way.body("hello").to_string();
        let twice = body.replacen('{', r#"{"model":"other","#, 1);
        let twice = match body.contains("\"model\"") {
            true => twice,
            false => twice.replacen('{', r#"{"model":"third","#, 1),
        };
        let broken = body.replace("hello", "h\\ud800o");
        for bad in [
            twice.as_str(),
            broken.as_str(),
            &body[..body.len() - 1],
            "[]",
            "",
        ] {
            let reply = way.ask(&gateway, bad).await;
            assert_eq!(reply.status(), 400, "{way:?}: {bad}");
            assert!(
                reply.code().starts_with("invalid_"),
                "{way:?}: {}",
                reply.text()
            );
        }
    }
    gateway.stop().await.check();
}

/// A guard that fails, panics or hangs is no guard that has passed.
#[tokio::test]
async fn a_guard_in_trouble_lets_nothing_through() {
    let llama = FakeLlama::replying("fine").start().await;
    let switch = Switch::default();
    let gateway = switch.on(TestGateway::new().backend(&llama)).start().await;
    let mut ids = Vec::new();
    for trouble in [Trouble::Fails, Trouble::Panics, Trouble::Hangs] {
        for way in WAYS {
            switch.set(Some(trouble));
            let reply = way.ask(&gateway, &way.body("hello").to_string()).await;
            switch.set(None);
            let told = (reply.status(), reply.code());
            assert_eq!(
                told,
                (503, "guardrail_unavailable".to_owned()),
                "{way:?} {trouble:?}"
            );
            ids.push(reply.header("x-request-id").to_owned());
        }
    }
    assert_eq!(llama.requests_seen(), 0);
    let log = gateway.stop().await;
    log.check();
    for id in ids {
        let [entry] = &log.about(&id)[..] else {
            panic!("one entry about {id}");
        };
        assert_eq!(
            (&entry["type"], &entry["stage"]),
            (&json!("req.undecided"), &json!("screen"))
        );
        assert!(
            !entry["checks"].to_string().contains("fast-guard"),
            "{entry}"
        );
    }
}

#[tokio::test]
async fn no_field_of_an_answer_leaks() {
    let gateway = TestGateway::new().start().await;
    for way in WAYS.into_iter().filter(|way| way.answers) {
        for word in [
            "secret",
            "leak",
            "leak reasoning",
            "leak refusal",
            "leak arguments",
        ] {
            let reply = way.ask(&gateway, &way.body(word).to_string()).await;
            assert_eq!(reply.status(), 200, "{way:?} {word}: {}", reply.text());
            assert!(
                !reply.text().contains("AKIA"),
                "{way:?} {word}: {}",
                reply.text()
            );
        }
        let reply = way.ask(&gateway, &way.body("person").to_string()).await;
        assert!(!reply.text().contains(SSN), "{way:?}");
    }
    let log = gateway.stop().await;
    log.check();
    let raw = log.raw_text();
    assert!(!raw.contains(KEY) && !raw.contains(SSN));
}

#[tokio::test]
async fn no_other_spelling_of_a_path_is_a_way_in() {
    let llama = FakeLlama::replying("fine").start().await;
    // A path is looked at before a credential, and such refusals are few per second.
    let gateway = TestGateway::new()
        .backend(&llama)
        .setting("limits", "unauthenticated_per_second_max = 1000")
        .start()
        .await;
    let key = gateway.key(ME).to_owned();
    for way in WAYS {
        let below = way.path.trim_start_matches("/v1");
        for path in [
            format!("{}/", way.path),
            format!("/V1{below}"),
            format!("/v1/{below}"),
            format!("/v1/.{below}"),
            format!("/v1/x/..{below}"),
            format!("/v1/%2e{below}"),
            format!("/openai/v1{below}"),
            format!("{}.json", way.path),
        ] {
            let reply = gateway
                .post(Some(&key), &path, &way.body(HIDDEN).to_string())
                .await;
            assert_eq!(
                (reply.status(), reply.code().as_str()),
                (404, "unknown_url"),
                "{path}"
            );
        }
    }
    for path in [
        "/v1/rerank",
        "/v1/audio/speech",
        "/v1/audio/transcriptions",
        "/v1/images/generations",
        "/v1/files",
        "/v1/batches",
        "/v1/realtime",
        "/v1/responses/resp_1/cancel",
        "/tokenize",
        "/proxy/v1/chat/completions",
    ] {
        let reply = gateway.post(Some(&key), path, r#"{"input":"x"}"#).await;
        assert_eq!(reply.status(), 404, "{path}");
    }
    assert_eq!(llama.requests_seen(), 0);
    gateway.stop().await.check();
}
