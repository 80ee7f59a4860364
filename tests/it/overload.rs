//! Every bound says no early and says so; a flood from nobody costs honest callers nothing.

use std::sync::Arc;
use std::time::Duration;

use audit::Fault;

use serde_json::{Value, json};
use tests::gateway_under_test::{CHAT, babble, question};
use tests::{AuditLog, FakeLlama, Reply, Script, TestGateway, beside, until, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const ME: &str = "svc:benefits-app";
const OTHER: &str = "svc:contracts-app";

/// How many connections the summaries of a log count for this reason.
fn counted(log: &AuditLog, reason: &str) -> u64 {
    let summaries = log.of_type("conn.summary");
    let of_reason = summaries
        .iter()
        .filter(|summary| summary["reason"] == reason);
    of_reason
        .map(|summary| summary["count"].as_u64().unwrap())
        .sum()
}

#[tokio::test]
async fn one_request_too_many_is_refused_at_once_and_recorded() {
    let scripts = [
        ("silent".to_owned(), Script::Silent),
        ("speak".to_owned(), Script::saying(["fine"])),
    ];
    let llama = FakeLlama::scripted(Script::by_word(scripts)).start().await;
    let gateway = TestGateway::new().backend(&llama).setting(
        "limits",
        "in_flight_max = 2\nin_flight_per_principal_max = 2",
    );
    let gateway = Arc::new(gateway.start().await);
    let silent: Vec<_> = (0..2)
        .map(|_| {
            let gateway = gateway.clone();
            beside(async move { gateway.chat(ME, "silent please").await })
        })
        .collect();
    llama.has_seen(2).await;
    let reply = gateway.chat(ME, "speak please").await;
    assert_eq!(
        (reply.status(), reply.code().as_str()),
        (503, "overloaded"),
        "{}",
        reply.text()
    );
    assert_eq!(reply.json()["error"]["type"], "server_error");
    assert!(reply.header("retry-after").parse::<u64>().is_ok());
    assert_eq!(llama.requests_seen(), 2);
    silent.iter().for_each(|task| task.abort());
    llama.was_left(2).await;
    until("the places to be given back", || gateway.in_flight() == 0).await;
    assert_eq!(gateway.chat(ME, "speak please").await.status(), 200);
    drop(silent);
    until("the last one to let go", || {
        Arc::strong_count(&gateway) == 1
    })
    .await;
    let id = reply.header("x-request-id").to_owned();
    let log = Arc::into_inner(gateway).unwrap().stop().await;
    log.check();
    let about = log.about(&id);
    assert_eq!(about.len(), 1, "{about:#?}");
    assert_eq!(
        (&about[0]["type"], &about[0]["code"]),
        (&json!("req.undecided"), &json!("overloaded"))
    );
}

#[tokio::test]
async fn one_callers_share_leaves_room_for_others() {
    let scripts = [
        ("silent".to_owned(), Script::Silent),
        ("speak".to_owned(), Script::saying(["fine"])),
    ];
    let llama = FakeLlama::scripted(Script::by_word(scripts)).start().await;
    let gateway = TestGateway::new()
        .backend(&llama)
        .setting("limits", "in_flight_max = 2");
    let gateway = Arc::new(gateway.start().await);
    let silent = {
        let gateway = gateway.clone();
        beside(async move { gateway.chat(ME, "silent please").await })
    };
    llama.has_seen(1).await;
    let reply = gateway.chat(ME, "speak please").await;
    assert_eq!(
        (reply.status(), reply.code().as_str()),
        (503, "overloaded"),
        "{}",
        reply.text()
    );
    assert_eq!(gateway.chat(OTHER, "speak please").await.status(), 200);
    silent.abort();
    llama.was_left(1).await;
    until("the places to be given back", || gateway.in_flight() == 0).await;
    until("the last one to let go", || {
        Arc::strong_count(&gateway) == 1
    })
    .await;
    Arc::into_inner(gateway).unwrap().stop().await.check();
}

#[tokio::test]
async fn one_connection_too_many_is_closed_and_counted() {
    let gateway = TestGateway::new()
        .setting("listener", "connections_max = 2")
        .start()
        .await;
    let client = gateway.client();
    let (one, two) = (
        client.connect().await.unwrap(),
        client.connect().await.unwrap(),
    );
    for _ in 0..3 {
        assert!(
            within("the third to be closed", client.connect())
                .await
                .is_err()
        );
    }
    drop(one);
    // The place comes back when the gateway has noticed.
    let third = within("a place", async {
        loop {
            if let Ok(stream) = client.connect().await {
                return stream;
            }
        }
    });
    drop((third.await, two));
    until("both to be gone", || gateway.gateway().tasks.running() == 0).await;
    assert_eq!(gateway.chat(ME, "hello").await.status(), 200);
    let log = gateway.stop().await;
    log.check();
    assert!(
        counted(&log, "too_many") >= 3,
        "{:#?}",
        log.of_type("conn.summary")
    );
}

/// Sends one request on a connection of its own, and hands back the response, if there was one.
async fn shout(gateway: &TestGateway, head: &str) -> Option<Reply> {
    let mut stream = gateway.client().connect().await.unwrap();
    stream
        .write_all(
            format!(
                "{head}\r\nhost: localhost\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
            )
            .as_bytes(),
        )
        .await
        .unwrap();
    let mut read = Vec::new();
    let _ = within("an end", stream.read_to_end(&mut read)).await;
    match read.is_empty() {
        true => None,
        false => Some(
            Reply::parse(&read).unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&read))),
        ),
    }
}

