//! Servers that lie: each lie ends in the right failure, and nothing of it is shown.

use super::fake::{chunk, last_chunk, response, say, stream_head};
use super::*;
use crate::error::ProtocolFault;

#[tokio::test]
async fn status_200_with_an_error() {
    let nested = r#"{"error":{"message":"boom","code":500}}"#;
    let flat = r#"{"object":"error","message":"boom","type":"InternalServerError","code":500}"#;
    for body in [nested, flat, r#"{"error":"boom"}"#] {
        protocol(vec![document(body)], ProtocolFault::ErrorInBody).await;
        let events = format!("data: {body}\n\ndata: [DONE]\n\n");
        protocol(stream(events), ProtocolFault::ErrorInBody).await;
    }
    let named = "event: error\ndata: {\"code\":1}\n\n";
    protocol(stream(named), ProtocolFault::ErrorInBody).await;
}

#[tokio::test]
async fn an_error_under_status_200_keeps_its_meaning() {
    let sglang = r#"data: {"error":{"object":"error","message":"The input (9 tokens) is longer than the model's context length (8 tokens).","type":"BadRequestError","code":400}}"#;
    fails(
        stream(format!("{sglang}\n\ndata: [DONE]\n\n")),
        Failure::ContextLength,
    )
    .await;
}

#[tokio::test]
async fn an_error_after_text_comes_after_the_text() {
    let events = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hel\"}}]}\n\ndata: {\"error\":{\"message\":\"prompt was: hi\"}}\n\ndata: [DONE]\n\n";
    let fake = Fake::start(vec![stream(events)]).await;
    let upstream = OpenAi::new(settings(&fake)).unwrap();
    let mut answer = upstream.send(streamed(), in_a_minute()).await.unwrap();
    assert_eq!(answer.next().await, Some(Ok(text("Hel"))));
    let error = answer.next().await.unwrap().unwrap_err();
    assert_eq!(
        error.failure(),
        &Failure::Protocol(ProtocolFault::ErrorInBody)
    );
    assert!(error.detail().expose().contains("prompt was: hi"));
    assert!(!format!("{error} {error:?}").contains("prompt was"));
}

#[tokio::test]
async fn wrong_json() {
    for body in [
        "{",
        "[]",
        "null",
        "\"hi\"",
        "<html>",
        "{\"choices\":{}}",
        "{} x",
    ] {
        protocol(vec![document(body)], ProtocolFault::BadJson).await;
        let events = format!("data: {body}\n\ndata: [DONE]\n\n");
        protocol(stream(events), ProtocolFault::BadJson).await;
    }
    let twice = r#"{"choices":[{"index":0,"message":{"content":"a","content":"b"},"finish_reason":"stop"}]}"#;
    protocol(vec![document(twice)], ProtocolFault::BadJson).await;
}

