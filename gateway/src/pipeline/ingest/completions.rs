//! The field contract of `POST /v1/completions`. The prompt is asked as a user's message. `CONTRACT` lists every field.

use backends::{Chat, Message, Role};

use super::contract::{Field, Kind};
use super::fields::Fields;
use super::{Dropped, Places, Prompt, Wanted, sampling};
use crate::Limits;
use crate::dialect::Dialect;
use crate::json::Json;
use crate::refusal::BadRequest;

/// Reads the fields of a request.
pub(super) fn read(
    fields: Vec<(String, Json)>,
    limits: &Limits,
) -> Result<Prompt<Chat>, BadRequest> {
    let mut dropped = Dropped::default();
    let mut top = Fields::new(String::new(), fields, &mut dropped);
    let model = top.required_string("model")?;
    let (place, text) = prompt(&mut top)?;
    let sampling = sampling::read(&mut top, limits)?;
    best_of(&mut top, sampling.n)?;
    let stream = top.boolean("stream")?.unwrap_or(false);
    let usage_wanted = sampling::stream_options(&mut top)?;
    top.refused(&REFUSED)?;
    top.inert(&INERT);
    top.finish();
    let messages = vec![Message::text(Role::User, text)];
    let mut places = Places::default();
    places.put("messages[0].content".to_owned(), place.to_owned());
    Ok(Prompt {
        action: Dialect::Completions.action(),
        question: Chat {
            sampling,
            stream,
            ..Chat::new(model, messages)
        },
        places,
        wanted: Wanted::usage(usage_wanted),
        dropped,
    })
}

/// The one text that is to be completed, and where it stands.
fn prompt(top: &mut Fields<'_>) -> Result<(&'static str, String), BadRequest> {
    match top.take("prompt") {
        None => Err(BadRequest::missing("prompt")),
        Some(Json::String(text)) => Ok(("prompt", text)),
        Some(Json::Array(items)) => {
            let mut items = items.into_iter();
            match (items.next(), items.next()) {
                (Some(Json::String(text)), None) => Ok(("prompt[0]", text)),
                (Some(Json::String(_)), Some(Json::String(_))) => {
                    Err(unsupported("several prompts in one request: send one each"))
                }
                (Some(_), _) => Err(unsupported("a prompt of tokens: they cannot be scanned")),
                (None, _) => Err(BadRequest::missing("prompt")),
            }
        }
        Some(other) => Err(top.wrong_type("prompt", "a string", &other)),
    }
}

fn unsupported(what: &str) -> BadRequest {
    BadRequest {
        code: "unsupported_content",
        param: Some("prompt".to_owned()),
        message: format!("Not supported is {what}."),
    }
}

/// More candidates than are shown would be judged for nobody.
fn best_of(top: &mut Fields<'_>, n: u32) -> Result<(), BadRequest> {
    match top.whole("best_of", 1..=i64::from(u32::MAX))? {
        Some(best_of) if best_of != i64::from(n) => {
            Err(BadRequest::invalid("best_of", "must be what 'n' is"))
        }
        _ => Ok(()),
    }
}

const INERT: [&str; 2] = ["user", "metadata"];

const REFUSED: [(&str, &str); 4] = [
    ("suffix", "the model is asked to answer, not to fill in"),
    ("echo", "the prompt is not repeated"),
    ("logprobs", "log probabilities are not scanned"),
    ("logit_bias", "it can spell out text that is not scanned"),
];

/// What becomes of each field.
pub(super) const CONTRACT: &[Field] = &[
    ("prompt", Kind::Guarded),
    ("stop", Kind::Guarded),
    ("model", Kind::Constrained),
    ("stream", Kind::Constrained),
    ("stream_options.include_usage", Kind::Constrained),
    ("n", Kind::Constrained),
    ("best_of", Kind::Constrained),
    ("seed", Kind::Constrained),
    ("temperature", Kind::Constrained),
    ("top_p", Kind::Constrained),
    ("frequency_penalty", Kind::Constrained),
    ("presence_penalty", Kind::Constrained),
    ("max_tokens", Kind::Constrained),
    ("max_completion_tokens", Kind::Constrained),
    ("stream_options", Kind::Parts),
    ("stream_options.include_obfuscation", Kind::Inert),
    ("user", Kind::Inert),
    ("metadata", Kind::Inert),
    ("suffix", Kind::Refused),
    ("echo", Kind::Refused),
    ("logprobs", Kind::Refused),
    ("logit_bias", Kind::Refused),
];
