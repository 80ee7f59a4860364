//! Where a request can carry text. `§` stands where the text goes.
//!
//! Sources: OpenAI's and Anthropic's API references, and the fields that servers and gateways add to them.

mod chat;
mod completions;
mod embeddings;
mod messages;
mod moderations;
mod responses;

use serde_json::Value;

use crate::endpoint::Endpoint;

/// One place: its name, and a request's fields with the text there.
pub(crate) type Place = (&'static str, Value);

/// What kind of place, and so which case tries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Earlier messages, instructions, and every part of a message.
    History,
    /// What tools and documents said.
    ToolResults,
    /// Calls of tools that the model made earlier: names and arguments.
    CallsInHistory,
    /// What the model thought, and what it refused with.
    ReasoningInHistory,
    /// What tools are there: names, descriptions, schemas.
    ToolDefinitions,
    /// How the answer is to look.
    OutputFormats,
    /// Names and notes of the caller.
    CallerStrings,
    /// Fields in no contract.
    Unlisted,
    /// Parts that hold no text for anybody to read, or only tokens.
    Unreadable,
    /// Images, sound and files.
    Media,
}

/// Every place of this kind at this endpoint.
pub(crate) fn places(endpoint: Endpoint, kind: Kind) -> Vec<Place> {
    match endpoint {
        Endpoint::Chat => chat::places(kind),
        Endpoint::Completions => completions::places(kind),
        Endpoint::Messages | Endpoint::CountTokens => messages::places(kind),
        Endpoint::Responses => responses::places(kind),
        Endpoint::Embeddings => embeddings::places(kind),
        Endpoint::Moderations => moderations::places(kind),
    }
}

/// An object with one field more, or another value there.
fn with_field(mut object: Value, field: &str, value: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(field.to_owned(), value);
    }
    object
}
