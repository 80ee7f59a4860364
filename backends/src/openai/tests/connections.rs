//! Connections are used again, and a request is never repeated by accident.

use super::fake::{chunk, last_chunk, stream_head};
use super::*;

#[tokio::test]
async fn a_complete_answer_leaves_its_connection_to_the_next() {
    let scripts = vec![
        stream(HELLO_STREAM),
        vec![document(HELLO_DOCUMENT)],
        stream(HELLO_STREAM),
    ];
    let fake = Fake::start(scripts).await;
    let upstream = OpenAi::new(settings(&fake)).unwrap();
    for chat in [streamed(), plain(), streamed()] {
        let mut answer = upstream.send(chat, in_a_minute()).await.unwrap();
        drain(&mut answer).await.unwrap();
    }
    assert_eq!((fake.seen().len(), fake.connections()), (3, 1));
}

#[tokio::test]
async fn a_connection_whose_body_ends_late_is_used_again() {
    let late = vec![
        stream_head(),
        chunk(HELLO_STREAM),
        Say::Pause(Duration::from_millis(30)),
        last_chunk(),
    ];
    let fake = Fake::start(vec![late, stream(HELLO_STREAM)]).await;
    let upstream = OpenAi::new(settings(&fake)).unwrap();
    complete(&upstream).await;
    fake.said_all().await;
    complete(&upstream).await;
    assert_eq!(fake.connections(), 1);
}

#[tokio::test]
async fn a_connection_that_speaks_after_the_end_is_not() {
    let more = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"AKIA\"}}]}\n\n";
    let late = vec![
        stream_head(),
        chunk(HELLO_STREAM),
        Say::Pause(Duration::from_millis(30)),
        chunk(more),
        last_chunk(),
    ];
    let fake = Fake::start(vec![late, stream(HELLO_STREAM)]).await;
    let upstream = OpenAi::new(settings(&fake)).unwrap();
    complete(&upstream).await;
    fake.said_all().await;
    complete(&upstream).await;
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn a_server_that_closed_an_idle_connection_is_asked_on_a_fresh_one() {
    let closes_when_asked_again = vec![Say::Close];
    let scripts = vec![
        stream(HELLO_STREAM),
        closes_when_asked_again,
        stream(HELLO_STREAM),
    ];
    let fake = Fake::start(scripts).await;
    let upstream = OpenAi::new(settings(&fake)).unwrap();
    complete(&upstream).await;
    complete(&upstream).await;
    assert_eq!((fake.seen().len(), fake.connections()), (3, 2));
}

#[tokio::test]
async fn a_request_is_not_repeated_once_the_server_has_answered_a_byte() {
    let breaks = vec![fake::say("HTTP/1.1 2"), Say::Close];
    let fake = Fake::start(vec![stream(HELLO_STREAM), breaks]).await;
    let upstream = OpenAi::new(settings(&fake)).unwrap();
    complete(&upstream).await;
    let sent = upstream.send(streamed(), in_a_minute()).await;
    assert_eq!(sent.unwrap_err().failure(), &Failure::Incomplete);
    assert_eq!((fake.seen().len(), fake.connections()), (2, 1));
}

#[tokio::test]
async fn a_request_on_a_fresh_connection_is_not_repeated() {
    let fake = Fake::start(vec![vec![Say::Close]]).await;
    let error = ask(&fake, streamed()).await.unwrap_err();
    assert_eq!(error.failure(), &Failure::Incomplete);
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn an_old_connection_is_not_used() {
    let fake = Fake::start(vec![stream(HELLO_STREAM), stream(HELLO_STREAM)]).await;
    let mut settings = settings(&fake);
    settings.connection_idle_max = Duration::from_millis(20);
    let upstream = OpenAi::new(settings).unwrap();
    complete(&upstream).await;
    sleep(Duration::from_millis(40)).await;
    complete(&upstream).await;
    assert_eq!(fake.connections(), 2);
}

#[tokio::test]
async fn no_more_connections_are_kept_than_allowed() {
    let scripts = (0..4).map(|_| stream(HELLO_STREAM)).collect();
    let fake = Fake::start(scripts).await;
    let mut settings = settings(&fake);
    settings.idle_connections_max = 1;
    let upstream = OpenAi::new(settings).unwrap();
    for _ in 0..2 {
        let (first, second) = tokio::join!(complete(&upstream), complete(&upstream));
        assert_eq!((first, second), (4, 4));
    }
    assert_eq!(fake.connections(), 3, "two, then one kept and one new");
}

#[tokio::test]
async fn a_name_is_resolved_and_every_address_tried() {
    let fake = Fake::start(vec![stream(HELLO_STREAM)]).await;
    let url = format!("http://localhost:{}/v1", fake.address.port());
    let settings = OpenAiSettings::new("fake", url.parse().unwrap());
    assert_eq!(ask_with(settings, streamed()).await.unwrap().len(), 4);
}

async fn complete(upstream: &OpenAi) -> usize {
    let mut answer = upstream.send(streamed(), in_a_minute()).await.unwrap();
    drain(&mut answer).await.unwrap().len()
}
