//! The field contract of `POST /v1/chat/completions`. `CONTRACT` lists every field.

use backends::{Chat, Message, ReasoningEffort, ResponseFormat, Role, Tool, ToolCall, ToolChoice};

use super::contract::{Field, Kind};
use super::fields::Fields;
use super::{Dropped, Places, Prompt, Wanted, sampling, wanted};
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
    let messages = messages(&mut top)?;
    let tools = tools(&mut top)?;
    let tool_choice = tool_choice(&mut top, &tools)?;
    let parallel_tool_calls = top.boolean("parallel_tool_calls")?;
    let sampling = sampling::read(&mut top, limits)?;
    let response_format = response_format(&mut top)?;
    let reasoning_effort = top.choice("reasoning_effort", &REASONING_EFFORTS)?;
    let stream = top.boolean("stream")?.unwrap_or(false);
    let wanted = Wanted {
        usage: sampling::stream_options(&mut top)?,
        moderation: wanted::moderation(&mut top)?,
        ..Wanted::default()
    };
    modalities(&mut top)?;
    top.refused(&REFUSED)?;
    top.inert(&INERT);
    top.finish();
    let chat = Chat {
        model,
        messages,
        tools,
        tool_choice,
        parallel_tool_calls,
        sampling,
        response_format,
        reasoning_effort,
        stream,
    };
    Ok(Prompt {
        action: Dialect::Chat.action(),
        question: chat,
        places: Places::default(),
        wanted,
        dropped,
    })
}

fn messages(top: &mut Fields<'_>) -> Result<Vec<Message>, BadRequest> {
    let items = top
        .array("messages")?
        .ok_or_else(|| BadRequest::missing("messages"))?;
    if items.is_empty() || items.len() > MESSAGES_MAX {
        return Err(BadRequest::invalid(
            "messages",
            &format!("must hold 1 to {MESSAGES_MAX} messages"),
        ));
    }
    let read = |(at, item)| message(format!("messages[{at}]"), item, top.dropped());
    items.into_iter().enumerate().map(read).collect()
}

fn message(path: String, item: Json, dropped: &mut Dropped) -> Result<Message, BadRequest> {
    let mut m = Fields::of(path, item, dropped)?;
    let role = m
        .choice("role", &ROLES)?
        .ok_or_else(|| BadRequest::missing(&m.path("role")))?;
    let content = content(&mut m)?;
    let name = m.string("name")?;
    let refusal = m.string("refusal")?;
    let reasoning = match m.string("reasoning_content")? {
        Some(text) => Some(text),
        None => m.string("reasoning")?,
    };
    let tool_calls = tool_calls(&mut m)?;
    let tool_call_id = identifier(&mut m, "tool_call_id")?;
    m.refused(&[
        ("function_call", "use 'tool_calls'"),
        ("audio", "audio cannot be scanned"),
    ])?;
    let path = m.path("content");
    m.finish();
    let assistant = role == Role::Assistant;
    if content.is_empty() && !assistant {
        return Err(BadRequest::missing(&path));
    }
    if (role == Role::Tool) != tool_call_id.is_some() {
        return Err(BadRequest::invalid(
            &path,
            "a tool message, and only that, names its 'tool_call_id'",
        ));
    }
    if !assistant && (!tool_calls.is_empty() || refusal.is_some() || reasoning.is_some()) {
        return Err(BadRequest::invalid(
            &path,
            "only assistant messages hold tool calls, refusals and reasoning",
        ));
    }
    Ok(Message {
        role,
        content,
        name,
        tool_calls,
        tool_call_id,
        refusal,
        reasoning,
    })
}

/// The text of a message. Parts are put together here, line by line, and go upstream as one text: chat templates put
/// them together too, and a secret that is cut in two parts must be judged as the model would read it.
fn content(m: &mut Fields<'_>) -> Result<Vec<String>, BadRequest> {
    let path = m.path("content");
    let parts = match m.take("content") {
        None => return Ok(Vec::new()),
        Some(Json::String(text)) => return Ok(vec![text]),
        Some(Json::Array(parts)) if parts.len() <= PARTS_MAX => parts,
        Some(Json::Array(_)) => {
            let most = format!("must hold at most {PARTS_MAX} parts");
            return Err(BadRequest::invalid(&path, &most));
        }
        Some(other) => {
            let wanted = "a string or an array of parts";
            return Err(BadRequest::wrong_type(&path, wanted, other.kind()));
        }
    };
    let mut texts = Vec::new();
    for (at, part) in parts.into_iter().enumerate() {
        texts.push(text_part(format!("{path}[{at}]"), part, m.dropped())?);
    }
    Ok(if texts.is_empty() {
        texts
    } else {
        vec![texts.join("\n")]
    })
}

