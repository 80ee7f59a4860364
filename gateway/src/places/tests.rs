use super::*;

#[test]
fn nobody_gets_all_places_and_all_come_back() {
    let places = Places::new(4, 3);
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
