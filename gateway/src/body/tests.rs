//! What waits goes out together, the end comes last, and a producer that vanishes is not taken for an end.

use http_body::Body as _;
use http_body_util::BodyExt as _;

use super::*;

fn data(text: &'static str) -> Part {
    Part::Data(Bytes::from_static(text.as_bytes()))
}

async fn next(body: &mut Body) -> Option<Result<Bytes, Abandoned>> {
    let frame = body.frame().await?;
    Some(frame.map(|frame| frame.into_data().unwrap_or_default()))
}

#[tokio::test]
async fn parts_that_wait_are_one_frame() {
    let (producer, mut body) = Body::stream();
    for part in [data("one "), data("two "), data("three")] {
        producer.send(part).await.unwrap();
    }
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "one two three");
    producer.send(data("four")).await.unwrap();
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "four");
    assert!(!body.is_end_stream());
    producer.send(data("five")).await.unwrap();
    producer.send(Part::End).await.unwrap();
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "five");
    assert!(body.is_end_stream());
    assert!(next(&mut body).await.is_none());
}

#[tokio::test]
async fn an_end_alone_ends() {
    let (producer, mut body) = Body::stream();
    producer.send(Part::End).await.unwrap();
    assert!(next(&mut body).await.is_none());
}

#[tokio::test]
async fn a_producer_that_vanishes_is_an_error_after_what_it_said() {
    let (producer, mut body) = Body::stream();
    producer.send(data("half")).await.unwrap();
    drop(producer);
    assert_eq!(next(&mut body).await.unwrap().unwrap(), "half");
    assert!(next(&mut body).await.unwrap().is_err());
    assert!(next(&mut body).await.is_none());
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_producer_up() {
    let (producer, _body) = Body::stream();
    for _ in 0..PARTS_MAX {
        producer.try_send(data("x")).unwrap();
    }
    assert!(producer.try_send(data("x")).is_err());
}
