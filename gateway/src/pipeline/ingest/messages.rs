//! The field contract of `POST /v1/messages` (Anthropic API reference, *Create a Message*).
//!
//! A tool result becomes a message of its own, as the other dialects have it; several texts of one message are put together,
//! line by line, as the model would read them.

use backends::{
    Chat, Message, ReasoningEffort, ResponseFormat, Role, Sampling, Tool, ToolCall, ToolChoice,
};

use super::assembled::Assembled;
use super::chat::{MESSAGES_MAX, PARTS_MAX, TOOLS_MAX, identifier, schema};
use super::contract::{Field, Kind};
use super::fields::Fields;
use super::sampling::{STOPS_MAX, strings};
use super::{Dropped, Places, Prompt, Wanted};
use crate::Limits;
use crate::dialect::Dialect;
use crate::json::Json;
use crate::refusal::BadRequest;

/// Reads the fields of a request.
pub(super) fn read(fields: Vec<(String, Json)>, _: &Limits) -> Result<Prompt<Chat>, BadRequest> {
    let prompt = body(fields)?;
    match prompt.question.sampling.max_tokens {
        Some(_) => Ok(prompt),
        None => Err(BadRequest::missing("max_tokens")),
    }
}

/// The same for `POST /v1/messages/count_tokens`: nothing is answered, so nothing bounds or streams the answer.
pub(super) fn read_to_count(
    fields: Vec<(String, Json)>,
    _: &Limits,
) -> Result<Prompt<Chat>, BadRequest> {
    let mut prompt = body(fields)?;
    prompt.question.stream = false;
    Ok(prompt)
}

fn body(fields: Vec<(String, Json)>) -> Result<Prompt<Chat>, BadRequest> {
    let mut dropped = Dropped::default();
    let mut places = Places::default();
    let mut top = Fields::new(String::new(), fields, &mut dropped);
    let model = top.required_string("model")?;
    let mut reader = Reader {
        messages: Vec::new(),
        places: &mut places,
    };
    reader.system(&mut top)?;
    reader.messages(&mut top)?;
    let messages = reader.messages;
    if messages.iter().all(|message| message.role == Role::System) {
        return Err(BadRequest::invalid("messages", "must hold something"));
    }
    let tools = tools(&mut top, &mut places)?;
    let (tool_choice, parallel_tool_calls) = tool_choice(&mut top, &tools, &mut places)?;
    let sampling = sampling(&mut top, &mut places)?;
    let (response_format, reasoning_effort) = output(&mut top, &mut places)?;
    let stream = top.boolean("stream")?.unwrap_or(false);
    top.refused(&REFUSED)?;
    top.inert(&INERT);
    top.finish();
    Ok(Prompt {
        action: Dialect::Messages.action(),
        question: Chat {
            model,
            messages,
            tools,
            tool_choice,
            parallel_tool_calls,
            sampling,
            response_format,
            reasoning_effort,
            stream,
        },
        places,
        // Its streams always end with it.
        wanted: Wanted::usage(true),
        dropped,
    })
}

/// The conversation while it is read.
struct Reader<'p> {
    messages: Vec<Message>,
    places: &'p mut Places,
}