/// Only text can be scanned; images, audio and files are refused until a scanner for them exists.
fn text_part(path: String, part: Json, dropped: &mut Dropped) -> Result<String, BadRequest> {
    let mut part = Fields::of(path, part, dropped)?;
    let kind = part.required_string("type")?;
    let text = match kind.as_str() {
        "text" => part.required_string("text")?,
        "refusal" => part.required_string("refusal")?,
        _ => {
            let message =
                "Only text parts are supported: other content cannot be scanned.".to_owned();
            return Err(BadRequest {
                code: "unsupported_content",
                param: Some(part.path("type")),
                message,
            });
        }
    };
    part.inert(&["cache_control", "annotations"]);
    part.finish();
    Ok(text)
}

fn tool_calls(m: &mut Fields<'_>) -> Result<Vec<ToolCall>, BadRequest> {
    let path = m.path("tool_calls");
    let items = m.array("tool_calls")?.unwrap_or_default();
    if items.len() > TOOLS_MAX {
        return Err(BadRequest::invalid(
            &path,
            &format!("must hold at most {TOOLS_MAX} calls"),
        ));
    }
    let read = |(at, item)| {
        let mut call = Fields::of(format!("{path}[{at}]"), item, m.dropped())?;
        call.choice("type", &[("function", ())])?;
        let id =
            identifier(&mut call, "id")?.ok_or_else(|| BadRequest::missing(&call.path("id")))?;
        let path = call.path("function");
        let function = call
            .take("function")
            .ok_or_else(|| BadRequest::missing(&path))?;
        let mut function = Fields::of(path, function, call.dropped())?;
        let name = function.required_string("name")?;
        let arguments = function.string("arguments")?.unwrap_or_default();
        function.finish();
        call.inert(&["index"]);
        call.finish();
        Ok(ToolCall {
            id,
            name,
            arguments,
        })
    };
    items.into_iter().enumerate().map(read).collect()
}

fn tools(top: &mut Fields<'_>) -> Result<Vec<Tool>, BadRequest> {
    let items = top.array("tools")?.unwrap_or_default();
    if items.len() > TOOLS_MAX {
        return Err(BadRequest::invalid(
            "tools",
            &format!("must hold at most {TOOLS_MAX} tools"),
        ));
    }
    let read = |(at, item)| {
        let mut tool = Fields::of(format!("tools[{at}]"), item, top.dropped())?;
        let path = tool.path("type");
        tool.choice("type", &[("function", ())])?
            .ok_or_else(|| BadRequest::missing(&path))?;
        let path = tool.path("function");
        let function = tool
            .take("function")
            .ok_or_else(|| BadRequest::missing(&path))?;
        let mut function = Fields::of(path, function, tool.dropped())?;
        let name = function.required_string("name")?;
        let description = function.string("description")?;
        let parameters = schema(&mut function, "parameters")?;
        let strict = function.boolean("strict")?;
        function.finish();
        tool.inert(&["cache_control"]);
        tool.finish();
        Ok(Tool {
            name,
            description,
            parameters,
            strict,
        })
    };
    items.into_iter().enumerate().map(read).collect()
}

/// A function named here must be one of `tools`, where its name is scanned.
fn tool_choice(top: &mut Fields<'_>, tools: &[Tool]) -> Result<Option<ToolChoice>, BadRequest> {
    match top.take("tool_choice") {
        None => Ok(None),
        Some(Json::String(word)) => match word.as_str() {
            "none" => Ok(Some(ToolChoice::None)),
            "auto" => Ok(Some(ToolChoice::Auto)),
            "required" => Ok(Some(ToolChoice::Required)),
            _ => Err(BadRequest::invalid(
                "tool_choice",
                "must be 'none', 'auto', 'required' or a function",
            )),
        },
        Some(value) => {
            let mut choice = Fields::of("tool_choice".to_owned(), value, top.dropped())?;
            choice.choice("type", &[("function", ())])?;
            let function = choice
                .take("function")
                .ok_or_else(|| BadRequest::missing("tool_choice.function"))?;
            let mut function = Fields::of(
                "tool_choice.function".to_owned(),
                function,
                choice.dropped(),
            )?;
            let name = function.required_string("name")?;
            function.finish();
            choice.finish();
            if !tools.iter().any(|tool| tool.name == name) {
                return Err(BadRequest::invalid(
                    "tool_choice.function.name",
                    "must be the name of one of 'tools'",
                ));
            }
            Ok(Some(ToolChoice::Function(name)))
        }
    }
}

