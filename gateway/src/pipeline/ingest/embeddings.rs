//! The field contract of `POST /v1/embeddings`. `CONTRACT` lists every field.

use backends::Embed;
use policy::Action;

use super::contract::{Field, Kind};
use super::fields::Fields;
use super::sampling::strings;
use super::{Dropped, Places, Prompt, Wanted};
use crate::Limits;
use crate::json::Json;
use crate::pipeline::texts::Vectors;
use crate::refusal::BadRequest;

/// Reads the fields of a request.
pub(super) fn read(fields: Vec<(String, Json)>, _: &Limits) -> Result<Prompt<Vectors>, BadRequest> {
    let mut dropped = Dropped::default();
    let mut places = Places::default();
    let mut top = Fields::new(String::new(), fields, &mut dropped);
    let model = top.required_string("model")?;
    let input = input(&mut top, &mut places)?;
    let dimensions = top.whole("dimensions", 1..=DIMENSIONS_MAX)?;
    let base64 = top.choice("encoding_format", &ENCODINGS)?.unwrap_or(false);
    top.inert(&INERT);
    top.finish();
    Ok(Prompt {
        action: Action::Embed,
        question: Vectors {
            embed: Embed {
                model,
                input,
                dimensions: dimensions.and_then(|number| u32::try_from(number).ok()),
            },
            base64,
        },
        places,
        wanted: Wanted::usage(true),
        dropped,
    })
}

/// One text, or several.
fn input(top: &mut Fields<'_>, places: &mut Places) -> Result<Vec<String>, BadRequest> {
    let input = match top.take("input") {
        None => return Err(BadRequest::missing("input")),
        Some(Json::String(text)) => {
            places.put("input[0]".to_owned(), "input".to_owned());
            vec![text]
        }
        Some(Json::Array(items)) => {
            let tokens = |item: &Json| matches!(item, Json::Number(_) | Json::Array(_));
            if items.iter().any(tokens) {
                return Err(BadRequest {
                    code: "unsupported_content",
                    param: Some("input".to_owned()),
                    message: "Not supported is an input of tokens: they cannot be scanned. Send the text."
                        .to_owned(),
                });
            }
            strings("input", items)?
        }
        Some(other) => {
            return Err(top.wrong_type("input", "a string or an array of strings", &other));
        }
    };
    if input.is_empty() || input.len() > INPUTS_MAX {
        return Err(BadRequest::invalid(
            "input",
            &format!("must hold 1 to {INPUTS_MAX} texts"),
        ));
    }
    match input.iter().position(String::is_empty) {
        Some(at) => {
            let path = places.in_request(format!("input[{at}]"));
            Err(BadRequest::invalid(&path, "must not be empty"))
        }
        None => Ok(input),
    }
}

/// As many as OpenAI's API takes.
const INPUTS_MAX: usize = 2048;

/// Several times what any model has.
const DIMENSIONS_MAX: i64 = 65_536;

/// Whether vectors are to be base64.
const ENCODINGS: [(&str, bool); 2] = [("float", false), ("base64", true)];

const INERT: [&str; 2] = ["user", "metadata"];

/// What becomes of each field.
pub(super) const CONTRACT: &[Field] = &[
    ("input", Kind::Guarded),
    ("model", Kind::Constrained),
    ("dimensions", Kind::Constrained),
    ("encoding_format", Kind::Constrained),
    ("user", Kind::Inert),
    ("metadata", Kind::Inert),
];
