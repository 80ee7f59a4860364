//! A [`Chat`] as the JSON that OpenAI-compatible servers read.
//!
//! Only what the chat says is written, and log probabilities are never asked for. Two words are
//! chosen for what Llama servers understand: `system` for the developer's role, which their chat
//! templates do not know, and `max_tokens`, which all of them know.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::chat::{
    Chat, Message, ReasoningEffort, ResponseFormat, Role, Sampling, Tool, ToolCall, ToolChoice,
};

/// The request body.
pub(super) fn body(chat: &Chat) -> Bytes {
    Bytes::from(Value::Object(object(chat)).to_string())
}

fn object(chat: &Chat) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".to_owned(), json!(chat.model));
    body.insert(
        "messages".to_owned(),
        chat.messages.iter().map(message).collect(),
    );
    if !chat.tools.is_empty() {
        body.insert("tools".to_owned(), chat.tools.iter().map(tool).collect());
    }
    put(
        &mut body,
        "tool_choice",
        chat.tool_choice.as_ref().map(tool_choice),
    );
    put(&mut body, "parallel_tool_calls", chat.parallel_tool_calls);
    sampling(&mut body, &chat.sampling);
    put(
        &mut body,
        "response_format",
        chat.response_format.as_ref().map(response_format),
    );
    put(
        &mut body,
        "reasoning_effort",
        chat.reasoning_effort.map(effort),
    );
    body.insert("stream".to_owned(), json!(chat.stream));
    if chat.stream {
        body.insert("stream_options".to_owned(), json!({"include_usage": true}));
    }
    body
}

fn message(message: &Message) -> Value {
    let mut object = Map::new();
    object.insert("role".to_owned(), json!(role(message.role)));
    object.insert("content".to_owned(), content(&message.content));
    put(&mut object, "name", message.name.as_deref());
    put(
        &mut object,
        "reasoning_content",
        message.reasoning.as_deref(),
    );
    put(&mut object, "refusal", message.refusal.as_deref());
    if !message.tool_calls.is_empty() {
        let calls = message.tool_calls.iter().map(tool_call).collect();
        object.insert("tool_calls".to_owned(), calls);
    }
    put(&mut object, "tool_call_id", message.tool_call_id.as_deref());
    Value::Object(object)
}

/// One part is sent as a plain string, which every server takes; joining several would change them.
fn content(parts: &[String]) -> Value {
    match parts {
        [] => Value::Null,
        [text] => json!(text),
        parts => parts
            .iter()
            .map(|text| json!({"type": "text", "text": text}))
            .collect(),
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

fn tool_call(call: &ToolCall) -> Value {
    json!({
        "id": call.id,
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    })
}

fn tool(tool: &Tool) -> Value {
    let mut function = Map::new();
    function.insert("name".to_owned(), json!(tool.name));
    put(&mut function, "description", tool.description.as_deref());
    put(&mut function, "parameters", tool.parameters.as_ref());
    put(&mut function, "strict", tool.strict);
    json!({"type": "function", "function": function})
}

fn tool_choice(choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::None => json!("none"),
        ToolChoice::Auto => json!("auto"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Function(name) => json!({"type": "function", "function": {"name": name}}),
    }
}

fn sampling(body: &mut Map<String, Value>, sampling: &Sampling) {
    put(body, "temperature", sampling.temperature);
    put(body, "top_p", sampling.top_p);
    put(body, "frequency_penalty", sampling.frequency_penalty);
    put(body, "presence_penalty", sampling.presence_penalty);
    put(body, "max_tokens", sampling.max_tokens);
    put(body, "seed", sampling.seed);
    put(body, "n", (sampling.n > 1).then_some(sampling.n));
    put(
        body,
        "stop",
        (!sampling.stop.is_empty()).then_some(sampling.stop.as_slice()),
    );
}

fn response_format(format: &ResponseFormat) -> Value {
    match format {
        ResponseFormat::Text => json!({"type": "text"}),
        ResponseFormat::JsonObject => json!({"type": "json_object"}),
        ResponseFormat::JsonSchema {
            name,
            description,
            schema,
            strict,
        } => {
            let mut inner = Map::new();
            inner.insert("name".to_owned(), json!(name));
            put(&mut inner, "description", description.as_deref());
            put(&mut inner, "schema", schema.as_ref());
            put(&mut inner, "strict", *strict);
            json!({"type": "json_schema", "json_schema": inner})
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

/// Writes a value that is there; an absent one is left to the server.
fn put(object: &mut Map<String, Value>, key: &str, value: Option<impl serde::Serialize>) {
    if let Some(value) = value {
        object.insert(key.to_owned(), json!(value));
    }
}

#[cfg(test)]
mod tests;
