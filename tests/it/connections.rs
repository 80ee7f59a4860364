//! Below the first request head there is nothing to decide: such connections are closed and counted. Above it, HTTP/2
//! and client certificates are as good as HTTP/1.1 and keys.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tests::gateway_under_test::{CHAT, question};
use tests::{AuditLog, Client, FakeLlama, Reply, Script, TestGateway, until, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const ME: &str = "svc:benefits-app";

/// What the summaries count, by reason.
fn counted(log: &AuditLog) -> Vec<(String, u64)> {
    let mut counted = BTreeMap::new();
    for summary in log.of_type("conn.summary") {
        let network = (&summary["prefix"], &summary["bits"]);
        assert_eq!(
            network,
            (&json!("127.0.0.0"), &json!(24)),
            "a prefix, not an address"
        );
        let reason = summary["reason"].as_str().unwrap().to_owned();
        *counted.entry(reason).or_default() += summary["count"].as_u64().unwrap();
    }
    counted.into_iter().collect()
}

/// Writes these bytes below TLS, and reads until the gateway closes.
async fn below_tls(gateway: &TestGateway, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(gateway.address()).await.unwrap();
    let _ = stream.write_all(bytes).await;
    let mut read = Vec::new();
    let _ = within("the gateway to close", stream.read_to_end(&mut read)).await;
    read
}

/// A gateway that is impatient.
async fn impatient() -> TestGateway {
    let settings = "header_timeout_s = 1\nhandshake_timeout_s = 1\nheader_bytes_max = 8192";
    TestGateway::new()
        .setting("listener", settings)
        .start()
        .await
}

/// The gateway has noticed that all connections are gone; it still works, and recorded no request.
async fn end_of(gateway: TestGateway) -> Vec<(String, u64)> {
    until("all connections to be gone", || {
        gateway.gateway().tasks.running() == 0
    })
    .await;
    assert_eq!(
        gateway.chat(ME, "hello").await.status(),
        200,
        "it still works"
    );
    let log = gateway.stop().await;
    log.check();
    assert_eq!(log.of_type("req.deny"), Vec::<Value>::new());
    assert_eq!(log.of_type("req.intent").len(), 1);
    counted(&log)
}

#[tokio::test]
async fn noise_on_the_tls_port_is_closed_and_counted() {
    let gateway = impatient().await;
    let noise: [&[u8]; 5] = [
        b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\x16\x03\x01\xff\xff\xff\xff\xff\xff",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        &[0xa5; 20_000],
    ];
    for bytes in noise {
        let answer = below_tls(&gateway, bytes).await;
        assert!(
            !answer.starts_with(b"HTTP"),
            "no HTTP below TLS: {}",
            String::from_utf8_lossy(&answer)
        );
    }
    // A summary may have been written in between.
    let counted = end_of(gateway).await;
    assert!(counted.iter().all(|(reason, _)| reason == "handshake"));
    let all: u64 = counted.iter().map(|(_, count)| count).sum();
    assert_eq!(all, noise.len() as u64);
}

#[tokio::test]
async fn whoever_says_nothing_is_not_waited_for() {
    let gateway = impatient().await;
    // Nothing at all, below TLS and above it, in both protocols.
    assert_eq!(below_tls(&gateway, b"").await, b"");
    for client in [gateway.client(), gateway.http2()] {
        let mut stream = client.connect().await.unwrap();
        let _ = within(
            "a silent connection to be closed",
            stream.read_to_end(&mut Vec::new()),
        )
        .await;
    }
    let counted = end_of(gateway).await;
    let reasons: Vec<_> = counted.iter().map(|(reason, _)| reason.as_str()).collect();
    assert!(reasons.contains(&"handshake_timeout"), "{counted:?}");
    assert_eq!(
        counted.iter().map(|(_, count)| count).sum::<u64>(),
        3,
        "{counted:?}"
    );
}

#[tokio::test]
async fn a_head_that_does_not_end_or_is_none_is_closed_and_counted() {
    let gateway = impatient().await;
    let big = format!(
        "GET /v1/models HTTP/1.1\r\nhost: localhost\r\nx-big: {}\r\n\r\n",
        "x".repeat(20_000)
    );
    let many = format!(
        "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n{}\r\n",
        "x-many: y\r\n".repeat(300)
    );
    let heads: [&[u8]; 7] = [
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: loc",
        b"NONSENSE\r\n\r\n",
        b"GET /v1/models HTTP/9.9\r\nhost: localhost\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\nbad header\r\n\r\n",
        b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\ncontent-length: -1\r\n\r\n",
        big.as_bytes(),
        many.as_bytes(),
    ];
    let client = gateway.client();
    for head in heads {
        let answer = client.raw(head).await;
        let refused = answer.is_empty() || answer.starts_with(b"HTTP/1.1 4");
        assert!(
            refused,
            "{}: {}",
            String::from_utf8_lossy(head),
            String::from_utf8_lossy(&answer)
        );
        assert!(
            !String::from_utf8_lossy(&answer).contains("x-request-id"),
            "no request, no id"
        );
    }
    // Which of two clocks ran out first for the head that did not end is all the same.
    let counted = end_of(gateway).await;
    assert!(
        counted
            .iter()
            .all(|(reason, _)| ["protocol", "silent"].contains(&reason.as_str())),
        "{counted:?}"
    );
    assert_eq!(
        counted.iter().map(|(_, count)| count).sum::<u64>(),
        heads.len() as u64,
        "{counted:?}"
    );
}

#[tokio::test]
async fn two_lengths_are_no_way_to_smuggle_a_second_request() {
    let llama = FakeLlama::replying("fine").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let key = gateway.key(ME);
    let body = question("hello").to_string();
    let second = format!("POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n");
    let framings = [
        format!(
            "content-length: {}\r\ntransfer-encoding: chunked",
            body.len()
        ),
        format!(
            "content-length: {}\r\ncontent-length: {}",
            body.len(),
            body.len() + second.len()
        ),
        "transfer-encoding: chunked, identity".to_owned(),
        "transfer-encoding: gzip".to_owned(),
    ];
    for framing in framings {
        let head = format!(
            "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n{framing}\r\nconnection: close\r\n\r\n"
        );
        let answer = gateway
            .client()
            .raw(format!("{head}{body}{second}").as_bytes())
            .await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{framing}: {answer}"
        );
        assert!(
            answer.matches("HTTP/1.1 ").count() <= 1,
            "{framing}: one answer: {answer}"
        );
    }
    assert_eq!(llama.requests_seen(), 0);
    gateway.stop().await.check();
}

