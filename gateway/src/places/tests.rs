use super::*;

#[test]
fn nobody_gets_all_places_and_all_come_back() {
    let places = Places::new(4, 3, 1 << 20);
    let mut held: Vec<_> = (0..3)
        .map(|_| places.take("svc:a").expect("free"))
        .collect();
    assert!(places.take("svc:a").is_none(), "its share is taken");
    let other = places.take("svc:b").expect("one is left for others");
    assert!(places.take("svc:c").is_none(), "all are taken");
    drop(held.pop());
    assert!(places.take("svc:c").is_some());
    drop((held, other));
    let held = places.held();
    assert!(held.all == 0 && held.by.is_empty());
}

#[tokio::test]
async fn who_sends_much_waits_for_their_own_and_nobody_else_does() {
    let places = Places::new(9, 9, 64 << 10);
    let (mine, more, theirs) = (
        places.take("svc:a").expect("free"),
        places.take("svc:a").expect("free"),
        places.take("svc:b").expect("free"),
    );
    let large = mine.unrecorded(60 << 10).await.expect("room");
    let mut waiting = Box::pin(more.unrecorded(8 << 10));
    let waits = tokio::time::timeout(std::time::Duration::from_millis(20), &mut waiting).await;
    assert!(waits.is_err(), "its own are not recorded yet");
    assert!(theirs.unrecorded(60 << 10).await.is_some());
    drop(large);
    assert!(waiting.await.is_some());
    // More than there can ever be is all there is, and no wait for ever.
    assert!(mine.unrecorded(1 << 30).await.is_some());
}