#[tokio::test]
async fn nothing_at_all() {
    fails(vec![document("")], Failure::Incomplete).await;
    fails(stream(""), Failure::Incomplete).await;
    protocol(
        vec![document(r#"{"choices":[]}"#)],
        ProtocolFault::EmptyAnswer,
    )
    .await;
    protocol(stream("data: [DONE]\n\n"), ProtocolFault::EmptyAnswer).await;
    fails(vec![Say::Close], Failure::Incomplete).await;
}

#[tokio::test]
async fn no_end_mark() {
    let without = HELLO_STREAM.replace("data: [DONE]\n\n", "");
    fails(stream(&without), Failure::Incomplete).await;
    let no_finish =
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n";
    fails(stream(no_finish), Failure::Incomplete).await;
    let no_finish = r#"{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":null}]}"#;
    fails(vec![document(no_finish)], Failure::Incomplete).await;
}

#[tokio::test]
async fn a_connection_that_ends_too_soon() {
    let half = &begun();
    fails(
        vec![stream_head(), chunk(half), Say::Close],
        Failure::Incomplete,
    )
    .await;
    fails(
        vec![stream_head(), chunk(half), Say::HalfClose, Say::Nothing],
        Failure::Incomplete,
    )
    .await;
    fails(
        vec![stream_head(), say("fff\r\ndata: {"), Say::Close],
        Failure::Incomplete,
    )
    .await;
    let short = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{";
    fails(vec![say(short), Say::Close], Failure::Incomplete).await;
}

#[tokio::test]
async fn garbage_after_the_end_is_noted_and_never_shown() {
    let garbage = [
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"AKIA\"}}]}\n\n",
        "data: \u{fffd}\n\n",
        "garbage\n",
        "<html>",
        "data: [DONE]\n\n",
    ];
    for garbage in garbage {
        let (events, remarks) = answered(stream(format!("{HELLO_STREAM}{garbage}"))).await;
        assert_eq!(events.len(), 4, "{garbage:?}");
        assert!(remarks.spoke_after_end, "{garbage:?}");
    }
    let (_, remarks) = answered(stream(format!("{HELLO_STREAM}\n: bye\n"))).await;
    assert!(!remarks.spoke_after_end, "a comment is no speech");
}

#[tokio::test]
async fn compressed_or_of_another_kind() {
    let gzip = response(
        200,
        "content-type: application/json\r\ncontent-encoding: gzip\r\n",
        "x",
    );
    protocol(vec![gzip], ProtocolFault::Compressed).await;
    let html = response(200, "content-type: text/html\r\n", "<html>");
    protocol(vec![html], ProtocolFault::ContentType).await;
    protocol(
        vec![response(200, "", HELLO_DOCUMENT)],
        ProtocolFault::ContentType,
    )
    .await;
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let redirect = response(status, "location: http://127.0.0.1:1/\r\n", "");
        protocol(vec![redirect], ProtocolFault::Redirect).await;
    }
}

#[tokio::test]
async fn http_that_is_none() {
    protocol(
        vec![say("SSH-2.0-OpenSSH\r\n"), Say::Close],
        ProtocolFault::BadHttp,
    )
    .await;
    let endless = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1_000_000));
    protocol(vec![say(endless), Say::Close], ProtocolFault::BadHttp).await;
}

#[tokio::test]
async fn choices_that_were_not_asked_for() {
    let second = HELLO_STREAM.replace("\"index\":0", "\"index\":1");
    protocol(stream(second), ProtocolFault::UnexpectedChoice).await;
    let choice = r#"{"index":0,"message":{"content":"a"},"finish_reason":"stop"}"#;
    let twice = format!(r#"{{"choices":[{choice},{choice}]}}"#);
    protocol(vec![document(&twice)], ProtocolFault::UnexpectedChoice).await;
}

#[tokio::test]
async fn more_after_a_finish_reason() {
    let after = HELLO_STREAM.replace(
        "data: {\"choices\":[],",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}],",
    );
    protocol(stream(after), ProtocolFault::AfterFinish).await;
    let other = HELLO_STREAM.replace(
        "data: {\"choices\":[],",
        "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"length\"}],",
    );
    protocol(stream(other), ProtocolFault::AfterFinish).await;
    let same = HELLO_STREAM.replace(
        "data: {\"choices\":[],",
        "data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}],",
    );
    assert_eq!(answered(stream(same)).await.0.len(), 4);
}

#[tokio::test]
async fn an_unknown_finish_reason_is_kept_raw() {
    let unknown = HELLO_DOCUMENT.replace("\"stop\"", "\"abort\"");
    let (events, _) = answered(vec![document(&unknown)]).await;
    assert!(events.contains(&finish(FinishReason::Other("abort".to_owned()))));
}

#[tokio::test]
async fn unknown_fields_are_dropped_and_counted() {
    let unknown = HELLO_DOCUMENT
        .replace(
            "\"created\":1",
            "\"created\":1,\"timings\":{\"a\":1},\"nothing\":null",
        )
        .replace("\"role\"", "\"audio\":{},\"role\"")
        .replace("\"logprobs\":null", "\"logprobs\":{\"content\":[]}");
    let (events, remarks) = answered(vec![document(&unknown)]).await;
    assert_eq!((events.len(), remarks.stripped), (3, 3));
}

#[tokio::test]
async fn text_that_is_not_utf8() {
    let mut events = b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"".to_vec();
    events.extend_from_slice(b"\xff\"}}]}\n\n");
    protocol(stream(events), ProtocolFault::NotUtf8).await;
    let mut body =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4\r\n\r\n".to_vec();
    body.extend_from_slice(b"\"\xff\xff\"");
    protocol(vec![Say::Bytes(body)], ProtocolFault::NotUtf8).await;
}

