//! OpenAI's embeddings.

use serde_json::{Value, json};

use super::{Kind, Place, with_field};

pub(super) fn places(kind: Kind) -> Vec<Place> {
    let with = |field: &str, value: Value| with_field(json!({ "input": "hello" }), field, value);
    match kind {
        Kind::History => vec![
            ("list of one text", with("input", json!(["§"]))),
            ("second text", with("input", json!(["hello", "§"]))),
        ],
        Kind::CallerStrings => vec![("user", with("user", json!("§")))],
        Kind::Unlisted => vec![
            ("in the request", with("x_note", json!("§"))),
            ("as a name", with("x_§", json!(1))),
            (
                "messages beside the input",
                with("messages", json!([{ "role": "user", "content": "§" }])),
            ),
        ],
        Kind::Unreadable => vec![
            ("tokens", with("input", json!([32, 9125, 5296]))),
            ("list of tokens", with("input", json!([[32, 9125, 5296]]))),
            (
                "input that is an object",
                with("input", json!([{ "text": "§" }])),
            ),
        ],
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