impl Reader<'_> {
    /// The operator's words, ahead of all others.
    fn system(&mut self, top: &mut Fields<'_>) -> Result<(), BadRequest> {
        let Some(value) = top.take("system") else {
            return Ok(());
        };
        let text = match value {
            Json::String(text) => text,
            value => {
                let mut texts = Vec::new();
                for (path, block) in blocks("system", value)? {
                    texts.push(text_block(path, block, top.dropped())?);
                }
                texts.join("\n")
            }
        };
        self.add(Message::text(Role::System, text), "system");
        Ok(())
    }

    fn messages(&mut self, top: &mut Fields<'_>) -> Result<(), BadRequest> {
        let items = top
            .array("messages")?
            .ok_or_else(|| BadRequest::missing("messages"))?;
        if items.is_empty() || items.len() > MESSAGES_MAX {
            return Err(BadRequest::invalid(
                "messages",
                &format!("must hold 1 to {MESSAGES_MAX} messages"),
            ));
        }
        for (at, item) in items.into_iter().enumerate() {
            self.message(&format!("messages[{at}]"), item, top.dropped())?;
        }
        Ok(())
    }

    fn message(&mut self, path: &str, item: Json, dropped: &mut Dropped) -> Result<(), BadRequest> {
        let mut message = Fields::of(path.to_owned(), item, dropped)?;
        let role = message
            .choice("role", &ROLES)?
            .ok_or_else(|| BadRequest::missing(&message.path("role")))?;
        let place = message.path("content");
        match message.take("content") {
            None => return Err(BadRequest::missing(&place)),
            Some(Json::String(text)) => self.add(Message::text(role, text), &place),
            Some(value) => {
                let mut read = Assembled::default();
                for (path, block) in blocks(&place, value)? {
                    self.block(role, path, block, &mut read, message.dropped())?;
                }
                self.flush(role, read, &place);
            }
        }
        message.finish();
        Ok(())
    }

    fn block(
        &mut self,
        role: Role,
        path: String,
        block: Json,
        read: &mut Assembled,
        dropped: &mut Dropped,
    ) -> Result<(), BadRequest> {
        let mut block = Fields::of(path, block, dropped)?;
        let kind = block.required_string("type")?;
        match (kind.as_str(), role) {
            ("text", _) => read.texts.push(block.required_string("text")?),
            ("thinking", Role::Assistant) => {
                read.thoughts.push(block.required_string("thinking")?);
            }
            ("tool_use", Role::Assistant) => {
                let id = required_identifier(&mut block, "id")?;
                let name = block.required_string("name")?;
                let arguments = match block.take("input") {
                    None => "{}".to_owned(),
                    Some(value @ Json::Object(_)) => value.into_value().to_string(),
                    Some(other) => return Err(block.wrong_type("input", "an object", &other)),
                };
                let call = ToolCall {
                    id,
                    name,
                    arguments,
                };
                read.calls.push((block.path(""), call));
            }
            ("tool_result", Role::User) => {
                let place = block.path("content");
                let id = required_identifier(&mut block, "tool_use_id")?;
                let text = result(&mut block, &place)?;
                // What was said before the result comes before it.
                self.flush(role, std::mem::take(read), &place);
                let at = self.messages.len();
                let id_place = block.path("tool_use_id");
                self.places
                    .put(format!("messages[{at}].tool_call_id"), id_place);
                let message = Message {
                    tool_call_id: Some(id),
                    ..Message::text(Role::Tool, text)
                };
                self.add(message, &place);
            }
            _ => return Err(unsupported(block.path("type"))),
        }
        block.inert(&INERT_IN_BLOCKS);
        block.finish();
        Ok(())
    }

    /// The message of the blocks so far, if there are any.
    fn flush(&mut self, role: Role, read: Assembled, place: &str) {
        if read.is_empty() {
            return;
        }
        let (at, fields) = (self.messages.len(), ["id", "name", "input"]);
        let message = read.into_message(role, at, fields, place, self.places);
        self.add(message, place);
    }

    /// Adds a message whose text stands at a place of the request.
    fn add(&mut self, message: Message, place: &str) {
        let at = self.messages.len();
        self.places
            .put(format!("messages[{at}].content"), place.to_owned());
        self.messages.push(message);
    }
}

/// The items of an array of blocks, each with its path.
fn blocks(place: &str, value: Json) -> Result<Vec<(String, Json)>, BadRequest> {
    match value {
        Json::Array(items) if items.len() <= PARTS_MAX => Ok(items
            .into_iter()
            .enumerate()
            .map(|(at, item)| (format!("{place}[{at}]"), item))
            .collect()),
        Json::Array(_) => {
            let most = format!("must hold at most {PARTS_MAX} blocks");
            Err(BadRequest::invalid(place, &most))
        }
        other => {
            let wanted = "a string or an array of blocks";
            Err(BadRequest::wrong_type(place, wanted, other.kind()))
        }
    }
}

