//! Vectors, as numbers or as base64 of little-endian 32-bit floats.
//!
//! Shape: OpenAI API reference, *Create embeddings*.

use backends::Embedded;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::Serialize;

use super::{Tokens, write_json};

/// The whole answer. Usage that nobody counted is not told.
pub fn list(model: &str, embedded: &Embedded, base64: bool) -> Bytes {
    let data = embedded
        .vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| Item {
            object: "embedding",
            index,
            embedding: match base64 {
                true => Written::Base64(encoded(vector)),
                false => Written::Numbers(vector),
            },
        });
    let list = List {
        object: "list",
        data: data.collect(),
        model,
        usage: Tokens::told(Some(embedded.usage)).map(|tokens| Usage {
            prompt_tokens: tokens.prompt_tokens,
            total_tokens: tokens.total_tokens,
        }),
    };
    let mut out = Vec::new();
    write_json(&mut out, &list);
    out.into()
}

fn encoded(vector: &[f32]) -> String {
    let bytes: Vec<u8> = vector
        .iter()
        .flat_map(|number| number.to_le_bytes())
        .collect();
    STANDARD.encode(bytes)
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Item<'a>>,
    model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Usage>,
}

#[derive(Serialize)]
struct Item<'a> {
    object: &'static str,
    index: usize,
    embedding: Written<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Written<'a> {
    Numbers(&'a [f32]),
    Base64(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: u64,
    total_tokens: u64,
}
