//! What is asked of a model: the one request type that every dialect is read into and every adapter
//! writes from.
//!
//! The type is closed on purpose. There is no map of further fields, so nothing that the gateway did
//! not read, and therefore did not scan, can reach a server through it. Log probabilities are absent
//! for the same reason: they are text that no window covers.

use serde_json::Value;

/// One chat completion, ready to be asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Chat {
    /// The model's name *at the server*, which may differ from what the caller typed.
    pub model: String,
    /// The conversation, oldest first.
    pub messages: Vec<Message>,
    /// Functions that the model may call.
    pub tools: Vec<Tool>,
    /// Whether it may, must or must not call one; `None` leaves it to the server.
    pub tool_choice: Option<ToolChoice>,
    /// Whether several calls may come in one answer; `None` leaves it to the server.
    pub parallel_tool_calls: Option<bool>,
    /// How to pick tokens, and when to stop.
    pub sampling: Sampling,
    /// The shape that the answer must have.
    pub response_format: Option<ResponseFormat>,
    /// How long to think first, on models that do.
    pub reasoning_effort: Option<ReasoningEffort>,
    /// Whether to ask the server for a stream. Both kinds of answer arrive as the same events, but
    /// only a stream has a first byte long before its last: see [`Clocks`](crate::Clocks).
    pub stream: bool,
}

/// One turn of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// The text parts, in order. Empty means "no content", which only an assistant may have.
    pub content: Vec<String>,
    /// The speaker's name, where a role has several speakers.
    pub name: Option<String>,
    /// Calls that the assistant made in this turn.
    pub tool_calls: Vec<ToolCall>,
    /// Which call this is the result of; tool messages only.
    pub tool_call_id: Option<String>,
    /// The assistant's own refusal, in its words.
    pub refusal: Option<String>,
    /// The assistant's thinking, as an earlier answer showed it.
    pub reasoning: Option<String>,
}

/// Who speaks in a [`Message`].
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// The operator of the conversation.
    System,
    /// The same by its newer name. Llama chat templates have no such role, so adapters send `system`.
    Developer,
    /// The person or program that asks.
    User,
    /// The model.
    Assistant,
    /// A tool's result.
    Tool,
}

/// A function call that a model made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// Ties the call to its result.
    pub id: String,
    /// The function's name.
    pub name: String,
    /// The arguments as the model wrote them: usually, but not surely, a JSON object.
    pub arguments: String,
}

/// A function that a model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct Tool {
    /// The function's name.
    pub name: String,
    /// What it does, for the model to read.
    pub description: Option<String>,
    /// JSON Schema of its arguments.
    pub parameters: Option<Value>,
    /// Whether the server must hold the arguments to the schema.
    pub strict: Option<bool>,
}

/// Which functions a model may call in this answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolChoice {
    /// None of them.
    None,
    /// The model chooses.
    Auto,
    /// At least one.
    Required,
    /// Exactly this one.
    Function(String),
}

/// How tokens are picked, and when to stop. `None` leaves a value to the server.
#[derive(Clone, Debug, PartialEq)]
pub struct Sampling {
    /// `0.0..=2.0`; finite.
    pub temperature: Option<f64>,
    /// `0.0..=1.0`; finite.
    pub top_p: Option<f64>,
    /// `-2.0..=2.0`; finite.
    pub frequency_penalty: Option<f64>,
    /// `-2.0..=2.0`; finite.
    pub presence_penalty: Option<f64>,
    /// Most tokens that each choice may have.
    pub max_tokens: Option<u32>,
    /// Asks for the same answer to the same question; servers try.
    pub seed: Option<i64>,
    /// How many choices to generate, at least 1.
    pub n: u32,
    /// Texts at which to stop.
    pub stop: Vec<String>,
}

/// The shape that an answer must have.
#[derive(Clone, Debug, PartialEq)]
pub enum ResponseFormat {
    /// Any text.
    Text,
    /// Any JSON object.
    JsonObject,
    /// JSON that fits a schema.
    JsonSchema {
        /// The schema's name.
        name: String,
        /// What it is for, for the model to read.
        description: Option<String>,
        /// The JSON Schema itself.
        schema: Option<Value>,
        /// Whether the server must hold the answer to it.
        strict: Option<bool>,
    },
}

/// How long a reasoning model should think first.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum ReasoningEffort {
    /// Not at all.
    None,
    /// As little as it can.
    Minimal,
    /// Little.
    Low,
    /// The usual amount.
    Medium,
    /// Much.
    High,
    /// As much as it can.
    ExtraHigh,
}

impl Chat {
    /// A plain question to `model`, everything else at its default.
    pub fn new(model: impl Into<String>, messages: Vec<Message>) -> Chat {
        Chat {
            model: model.into(),
            messages,
            tools: Vec::new(),
            tool_choice: None,
            parallel_tool_calls: None,
            sampling: Sampling::default(),
            response_format: None,
            reasoning_effort: None,
            stream: false,
        }
    }
}

impl Message {
    /// A message with nothing but text.
    pub fn text(role: Role, text: impl Into<String>) -> Message {
        Message {
            role,
            content: vec![text.into()],
            name: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            refusal: None,
            reasoning: None,
        }
    }
}

impl Default for Sampling {
    /// Everything left to the server, one choice.
    fn default() -> Sampling {
        Sampling {
            temperature: None,
            top_p: None,
            frequency_penalty: None,
            presence_penalty: None,
            max_tokens: None,
            seed: None,
            n: 1,
            stop: Vec::new(),
        }
    }
}
