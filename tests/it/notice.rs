//! What the reader of a blocked answer sees: nothing but the end, or the operator's sentence before it.

use serde_json::{Value, json};
use tests::gateway_under_test::CHAT;
use tests::{FakeLlama, Reply, TestGateway};

const ME: &str = "svc:benefits-app";
const NOTICE: &str = "Withheld: ask the help desk.";
const MODEL: &str = "llama-3.3-70b";
/// Characters that nobody sees, which a rule blocks.
const HIDDEN: &str = "\u{e0068}\u{e0069}\u{e0064}\u{e0065}\u{e0068}\u{e0069}\u{e0064}\u{e0065}";

/// One question in each dialect.
fn asked(stream: bool) -> [(&'static str, Value); 4] {
    let messages = json!([{ "role": "user", "content": "hello" }]);
    [
        (
            CHAT,
            json!({ "model": MODEL, "messages": messages, "stream": stream }),
        ),
        (
            "/v1/completions",
            json!({ "model": MODEL, "prompt": "hello", "stream": stream }),
        ),
        (
            "/v1/responses",
            json!({ "model": MODEL, "input": "hello", "store": false, "stream": stream }),
        ),
        (
            "/v1/messages",
            json!({ "model": MODEL, "messages": messages, "max_tokens": 99, "stream": stream }),
        ),
    ]
}

async fn gateway(answer: &str, section: &'static str) -> (FakeLlama, TestGateway) {
    let llama = FakeLlama::replying(answer).start().await;
    let gateway = TestGateway::new().backend(&llama);
    let gateway =
        gateway.config(move |text| text.insert_str(text.find("[[backend]]").unwrap(), section));
    (llama, gateway.start().await)
}

/// The answers to it in each dialect, whole and streamed, with the path of each.
async fn answers(gateway: &TestGateway) -> Vec<(&'static str, bool, Reply)> {
    let mut answers = Vec::new();
    for stream in [false, true] {
        for (path, body) in asked(stream) {
            let key = Some(gateway.key(ME));
            let reply = gateway.post(key, path, &body.to_string()).await;
            assert_eq!(reply.status(), 200, "{}", reply.text());
            answers.push((path, stream, reply));
        }
    }
    answers
}

#[tokio::test]
async fn a_blocked_answer_ends_with_the_sentence_in_every_dialect() {
    let section = "[answers]\non_block = \"notice\"\nnotice = \"Withheld: ask the help desk.\"\n";
    for (answer, before) in [
        (
            format!("It is said that {HIDDEN} is so."),
            "It is said that ",
        ),
        (HIDDEN.to_owned(), ""),
    ] {
        let (_llama, gateway) = gateway(&answer, section).await;
        let mut ids = Vec::new();
        for (path, stream, reply) in answers(&gateway).await {
            let told = reply.text();

            let id = reply.header("x-request-id").to_owned();
            let apart = if before.is_empty() { "" } else { "\\n\\n" };
            let sentence = format!("{apart}{NOTICE} (request {id})");
            assert!(told.contains(&sentence), "{path} {stream}: {told}");
            assert!(
                told.contains("content_filter") || told.contains("refusal"),
                "{told}"
            );
            assert!(told.contains(before) && !told.contains("is so"));
            ids.push(id);
        }
        let log = gateway.stop().await;
        log.check();
        for id in ids {
            // It is part of what was shown, and stands in no leaf.
            let opened = log.opened(&id);
            assert!(
                opened.iter().any(|body| body.to_string().contains(NOTICE)),
                "{opened:#?}"
            );
            assert!(
                !log.about(&id)
                    .iter()
                    .any(|entry| entry.to_string().contains(NOTICE))
            );
        }
    }
}

#[tokio::test]
async fn without_a_word_about_it_a_blocked_answer_just_ends() {
    for section in ["", "[answers]\nnotice = \"Withheld: ask the help desk.\"\n"] {
        let (_llama, gateway) = gateway(&format!("So {HIDDEN} it is."), section).await;
        for (_, _, reply) in answers(&gateway).await {
            let told = reply.text();

            assert!(
                !told.contains("(request") && !told.contains("ithheld"),
                "{told}"
            );
        }
    }
}

#[tokio::test]
async fn a_route_has_its_own_word() {
    let section = "[answers]\non_block = \"notice\"\n[answers.routes]\nmessages = \"finish\"\n";
    let (_llama, gateway) = gateway(&format!("So {HIDDEN} it is."), section).await;
    for (path, _, reply) in answers(&gateway).await {
        let says = reply
            .text()
            .contains("The rest of this answer was withheld");
        assert_eq!(says, path != "/v1/messages", "{path}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_blocked_says_nothing_of_it() {
    let section = "[answers]\non_block = \"notice\"\n";
    let (_llama, gateway) = gateway("Write to jane.roe@example.com.", section).await;
    for (_, _, reply) in answers(&gateway).await {
        assert!(!reply.text().contains("withheld"), "{}", reply.text());
    }
}

#[tokio::test]
async fn a_rule_that_holds_lets_nothing_of_a_blocked_text_show() {
    let hold = |text: &mut String| {
        *text = text.replace(
            "do = \"block\", why = \"text",
            "do = \"block\", hold = true, why = \"text",
        );
        assert!(text.contains("hold = true"));
    };
    for (answer, blocked) in [
        (format!("It is said that {HIDDEN} is so."), true),
        ("It is said that nothing is so.".to_owned(), false),
    ] {
        let llama = FakeLlama::replying(&answer).start().await;
        let gateway = TestGateway::new().backend(&llama).guardrails(hold);
        let gateway = gateway.start().await;
        for (path, stream, reply) in answers(&gateway).await {
            let told = reply.text();

            assert_eq!(told.contains("said"), !blocked, "{path} {stream}: {told}");
        }
        gateway.stop().await.check();
    }
}
