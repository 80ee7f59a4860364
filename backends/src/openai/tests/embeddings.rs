//! Texts and their vectors.

use super::fake::{response, say};
use super::*;
use crate::error::ProtocolFault;

const TWO: &str = r#"{"object":"list","model":"llama-embed",
    "data":[{"object":"embedding","index":0,"embedding":[0.5,-1]},{"object":"embedding","index":1,"embedding":[1,2]}],
    "usage":{"prompt_tokens":4,"total_tokens":4}}"#;

#[tokio::test]
async fn each_text_gets_its_vector() {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req-7\r\n";
    let answer = format!("{head}content-length: {}\r\n\r\n{TWO}", TWO.len());
    let fake = Fake::start(vec![vec![say(&answer)]]).await;
    let embedded = embed(&fake).await.unwrap();
    assert_eq!(embedded.vectors, [[0.5, -1.0], [1.0, 2.0]]);
    assert_eq!((embedded.usage.input, embedded.usage.estimated), (4, false));
    assert_eq!(embedded.vendor_request_id.as_deref(), Some("req-7"));
    assert_eq!(embedded.remarks.attempts, 1);
    let seen = fake.seen().remove(0);
    assert!(seen.head.starts_with("post /v1/embeddings http/1.1\r\n"));
    assert!(seen.head.contains("accept: application/json\r\n"));
    let expected = serde_json::json!({
        "model": "llama-embed", "input": ["one", "two"], "encoding_format": "float",
    });
    assert_eq!(seen.body, expected);
}

#[tokio::test]
async fn the_connection_carries_the_next_question() {
    let fake = Fake::start(vec![vec![document(TWO)], vec![document(HELLO_DOCUMENT)]]).await;
    let upstream = OpenAi::new(settings(&fake)).unwrap();
    upstream.embed(texts(), in_a_minute()).await.unwrap();
    let mut answer = upstream.send(plain(), in_a_minute()).await.unwrap();
    drain(&mut answer).await.unwrap();
    assert_eq!((fake.seen().len(), fake.connections()), (2, 1));
}

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    let scripts = vec![vec![response(503, "", "busy")], vec![document(TWO)]];
    let fake = Fake::start(scripts).await;
    let embedded = embed(&fake).await.unwrap();
    assert_eq!(embedded.remarks.attempts, 2);
}

#[tokio::test]
async fn a_server_without_embeddings_says_so() {
    let fake = Fake::start(vec![vec![response(501, "", "no")]]).await;
    let failure = embed(&fake).await.unwrap_err().failure().clone();
    assert!(matches!(failure, Failure::Status { status: 501, .. }));
}

#[tokio::test]
async fn too_few_too_much_and_the_wrong_kind_are_no_answer() {
    let few = r#"{"data":[{"index":0,"embedding":[1]}]}"#;
    let long = format!(r#"{{"data":[],"note":"{}"}}"#, "x".repeat(2048));
    let cases = [
        (vec![document(few)], ProtocolFault::UnexpectedVectors),
        (vec![document(&long)], ProtocolFault::Oversized),
        (vec![document("[1")], ProtocolFault::BadJson),
        (stream(HELLO_STREAM), ProtocolFault::ContentType),
    ];
    for (script, fault) in cases {
        let fake = Fake::start(vec![script]).await;
        let mut settings = settings(&fake);
        settings.answer_bytes_max = 1024;
        let upstream = OpenAi::new(settings).unwrap();
        let error = upstream.embed(texts(), in_a_minute()).await.unwrap_err();
        assert_eq!(error.failure(), &Failure::Protocol(fault));
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_not_waited_for() {
    let begun = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{";
    let fake = Fake::start(vec![vec![say(begun), Say::Nothing]]).await;
    let mut settings = settings(&fake);
    settings.clocks.idle = Duration::from_millis(50);
    let upstream = OpenAi::new(settings).unwrap();
    let error = upstream.embed(texts(), in_a_minute()).await.unwrap_err();
    assert_eq!(error.failure(), &Failure::Timeout(Clock::Idle));
    fake.client_left().await;
}

#[tokio::test]
async fn tokens_that_nobody_counted_are_an_upper_bound() {
    let fake = Fake::start(Vec::new()).await;
    let upstream = OpenAi::new(settings(&fake)).unwrap();
    let usage = upstream.count(plain(), in_a_minute()).await.unwrap();
    assert!(usage.estimated && usage.input > 2 && usage.output == 0);
    assert!(fake.seen().is_empty(), "nothing is sent");
}

fn texts() -> Embed {
    Embed {
        model: "llama-embed".to_owned(),
        input: vec!["one".to_owned(), "two".to_owned()],
        dimensions: None,
    }
}

async fn embed(fake: &Fake) -> Result<Embedded, UpstreamError> {
    let upstream = OpenAi::new(settings(fake)).unwrap();
    upstream.embed(texts(), in_a_minute()).await
}