#[tokio::test]
async fn a_flood_from_nobody_is_counted_and_honest_callers_do_not_notice() {
    const FLOOD: usize = 150;
    let heads = [
        ("POST /v1/chat/completions HTTP/1.1", 401),
        (
            "POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer pc_nobody",
            401,
        ),
        ("POST /v1/nothing HTTP/1.1", 404),
        ("PUT /v1/models HTTP/1.1", 405),
    ];
    let llama = FakeLlama::replying("fine").start().await;
    let gateway = Arc::new(TestGateway::new().backend(&llama).start().await);
    let honest = gateway.clone();
    let honest = beside(async move {
        let mut statuses = Vec::new();
        for _ in 0..10 {
            statuses.push(honest.chat(ME, "hello").await.status());
        }
        statuses
    });
    let begun = std::time::Instant::now();
    let mut replies = Vec::new();
    for number in 0..FLOOD {
        let (head, status) = heads[number % heads.len()];
        if let Some(reply) = shout(&gateway, head).await {
            assert_eq!(reply.status(), status, "{}", reply.text());
            replies.push(reply.header("x-request-id").to_owned());
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    assert_eq!(
        within("honest callers", honest).await.unwrap(),
        vec![200; 10]
    );
    let log = Arc::into_inner(gateway).unwrap().stop().await;
    log.check();
    let denied: Vec<Value> = log.of_type("req.deny");
    let budget = 20.0 * (1.0 + seconds) + 1.0;
    assert!(
        (20.0..=budget).contains(&(denied.len() as f64)),
        "{} entries in {seconds} s",
        denied.len()
    );
    assert_eq!(
        replies.len(),
        denied.len(),
        "a refusal is told only if it is recorded"
    );
    for id in replies {
        assert_eq!(log.about(&id).len(), 1);
    }
    assert_eq!(
        counted(&log, "unauthenticated"),
        (FLOOD - denied.len()) as u64,
        "the rest is counted"
    );
}

#[tokio::test]
async fn a_crowd_is_answered_to_the_last() {
    let llama = FakeLlama::replying("fine").start().await;
    let gateway = Arc::new(TestGateway::new().backend(&llama).start().await);
    let crowd: Vec<_> = (0..60)
        .map(|number| {
            let gateway = gateway.clone();
            let mut body = question("hello");
            body["stream"] = (number % 2 == 0).into();
            beside(async move { gateway.ask(ME, &body).await.finish(0) })
        })
        .collect();
    for one in crowd {
        assert_eq!(within("an answer", one).await.unwrap(), "stop");
    }
    let log = Arc::into_inner(gateway).unwrap().stop().await;
    log.check();
    assert_eq!(log.of_type("req.outcome").len(), 60);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for_beyond_the_request_s_time() {
    let gateway = TestGateway::new();
    let gateway = gateway
        .config(|text| *text = text.replace("request_timeout_s = 30", "request_timeout_s = 1"));
    let gateway = gateway.start().await;
    let key = gateway.key(ME);
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-length: 100\r\n\r\n{{"
    );
    let answer = gateway.client().raw(head.as_bytes()).await;
    let reply = Reply::parse(&answer).expect("an answer");
    assert_eq!(
        (reply.status(), reply.code().as_str()),
        (408, "request_timeout")
    );
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    assert_eq!(
        (log.about(&id).len(), &log.about(&id)[0]["code"]),
        (1, &json!("request_timeout"))
    );
}

/// Space in the log is set aside for what waits to be recorded: one caller's many large prompts wait for one another,
/// and take no other caller's.
#[tokio::test]
async fn one_caller_s_large_prompts_leave_the_log_s_space_to_others() {
    let llama = FakeLlama::replying("fine").start().await;
    let (gateway, faults) = TestGateway::new().backend(&llama).failing_on_command();
    let gateway = Arc::new(gateway.start().await);
    // So slow that whoever is allowed to pile up does.
    faults.set(Fault::Slow(Duration::from_millis(100)));
    let large: Vec<_> = (0..24)
        .map(|n| {
            let gateway = gateway.clone();
            beside(async move { gateway.chat(ME, &babble(35_000, n)).await.status() })
        })
        .collect();
    for n in 0..8 {
        let reply = gateway.chat(OTHER, &babble(20, 1_000 + n)).await;
        assert_eq!(reply.status(), 200, "{}", reply.text());
        assert!(!gateway.log_status().is_degraded());
    }
    for asked in large {
        assert_eq!(within("a large prompt's answer", asked).await.unwrap(), 200);
    }
    faults.clear();
    let gateway = Arc::into_inner(gateway).expect("the last one");
    let log = gateway.stop().await;
    log.check();
    assert_eq!(log.of_type("audit.degraded"), Vec::<Value>::new());
}