/// A block that can only be text.
fn text_block(path: String, block: Json, dropped: &mut Dropped) -> Result<String, BadRequest> {
    let mut block = Fields::of(path, block, dropped)?;
    if block.required_string("type")? != "text" {
        return Err(unsupported(block.path("type")));
    }
    let text = block.required_string("text")?;
    block.inert(&INERT_IN_BLOCKS);
    block.finish();
    Ok(text)
}

/// What a tool said.
fn result(block: &mut Fields<'_>, place: &str) -> Result<String, BadRequest> {
    match block.take("content") {
        None => Ok(String::new()),
        Some(Json::String(text)) => Ok(text),
        Some(value) => {
            let mut texts = Vec::new();
            for (path, inner) in blocks(place, value)? {
                texts.push(text_block(path, inner, block.dropped())?);
            }
            Ok(texts.join("\n"))
        }
    }
}

fn required_identifier(fields: &mut Fields<'_>, key: &str) -> Result<String, BadRequest> {
    identifier(fields, key)?.ok_or_else(|| BadRequest::missing(&fields.path(key)))
}

fn unsupported(path: String) -> BadRequest {
    BadRequest {
        code: "unsupported_content",
        param: Some(path),
        message: "Only text, thinking and calls of your own tools are supported: other content cannot be scanned."
            .to_owned(),
    }
}

fn tools(top: &mut Fields<'_>, places: &mut Places) -> Result<Vec<Tool>, BadRequest> {
    let items = top.array("tools")?.unwrap_or_default();
    if items.len() > TOOLS_MAX {
        let most = format!("must hold at most {TOOLS_MAX} tools");
        return Err(BadRequest::invalid("tools", &most));
    }
    let mut tools = Vec::new();
    for (at, item) in items.into_iter().enumerate() {
        let path = format!("tools[{at}]");
        let mut tool = Fields::of(path.clone(), item, top.dropped())?;
        if tool.string("type")?.is_some_and(|kind| kind != "custom") {
            return Err(BadRequest {
                code: "unsupported_parameter",
                param: Some(tool.path("type")),
                message: "Only tools of your own are supported: what a vendor's server runs cannot be scanned."
                    .to_owned(),
            });
        }
        let name = tool.required_string("name")?;
        let description = tool.string("description")?;
        let parameters = schema(&mut tool, "input_schema")?;
        let strict = tool.boolean("strict")?;
        tool.inert(&["cache_control", "eager_input_streaming", "defer_loading"]);
        tool.finish();
        for (in_chat, in_request) in [
            ("name", "name"),
            ("description", "description"),
            ("parameters", "input_schema"),
        ] {
            places.put(
                format!("{path}.function.{in_chat}"),
                format!("{path}.{in_request}"),
            );
        }
        tools.push(Tool {
            name,
            description,
            parameters,
            strict,
        });
    }
    Ok(tools)
}

/// A function named here must be one of `tools`, where its name is scanned.
fn tool_choice(
    top: &mut Fields<'_>,
    tools: &[Tool],
    places: &mut Places,
) -> Result<(Option<ToolChoice>, Option<bool>), BadRequest> {
    let Some(value) = top.take("tool_choice") else {
        return Ok((None, None));
    };
    let mut choice = Fields::of("tool_choice".to_owned(), value, top.dropped())?;
    let kinds = [("auto", 0), ("any", 1), ("tool", 2), ("none", 3)];
    let kind = choice
        .choice("type", &kinds)?
        .ok_or_else(|| BadRequest::missing("tool_choice.type"))?;
    let chosen = match kind {
        0 => ToolChoice::Auto,
        1 => ToolChoice::Required,
        3 => ToolChoice::None,
        _ => {
            let name = choice.required_string("name")?;
            if !tools.iter().any(|tool| tool.name == name) {
                let wanted = "must be the name of one of 'tools'";
                return Err(BadRequest::invalid("tool_choice.name", wanted));
            }
            let place = "tool_choice.name".to_owned();
            places.put("tool_choice.function.name".to_owned(), place);
            ToolChoice::Function(name)
        }
    };
    let parallel = choice.boolean("disable_parallel_tool_use")?;
    choice.finish();
    Ok((Some(chosen), parallel.map(|disabled| !disabled)))
}

