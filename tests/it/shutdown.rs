//! Shutdown drains: what runs may end well within its time, what does not is named, and nobody new comes in.

use std::time::{Duration, Instant};

use serde_json::json;
use tests::client::Live;
use tests::gateway_under_test::question;
use tests::llama::{delta, sse_chunk, stop, stream_end, stream_head};
use tests::{AuditLog, FakeLlama, Hand, Script, TestGateway, beside, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ME: &str = "svc:benefits-app";

/// A stream of which some words have come, and the hand that plays its model.
async fn a_stream_in_flight(drain: &'static str) -> (TestGateway, Live, Hand, FakeLlama) {
    let (hand, script) = Script::by_hand();
    let llama = FakeLlama::scripted(script).start().await;
    let gateway = TestGateway::new().backend(&llama);
    let gateway = gateway
        .config(move |text| *text = text.replace("drain_timeout_s = 5", drain))
        .start()
        .await;
    let mut body = question("hello");
    body["stream"] = true.into();
    let model = async {
        hand.gives(stream_head()).await;
        hand.gives(sse_chunk(&delta("The first words of an answer ")))
            .await;
    };
    let (mut live, ()) = tokio::join!(gateway.open(ME, &body), model);
    assert!(live.until("first words").await);
    (gateway, live, hand, llama)
}

async fn readyz(admin: std::net::SocketAddr) -> Option<String> {
    let mut stream = tokio::net::TcpStream::connect(admin).await.ok()?;
    stream
        .write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .ok()?;
    let mut read = String::new();
    stream.read_to_string(&mut read).await.ok()?;
    Some(read)
}

fn only_outcome(log: &AuditLog) -> serde_json::Value {
    log.check();
    let outcomes = log.of_type("req.outcome");
    assert_eq!(outcomes.len(), 1, "{outcomes:#?}");
    outcomes[0].clone()
}

#[tokio::test]
async fn a_stream_in_flight_ends_well_and_nobody_new_comes_in() {
    let (gateway, live, hand, _llama) = a_stream_in_flight("drain_timeout_s = 20").await;
    let (address, admin, client) = (gateway.address(), gateway.admin(), gateway.client());
    let stopping = beside(gateway.stop());
    within("new connections to be refused", async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    assert!(client.connect().await.is_err());
    let ready = readyz(admin)
        .await
        .expect("the admin listener goes on while requests drain");
    assert!(
        ready.starts_with("HTTP/1.1 503") && ready.ends_with("draining\n"),
        "{ready}"
    );
    assert!(!stopping.is_finished());
    hand.gives(
        [
            sse_chunk(&delta("and its end.")),
            sse_chunk(&stop()),
            stream_end(),
        ]
        .concat(),
    )
    .await;
    drop(hand);
    let reply = live.rest().await;
    assert!(reply.done() && reply.complete, "{}", reply.text());
    assert_eq!(
        (reply.content().as_str(), reply.finish(0).as_str()),
        ("The first words of an answer and its end.", "stop")
    );
    let log = within("the gateway to stop", stopping).await.unwrap();
    assert_eq!(only_outcome(&log)["status"], "completed");
    assert_eq!(log.entries().last().unwrap()["type"], "shutdown");
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_and_named() {
    let (gateway, live, hand, llama) = a_stream_in_flight("drain_timeout_s = 1").await;
    let stopping = beside(gateway.stop());
    let reply = live.rest().await;
    assert!(
        !reply.done() && reply.finish(0).is_empty(),
        "no end that there was not: {}",
        reply.text()
    );
    let log = within("the gateway to stop", stopping).await.unwrap();
    let outcome = only_outcome(&log);
    let status = outcome["status"].as_str().unwrap();
    assert!(["shutdown", "abandoned"].contains(&status), "{outcome}");
    assert!(
        !reply.complete || reply.events().last().unwrap()["error"].is_object(),
        "said or broken, not cut silently"
    );
    drop(hand);
    llama.was_left(1).await;
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_a_shutdown() {
    let gateway = TestGateway::new();
    let gateway = gateway
        .config(|text| *text = text.replace("drain_timeout_s = 5", "drain_timeout_s = 60"))
        .start()
        .await;
    let (one, two) = (gateway.client(), gateway.http2());
    let mut idle = one.connect().await.unwrap();
    let key = gateway.key(ME);
    let request = format!(
        "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\r\n"
    );
    idle.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    idle.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    let session = two.session().await;
    let reply = session
        .send(two.request(http::Method::GET, "/v1/models", Some(key), ""))
        .await;
    assert_eq!(reply.status(), 200);
    let begun = Instant::now();
    let log = within("the gateway to stop", gateway.stop()).await;
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    log.check();
    assert_eq!(log.of_type("req.served").len(), 2);
}

#[tokio::test]
async fn a_plain_question_in_flight_gets_its_answer() {
    let (hand, script) = Script::by_hand();
    let llama = FakeLlama::scripted(script).start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let client = gateway.client();
    let key = gateway.key(ME).to_owned();
    let request = client.request(
        http::Method::POST,
        tests::gateway_under_test::CHAT,
        Some(&key),
        &question("hello").to_string(),
    );
    let asking = beside(async move { client.send(request).await });
    llama.has_seen(1).await;
    let stopping = beside(gateway.stop());
    let answer = json!({ "id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [
        { "index": 0, "message": { "role": "assistant", "content": "Late, but here." }, "finish_reason": "stop" }] });
    hand.gives(tests::llama::http_json(&answer.to_string()))
        .await;
    drop(hand);
    let reply = within("the answer", asking).await.unwrap();
    assert_eq!(
        (reply.status(), reply.content().as_str()),
        (200, "Late, but here.")
    );
    let log = within("the gateway to stop", stopping).await.unwrap();
    assert_eq!(only_outcome(&log)["status"], "completed");
}
