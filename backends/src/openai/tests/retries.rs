//! Asking again: before the first event, where it is safe, and not for long.

use super::fake::{chunk, response, stream_head};
use super::*;

#[tokio::test]
async fn a_busy_server_is_asked_again() {
    for status in [429, 502, 503, 504] {
        let scripts = vec![vec![response(status, "", "busy")], stream(HELLO_STREAM)];
        let fake = Fake::start(scripts).await;
        let upstream = OpenAi::new(settings(&fake)).unwrap();
        let asked_at = Instant::now();
        let mut answer = upstream.send(streamed(), in_a_minute()).await.unwrap();
        assert!(
            asked_at.elapsed() >= Duration::from_millis(375),
            "half a second less a quarter"
        );
        assert_eq!(drain(&mut answer).await.unwrap().len(), 4);
        assert_eq!(answer.remarks().attempts, 2);
    }
}

#[tokio::test]
async fn three_times_is_enough() {
    let busy = vec![response(503, "", r#"{"error":{"code":"overloaded"}}"#)];
    let fake = Fake::start(vec![busy; 5]).await;
    let error = ask(&fake, streamed()).await.unwrap_err();
    let failure = Failure::Status {
        status: 503,
        vendor_code: Some("overloaded".to_owned()),
    };
    assert_eq!((error.failure(), fake.seen().len()), (&failure, 3));
}

#[tokio::test]
async fn an_absent_server_is_asked_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let mut settings = OpenAiSettings::new("absent", url.parse().unwrap());
    settings.retries_max = 1;
    let asked_at = Instant::now();
    let error = ask_with(settings, plain()).await.unwrap_err();
    assert_eq!(
        error.failure(),
        &Failure::Connect(std::io::ErrorKind::ConnectionRefused)
    );
    assert!(asked_at.elapsed() >= Duration::from_millis(375));
}

#[tokio::test]
async fn nothing_is_asked_again_that_could_only_fail_again() {
    for status in [400, 401, 403, 404, 422, 500] {
        let fake = Fake::start(vec![vec![response(status, "", "no")]; 3]).await;
        assert!(ask(&fake, streamed()).await.is_err());
        assert_eq!(fake.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn nothing_is_asked_again_after_the_first_event() {
    let breaks = vec![stream_head(), chunk(begun()), Say::Close];
    let fake = Fake::start(vec![breaks; 3]).await;
    let error = ask(&fake, streamed()).await.unwrap_err();
    assert_eq!(
        (error.failure(), fake.seen().len()),
        (&Failure::Incomplete, 1)
    );
}

#[tokio::test]
async fn a_long_retry_after_is_passed_on() {
    let throttled = vec![response(429, "retry-after: 61\r\n", "")];
    let fake = Fake::start(vec![throttled; 3]).await;
    let error = ask(&fake, streamed()).await.unwrap_err();
    let retry_after = Some(Duration::from_secs(61));
    assert_eq!(error.failure(), &Failure::Throttled { retry_after });
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_retry_that_the_deadline_forbids_is_not_awaited() {
    let later = vec![response(503, "retry-after: 50\r\n", "")];
    let fake = Fake::start(vec![later; 3]).await;
    let upstream = OpenAi::new(settings(&fake)).unwrap();
    let asked_at = Instant::now();
    let deadline = asked_at + Duration::from_secs(30);
    let sent = upstream.send(streamed(), deadline).await;
    assert!(matches!(
        sent.unwrap_err().failure(),
        Failure::Status { status: 503, .. }
    ));
    assert!(asked_at.elapsed() < Duration::from_secs(30));
}
