use proptest::prelude::*;
use serde_json::json;

use super::*;

fn two() -> Embed {
    Embed {
        model: "m".to_owned(),
        input: vec!["a".to_owned(), "bc".to_owned()],
        dimensions: None,
    }
}

#[track_caller]
fn unexpected(document: Value) {
    let read = embedded(document.to_string().as_bytes(), &two());
    let failure = read.expect_err("not what was asked for").failure().clone();
    assert_eq!(failure, Failure::Protocol(ProtocolFault::UnexpectedVectors));
}

#[test]
fn vectors_come_in_the_order_of_their_texts() {
    let document = json!({
        "object": "list", "model": "m-2", "id": "x",
        "data": [
            { "object": "embedding", "index": 1, "embedding": [3, 4.5] },
            { "object": "embedding", "index": 0, "embedding": [1.0, -2.0], "note": "unknown" },
        ],
        "usage": { "prompt_tokens": 7, "total_tokens": 7 },
    });
    let read = embedded(document.to_string().as_bytes(), &two()).expect("read");
    assert_eq!(read.vectors, [vec![1.0, -2.0], vec![3.0, 4.5]]);
    assert_eq!((read.usage.input, read.usage.estimated), (7, false));
    assert_eq!(read.remarks.stripped, 1);
    assert_eq!(read.remarks.model.as_deref(), Some("m-2"));
}

#[test]
fn usage_that_is_not_told_is_an_upper_bound() {
    let document = json!({ "data": [{ "embedding": [1] }, { "embedding": [2] }] });
    let read = embedded(document.to_string().as_bytes(), &two()).expect("read");
    assert_eq!((read.usage.input, read.usage.estimated), (7, true));
}

#[test]
fn what_was_not_asked_for_is_no_answer() {
    unexpected(json!({}));
    unexpected(json!({ "data": [] }));
    unexpected(json!({ "data": [{ "embedding": [1] }] }));
    unexpected(json!({ "data": [{ "embedding": [1] }, { "embedding": [1, 2] }] }));
    unexpected(json!({ "data": [{ "embedding": [] }, { "embedding": [] }] }));
    unexpected(json!({ "data": [{ "embedding": [1] }, { "index": 0, "embedding": [1] }] }));
    unexpected(json!({ "data": [{ "embedding": [1] }, { "index": 2, "embedding": [1] }] }));
    let third = json!({ "embedding": [1] });
    unexpected(json!({ "data": [third, third, third] }));
}

/// How serde_json reads it depends on what else is built with it; a vector it is never.
#[test]
fn a_number_beyond_32_bits_is_none() {
    let document = br#"{ "data": [{ "embedding": [1e300] }, { "embedding": [1] }] }"#;
    assert!(embedded(document, &two()).is_err());
}

#[test]
fn an_error_under_status_200_is_one() {
    let document = json!({ "error": { "message": "no such model", "type": "x", "code": "y" } });
    let read = embedded(document.to_string().as_bytes(), &two());
    let failure = read.expect_err("an error").failure().clone();
    assert_eq!(failure, Failure::Protocol(ProtocolFault::ErrorInBody));
}

#[test]
fn the_request_asks_for_numbers() {
    let embed = Embed {
        dimensions: Some(8),
        ..two()
    };
    let body: Value = serde_json::from_slice(&body(&embed)).expect("JSON");
    let expected = json!({
        "model": "m", "input": ["a", "bc"], "dimensions": 8, "encoding_format": "float",
    });
    assert_eq!(body, expected);
}

proptest! {
    /// What is written is read again.
    #[test]
    fn round_trip(vectors in (1usize..5, 1usize..4).prop_flat_map(|(length, count)| {
        proptest::collection::vec(proptest::collection::vec(-1e6_f32..1e6, length), count)
    })) {
        let data: Vec<_> = vectors.iter().enumerate().rev()
            .map(|(index, vector)| json!({ "index": index, "embedding": vector }))
            .collect();
        let embed = Embed {
            model: "m".to_owned(),
            input: vectors.iter().map(|_| String::new()).collect(),
            dimensions: None,
        };
        let document = json!({ "data": data }).to_string();
        let read = embedded(document.as_bytes(), &embed).expect("read");
        prop_assert_eq!(read.vectors, vectors);
    }
}