fn sampling(top: &mut Fields<'_>, places: &mut Places) -> Result<Sampling, BadRequest> {
    let tokens = top.whole("max_tokens", 1..=i64::from(u32::MAX))?;
    let stop = match top.array("stop_sequences")? {
        Some(items) if items.len() > STOPS_MAX => {
            let most = format!("must hold at most {STOPS_MAX} strings");
            return Err(BadRequest::invalid("stop_sequences", &most));
        }
        items => strings("stop_sequences", items.unwrap_or_default())?,
    };
    for at in 0..stop.len() {
        places.put(format!("stop[{at}]"), format!("stop_sequences[{at}]"));
    }
    Ok(Sampling {
        temperature: top.number("temperature", 0.0..=1.0)?,
        top_p: top.number("top_p", 0.0..=1.0)?,
        max_tokens: tokens.and_then(|tokens| u32::try_from(tokens).ok()),
        stop,
        ..Sampling::default()
    })
}

/// The shape that the answer must have, and how hard to think.
fn output(
    top: &mut Fields<'_>,
    places: &mut Places,
) -> Result<(Option<ResponseFormat>, Option<ReasoningEffort>), BadRequest> {
    // The older name of the same.
    let older = top.take("output_format");
    let mut format = match older {
        Some(value) => Some(shape("output_format", value, top.dropped(), places)?),
        None => None,
    };
    let Some(value) = top.take("output_config") else {
        return Ok((format, None));
    };
    let mut config = Fields::of("output_config".to_owned(), value, top.dropped())?;
    let effort = config.choice("effort", &EFFORTS)?;
    if let Some(value) = config.take("format") {
        let path = "output_config.format";
        if format.is_some() {
            return Err(BadRequest::invalid(path, "stands in 'output_format' too"));
        }
        format = Some(shape(path, value, config.dropped(), places)?);
    }
    config.finish();
    Ok((format, effort))
}

fn shape(
    path: &str,
    value: Json,
    dropped: &mut Dropped,
    places: &mut Places,
) -> Result<ResponseFormat, BadRequest> {
    let mut format = Fields::of(path.to_owned(), value, dropped)?;
    format
        .choice("type", &[("json_schema", ())])?
        .ok_or_else(|| BadRequest::missing(&format.path("type")))?;
    let schema = schema(&mut format, "schema")?;
    format.finish();
    places.put(
        "response_format.json_schema.schema".to_owned(),
        format!("{path}.schema"),
    );
    Ok(ResponseFormat::JsonSchema {
        // The other dialect wants one; this one has none.
        name: "output".to_owned(),
        description: None,
        schema,
        strict: Some(true),
    })
}

/// Agents of Anthropic's tell their model what has changed by a system message in the middle of the conversation.
const ROLES: [(&str, Role); 3] = [
    ("user", Role::User),
    ("assistant", Role::Assistant),
    ("system", Role::System),
];

const EFFORTS: [(&str, ReasoningEffort); 5] = [
    ("low", ReasoningEffort::Low),
    ("medium", ReasoningEffort::Medium),
    ("high", ReasoningEffort::High),
    ("xhigh", ReasoningEffort::ExtraHigh),
    ("max", ReasoningEffort::ExtraHigh),
];