#[tokio::test]
async fn a_socket_that_is_half_closed_leaves_nothing_behind() {
    let llama = FakeLlama::scripted(Script::Silent).start().await;
    let gateway = impatient().await;
    drop(llama);
    let key = gateway.key(ME).to_owned();
    let whole = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-length: {}\r\n\r\n{}",
        question("hello").to_string().len(),
        question("hello")
    );
    for sent in [0, 10, whole.len() - 20, whole.len()] {
        let mut stream = gateway.client().connect().await.unwrap();
        stream.write_all(&whole.as_bytes()[..sent]).await.unwrap();
        stream.shutdown().await.unwrap();
        let _ = within("the gateway to close", stream.read_to_end(&mut Vec::new())).await;
    }
    until("all connections to be gone", || {
        gateway.gateway().tasks.running() == 0
    })
    .await;
    until("all requests to be over", || {
        gateway.in_flight() == 0 && gateway.log_status().places == 0
    })
    .await;
    assert_eq!(gateway.log_status().open_intents, 0);
    gateway.stop().await.check();
}

#[tokio::test]
async fn a_client_that_does_not_read_is_not_waited_for_beyond_the_request_s_time() {
    let much = vec!["many words and no end of them ".repeat(3000); 100];
    let llama = FakeLlama::scripted(Script::Reply(much)).start().await;
    let gateway = TestGateway::new()
        .backend(&llama)
        .setting("listener", "header_timeout_s = 1");
    let gateway = gateway
        .config(|text| *text = text.replace("request_timeout_s = 30", "request_timeout_s = 3"));
    let gateway = gateway.start().await;
    let mut body = question("hello");
    body["stream"] = true.into();
    let (key, body) = (gateway.key(ME), body.to_string());
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let socket = socket.connect(gateway.address()).await.unwrap();
    let mut stream = gateway.client().over(socket).await.unwrap();
    let head = format!(
        "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all(format!("{head}{body}").as_bytes())
        .await
        .unwrap();
    llama.has_seen(1).await;
    until("the request to be over", || {
        gateway.log_status().open_intents == 0
    })
    .await;
    drop(stream);
    let log = gateway.stop().await;
    log.check();
    assert_eq!(log.of_type("req.outcome")[0]["status"], "client_gone");
}

/// What matters of an answer, whatever carried it.
fn essence(reply: &Reply) -> (u16, String, Vec<(String, String)>) {
    let id = reply.header("x-request-id");
    let body = reply
        .text()
        .replace(id, "ID")
        .replace(&id.replace('-', ""), "ID")
        .replace(&id[24..], "ID");
    let body = without_times(&body);
    let mut headers: Vec<_> = reply
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().replace(id, "ID")))
        .collect();
    headers.retain(|(name, _)| {
        !["date", "connection", "transfer-encoding", "content-length"].contains(&name.as_str())
    });
    headers.sort();
    (reply.status(), body, headers)
}