fn response_format(top: &mut Fields<'_>) -> Result<Option<ResponseFormat>, BadRequest> {
    let Some(value) = top.take("response_format") else {
        return Ok(None);
    };
    let mut format = Fields::of("response_format".to_owned(), value, top.dropped())?;
    let kinds = [("text", 0), ("json_object", 1), ("json_schema", 2)];
    let kind = format
        .choice("type", &kinds)?
        .ok_or_else(|| BadRequest::missing("response_format.type"))?;
    let read = match kind {
        0 => ResponseFormat::Text,
        1 => ResponseFormat::JsonObject,
        _ => {
            let path = "response_format.json_schema";
            let value = format
                .take("json_schema")
                .ok_or_else(|| BadRequest::missing(path))?;
            let mut inner = Fields::of(path.to_owned(), value, format.dropped())?;
            let name = inner.required_string("name")?;
            let description = inner.string("description")?;
            let schema = schema(&mut inner, "schema")?;
            let strict = inner.boolean("strict")?;
            inner.finish();
            ResponseFormat::JsonSchema {
                name,
                description,
                schema,
                strict,
            }
        }
    };
    format.finish();
    Ok(Some(read))
}

fn modalities(top: &mut Fields<'_>) -> Result<(), BadRequest> {
    let asked = top.array("modalities")?.unwrap_or_default();
    if asked.iter().all(|m| *m == Json::String("text".to_owned())) {
        return Ok(());
    }
    let message = "Only text is supported: other content cannot be scanned.".to_owned();
    Err(BadRequest {
        code: "unsupported_content",
        param: Some("modalities".to_owned()),
        message,
    })
}

/// A JSON Schema is forwarded whole, so it is guarded whole.
pub(super) fn schema(
    fields: &mut Fields<'_>,
    key: &str,
) -> Result<Option<serde_json::Value>, BadRequest> {
    match fields.take(key) {
        None => Ok(None),
        Some(value @ Json::Object(_)) => Ok(Some(value.into_value())),
        Some(other) => Err(fields.wrong_type(key, "a JSON Schema (an object)", &other)),
    }
}

/// Ids are made by machines. Holding them to a machine's alphabet keeps text from travelling in them.
pub(super) fn identifier(fields: &mut Fields<'_>, key: &str) -> Result<Option<String>, BadRequest> {
    let Some(id) = fields.string(key)? else {
        return Ok(None);
    };
    let machine = |b: u8| b.is_ascii_alphanumeric() || b"_-.:".contains(&b);
    if (1..=IDENTIFIER_BYTES_MAX).contains(&id.len()) && id.bytes().all(machine) {
        return Ok(Some(id));
    }
    Err(BadRequest::invalid(
        &fields.path(key),
        &format!("must be 1 to {IDENTIFIER_BYTES_MAX} of A-Z a-z 0-9 _ - . :"),
    ))
}

pub(super) const MESSAGES_MAX: usize = 4096;
pub(super) const PARTS_MAX: usize = 256;
pub(super) const TOOLS_MAX: usize = 128;
const IDENTIFIER_BYTES_MAX: usize = 64;

pub(super) const ROLES: [(&str, Role); 5] = [
    ("system", Role::System),
    ("developer", Role::Developer),
    ("user", Role::User),
    ("assistant", Role::Assistant),
    ("tool", Role::Tool),
];

pub(super) const REASONING_EFFORTS: [(&str, ReasoningEffort); 6] = [
    ("none", ReasoningEffort::None),
    ("minimal", ReasoningEffort::Minimal),
    ("low", ReasoningEffort::Low),
    ("medium", ReasoningEffort::Medium),
    ("high", ReasoningEffort::High),
    ("xhigh", ReasoningEffort::ExtraHigh),
];

const INERT: [&str; 8] = [
    "user",
    "metadata",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "verbosity",
    "store",
];

const REFUSED: [(&str, &str); 9] = [
    ("store", "this gateway keeps no conversations"),
    ("logprobs", "log probabilities are not scanned"),
    ("top_logprobs", "log probabilities are not scanned"),
    ("logit_bias", "it can spell out text that is not scanned"),
    ("audio", "audio cannot be scanned"),
    ("prediction", "predicted content is not scanned"),
    (
        "web_search_options",
        "the model may not search the web from here",
    ),
    ("functions", "use 'tools'"),
    ("function_call", "use 'tool_choice'"),
];

