//! OpenAI's moderations.

use serde_json::{Value, json};

use super::{Kind, Place, with_field};

pub(super) fn places(kind: Kind) -> Vec<Place> {
    let with = |field: &str, value: Value| with_field(json!({ "input": "hello" }), field, value);
    match kind {
        Kind::History => vec![
            ("second text", with("input", json!(["hello", "§"]))),
            (
                "text part",
                with("input", json!([{ "type": "text", "text": "§" }])),
            ),
        ],
        Kind::Unlisted => vec![
            ("in the request", with("x_note", json!("§"))),
            (
                "in a part",
                with(
                    "input",
                    json!([{ "type": "text", "text": "hello", "x_note": "§" }]),
                ),
            ),
        ],
        Kind::Unreadable => vec![(
            "part of an unknown type",
            with("input", json!([{ "type": "x_note", "text": "§" }])),
        )],
        Kind::Media => vec![(
            "picture",
            with(
                "input",
                json!([{ "type": "image_url", "image_url": { "url": "data:image/png;base64,§" } }]),
            ),
        )],
        _ => Vec::new(),
    }
}
