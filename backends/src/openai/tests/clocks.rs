//! The four clocks, and what a client that leaves does to the server.
//!
//! Time is real where a socket takes part, since a paused clock runs ahead of the kernel; the clocks
//! under test are then tens of milliseconds, and the others minutes.

use super::fake::{chunk, stream_head};
use super::*;
use crate::error::Clock;

const SHORT: Duration = Duration::from_millis(60);

#[tokio::test]
async fn a_server_that_says_nothing_meets_the_first_byte_clock() {
    let silent = vec![Say::Nothing];
    let head_only = vec![stream_head(), Say::Nothing];
    let role_only = vec![
        stream_head(),
        chunk(r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":""}}]}"#),
        chunk("\n\n"),
        Say::Nothing,
    ];
    for script in [silent, head_only, role_only] {
        let error = times_out(script, streamed(), |clocks| clocks.first_byte = SHORT).await;
        assert_eq!(error.failure(), &Failure::Timeout(Clock::FirstByte));
    }
}

#[tokio::test]
async fn a_server_that_stops_meets_the_idle_clock() {
    let stalls = vec![stream_head(), chunk(begun()), Say::Nothing];
    let error = times_out(stalls, streamed(), |clocks| clocks.idle = SHORT).await;
    assert_eq!(error.failure(), &Failure::Timeout(Clock::Idle));
    let half = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{";
    let stalls = vec![fake::say(half), Say::Nothing];
    let error = times_out(stalls, plain(), |clocks| clocks.idle = SHORT).await;
    assert_eq!(error.failure(), &Failure::Timeout(Clock::Idle));
}

#[tokio::test]
async fn comments_do_not_stop_the_idle_clock() {
    let mut script = vec![stream_head(), chunk(begun())];
    for _ in 0..40 {
        script.extend([Say::Pause(SHORT / 6), chunk(": ping\n\n")]);
    }
    let error = times_out(script, streamed(), |clocks| clocks.idle = SHORT).await;
    assert_eq!(error.failure(), &Failure::Timeout(Clock::Idle));
}

#[tokio::test]
async fn chunks_do() {
    let mut script = vec![stream_head()];
    for event in HELLO_STREAM.split_inclusive("\n\n") {
        script.extend([chunk(event), Say::Pause(SHORT / 2)]);
    }
    let fake = Fake::start(vec![script]).await;
    let mut settings = settings(&fake);
    (settings.clocks.first_byte, settings.clocks.idle) = (SHORT * 4, SHORT * 4);
    assert_eq!(ask_with(settings, streamed()).await.unwrap().len(), 4);
}

#[tokio::test]
async fn an_answer_without_end_meets_the_whole_clock() {
    let mut script = vec![stream_head()];
    for _ in 0..200 {
        let event = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"tick \"}}]}\n\n";
        script.extend([chunk(event), Say::Pause(Duration::from_millis(2))]);
    }
    let error = times_out(script, streamed(), |clocks| clocks.whole = SHORT).await;
    assert_eq!(error.failure(), &Failure::Timeout(Clock::Whole));
}

#[tokio::test]
async fn a_plain_answer_is_bound_by_the_whole_clock_not_the_first_byte() {
    let late = vec![Say::Pause(SHORT * 2), document(HELLO_DOCUMENT)];
    let fake = Fake::start(vec![late]).await;
    let mut settings = settings(&fake);
    settings.clocks.first_byte = SHORT;
    assert!(ask_with(settings, plain()).await.is_ok());
    let error = times_out(vec![Say::Nothing], plain(), |clocks| clocks.whole = SHORT).await;
    assert_eq!(error.failure(), &Failure::Timeout(Clock::Whole));
}

#[tokio::test]
async fn the_callers_deadline_counts_as_the_whole_clock() {
    let fake = Fake::start(vec![vec![Say::Nothing]]).await;
    let upstream = OpenAi::new(settings(&fake)).unwrap();
    let sent = upstream.send(streamed(), Instant::now() + SHORT).await;
    assert_eq!(sent.unwrap_err().failure(), &Failure::Timeout(Clock::Whole));
}

#[tokio::test]
async fn a_handshake_that_does_not_come_meets_the_connect_clock() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/v1", listener.local_addr().unwrap());
    let mut settings = OpenAiSettings::new("silent", url.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    settings.ca_file = Some(tls::write_ca(folder.path(), &tls::Ca::new("a CA")));
    (settings.clocks.connect, settings.retries_max) = (SHORT, 0);
    let error = ask_with(settings, plain()).await.unwrap_err();
    assert_eq!(error.failure(), &Failure::Timeout(Clock::Connect));
}

#[tokio::test]
async fn dropping_the_answer_cancels_the_server_at_once() {
    let stalls = vec![stream_head(), chunk(begun()), Say::Nothing];
    let fake = Fake::start(vec![stalls]).await;
    let upstream = OpenAi::new(settings(&fake)).unwrap();
    let mut answer = upstream.send(streamed(), in_a_minute()).await.unwrap();
    assert_eq!(answer.next().await, Some(Ok(text("Hel"))));
    drop(answer);
    fake.client_left().await;
}

#[tokio::test]
async fn dropping_the_question_cancels_the_server_at_once() {
    let before_the_head = vec![Say::Nothing];
    let before_the_first_event = vec![stream_head(), Say::Nothing];
    for script in [before_the_head, before_the_first_event] {
        let fake = Fake::start(vec![script]).await;
        let upstream = OpenAi::new(settings(&fake)).unwrap();
        let leaves = async {
            fake.asked().await;
            sleep(SHORT).await;
        };
        tokio::select! {
            sent = upstream.send(streamed(), in_a_minute()) => panic!("{sent:?}"),
            () = leaves => {}
        }
        fake.client_left().await;
    }
}

#[tokio::test]
async fn a_dropped_next_loses_nothing() {
    let events: Vec<Say> = HELLO_STREAM.as_bytes().chunks(7).map(chunk).collect();
    let fake = Fake::start(vec![
        [vec![stream_head()], events, vec![fake::last_chunk()]].concat(),
    ])
    .await;
    let upstream = OpenAi::new(settings(&fake)).unwrap();
    let mut answer = upstream.send(streamed(), in_a_minute()).await.unwrap();
    let mut events = Vec::new();
    loop {
        let at_once = tokio::time::timeout(Duration::ZERO, answer.next()).await;
        match at_once {
            Err(_) => tokio::task::yield_now().await,
            Ok(Some(event)) => events.push(event.unwrap()),
            Ok(None) => break,
        }
    }
    assert_eq!(events.len(), 4);
}

async fn times_out(script: Vec<Say>, chat: Chat, set: fn(&mut Clocks)) -> UpstreamError {
    let fake = Fake::start(vec![script]).await;
    let mut settings = settings(&fake);
    set(&mut settings.clocks);
    let error = ask_with(settings, chat).await.unwrap_err();
    assert_eq!(fake.seen().len(), 1, "a timeout is not retried");
    error
}