/// What becomes of each field.
pub(super) const CONTRACT: &[Field] = &[
    ("messages[].content", Kind::Guarded),
    ("messages[].content[].text", Kind::Guarded),
    ("messages[].content[].refusal", Kind::Guarded),
    ("messages[].name", Kind::Guarded),
    ("messages[].refusal", Kind::Guarded),
    ("messages[].reasoning_content", Kind::Guarded),
    ("messages[].reasoning", Kind::Guarded),
    ("messages[].tool_calls[].function.name", Kind::Guarded),
    ("messages[].tool_calls[].function.arguments", Kind::Guarded),
    ("tools[].function.name", Kind::Guarded),
    ("tools[].function.description", Kind::Guarded),
    ("tools[].function.parameters", Kind::Guarded),
    ("tool_choice.function.name", Kind::Guarded),
    ("response_format.json_schema.name", Kind::Guarded),
    ("response_format.json_schema.description", Kind::Guarded),
    ("response_format.json_schema.schema", Kind::Guarded),
    ("stop", Kind::Guarded),
    ("model", Kind::Constrained),
    ("messages[].role", Kind::Constrained),
    ("messages[].content[].type", Kind::Constrained),
    ("messages[].tool_call_id", Kind::Constrained),
    ("messages[].tool_calls[].id", Kind::Constrained),
    ("messages[].tool_calls[].type", Kind::Constrained),
    ("tools[].type", Kind::Constrained),
    ("tools[].function.strict", Kind::Constrained),
    ("tool_choice.type", Kind::Constrained),
    ("parallel_tool_calls", Kind::Constrained),
    ("response_format.type", Kind::Constrained),
    ("response_format.json_schema.strict", Kind::Constrained),
    ("reasoning_effort", Kind::Constrained),
    ("modalities", Kind::Constrained),
    ("stream", Kind::Constrained),
    ("stream_options.include_usage", Kind::Constrained),
    ("moderation.policy.input.mode", Kind::Constrained),
    ("moderation.policy.output.mode", Kind::Constrained),
    ("n", Kind::Constrained),
    ("seed", Kind::Constrained),
    ("temperature", Kind::Constrained),
    ("top_p", Kind::Constrained),
    ("frequency_penalty", Kind::Constrained),
    ("presence_penalty", Kind::Constrained),
    ("max_tokens", Kind::Constrained),
    ("max_completion_tokens", Kind::Constrained),
    ("messages", Kind::Parts),
    ("messages[].tool_calls", Kind::Parts),
    ("messages[].tool_calls[].function", Kind::Parts),
    ("tools", Kind::Parts),
    ("tools[].function", Kind::Parts),
    ("tool_choice", Kind::Parts),
    ("tool_choice.function", Kind::Parts),
    ("response_format", Kind::Parts),
    ("response_format.json_schema", Kind::Parts),
    ("stream_options", Kind::Parts),
    ("moderation", Kind::Parts),
    ("moderation.policy", Kind::Parts),
    ("moderation.policy.input", Kind::Parts),
    ("moderation.policy.output", Kind::Parts),
    ("messages[].content[].cache_control", Kind::Inert),
    ("messages[].content[].annotations", Kind::Inert),
    ("messages[].tool_calls[].index", Kind::Inert),
    ("tools[].cache_control", Kind::Inert),
    ("stream_options.include_obfuscation", Kind::Inert),
    ("moderation.model", Kind::Inert),
    ("user", Kind::Inert),
    ("metadata", Kind::Inert),
    ("service_tier", Kind::Inert),
    ("safety_identifier", Kind::Inert),
    ("prompt_cache_key", Kind::Inert),
    ("prompt_cache_retention", Kind::Inert),
    ("verbosity", Kind::Inert),
    ("messages[].function_call", Kind::Refused),
    ("messages[].audio", Kind::Refused),
    ("store", Kind::Refused),
    ("logprobs", Kind::Refused),
    ("top_logprobs", Kind::Refused),
    ("logit_bias", Kind::Refused),
    ("audio", Kind::Refused),
    ("prediction", Kind::Refused),
    ("web_search_options", Kind::Refused),
    ("functions", Kind::Refused),
    ("function_call", Kind::Refused),
];