fn without_times(body: &str) -> String {
    let mut parts = body.split("\"created\":");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| {
        text + "\"created\":0" + part.trim_start_matches(|c: char| c.is_ascii_digit())
    })
}

#[tokio::test]
async fn http2_is_answered_like_http1() {
    let llama = FakeLlama::scripted(Script::saying(["An answer ", "in two ", "pieces."]))
        .start()
        .await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let key = gateway.key(ME).to_owned();
    let mut streamed = question("hello");
    streamed["stream"] = true.into();
    let requests: [(http::Method, &str, Option<&str>, String); 9] = [
        (
            http::Method::POST,
            CHAT,
            Some(&key),
            question("hello").to_string(),
        ),
        (http::Method::POST, CHAT, Some(&key), streamed.to_string()),
        (http::Method::GET, "/v1/models", Some(&key), String::new()),
        (
            http::Method::POST,
            CHAT,
            None,
            question("hello").to_string(),
        ),
        (
            http::Method::POST,
            CHAT,
            Some("pc_nobody"),
            question("hello").to_string(),
        ),
        (http::Method::POST, CHAT, Some(&key), "{".to_owned()),
        (
            http::Method::POST,
            CHAT,
            Some(&key),
            question("hidden \u{202e}txet").to_string(),
        ),
        (
            http::Method::POST,
            "/v1/nothing",
            Some(&key),
            "{}".to_owned(),
        ),
        (
            http::Method::DELETE,
            "/v1/models",
            Some(&key),
            String::new(),
        ),
    ];
    for (method, path, key, body) in requests {
        let mut answers = Vec::new();
        for client in [gateway.client(), gateway.http2()] {
            let reply = gateway
                .send(&client, client.request(method.clone(), path, key, &body))
                .await;
            assert!(reply.complete);
            answers.push(essence(&reply));
        }
        let (two, one) = (answers.pop(), answers.pop());
        assert_eq!(one, two, "{method} {path}");
    }
    gateway.stop().await.check();
}

#[tokio::test]
async fn a_big_body_is_refused_over_http2_and_the_connection_goes_on() {
    let gateway = TestGateway::new().start().await;
    let (client, key) = (gateway.http2(), gateway.key(ME));
    let session = client.session().await;
    let big = question(&"x".repeat(10 << 20)).to_string();
    let reply = session
        .send(client.request(http::Method::POST, CHAT, Some(key), &big))
        .await;
    assert_eq!(
        (reply.status(), reply.code().as_str()),
        (413, "request_too_large")
    );
    let reply = session
        .send(client.request(
            http::Method::POST,
            CHAT,
            Some(key),
            &question("hello").to_string(),
        ))
        .await;
    assert_eq!(reply.status(), 200);
    gateway.stop().await.check();
}

