//! OpenAI's text completions.

use serde_json::{Value, json};

use super::{Kind, Place, with_field};

pub(super) fn places(kind: Kind) -> Vec<Place> {
    let with = |field: &str, value: Value| with_field(json!({ "prompt": "hello" }), field, value);
    match kind {
        Kind::History => vec![
            ("list of one prompt", with("prompt", json!(["§"]))),
            ("second prompt", with("prompt", json!(["hello", "§"]))),
            ("suffix", with("suffix", json!("§"))),
        ],
        Kind::CallerStrings => vec![
            ("user", with("user", json!("§"))),
            ("metadata", with("metadata", json!({ "note": "§" }))),
            ("stop", with("stop", json!(["§"]))),
            ("logit_bias", with("logit_bias", json!({ "§": 1 }))),
        ],
        Kind::OutputFormats => vec![
            ("guided_regex", with("guided_regex", json!("§"))),
            (
                "response_format",
                with(
                    "response_format",
                    json!({ "type": "json_schema", "json_schema": { "name": "§", "schema": {} } }),
                ),
            ),
        ],
        Kind::Unlisted => vec![
            ("in the request", with("x_note", json!("§"))),
            ("as a name", with("x_§", json!(1))),
            (
                "messages beside the prompt",
                with("messages", json!([{ "role": "user", "content": "§" }])),
            ),
        ],
        Kind::Unreadable => vec![
            ("tokens", with("prompt", json!([32, 9125, 5296]))),
            ("list of tokens", with("prompt", json!([[32, 9125, 5296]]))),
            (
                "prompt that is an object",
                with("prompt", json!({ "text": "§" })),
            ),
            ("prompt_embeds", with("prompt_embeds", json!("§"))),
        ],
        Kind::Media => vec![("picture", with("multi_modal_data", json!({ "image": "§" })))],
        _ => Vec::new(),
    }
}
