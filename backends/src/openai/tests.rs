//! The adapter against a server on loopback that says whatever a test wants.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::answer::{Event, FinishReason, TextField, Usage};
use crate::chat::{Message, Role};

mod clocks;
mod connections;
mod embeddings;
mod fake;
mod lies;
mod retries;
mod tls;

use fake::{Fake, Say, document, stream};

const HELLO_STREAM: &str = concat!(
    "data: {\"id\":\"c1\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"llama\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":null},\"finish_reason\":null}]}\n\n",
    ": ping\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"lo\"},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":2,\"total_tokens\":9}}\n\n",
    "data: [DONE]\n\n",
);

const HELLO_DOCUMENT: &str = r#"{"id":"c1","object":"chat.completion","created":1,"model":"llama",
    "choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},"logprobs":null,"finish_reason":"stop"}],
    "usage":{"prompt_tokens":7,"completion_tokens":2,"total_tokens":9}}"#;

#[tokio::test]
async fn a_streamed_answer_arrives_piece_by_piece() {
    let fake = Fake::start(vec![stream(HELLO_STREAM)]).await;
    let events = ask(&fake, streamed()).await.unwrap();
    assert_eq!(
        events,
        [
            text("Hel"),
            text("lo"),
            finish(FinishReason::Stop),
            usage(7, 2)
        ]
    );
}

#[tokio::test]
async fn a_plain_answer_arrives_as_the_same_events() {
    let fake = Fake::start(vec![vec![document(HELLO_DOCUMENT)]]).await;
    let events = ask(&fake, plain()).await.unwrap();
    assert_eq!(
        events,
        [text("Hello"), finish(FinishReason::Stop), usage(7, 2)]
    );
}

#[tokio::test]
async fn the_content_type_decides_not_what_was_asked() {
    let fake = Fake::start(vec![vec![document(HELLO_DOCUMENT)], stream(HELLO_STREAM)]).await;
    assert_eq!(ask(&fake, streamed()).await.unwrap().len(), 3);
    assert_eq!(ask(&fake, plain()).await.unwrap().len(), 4);
}

#[tokio::test]
async fn the_request_says_what_the_chat_says_and_no_more() {
    let fake = Fake::start(vec![stream(HELLO_STREAM)]).await;
    ask(&fake, streamed()).await.unwrap();
    let seen = fake.seen().remove(0);
    assert!(
        seen.head
            .starts_with("post /v1/chat/completions http/1.1\r\n")
    );
    assert!(seen.head.contains(&format!("host: {}\r\n", fake.address)));
    assert!(seen.head.contains("accept-encoding: identity\r\n"));
    assert!(seen.head.contains("accept: text/event-stream\r\n"));
    assert!(!seen.head.contains("authorization"));
    assert_eq!(
        seen.body,
        serde_json::json!({
            "model": "llama",
            "messages": [{"role": "user", "content": "hi"}],
            "stream": true,
            "stream_options": {"include_usage": true},
        })
    );
}

#[tokio::test]
async fn a_bearer_from_a_file_goes_up_and_never_into_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let bearer_file = folder.path().join("token");
    std::fs::write(&bearer_file, "s3cr3t-token\n").unwrap();
    let refused = fake::response(401, "", r#"{"error":{"message":"bad key"}}"#);
    let fake = Fake::start(vec![vec![refused]]).await;
    let mut settings = settings(&fake);
    settings.bearer_file = Some(bearer_file);
    let error = ask_with(settings, plain()).await.unwrap_err();
    assert_eq!(error.failure(), &Failure::Auth);
    assert!(
        fake.seen()
            .remove(0)
            .head
            .contains("authorization: bearer s3cr3t-token\r\n")
    );
    assert!(!format!("{error:?} {error}").contains("s3cr3t"));
}

#[tokio::test]
async fn the_vendors_request_id_and_model_are_noted() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nx-request-id: req-42\r\n\r\n";
    let script = vec![fake::say(head), fake::say(HELLO_STREAM), Say::Close];
    let fake = Fake::start(vec![script]).await;
    let upstream = OpenAi::new(settings(&fake)).unwrap();
    let mut answer = upstream.send(streamed(), in_a_minute()).await.unwrap();
    assert_eq!(answer.vendor_request_id(), Some("req-42"));
    drain(&mut answer).await.unwrap();
    let remarks = answer.remarks();
    assert_eq!(remarks.model.as_deref(), Some("llama"));
    assert_eq!((remarks.attempts, remarks.stripped), (1, 0));
}

#[tokio::test]
async fn an_answer_without_usage_gets_an_upper_bound() {
    let without = HELLO_DOCUMENT.replace("usage", "usage_of_another_kind");
    let fake = Fake::start(vec![vec![document(&without)]]).await;
    let events = ask(&fake, plain()).await.unwrap();
    let Some(Event::Usage(usage)) = events.last() else {
        panic!("usage comes last: {events:?}");
    };
    let (fewest, most) = ("hi".len() as u64, 500);
    assert!(usage.estimated && (fewest..most).contains(&usage.input));
    assert_eq!(usage.output, "Hello".len() as u64 + 1, "and an end of turn");
}

/// [`HELLO_STREAM`] up to its first text.
fn begun() -> String {
    HELLO_STREAM.split_inclusive("\n\n").take(3).collect()
}

fn plain() -> Chat {
    Chat::new("llama", vec![Message::text(Role::User, "hi")])
}

fn streamed() -> Chat {
    Chat {
        stream: true,
        ..plain()
    }
}

fn settings(fake: &Fake) -> OpenAiSettings {
    let url = format!("http://{}/v1", fake.address);
    OpenAiSettings::new("fake", url.parse().unwrap())
}

fn in_a_minute() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

async fn ask(fake: &Fake, chat: Chat) -> Result<Vec<Event>, UpstreamError> {
    ask_with(settings(fake), chat).await
}

async fn ask_with(settings: OpenAiSettings, chat: Chat) -> Result<Vec<Event>, UpstreamError> {
    let upstream = OpenAi::new(settings).unwrap();
    let mut answer = upstream.send(chat, in_a_minute()).await?;
    drain(&mut answer).await
}

async fn drain(answer: &mut Answer) -> Result<Vec<Event>, UpstreamError> {
    let mut events = Vec::new();
    while let Some(event) = answer.next().await {
        events.push(event?);
    }
    Ok(events)
}

fn text(text: &str) -> Event {
    Event::Text {
        choice: 0,
        field: TextField::Content,
        text: text.to_owned(),
    }
}

fn finish(reason: FinishReason) -> Event {
    Event::Finish { choice: 0, reason }
}

fn usage(input: u64, output: u64) -> Event {
    Event::Usage(Usage {
        input,
        output,
        estimated: false,
    })
}