async fn ask_with(gateway: &TestGateway, certificate: Option<&str>, key: Option<&str>) -> Reply {
    let client = Client::new(gateway.address(), &gateway.certs(), certificate);
    let key = key.map(|principal| gateway.key(principal).to_owned());
    let request = client.request(
        http::Method::POST,
        CHAT,
        key.as_deref(),
        &question("hello").to_string(),
    );
    gateway.send(&client, request).await
}

#[tokio::test]
async fn a_certificate_is_as_good_as_a_key_and_both_must_agree() {
    let gateway = TestGateway::new().start().await;
    let cases = [
        (None, Some(ME), 200, "api_key"),
        (Some("benefits-app"), None, 200, "client_certificate"),
        (Some("benefits-app"), Some(ME), 200, "both"),
        (Some("benefits-app"), Some("svc:contracts-app"), 401, ""),
        (Some("contracts-app"), Some(ME), 401, ""),
        (Some("stranger"), None, 401, ""),
        (Some("stranger"), Some(ME), 401, ""),
        (None, None, 401, ""),
    ];
    let mut ids = Vec::new();
    for (certificate, key, status, _) in cases {
        let reply = ask_with(&gateway, certificate, key).await;
        assert_eq!(
            reply.status(),
            status,
            "{certificate:?} and {key:?}: {}",
            reply.text()
        );
        if status == 401 {
            assert_eq!(
                (
                    reply.code().as_str(),
                    reply.header("www-authenticate").is_empty()
                ),
                ("invalid_api_key", false)
            );
        }
        ids.push(reply.header("x-request-id").to_owned());
    }
    let log = gateway.stop().await;
    log.check();
    for ((certificate, key, status, credential), id) in cases.into_iter().zip(ids) {
        let entry = &log.about(&id)[0];
        match status {
            200 => assert_eq!(
                (&entry["who"]["principal"], &entry["who"]["credential"]),
                (&json!(ME), &json!(credential))
            ),
            _ => assert!(
                entry["who"].is_null(),
                "{certificate:?} and {key:?}: nobody is named: {entry:#}"
            ),
        }
    }
}

#[tokio::test]
async fn a_certificate_of_another_ca_does_not_get_in() {
    let elsewhere = tempfile::tempdir().unwrap();
    gateway::certs::dev(elsewhere.path(), &tests::gateway_under_test::CERTIFICATES).unwrap();
    let gateway = TestGateway::new().start().await;
    // It trusts the right server, and shows a certificate that only looks right.
    let mixed = tempfile::tempdir().unwrap();
    std::fs::copy(gateway.certs().join("ca.pem"), mixed.path().join("ca.pem")).unwrap();
    for file in ["benefits-app.pem", "benefits-app.key"] {
        std::fs::copy(elsewhere.path().join(file), mixed.path().join(file)).unwrap();
    }
    let client = Client::new(gateway.address(), mixed.path(), Some("benefits-app"));
    let answer = match client.connect().await {
        Err(_) => Vec::new(),
        // In TLS 1.3 the client hears of it only when it reads.
        Ok(mut stream) => {
            let request = format!(
                "POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
            );
            let _ = stream.write_all(request.as_bytes()).await;
            let mut read = Vec::new();
            let _ = within("the gateway to close", stream.read_to_end(&mut read)).await;
            read
        }
    };
    assert_eq!(answer, b"");
    assert_eq!(end_of(gateway).await, [("handshake".to_owned(), 1)]);
}

#[tokio::test]
async fn a_flood_of_strangers_loses_its_http2_connection() {
    let gateway = TestGateway::new()
        .setting("limits", "unauthenticated_per_second_max = 2")
        .start()
        .await;
    let client = gateway.http2();
    let request = client.request(http::Method::POST, CHAT, None, "{}");
    let answered = within("the end", client.until_it_breaks(&request, 50)).await;
    assert!((1..50).contains(&answered), "{answered} were answered");
    gateway.stop().await.check();
}
