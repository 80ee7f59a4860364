//! A [`Chat`] as the JSON that OpenAI-compatible servers read, written without a tree in between.
//!
//! Only what the chat says is written, and log probabilities are never asked for. Two words are
//! chosen for what Llama servers understand: `system` for the developer's role, which their chat
//! templates do not know, and `max_tokens`, which all of them know.

use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::chat::{
    Chat, Message, ReasoningEffort, ResponseFormat, Role, Sampling, Tool, ToolCall, ToolChoice,
};

/// The request body.
pub(super) fn body(chat: &Chat) -> Bytes {
    // Strings, numbers and maps of strings: nothing that JSON could not hold.
    Bytes::from(serde_json::to_vec(&Body::of(chat)).unwrap_or_default())
}

#[derive(Serialize)]
struct Body<'c> {
    model: &'c str,
    #[serde(serialize_with = "each_message")]
    messages: &'c [Message],
    #[serde(
        skip_serializing_if = "<[Tool]>::is_empty",
        serialize_with = "each_tool"
    )]
    tools: &'c [Tool],
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Choice<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u32>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop: &'c [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Format<'c>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl Body<'_> {
    fn of(chat: &Chat) -> Body<'_> {
        let Sampling {
            temperature,
            top_p,
            frequency_penalty,
            presence_penalty,
            max_tokens,
            seed,
            n,
            stop,
        } = &chat.sampling;
        Body {
            model: &chat.model,
            messages: &chat.messages,
            tools: &chat.tools,
            tool_choice: chat.tool_choice.as_ref().map(Choice::of),
            parallel_tool_calls: chat.parallel_tool_calls,
            temperature: *temperature,
            top_p: *top_p,
            frequency_penalty: *frequency_penalty,
            presence_penalty: *presence_penalty,
            max_tokens: *max_tokens,
            seed: *seed,
            n: (*n > 1).then_some(*n),
            stop,
            response_format: chat.response_format.as_ref().map(Format::of),
            reasoning_effort: chat.reasoning_effort.map(effort),
            stream: chat.stream,
            stream_options: chat.stream.then_some(StreamOptions {
                include_usage: true,
            }),
        }
    }
}

fn each_message<S: Serializer>(messages: &[Message], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(messages.iter().map(Turn::of))
}

#[derive(Serialize)]
struct Turn<'c> {
    role: &'static str,
    content: Content<'c>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'c str>,
    #[serde(
        skip_serializing_if = "<[ToolCall]>::is_empty",
        serialize_with = "each_call"
    )]
    tool_calls: &'c [ToolCall],
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: Option<&'c str>,
}

impl Turn<'_> {
    fn of(message: &Message) -> Turn<'_> {
        Turn {
            role: role(message.role),
            content: Content::of(&message.content),
            name: message.name.as_deref(),
            reasoning_content: message.reasoning.as_deref(),
            refusal: message.refusal.as_deref(),
            tool_calls: &message.tool_calls,
            tool_call_id: message.tool_call_id.as_deref(),
        }
    }
}

/// One part is sent as a plain string, which every server takes; joining several would change them.
#[derive(Serialize)]
#[serde(untagged)]
enum Content<'c> {
    None,
    Text(&'c str),
    Parts(Vec<Part<'c>>),
}

#[derive(Serialize)]
struct Part<'c> {
    r#type: &'static str,
    text: &'c str,
}

impl Content<'_> {
    fn of(parts: &[String]) -> Content<'_> {
        let part = |text| Part {
            r#type: "text",
            text,
        };
        match parts {
            [] => Content::None,
            [text] => Content::Text(text),
            parts => Content::Parts(parts.iter().map(String::as_str).map(part).collect()),
        }
    }
}

fn role(role: Role) -> &'static str {
    match role {
        Role::System | Role::Developer => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    }
}

/// `{"type": "function", "function": …}`: a tool, a call of one, a choice of one.
#[derive(Serialize)]
struct Typed<'c, F> {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'c str>,
    r#type: &'static str,
    function: F,
}

impl<'c, F> Typed<'c, F> {
    fn new(id: Option<&'c str>, function: F) -> Typed<'c, F> {
        Typed {
            id,
            r#type: "function",
            function,
        }
    }
}

fn each_call<S: Serializer>(calls: &[ToolCall], to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Called<'c> {
        name: &'c str,
        arguments: &'c str,
    }
    to.collect_seq(calls.iter().map(|call| {
        let ToolCall {
            id,
            name,
            arguments,
        } = call;
        Typed::new(Some(id), Called { name, arguments })
    }))
}

fn each_tool<S: Serializer>(tools: &[Tool], to: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Described<'c> {
        name: &'c str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'c str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        parameters: Option<&'c Value>,
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool>,
    }
    to.collect_seq(tools.iter().map(|tool| {
        let described = Described {
            name: &tool.name,
            description: tool.description.as_deref(),
            parameters: tool.parameters.as_ref(),
            strict: tool.strict,
        };
        Typed::new(None, described)
    }))
}

#[derive(Serialize)]
#[serde(untagged)]
enum Choice<'c> {
    Word(&'static str),
    Function(Typed<'c, Named<'c>>),
}

#[derive(Serialize)]
struct Named<'c> {
    name: &'c str,
}

impl Choice<'_> {
    fn of(choice: &ToolChoice) -> Choice<'_> {
        match choice {
            ToolChoice::None => Choice::Word("none"),
            ToolChoice::Auto => Choice::Word("auto"),
            ToolChoice::Required => Choice::Word("required"),
            ToolChoice::Function(name) => Choice::Function(Typed::new(None, Named { name })),
        }
    }
}

#[derive(Serialize)]
struct Format<'c> {
    r#type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    json_schema: Option<Schema<'c>>,
}

#[derive(Serialize)]
struct Schema<'c> {
    name: &'c str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'c str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<&'c Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    strict: Option<bool>,
}

impl Format<'_> {
    fn of(format: &ResponseFormat) -> Format<'_> {
        let (r#type, json_schema) = match format {
            ResponseFormat::Text => ("text", None),
            ResponseFormat::JsonObject => ("json_object", None),
            ResponseFormat::JsonSchema {
                name,
                description,
                schema,
                strict,
            } => {
                let schema = Schema {
                    name,
                    description: description.as_deref(),
                    schema: schema.as_ref(),
                    strict: *strict,
                };
                ("json_schema", Some(schema))
            }
        };
        Format {
            r#type,
            json_schema,
        }
    }
}

fn effort(effort: ReasoningEffort) -> &'static str {
    match effort {
        ReasoningEffort::None => "none",
        ReasoningEffort::Minimal => "minimal",
        ReasoningEffort::Low => "low",
        ReasoningEffort::Medium => "medium",
        ReasoningEffort::High => "high",
        ReasoningEffort::ExtraHigh => "xhigh",
    }
}

#[cfg(test)]
mod tests;
