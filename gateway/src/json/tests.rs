use proptest::prelude::*;

use super::*;

fn fault(text: &str) -> JsonFault {
    parse(text.as_bytes()).expect_err(text)
}

#[test]
fn reads_what_json_is() {
    let read = parse(br#"{"a":[1,-2,2.5,"x\u0041",null,true],"b":{}}"#).expect("valid");
    assert_eq!(
        read.into_value().to_string(),
        r#"{"a":[1,-2,2.5,"xA",null,true],"b":{}}"#
    );
}

#[test]
fn a_key_named_twice_is_refused_where_it_stands() {
    assert_eq!(
        fault(r#"{"m":[{"role":"a","role":"b"}]}"#),
        JsonFault::DuplicateKey {
            path: "m[0].role".into()
        }
    );
    assert_eq!(
        fault(r#"{"model":1,"m\u006fdel":2}"#),
        JsonFault::DuplicateKey {
            path: "model".into()
        }
    );
}

#[test]
fn text_after_the_value_is_refused() {
    assert!(matches!(fault("{} {}"), JsonFault::Syntax { line: 1, .. }));
}

#[test]
fn nesting_is_bounded() {
    let deep = |n| ["[".repeat(n), "]".repeat(n)].concat();
    assert!(parse(deep(DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(fault(&deep(DEPTH_MAX + 1)), JsonFault::TooDeep);
    assert_eq!(fault(&deep(100_000)), JsonFault::TooDeep);
}

#[test]
fn the_number_of_values_is_bounded() {
    let many = |n: usize| format!("[{}0]", "0,".repeat(n));
    assert!(parse(many(1000).as_bytes()).is_ok());
    assert_eq!(fault(&many(VALUES_MAX)), JsonFault::TooMany);
    let keys: String = (0..VALUES_MAX / 2).map(|n| format!("\"{n}\":0,")).collect();
    assert_eq!(fault(&format!("{{{keys}\"x\":0}}")), JsonFault::TooMany);
}

#[test]
fn bytes_that_are_not_utf8_are_refused() {
    assert_eq!(
        parse(b"\"ab\xff\"").expect_err("not UTF-8"),
        JsonFault::NotUtf8 { offset: 3 }
    );
    assert!(
        matches!(fault(r#""\ud800""#), JsonFault::Syntax { .. }),
        "a lone surrogate is not text"
    );
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }

    #[test]
    fn what_is_read_is_what_serde_json_reads(text in r#"[\[\]{}":,a-c0-9. \\u]{0,40}"#) {
        if let Ok(ours) = parse(text.as_bytes()) {
            let theirs: serde_json::Value = serde_json::from_str(&text).expect("we accept less, never more");
            prop_assert_eq!(ours.into_value(), theirs);
        }
    }
}
