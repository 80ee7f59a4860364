//! Embeddings: the request as JSON, and the answer, which is read whole.
//!
//! Numbers are asked for as numbers: not every server knows base64.

use std::future::poll_fn;

use bytes::Bytes;
use serde::Serialize;
use serde::de::MapAccess;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use crate::answer::{Remarks, Usage};
use crate::embed::{Embed, Embedded};
use crate::error::{Clock, Failure, ProtocolFault, UpstreamError, cut};
use crate::openai::decode::Format;
use crate::openai::json::{Fields, Known, Object, once, skip};
use crate::openai::pool::Pool;
use crate::openai::reader::Timing;
use crate::openai::reply::Accepted;
use crate::openai::vendor::VendorError;

/// The request body.
pub(super) fn body(embed: &Embed) -> Bytes {
    #[derive(Serialize)]
    struct Body<'e> {
        model: &'e str,
        input: &'e [String],
        #[serde(skip_serializing_if = "Option::is_none")]
        dimensions: Option<u32>,
        encoding_format: &'static str,
    }
    let Embed {
        model,
        input,
        dimensions,
    } = embed;
    let body = Body {
        model,
        input,
        dimensions: *dimensions,
        encoding_format: "float",
    };
    // Strings and numbers: nothing that JSON could not hold.
    Bytes::from(serde_json::to_vec(&body).unwrap_or_default())
}

/// The whole body of a plain answer, within its bound and clocks.
pub(super) async fn document(
    accepted: Accepted,
    bytes_max: u64,
    timing: &Timing,
    pool: &Pool,
) -> Result<Vec<u8>, UpstreamError> {
    let Accepted {
        mut wire,
        mut body,
        format,
        ..
    } = accepted;
    if format != Format::Document {
        return Err(ProtocolFault::ContentType.into());
    }
    let mut document = Vec::new();
    loop {
        let idle = Instant::now() + timing.clocks.idle;
        let (until, clock) = if idle < timing.deadline {
            (idle, Clock::Idle)
        } else {
            (timing.deadline, Clock::Whole)
        };
        let data = timeout_at(until, poll_fn(|context| wire.poll_data(&mut body, context))).await;
        match data.map_err(|_| Failure::Timeout(clock))? {
            Some(data) => document.extend_from_slice(&data?),
            None => break,
        }
        if document.len() as u64 > bytes_max {
            return Err(ProtocolFault::Oversized.into());
        }
    }
    pool.keep(wire, body);
    Ok(document)
}

/// The vectors in the answer to `embed`. Pure.
///
/// # Errors
///
/// [`ProtocolFault::UnexpectedVectors`] if they are not one for each text, all of one length (the one
/// that was asked for, if one was) with all numbers finite; as for chats else.
pub fn embedded(document: &[u8], embed: &Embed) -> Result<Embedded, UpstreamError> {
    let list: Object<List> = serde_json::from_slice(document).map_err(|error| {
        let words = format!("{error}: {}", String::from_utf8_lossy(document));
        UpstreamError::new(Failure::Protocol(ProtocolFault::BadJson), &words)
    })?;
    if list.known.is_error() {
        return Err(VendorError::read(document).under_status_200());
    }
    let mut stripped = list.stripped;
    let List {
        data, usage, model, ..
    } = list.known;
    let usage = usage.map(|usage| {
        stripped += usage.stripped;
        usage.known.prompt_tokens
    });
    let input = usage.flatten();
    let items = data.unwrap_or_default();
    stripped += items.iter().map(|item| item.stripped).sum::<u64>();
    Ok(Embedded {
        vectors: in_order(items, embed).ok_or(ProtocolFault::UnexpectedVectors)?,
        usage: Usage {
            input: input.unwrap_or_else(|| embed.tokens_at_most()),
            output: 0,
            estimated: input.is_none(),
        },
        remarks: Remarks {
            stripped,
            model: model.map(|model| cut(&model, MODEL_BYTES_MAX).to_owned()),
            attempts: 1,
            ..Remarks::default()
        },
        vendor_request_id: None,
    })
}

/// One vector for each text; some servers leave the index to the place in the list.
fn in_order(items: Vec<Object<Item>>, embed: &Embed) -> Option<Vec<Vec<f32>>> {
    let mut vectors: Vec<Option<Vec<f32>>> = vec![None; embed.input.len()];
    let count = items.len();
    for (place, item) in items.into_iter().enumerate() {
        let at = item.known.index.unwrap_or(place);
        let slot = vectors.get_mut(at).filter(|slot| slot.is_none())?;
        *slot = Some(item.known.embedding?);
    }
    if count != vectors.len() {
        return None;
    }
    let vectors: Vec<Vec<f32>> = vectors.into_iter().collect::<Option<_>>()?;
    let length = embed.dimensions.map_or_else(
        || vectors.first().map_or(0, Vec::len),
        |asked| asked as usize,
    );
    let fits = |vector: &Vec<f32>| {
        vector.len() == length && vector.iter().all(|number| number.is_finite())
    };
    let fitting = (1..=DIMENSIONS_MAX).contains(&length) && vectors.iter().all(fits);
    fitting.then_some(vectors)
}

/// The answer, as far as it is wanted.
#[derive(Default)]
struct List {
    data: Option<Vec<Object<Item>>>,
    usage: Option<Object<Spent>>,
    model: Option<String>,
    object: Option<Value>,
    error: Option<Value>,
}

#[derive(Default)]
struct Item {
    index: Option<usize>,
    embedding: Option<Vec<f32>>,
}

#[derive(Default)]
struct Spent {
    prompt_tokens: Option<u64>,
}

impl List {
    fn is_error(&self) -> bool {
        self.error.is_some() || self.object.as_ref().and_then(Value::as_str) == Some("error")
    }
}

impl Fields for List {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<Known, A::Error> {
        match key {
            "data" => once(&mut self.data, map),
            "usage" => once(&mut self.usage, map),
            "model" => once(&mut self.model, map),
            "object" => once(&mut self.object, map),
            "error" => once(&mut self.error, map),
            "id" | "created" => skip(map),
            _ => Ok(Known::No),
        }
    }
}

impl Fields for Item {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<Known, A::Error> {
        match key {
            "index" => once(&mut self.index, map),
            "embedding" => once(&mut self.embedding, map),
            "object" => skip(map),
            _ => Ok(Known::No),
        }
    }
}

impl Fields for Spent {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<Known, A::Error> {
        match key {
            "prompt_tokens" => once(&mut self.prompt_tokens, map),
            "total_tokens" | "completion_tokens" => skip(map),
            _ => Ok(Known::No),
        }
    }
}

/// Several times what any model has.
const DIMENSIONS_MAX: usize = 65_536;
const MODEL_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests;
