//! How much of what was said is kept, sealed: the audit level decides, and nobody who asks does.

use serde_json::{Value, json};
use tests::gateway_under_test::question;
use tests::llama::http_json;
use tests::{AuditLog, FakeLlama, Script, TestGateway};

const ME: &str = "svc:benefits-app";
const STRICT: &str = "svc:contracts-app";
/// A number that was never issued; documentation values are hits like any other.
const SSN: &str = "078-05-1120";
const SSN_MASK: &str = "[REDACTED:us_ssn]";
const KEY: &str = "AKIAIOSFODNN7EXAMPLE";

/// What was asked at a level, and what the log says of it.
struct Asked {
    log: AuditLog,
    /// Answered, with a number masked both ways.
    answered: String,
    /// Refused for its content.
    blocked: String,
}

async fn asked(setting: &'static str) -> Asked {
    let llama = FakeLlama::replying(&format!("You said {SSN}."))
        .start()
        .await;
    let gateway = TestGateway::new()
        .backend(&llama)
        .setting("audit", setting)
        .start()
        .await;
    let answered = gateway
        .chat(
            ME,
            &format!("My number is {SSN}, and the word is pomegranate."),
        )
        .await;
    assert_eq!(answered.status(), 200, "{}", answered.text());
    let blocked = gateway.chat(STRICT, &format!("Is {KEY} a good key?")).await;
    assert_eq!(blocked.status(), 400, "{}", blocked.text());
    let id = |reply: &tests::Reply| reply.header("x-request-id").to_owned();
    let (answered, blocked) = (id(&answered), id(&blocked));
    let log = gateway.stop().await;
    log.check();
    for secret in [SSN, KEY, "pomegranate"] {
        assert!(
            !log.raw_text().contains(secret),
            "sealed or not kept: {secret}"
        );
    }
    Asked {
        log,
        answered,
        blocked,
    }
}

impl Asked {
    fn texts(&self, id: &str) -> Vec<Value> {
        self.log.opened(id)
    }

    /// Which ways of the answered request are kept, and which of them commit to what was before.
    fn ways(&self, id: &str) -> Vec<(String, bool)> {
        let bodies = |entry: Value| entry["body"].as_array().cloned().unwrap_or_default();
        let way = |body: Value| {
            let dir = body["dir"].as_str().unwrap().to_owned();
            (dir, body["original"].is_string())
        };
        self.log
            .about(id)
            .into_iter()
            .flat_map(bodies)
            .map(way)
            .collect()
    }
}

fn way(dir: &str, original: bool) -> (String, bool) {
    (dir.to_owned(), original)
}

#[tokio::test]
async fn metadata_keeps_no_text_at_all() {
    let asked = asked("level = \"metadata\"").await;
    assert_eq!(
        (asked.ways(&asked.answered), asked.ways(&asked.blocked)),
        (vec![], vec![])
    );
    let intent = &asked.log.about(&asked.answered)[0];
    assert_eq!(intent["type"], "req.intent");
    assert_eq!(
        intent["checks"][0]["stage"], "prompt",
        "what was checked is said at every level"
    );
}

#[tokio::test]
async fn request_keeps_what_went_up_and_not_what_came_down() {
    let asked = asked("level = \"request\"").await;
    assert_eq!(asked.ways(&asked.answered), [way("request", true)]);
    let [up] = &asked.texts(&asked.answered)[..] else {
        panic!()
    };
    assert_eq!(
        up["texts"][0]["text"],
        format!("My number is {SSN_MASK}, and the word is pomegranate.")
    );
    assert!(up["original"].is_null(), "committed to, not kept: {up}");
}

#[tokio::test]
async fn both_ways_are_kept_by_default_as_they_went() {
    let asked = asked("").await;
    let both = [way("request", true), way("response", true)];
    assert_eq!(asked.ways(&asked.answered), both);
    let [up, down] = &asked.texts(&asked.answered)[..] else {
        panic!()
    };
    assert_eq!(
        down["texts"],
        json!([{ "at": "choices[0].content", "text": format!("You said {SSN_MASK}.") }])
    );
    assert_eq!(
        down["head"]["finish"],
        json!([{ "choice": 0, "reason": "stop" }])
    );
    assert!(
        up["original"].is_null() && down["original"].is_null(),
        "{up} {down}"
    );
    // Of a refused prompt there is a commitment, and no text.
    assert_eq!(asked.ways(&asked.blocked), [way("request", true)]);
    assert_eq!(asked.texts(&asked.blocked)[0]["texts"], json!([]));
}

