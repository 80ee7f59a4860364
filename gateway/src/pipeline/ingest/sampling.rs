//! Fields that the OpenAI dialects share: how tokens are picked, where to stop, what a stream ends with.

use backends::Sampling;

use super::fields::Fields;
use crate::Limits;
use crate::json::Json;
use crate::refusal::BadRequest;

/// Reads what every dialect of OpenAI says about tokens.
pub(super) fn read(top: &mut Fields<'_>, limits: &Limits) -> Result<Sampling, BadRequest> {
    let tokens = 1..=i64::from(u32::MAX);
    let newer = top.whole("max_completion_tokens", tokens.clone())?;
    let older = top.whole("max_tokens", tokens)?;
    let n = top
        .whole("n", 1..=i64::from(limits.choices_max))?
        .unwrap_or(1);
    Ok(Sampling {
        temperature: top.number("temperature", 0.0..=2.0)?,
        top_p: top.number("top_p", 0.0..=1.0)?,
        frequency_penalty: top.number("frequency_penalty", -2.0..=2.0)?,
        presence_penalty: top.number("presence_penalty", -2.0..=2.0)?,
        max_tokens: newer
            .or(older)
            .and_then(|tokens| u32::try_from(tokens).ok()),
        seed: top.whole("seed", i64::MIN..=i64::MAX)?,
        n: u32::try_from(n).unwrap_or(1),
        stop: stop(top)?,
    })
}

/// Texts at which to stop, one or several.
fn stop(top: &mut Fields<'_>) -> Result<Vec<String>, BadRequest> {
    let items = match top.take("stop") {
        None => return Ok(Vec::new()),
        Some(Json::String(text)) => return Ok(vec![text]),
        Some(Json::Array(items)) if items.len() <= STOPS_MAX => items,
        Some(_) => {
            return Err(BadRequest::invalid(
                "stop",
                &format!("must be a string or at most {STOPS_MAX} strings"),
            ));
        }
    };
    strings("stop", items)
}

/// The items of an array that must all be strings.
pub(super) fn strings(path: &str, items: Vec<Json>) -> Result<Vec<String>, BadRequest> {
    let read = |(at, item): (usize, Json)| match item {
        Json::String(text) => Ok(text),
        other => {
            let path = format!("{path}[{at}]");
            Err(BadRequest::wrong_type(&path, "a string", other.kind()))
        }
    };
    items.into_iter().enumerate().map(read).collect()
}

/// Whether a stream is to end with the token usage.
pub(super) fn stream_options(top: &mut Fields<'_>) -> Result<bool, BadRequest> {
    let Some(value) = top.take("stream_options") else {
        return Ok(false);
    };
    let mut options = Fields::of("stream_options".to_owned(), value, top.dropped())?;
    let usage = options.boolean("include_usage")?.unwrap_or(false);
    options.inert(&["include_obfuscation"]);
    options.finish();
    Ok(usage)
}

/// Most texts at which to stop.
pub(super) const STOPS_MAX: usize = 16;
