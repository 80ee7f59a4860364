//! The field contract of `POST /v1/moderations`. Nothing of it is forwarded. `CONTRACT` lists every field.

use policy::Action;

use super::contract::{Field, Kind};
use super::fields::Fields;
use super::sampling::strings;
use super::{Dropped, Places, Prompt, Wanted};
use crate::Limits;
use crate::json::Json;
use crate::pipeline::texts::Moderate;
use crate::refusal::BadRequest;

/// What rules call moderation that is asked of no model in particular.
pub const MODERATION: &str = "moderation";

/// Reads the fields of a request.
pub(super) fn read(
    fields: Vec<(String, Json)>,
    _: &Limits,
) -> Result<Prompt<Moderate>, BadRequest> {
    let mut dropped = Dropped::default();
    let mut places = Places::default();
    let mut top = Fields::new(String::new(), fields, &mut dropped);
    let model = top.string("model")?.filter(|name| !stands_for_all(name));
    let (input, is_one) = input(&mut top, &mut places)?;
    top.inert(&["user"]);
    top.finish();
    Ok(Prompt {
        action: Action::Moderate,
        question: Moderate {
            model: model.unwrap_or_else(|| MODERATION.to_owned()),
            input,
            is_one,
        },
        places,
        wanted: Wanted::default(),
        dropped,
    })
}

/// The names that OpenAI's clients send of themselves.
fn stands_for_all(model: &str) -> bool {
    model.starts_with("omni-moderation-") || model.starts_with("text-moderation-")
}

/// One text, several, or the parts of one; and whether it is one.
fn input(top: &mut Fields<'_>, places: &mut Places) -> Result<(Vec<String>, bool), BadRequest> {
    let items = match top.take("input") {
        None => return Err(BadRequest::missing("input")),
        Some(Json::String(text)) => {
            places.put("input[0]".to_owned(), "input".to_owned());
            return Ok((vec![text], true));
        }
        Some(Json::Array(items)) => items,
        Some(other) => return Err(top.wrong_type("input", "a string or an array", &other)),
    };
    if items.is_empty() || items.len() > INPUTS_MAX {
        return Err(BadRequest::invalid(
            "input",
            &format!("must hold 1 to {INPUTS_MAX} texts"),
        ));
    }
    if !items.iter().any(|item| matches!(item, Json::Object(_))) {
        return Ok((strings("input", items)?, false));
    }
    let mut texts = Vec::with_capacity(items.len());
    for (at, item) in items.into_iter().enumerate() {
        let path = format!("input[{at}]");
        let mut part = Fields::of(path.clone(), item, top.dropped())?;
        if part.required_string("type")? != "text" {
            return Err(BadRequest {
                code: "unsupported_content",
                param: Some(path),
                message: "Only parts of type 'text' can be scanned.".to_owned(),
            });
        }
        texts.push(part.required_string("text")?);
        part.finish();
        places.put(path.clone(), format!("{path}.text"));
    }
    Ok((texts, true))
}

/// More than a person checks at a time.
const INPUTS_MAX: usize = 2048;

/// What becomes of each field.
pub(super) const CONTRACT: &[Field] = &[
    ("input", Kind::Guarded),
    ("input[].text", Kind::Guarded),
    ("model", Kind::Constrained),
    ("input[].type", Kind::Constrained),
    ("user", Kind::Inert),
];