#[tokio::test]
async fn full_keeps_what_was_masked_and_what_was_refused() {
    let asked = asked("levels = { chat_completions = \"full\" }").await;
    let [up, down] = &asked.texts(&asked.answered)[..] else {
        panic!()
    };
    let said = format!("My number is {SSN}, and the word is pomegranate.");
    assert_eq!(
        up["original"],
        json!([{ "at": "messages[0].content", "text": said }])
    );
    let said = format!("You said {SSN}.");
    assert_eq!(
        down["original"],
        json!([{ "at": "choices[0].content", "text": said }])
    );
    let [refused] = &asked.texts(&asked.blocked)[..] else {
        panic!()
    };
    let said = format!("Is {KEY} a good key?");
    assert_eq!(
        refused["original"],
        json!([{ "at": "messages[0].content", "text": said }])
    );
}

const WORDS: [&str; 16] = [
    "harbour ",
    "lantern ",
    "seven ",
    "quietly ",
    "the ",
    "committee ",
    "and ",
    "river ",
    "stone ",
    "above ",
    "letter ",
    "walked ",
    "green ",
    "never ",
    "table ",
    "morning ",
];

/// Each turn repeats the ones before; the log does not.
#[tokio::test]
async fn a_conversation_is_kept_once() {
    let llama = FakeLlama::replying(&"An answer of some length, to be said again. ".repeat(12))
        .start()
        .await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let mut messages = Vec::new();
    let mut ids = Vec::new();
    for turn in 0..12 {
        let said: String = (0..60)
            .map(|n| WORDS[(turn * 7 + n * 13 + n * n) % WORDS.len()])
            .collect();
        messages.push(json!({ "role": "user", "content": said }));
        let mut body = question("");
        body["messages"] = Value::from(messages.clone());
        let reply = gateway.ask(ME, &body).await;
        assert_eq!(reply.status(), 200, "{}", reply.text());
        ids.push(reply.header("x-request-id").to_owned());
        messages.push(json!({ "role": "assistant", "content": reply.json()["choices"][0]["message"]["content"] }));
    }
    let log = gateway.stop().await;
    log.check();
    let last = &log.opened(ids.last().unwrap())[0];
    let said: Vec<_> = last["texts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|text| &text["text"])
        .collect();
    let written: Vec<_> = messages
        .iter()
        .take(23)
        .map(|message| &message["content"])
        .collect();
    assert_eq!(
        said, written,
        "the whole conversation can be read at its last turn"
    );
    let lengths: Vec<u64> = ids
        .iter()
        .map(|id| log.about(id)[0]["body"][0]["len"].as_u64().unwrap())
        .collect();
    assert!(lengths[11] < 3 * lengths[0], "{lengths:?}");
}

/// The vendor's id of a request is in no entry, and yet an officer who has the id finds the entry: with Python and
/// `openssl`, from FORMAT.md.
#[tokio::test]
async fn the_vendor_s_id_can_be_compared_and_not_read() {
    let answer = json!({
        "id": "x", "object": "chat.completion", "created": 1, "model": "upstream",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": "fine" }, "finish_reason": "stop" }],
        "usage": { "prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8 },
    });
    let reply = String::from_utf8(http_json(&answer.to_string())).unwrap();
    let reply = reply.replacen("\r\n", "\r\nx-request-id: req-vendor-42\r\n", 1);
    let llama = FakeLlama::scripted(Script::Raw(reply.into_bytes()))
        .start()
        .await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let reply = gateway.chat(ME, "hello").await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    assert!(!log.raw_text().contains("req-vendor-42"));
    assert_eq!(log.opened(&id)[1]["head"]["upstream_id"], "req-vendor-42");
    let vendor = &log.about(&id)[1]["vendor"];
    let by_hand = r#"
import hashlib, hmac, json, subprocess, sys
keyring, certs, words = sys.argv[1:]
line = subprocess.run(["openssl", "cms", "-decrypt", "-inform", "DER", "-in", keyring, "-recip", certs + "/officer.pem",
                       "-inkey", certs + "/officer.key"], capture_output=True, check=True).stdout
key = bytes.fromhex(json.loads(line)["key"])
own = hmac.digest(key, b"vendor", "sha256")
print(hmac.digest(own, words.encode(), "sha256").hex())
"#;
    let output = std::process::Command::new("python3")
        .args(["-c", by_hand])
        .arg(
            log.dir
                .join("keyring")
                .join(vendor["epoch"].as_str().unwrap()),
        )
        .arg(log.certs())
        .arg("req-vendor-42")
        .output()
        .unwrap();
    let hmac = String::from_utf8(output.stdout).unwrap();
    assert_eq!(
        vendor["hmac"],
        hmac.trim(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
