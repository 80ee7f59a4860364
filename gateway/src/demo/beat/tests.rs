use std::time::Duration;

use super::{Took, holds, same};

#[test]
fn times_have_as_many_digits_as_are_worth_reading() {
    let check = |micros, expected: &str| {
        let took = Took(Duration::from_micros(micros));
        assert_eq!(took.to_string(), expected);
    };
    check(84, "0.08 ms");
    check(6_940, "6.9 ms");
    check(512_300, "512 ms");
    check(1_239_000, "1.24 s");
}

#[test]
fn a_difference_is_a_surprise_that_shows_both() {
    assert!(same("the status", 400, 400).is_ok());
    let surprise = same("the status", 200, 400).expect_err("they differ");
    assert_eq!(
        (surprise.expected.as_str(), surprise.got.as_str()),
        ("400", "200")
    );
    assert!(holds("a place", false, "none").is_err());
}