/// `context_management` lets a server clear what is old; this one leaves it where it is.
const INERT: [&str; 7] = [
    "context_management",
    "metadata",
    "service_tier",
    "top_k",
    "thinking",
    "cache_control",
    "inference_geo",
];

const INERT_IN_BLOCKS: [&str; 5] = [
    "cache_control",
    "citations",
    "signature",
    "is_error",
    "caller",
];

const REFUSED: [(&str, &str); 2] = [
    ("container", "nothing runs at the model server"),
    ("mcp_servers", "what they say is not scanned"),
];

/// What becomes of each field.
pub(super) const CONTRACT: &[Field] = &[
    ("system", Kind::Guarded),
    ("system[].text", Kind::Guarded),
    ("messages[].content", Kind::Guarded),
    ("messages[].content[].text", Kind::Guarded),
    ("messages[].content[].thinking", Kind::Guarded),
    ("messages[].content[].name", Kind::Guarded),
    ("messages[].content[].input", Kind::Guarded),
    ("messages[].content[].content", Kind::Guarded),
    ("messages[].content[].content[].text", Kind::Guarded),
    ("tools[].name", Kind::Guarded),
    ("tools[].description", Kind::Guarded),
    ("tools[].input_schema", Kind::Guarded),
    ("tool_choice.name", Kind::Guarded),
    ("stop_sequences", Kind::Guarded),
    ("output_config.format.schema", Kind::Guarded),
    ("output_format.schema", Kind::Guarded),
    ("model", Kind::Constrained),
    ("max_tokens", Kind::Constrained),
    ("stream", Kind::Constrained),
    ("temperature", Kind::Constrained),
    ("top_p", Kind::Constrained),
    ("system[].type", Kind::Constrained),
    ("messages[].role", Kind::Constrained),
    ("messages[].content[].type", Kind::Constrained),
    ("messages[].content[].id", Kind::Constrained),
    ("messages[].content[].tool_use_id", Kind::Constrained),
    ("messages[].content[].content[].type", Kind::Constrained),
    ("tools[].type", Kind::Constrained),
    ("tools[].strict", Kind::Constrained),
    ("tool_choice.type", Kind::Constrained),
    ("tool_choice.disable_parallel_tool_use", Kind::Constrained),
    ("output_config.effort", Kind::Constrained),
    ("output_config.format.type", Kind::Constrained),
    ("output_format.type", Kind::Constrained),
    ("messages", Kind::Parts),
    ("tools", Kind::Parts),
    ("tool_choice", Kind::Parts),
    ("output_config", Kind::Parts),
    ("output_config.format", Kind::Parts),
    ("output_format", Kind::Parts),
    ("metadata", Kind::Inert),
    ("service_tier", Kind::Inert),
    ("top_k", Kind::Inert),
    ("thinking", Kind::Inert),
    ("cache_control", Kind::Inert),
    ("inference_geo", Kind::Inert),
    ("tools[].cache_control", Kind::Inert),
    ("tools[].eager_input_streaming", Kind::Inert),
    ("tools[].defer_loading", Kind::Inert),
    ("system[].cache_control", Kind::Inert),
    ("system[].citations", Kind::Inert),
    ("system[].signature", Kind::Inert),
    ("system[].is_error", Kind::Inert),
    ("system[].caller", Kind::Inert),
    ("messages[].content[].cache_control", Kind::Inert),
    ("messages[].content[].citations", Kind::Inert),
    ("messages[].content[].signature", Kind::Inert),
    ("messages[].content[].is_error", Kind::Inert),
    ("messages[].content[].caller", Kind::Inert),
    ("messages[].content[].content[].cache_control", Kind::Inert),
    ("messages[].content[].content[].citations", Kind::Inert),
    ("messages[].content[].content[].signature", Kind::Inert),
    ("messages[].content[].content[].is_error", Kind::Inert),
    ("messages[].content[].content[].caller", Kind::Inert),
    ("container", Kind::Refused),
    ("mcp_servers", Kind::Refused),
    ("context_management", Kind::Inert),
];