#[tokio::test]
async fn events_and_answers_beyond_their_limits() {
    let long = format!("data: {}\n\n", "x".repeat(3000));
    let comments = ": ping\n\n".repeat(1000);
    for lie in [long, "x".repeat(3000), comments] {
        let fake = Fake::start(vec![vec![stream_head(), chunk(lie), Say::Nothing]]).await;
        let mut settings = settings(&fake);
        (settings.event_bytes_max, settings.answer_bytes_max) = (2000, 5000);
        let error = ask_with(settings, streamed()).await.unwrap_err();
        assert_eq!(
            error.failure(),
            &Failure::Protocol(ProtocolFault::Oversized)
        );
    }
    let fake = Fake::start(vec![vec![document(&" ".repeat(6000)), Say::Nothing]]).await;
    let mut settings = settings(&fake);
    settings.answer_bytes_max = 5000;
    let error = ask_with(settings, plain()).await.unwrap_err();
    assert_eq!(
        error.failure(),
        &Failure::Protocol(ProtocolFault::Oversized)
    );
}

#[tokio::test]
async fn a_character_cut_in_two_is_one_character() {
    let (head, tail) = (
        &b"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"caf\xc3"[..],
        &b"\xa9\"}}]}\n\n"[..],
    );
    let rest = &HELLO_STREAM[HELLO_STREAM
        .find("data: {\"choices\":[{\"index\":0,\"delta\":{},")
        .unwrap()..];
    let script = vec![
        stream_head(),
        chunk(head),
        Say::Pause(Duration::from_millis(20)),
        chunk(tail),
        chunk(rest),
        last_chunk(),
    ];
    let (events, _) = answered(script).await;
    assert_eq!(events.first(), Some(&text("caf\u{e9}")));
}

#[tokio::test]
async fn refusals_by_status() {
    let status = |status, code: Option<&str>| Failure::Status {
        status,
        vendor_code: code.map(str::to_owned),
    };
    let cases = [
        (401, r#"{"detail":"Invalid API key"}"#, Failure::Auth),
        (403, "", Failure::Auth),
        (
            404,
            r#"{"error":{"code":"model_not_found"}}"#,
            status(404, Some("model_not_found")),
        ),
        (
            500,
            r#"{"error":{"code":500,"type":"server_error"}}"#,
            status(500, Some("server_error")),
        ),
        (
            500,
            r#"{"error":{"code":"has spaces: account 1"}}"#,
            status(500, None),
        ),
        (
            400,
            r#"{"error":{"code":400,"type":"exceed_context_size_error","n_ctx":8}}"#,
            Failure::ContextLength,
        ),
        (
            400,
            r#"{"object":"error","message":"This model's maximum context length is 8 tokens."}"#,
            Failure::ContextLength,
        ),
        (
            400,
            r#"{"error":{"code":"content_filter"}}"#,
            Failure::ContentFilter,
        ),
        (400, "not json", status(400, None)),
        (204, "", status(204, None)),
        (418, "", status(418, None)),
    ];
    for (code, body, failure) in cases {
        fails(vec![response(code, "", body)], failure).await;
    }
}

async fn protocol(script: Vec<Say>, fault: ProtocolFault) {
    fails(script, Failure::Protocol(fault)).await;
}

/// Whether the question was for a stream or not does not matter to a liar.
async fn fails(script: Vec<Say>, failure: Failure) {
    for chat in [plain(), streamed()] {
        let fake = Fake::start(vec![script.clone()]).await;
        let error = ask(&fake, chat).await.unwrap_err();
        assert_eq!(error.failure(), &failure);
    }
}

async fn answered(script: Vec<Say>) -> (Vec<Event>, crate::answer::Remarks) {
    let fake = Fake::start(vec![script]).await;
    let upstream = OpenAi::new(settings(&fake)).unwrap();
    let mut answer = upstream.send(streamed(), in_a_minute()).await.unwrap();
    let events = drain(&mut answer).await.unwrap();
    (events, answer.remarks())
}
