//! The JSON of an answer, as far as it is wanted.
//!
//! Fields that OpenAI's API defines and that nobody downstream needs are skipped without a word;
//! fields that this crate does not know are skipped and counted. Log probabilities are among the
//! latter: they were not asked for, and they are text.

use serde::de::MapAccess;
use serde_json::Value;

use crate::openai::json::{Fields, Known, Object, once, skip};

/// An object as it was read, with the number of unknown fields in it.
pub(super) type Read<T> = Object<T>;

/// A chunk of a stream, or a whole document.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) choices: Option<Vec<Read<Choice>>>,
    pub(super) usage: Option<Read<Usage>>,
    pub(super) model: Option<String>,
    object: Option<Value>,
    error: Option<Value>,
}

/// One choice: `delta` in streams, `message` in documents.
#[derive(Debug, Default)]
pub(super) struct Choice {
    pub(super) index: Option<u32>,
    pub(super) delta: Option<Read<Text>>,
    pub(super) message: Option<Read<Text>>,
    pub(super) finish_reason: Option<String>,
}

/// What a choice says.
#[derive(Debug, Default)]
pub(super) struct Text {
    pub(super) content: Option<String>,
    pub(super) reasoning_content: Option<String>,
    pub(super) reasoning: Option<String>,
    pub(super) refusal: Option<String>,
    pub(super) tool_calls: Option<Vec<Read<Call>>>,
}

/// A tool call, or a piece of one.
#[derive(Debug, Default)]
pub(super) struct Call {
    pub(super) index: Option<u32>,
    pub(super) id: Option<String>,
    pub(super) function: Option<Read<Function>>,
}

/// The function in a tool call.
#[derive(Debug, Default)]
pub(super) struct Function {
    pub(super) name: Option<String>,
    pub(super) arguments: Option<String>,
}

/// Token counts.
#[derive(Debug, Default)]
pub(super) struct Usage {
    pub(super) prompt_tokens: Option<u64>,
    pub(super) completion_tokens: Option<u64>,
}

impl Chunk {
    /// Whether this is an error in an answer's place: `{"error": …}`, or vLLM's older
    /// `{"object": "error", …}`.
    pub(super) fn is_error(&self) -> bool {
        let object = self.object.as_ref().and_then(Value::as_str);
        self.error.is_some() || object == Some("error")
    }
}

impl Fields for Chunk {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<Known, A::Error> {
        match key {
            "choices" => once(&mut self.choices, map),
            "usage" => once(&mut self.usage, map),
            "model" => once(&mut self.model, map),
            "object" => once(&mut self.object, map),
            "error" => once(&mut self.error, map),
            "id" | "created" | "system_fingerprint" | "service_tier" => skip(map),
            _ => Ok(Known::No),
        }
    }
}

impl Fields for Choice {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<Known, A::Error> {
        match key {
            "index" => once(&mut self.index, map),
            "delta" => once(&mut self.delta, map),
            "message" => once(&mut self.message, map),
            "finish_reason" => once(&mut self.finish_reason, map),
            _ => Ok(Known::No),
        }
    }
}

impl Fields for Text {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<Known, A::Error> {
        match key {
            "content" => once(&mut self.content, map),
            "reasoning_content" => once(&mut self.reasoning_content, map),
            "reasoning" => once(&mut self.reasoning, map),
            "refusal" => once(&mut self.refusal, map),
            "tool_calls" => once(&mut self.tool_calls, map),
            "role" => skip(map),
            _ => Ok(Known::No),
        }
    }
}

impl Fields for Call {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<Known, A::Error> {
        match key {
            "index" => once(&mut self.index, map),
            "id" => once(&mut self.id, map),
            "function" => once(&mut self.function, map),
            "type" => skip(map),
            _ => Ok(Known::No),
        }
    }
}

impl Fields for Function {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<Known, A::Error> {
        match key {
            "name" => once(&mut self.name, map),
            "arguments" => once(&mut self.arguments, map),
            _ => Ok(Known::No),
        }
    }
}

impl Fields for Usage {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<Known, A::Error> {
        match key {
            "prompt_tokens" => once(&mut self.prompt_tokens, map),
            "completion_tokens" => once(&mut self.completion_tokens, map),
            "total_tokens" | "prompt_tokens_details" | "completion_tokens_details" => skip(map),
            _ => Ok(Known::No),
        }
    }
}
