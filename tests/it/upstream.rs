//! An upstream that lies, breaks off, falls silent or refuses: the client gets one designed status and code, the
//! outcome says which it was, and not a word of the vendor's goes downstream.

use std::time::Duration;

use serde_json::{Value, json};
use tests::gateway_under_test::question;
use tests::llama::{delta, http_chunk, http_json, sse_chunk, stop, stream_end, stream_head};
use tests::{FakeLlama, Reply, Script, TestGateway};

const ME: &str = "svc:benefits-app";

/// In everything that a vendor says and nobody may pass on. No detector takes it for anything.
const VENDOR: &str = "vendorwords";

/// What the upstream does, and what becomes of it.
struct Lie {
    name: &'static str,
    stream: bool,
    script: Script,
    /// Status and code; a code with status 200 is that of an error event at the end of a stream.
    told: (u16, &'static str),
    outcome: &'static str,
    /// How often the upstream is asked.
    asked: usize,
}

fn lie(
    name: &'static str,
    stream: bool,
    bytes: Vec<u8>,
    told: (u16, &'static str),
    outcome: &'static str,
) -> Lie {
    Lie {
        name,
        stream,
        script: Script::Raw(bytes),
        told,
        outcome,
        asked: 1,
    }
}

const ERROR: (u16, &str) = (502, "upstream_error");
const LATE: (u16, &str) = (504, "upstream_timeout");
const BROKEN_STREAM: (u16, &str) = (200, "upstream_error");

/// Words enough that some of them leave before the trouble begins.
fn some_words() -> Vec<u8> {
    [
        stream_head(),
        sse_chunk(&delta("These words have been released already, ")),
    ]
    .concat()
}

fn event(data: &str) -> Vec<u8> {
    http_chunk(format!("data: {data}\n\n").as_bytes())
}

fn status(line: &str, headers: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {line}\r\ncontent-type: application/json\r\n{headers}content-length: {length}\r\n\r\n{body}").into_bytes()
}

fn vendor_error() -> String {
    json!({ "error": { "message": VENDOR, "type": VENDOR, "code": VENDOR } }).to_string()
}

fn whole(choices: &Value) -> Vec<u8> {
    http_json(&json!({ "id": VENDOR, "object": "chat.completion", "created": 1, "model": VENDOR, "choices": choices }).to_string())
}

fn choice(index: u64, content: &str) -> Value {
    json!({ "index": index, "message": { "role": "assistant", "content": content }, "finish_reason": "stop" })
}

fn plain_lies() -> Vec<Lie> {
    let plain = |name, bytes, outcome| lie(name, false, bytes, ERROR, outcome);
    let cut = whole(&json!([choice(0, VENDOR)]));
    let tool = json!({ "index": 0, "message": { "role": "assistant", "content": null, "tool_calls": [
        { "id": VENDOR, "type": "function", "function": { "name": 5, "arguments": {} } }] }, "finish_reason": "tool_calls" });
    let mut bytes_that_are_no_text = whole(&json!([choice(0, "XX vendorwords")]));
    let at = bytes_that_are_no_text
        .windows(2)
        .position(|two| two == b"XX")
        .unwrap();
    bytes_that_are_no_text[at..at + 2].copy_from_slice(b"\xff\xfe");
    vec![
        plain(
            "half an object",
            http_json(r#"{"choices":[{"index":0,"message":{"content":"vendorwords"#),
            "upstream_error",
        ),
        plain("not JSON", http_json("vendorwords"), "upstream_error"),
        plain(
            "another shape",
            http_json(r#"{"answer":"vendorwords"}"#),
            "upstream_error",
        ),
        plain("a list", http_json(r#"["vendorwords"]"#), "upstream_error"),
        plain("nothing", http_json(""), "upstream_incomplete"),
        plain("no choices", whole(&json!([])), "upstream_error"),
        plain(
            "a length that is not kept",
            cut[..cut.len() - 20].to_vec(),
            "upstream_incomplete",
        ),
        plain(
            "two choices when one was asked",
            whole(&json!([choice(0, VENDOR), choice(1, VENDOR)])),
            "upstream_error",
        ),
        plain(
            "the wrong choice",
            whole(&json!([choice(7, VENDOR)])),
            "upstream_error",
        ),
        plain(
            "the same choice twice",
            whole(&json!([choice(0, VENDOR), choice(0, VENDOR)])),
            "upstream_error",
        ),
        plain(
            "a call of the wrong type",
            whole(&json!([tool])),
            "upstream_error",
        ),
        plain(
            "no reason to finish",
            whole(&json!([{ "index": 0, "message": { "content": VENDOR } }])),
            "upstream_incomplete",
        ),
        plain("invalid UTF-8", bytes_that_are_no_text, "upstream_error"),
        plain(
            "an error with 200",
            http_json(&vendor_error()),
            "upstream_error",
        ),
        plain(
            "HTML",
            b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 11\r\n\r\nvendorwords"
                .to_vec(),
            "upstream_error",
        ),
        plain(
            "gzip",
            status("200 OK", "content-encoding: gzip\r\n", VENDOR),
            "upstream_error",
        ),
        plain(
            "no HTTP at all",
            b"vendorwords\r\n\r\n".to_vec(),
            "upstream_error",
        ),
        plain(
            "a redirect",
            status(
                "302 Found",
                "location: http://127.0.0.1:9/vendorwords\r\n",
                "",
            ),
            "upstream_error",
        ),
        plain(
            "a redirect that repeats the body",
            status("307 Temporary Redirect", "location: /vendorwords\r\n", ""),
            "upstream_error",
        ),
        plain(
            "400",
            status("400 Bad Request", "", &vendor_error()),
            "upstream_error",
        ),
        plain(
            "404",
            status("404 Not Found", "", &vendor_error()),
            "upstream_error",
        ),
        plain(
            "500",
            status("500 Internal Server Error", "", &vendor_error()),
            "upstream_error",
        ),
        lie(
            "401",
            false,
            status(
                "401 Unauthorized",
                "www-authenticate: Bearer realm=vendorwords\r\n",
                &vendor_error(),
            ),
            (502, "upstream_auth"),
            "upstream_auth",
        ),
        lie(
            "403",
            false,
            status("403 Forbidden", "", &vendor_error()),
            (502, "upstream_auth"),
            "upstream_auth",
        ),
    ]
}

fn stream_lies() -> Vec<Lie> {
    let stream = |name, bytes: Vec<u8>, told, outcome| lie(name, true, bytes, told, outcome);
    let finished =
        |text: &str| [stream_head(), sse_chunk(&delta(text)), sse_chunk(&stop())].concat();
    let end = b"0\r\n\r\n".to_vec();
    let (done, error) = (event("[DONE]"), event(&vendor_error()));
    let second = sse_chunk(&json!([{ "index": 1, "delta": { "content": VENDOR } }]));
    vec![
        stream(
            "no end mark",
            [finished(VENDOR), end.clone()].concat(),
            ERROR,
            "upstream_incomplete",
        ),
        stream(
            "no end mark, cut off",
            finished(VENDOR),
            ERROR,
            "upstream_incomplete",
        ),
        stream(
            "no end mark after words",
            [some_words(), sse_chunk(&stop()), end.clone()].concat(),
            BROKEN_STREAM,
            "upstream_incomplete",
        ),
        stream(
            "no finish",
            [some_words(), done.clone(), end.clone()].concat(),
            BROKEN_STREAM,
            "upstream_incomplete",
        ),
        stream(
            "cut within an event",
            [some_words(), b"1000\r\ndata: {\"choi".to_vec()].concat(),
            BROKEN_STREAM,
            "upstream_incomplete",
        ),
        stream(
            "nothing but an end",
            [stream_head(), done.clone(), end.clone()].concat(),
            ERROR,
            "upstream_error",
        ),
        stream(
            "an error first",
            [stream_head(), error.clone(), end.clone()].concat(),
            ERROR,
            "upstream_error",
        ),
        stream(
            "an error on the way",
            [some_words(), error, end.clone()].concat(),
            BROKEN_STREAM,
            "upstream_error",
        ),
        stream(
            "an event of the kind error",
            [
                some_words(),
                http_chunk(b"event: error\ndata: {\"message\":\"vendorwords\"}\n\n"),
                end.clone(),
            ]
            .concat(),
            BROKEN_STREAM,
            "upstream_error",
        ),
        stream(
            "an event that is no JSON",
            [some_words(), event("vendorwords"), end.clone()].concat(),
            BROKEN_STREAM,
            "upstream_error",
        ),
        stream(
            "a second choice",
            [some_words(), second, sse_chunk(&stop()), stream_end()].concat(),
            BROKEN_STREAM,
            "upstream_error",
        ),
        stream(
            "text after its finish",
            [
                some_words(),
                sse_chunk(&stop()),
                sse_chunk(&delta(VENDOR)),
                stream_end(),
            ]
            .concat(),
            BROKEN_STREAM,
            "upstream_error",
        ),
        stream(
            "invalid UTF-8",
            [
                some_words(),
                http_chunk(b"data: {\"choices\":[\"\xff\xfe vendorwords\"]}\n\n"),
                end.clone(),
            ]
            .concat(),
            BROKEN_STREAM,
            "upstream_error",
        ),
        stream(
            "a chunk that is none",
            [some_words(), b"zz\r\nvendorwords\r\n".to_vec()].concat(),
            BROKEN_STREAM,
            "upstream_incomplete",
        ),
        stream(
            "an endless line",
            [some_words(), event(&"vendorwords".repeat(200_000))].concat(),
            BROKEN_STREAM,
            "upstream_error",
        ),
        stream(
            "401",
            status("401 Unauthorized", "", &vendor_error()),
            (502, "upstream_auth"),
            "upstream_auth",
        ),
        stream(
            "500",
            status("500 Internal Server Error", "", &vendor_error()),
            ERROR,
            "upstream_error",
        ),
    ]
}

/// What takes time: silence, and answers that are worth asking again for.
fn slow_lies() -> Vec<Lie> {
    let of = |name, stream, script, told, outcome, asked| Lie {
        name,
        stream,
        script,
        told,
        outcome,
        asked,
    };
    let long = Duration::from_secs(60);
    let busy = |after: &str| {
        Script::Raw(status(
            "429 Too Many Requests",
            &format!("retry-after: {after}\r\n"),
            &vendor_error(),
        ))
    };
    let pieces = |first: Vec<u8>| Script::Slow(vec![(Duration::ZERO, first), (long, Vec::new())]);
    let comments = std::iter::repeat_n(
        (Duration::from_millis(200), http_chunk(b": still here\n")),
        40,
    );
    let comments = [(Duration::ZERO, stream_head())]
        .into_iter()
        .chain(comments)
        .collect();
    vec![
        of("silence", true, Script::Silent, LATE, "upstream_timeout", 1),
        of(
            "silence after the head",
            true,
            pieces(stream_head()),
            LATE,
            "upstream_timeout",
            1,
        ),
        of(
            "nothing but comments",
            true,
            Script::Slow(comments),
            LATE,
            "upstream_timeout",
            1,
        ),
        of(
            "silence after some words",
            true,
            pieces(some_words()),
            (200, "upstream_timeout"),
            "upstream_timeout",
            1,
        ),
        of(
            "429 for now",
            true,
            busy("1"),
            (429, "rate_limit_exceeded"),
            "upstream_error",
            3,
        ),
        of(
            "429 for long",
            false,
            busy("3600"),
            (429, "rate_limit_exceeded"),
            "upstream_error",
            1,
        ),
        of(
            "503",
            true,
            Script::Raw(status("503 Service Unavailable", "", &vendor_error())),
            ERROR,
            "upstream_error",
            3,
        ),
    ]
}

fn assert_told(lie: &Lie, reply: &Reply) {
    let (name, told) = (lie.name, reply.text());
    assert!(
        !told.contains(VENDOR),
        "{name}: nothing of the vendor's words: {told}"
    );
    assert!(
        reply
            .headers()
            .values()
            .all(|value| !value.to_str().unwrap().contains(VENDOR)),
        "{name}"
    );
    assert_eq!(reply.status(), lie.told.0, "{name}: {told}");
    if lie.told.0 == 200 {
        let last = reply
            .events()
            .last()
            .unwrap_or_else(|| panic!("{name}: {told}"))
            .clone();
        assert_eq!(last["error"]["code"], lie.told.1, "{name}: {told}");
        assert!(reply.complete, "{name}: said, not cut");
        assert!(
            !told.contains("[DONE]") && !told.contains("\"stop\""),
            "{name}: no normal end: {told}"
        );
        assert!(reply.content().starts_with("These words"), "{name}: {told}");
    } else {
        assert_eq!(reply.code(), lie.told.1, "{name}: {told}");
        assert_eq!(
            reply.json()["error"].as_object().unwrap().len(),
            4,
            "{name}: {told}"
        );
    }
}

async fn tell(lies: Vec<Lie>) -> Vec<Reply> {
    let scripts = lies
        .iter()
        .enumerate()
        .map(|(at, lie)| (format!("lie{at}"), lie.script.clone()));
    let llama = FakeLlama::scripted(Script::by_word(scripts)).start().await;
    let gateway = TestGateway::new().backend(&llama);
    let gateway = gateway
        .backend_setting("first_byte_timeout_s = 1\nidle_timeout_s = 1\nconnect_timeout_s = 1");
    let gateway = gateway.start().await;
    // Together, since some of them take seconds.
    let ask = async |at: usize| {
        let mut body = question(&format!("lie{at} please"));
        body["stream"] = lies[at].stream.into();
        gateway.ask(ME, &body).await
    };
    let replies = together((0..lies.len()).map(ask)).await;
    let requests = llama.requests();
    let log = gateway.stop().await;
    log.check();
    for (at, (lie, reply)) in lies.iter().zip(&replies).enumerate() {
        assert_told(lie, reply);
        let about = log.about(reply.header("x-request-id"));
        assert_eq!(about.len(), 2, "{}: {about:#?}", lie.name);
        let code = about[1]["code"].as_str().unwrap_or_default();
        assert_eq!(
            (&about[1]["status"], code),
            (&json!(lie.outcome), lie.told.1),
            "{}: {:#}",
            lie.name,
            about[1]
        );
        assert_eq!(about[1]["http"], lie.told.0, "{}", lie.name);
        let word = format!("lie{at} ");
        let asked = requests
            .iter()
            .filter(|asked| asked.to_string().contains(&word))
            .count();
        assert_eq!(
            asked, lie.asked,
            "{}: asked again only where that is safe and of use",
            lie.name
        );
    }
    assert!(
        !log.raw_text().contains(VENDOR),
        "not in the clear in the log either"
    );
    replies
}

/// All results, in order, of futures that run together.
async fn together<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        for (future, result) in running.iter_mut().filter(|(_, result)| result.is_none()) {
            if let std::task::Poll::Ready(value) = future.as_mut().poll(context) {
                *result = Some(value);
            }
        }
        match running.iter().all(|(_, result)| result.is_some()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    running
        .into_iter()
        .map(|(_, result)| result.unwrap())
        .collect()
}

#[tokio::test]
async fn a_plain_answer_that_lies_is_an_upstream_failure() {
    tell(plain_lies()).await;
}

#[tokio::test]
async fn a_stream_that_lies_is_an_upstream_failure() {
    tell(stream_lies()).await;
}

#[tokio::test]
async fn silence_ends_by_the_clock_and_busy_servers_are_asked_again() {
    let replies = tell(slow_lies()).await;
    let retry_after = |reply: &Reply| {
        reply
            .header("retry-after")
            .parse::<u64>()
            .unwrap_or_else(|_| panic!("{}", reply.text()))
    };
    assert_eq!(retry_after(&replies[4]), 1);
    assert_eq!(
        retry_after(&replies[5]),
        60,
        "SDKs wait no longer than a minute"
    );
}

#[tokio::test]
async fn silence_about_a_plain_question_ends_with_the_request_s_own_time() {
    let llama = FakeLlama::scripted(Script::Silent).start().await;
    let gateway = TestGateway::new().backend(&llama);
    let gateway = gateway
        .config(|text| *text = text.replace("request_timeout_s = 30", "request_timeout_s = 1"));
    let gateway = gateway.start().await;
    let reply = gateway.chat(ME, "hello").await;
    assert_eq!(
        (reply.status(), reply.code().as_str()),
        LATE,
        "{}",
        reply.text()
    );
    llama.was_left(1).await;
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    assert_eq!(log.about(&id)[1]["status"], "upstream_timeout");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_upstream_failure() {
    let gone = FakeLlama::replying("never").start().await;
    let gateway = TestGateway::new().backend(&gone);
    drop(gone);
    let gateway = gateway.start().await;
    let reply = gateway.chat(ME, "hello").await;
    assert_eq!(
        (reply.status(), reply.code().as_str()),
        (502, "upstream_error"),
        "{}",
        reply.text()
    );
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    assert_eq!(log.about(&id)[1]["status"], "upstream_error");
}

#[tokio::test]
async fn what_comes_after_the_end_is_not_part_of_the_answer() {
    // In the chunk of the end mark itself, and after it.
    let more = r#"{"choices":[{"index":0,"delta":{"content":"vendorwords"}}]}"#;
    let end = format!("data: [DONE]\n\ndata: {more}\n\n");
    let usage = event(
        r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}}"#,
    );
    let bytes = [
        some_words(),
        sse_chunk(&stop()),
        usage,
        http_chunk(end.as_bytes()),
        event("vendorwords"),
        b"0\r\n\r\n".to_vec(),
    ]
    .concat();
    let llama = FakeLlama::scripted(Script::Raw(bytes)).start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let reply = gateway.chat_streamed(ME, "hello").await;
    assert_eq!(
        (reply.status(), reply.finish(0).as_str()),
        (200, "stop"),
        "{}",
        reply.text()
    );
    assert!(
        reply.done() && !reply.text().contains(VENDOR),
        "{}",
        reply.text()
    );
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    assert_eq!(log.about(&id)[1]["spoke_after_end"], true);
}

#[tokio::test]
async fn what_the_vendor_adds_to_an_answer_is_stripped() {
    let extras = json!({ "vendor": VENDOR, "index": 0, "finish_reason": "stop", "logprobs": { "content": [{ "token": VENDOR }] },
        "message": { "role": VENDOR, "content": "An answer.", "annotations": [VENDOR], "audio": { "data": VENDOR }, "extra": VENDOR } });
    let body = json!({ "id": VENDOR, "object": VENDOR, "created": 1, "model": VENDOR, "system_fingerprint": VENDOR,
        "service_tier": VENDOR, "choices": [extras], "prompt_logprobs": [VENDOR], "extra": { VENDOR: VENDOR } }).to_string();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nset-cookie: {VENDOR}\r\nx-request-id: {VENDOR}\r\n\
                        server: {VENDOR}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let llama = FakeLlama::scripted(Script::Raw(format!("{head}{body}").into_bytes()))
        .start()
        .await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let reply = gateway.chat(ME, "hello").await;
    assert_eq!(
        (reply.status(), reply.content().as_str()),
        (200, "An answer."),
        "{}",
        reply.text()
    );
    assert!(!reply.text().contains(VENDOR), "{}", reply.text());
    assert!(
        reply
            .headers()
            .values()
            .all(|value| !value.to_str().unwrap().contains(VENDOR)),
        "{:?}",
        reply.headers()
    );
    assert_eq!(reply.json()["model"], "llama-3.3-70b");
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    assert!(!log.raw_text().contains(VENDOR));
    // The choice's `vendor` and `logprobs`, three of its message, two of the document.
    assert_eq!(log.about(&id)[1]["stripped"], 7);
}

#[tokio::test]
async fn an_answer_that_fails_before_its_end_is_not_recorded_as_shown() {
    let unfinished = json!([{ "index": 0, "message": { "role": "assistant", "content": "Words that nobody sees." },
        "finish_reason": null }]);
    let llama = FakeLlama::scripted(Script::Raw(whole(&unfinished)))
        .start()
        .await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let reply = gateway.chat(ME, "hello").await;
    assert_eq!(
        (reply.status(), reply.code().as_str()),
        ERROR,
        "{}",
        reply.text()
    );
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    let outcome = log.about(&id)[1].clone();
    assert_eq!(outcome["released_bytes"], 0, "{outcome}");
    let responses = outcome["body"].as_array().into_iter().flatten();
    assert_eq!(responses.count(), 0, "{outcome}");
}

#[tokio::test]
async fn an_ending_nobody_knows_is_not_shown_as_a_normal_one() {
    for (reason, shown) in [
        ("vendor_reason", "content_filter"),
        ("content_filter", "content_filter"),
        ("length", "length"),
    ] {
        let chunks = vec![
            delta("Some words. "),
            json!([{ "index": 0, "delta": {}, "finish_reason": reason }]),
        ];
        let llama = FakeLlama::scripted(Script::Chunks(chunks)).start().await;
        let gateway = TestGateway::new().backend(&llama).start().await;
        let reply = gateway.chat_streamed(ME, "hello").await;
        assert_eq!(
            (reply.status(), reply.finish(0).as_str()),
            (200, shown),
            "{reason}"
        );
        let id = reply.header("x-request-id").to_owned();
        let log = gateway.stop().await;
        log.check();
        let said = &log.opened(&id)[1]["head"]["upstream_finish"];
        let odd = (reason == "vendor_reason").then_some("vendor_reason");
        assert_eq!(said["0"].as_str(), odd, "sealed, it is kept: {said}");
        assert!(
            !log.raw_text().contains("vendor_reason"),
            "and nowhere else"
        );
    }
}

#[tokio::test]
async fn a_context_that_is_too_long_and_a_filter_of_the_vendors_are_told_as_such() {
    for code in ["context_length_exceeded", "content_filter"] {
        let error = json!({ "error": { "message": VENDOR, "type": "invalid_request_error", "code": code } }).to_string();
        let llama = FakeLlama::scripted(Script::Raw(status("400 Bad Request", "", &error)))
            .start()
            .await;
        let gateway = TestGateway::new().backend(&llama).start().await;
        let reply = gateway.chat(ME, "hello").await;
        assert_eq!(
            (
                reply.status(),
                reply.code().as_str(),
                reply.header("x-should-retry")
            ),
            (400, code, "false"),
            "{}",
            reply.text()
        );
        assert!(!reply.text().contains(VENDOR), "{}", reply.text());
        gateway.stop().await.check();
    }
}
