//! The field contract of `POST /v1/responses` (OpenAI API reference, *Create a model response*), without its memory: what
//! would be kept at a server, or read from one, is refused. `CONTRACT` lists every field.
//!
//! What an assistant thought, said and called in a row becomes one message, as the other dialects have it.

use backends::{
    Chat, Message, ReasoningEffort, ResponseFormat, Role, Sampling, Tool, ToolCall, ToolChoice,
};

use super::assembled::Assembled;
use super::chat::{
    MESSAGES_MAX, PARTS_MAX, REASONING_EFFORTS, ROLES, TOOLS_MAX, identifier, schema,
};
use super::contract::{Field, Kind};
use super::fields::Fields;
use super::sampling::strings;
use super::{Dropped, Places, Prompt, Wanted, wanted};
use crate::Limits;
use crate::dialect::{Dialect, namespaced};
use crate::json::Json;
use crate::refusal::BadRequest;

mod tools;

use tools::Tools;

/// Reads the fields of a request.
pub(super) fn read(fields: Vec<(String, Json)>, _: &Limits) -> Result<Prompt<Chat>, BadRequest> {
    let mut dropped = Dropped::default();
    let mut places = Places::default();
    let mut top = Fields::new(String::new(), fields, &mut dropped);
    let model = top.required_string("model")?;
    let mut conversation = Conversation {
        messages: Vec::new(),
        turn: Turn::default(),
        places: &mut places,
    };
    if let Some(text) = top.string("instructions")? {
        conversation.says(Role::System, vec![text], "instructions");
    }
    conversation.input(&mut top)?;
    let messages = conversation.messages;
    let tools = Tools::read(&mut top, &mut places)?;
    let tool_choice = tool_choice(&mut top, &tools.functions, &mut places)?;
    let parallel_tool_calls = top.boolean("parallel_tool_calls")?;
    let sampling = sampling(&mut top)?;
    let response_format = text(&mut top, &mut places)?;
    let reasoning_effort = reasoning(&mut top)?;
    let stream = top.boolean("stream")?.unwrap_or(false);
    stream_options(&mut top)?;
    let moderation = wanted::moderation(&mut top)?;
    include(&mut top)?;
    top.refused(&REFUSED)?;
    top.inert(&INERT);
    top.finish();
    Ok(Prompt {
        action: Dialect::Responses.action(),
        question: Chat {
            model,
            messages,
            tools: tools.functions,
            tool_choice,
            parallel_tool_calls,
            sampling,
            response_format,
            reasoning_effort,
            stream,
        },
        places,
        wanted: Wanted {
            // It is part of the last event.
            usage: true,
            moderation,
            namespaces: tools.namespaces,
        },
        dropped,
    })
}

/// The conversation while it is read.
struct Conversation<'p> {
    messages: Vec<Message>,
    /// What the assistant did since somebody else spoke.
    turn: Turn,
    places: &'p mut Places,
}

/// Items of an assistant that become one message, and where its words and thoughts stand.
#[derive(Default)]
struct Turn {
    items: Assembled,
    text_at: String,
    thoughts_at: String,
}

impl Conversation<'_> {
    fn input(&mut self, top: &mut Fields<'_>) -> Result<(), BadRequest> {
        let items = match top.take("input") {
            None => return Err(BadRequest::missing("input")),
            Some(Json::String(text)) => {
                self.says(Role::User, vec![text], "input");
                return Ok(());
            }
            Some(Json::Array(items)) => items,
            Some(other) => return Err(top.wrong_type("input", "a string or an array", &other)),
        };
        if items.is_empty() || items.len() > MESSAGES_MAX {
            return Err(BadRequest::invalid(
                "input",
                &format!("must hold 1 to {MESSAGES_MAX} items"),
            ));
        }
        for (at, item) in items.into_iter().enumerate() {
            let item = Fields::of(format!("input[{at}]"), item, top.dropped())?;
            self.item(item)?;
        }
        self.end_turn();
        match self.messages.iter().any(|m| m.role != Role::System) {
            true => Ok(()),
            false => Err(BadRequest::invalid("input", "must hold something")),
        }
    }

    fn item(&mut self, mut item: Fields<'_>) -> Result<(), BadRequest> {
        let kind = item.string("type")?;
        match kind.as_deref() {
            None | Some("message") => self.message(&mut item)?,
            Some("function_call") => self.call(&mut item)?,
            Some("function_call_output") => self.output(&mut item)?,
            Some("reasoning") => self.thought(&mut item)?,
            Some("item_reference") => {
                let why = "this gateway keeps no items: send the item itself";
                return Err(unsupported(&item.path("type"), why));
            }
            Some(_) => return Err(unsupported(&item.path("type"), ONLY_TEXT)),
        }
        item.inert(&INERT_IN_ITEMS);
        item.finish();
        Ok(())
    }

    fn message(&mut self, item: &mut Fields<'_>) -> Result<(), BadRequest> {
        let role = item
            .choice("role", &ROLES)?
            .filter(|role| *role != Role::Tool)
            .ok_or_else(|| BadRequest::missing(&item.path("role")))?;
        let texts = texts(item, "content")?;
        let place = item.path("content");
        if role != Role::Assistant {
            self.end_turn();
            self.says(role, texts, &place);
            return Ok(());
        }
        if !self.turn.items.texts.is_empty() || !self.turn.items.calls.is_empty() {
            self.end_turn();
        }
        self.turn.items.texts = texts;
        self.turn.text_at = place;
        Ok(())
    }

    fn call(&mut self, item: &mut Fields<'_>) -> Result<(), BadRequest> {
        let id = identifier(item, "call_id")?
            .ok_or_else(|| BadRequest::missing(&item.path("call_id")))?;
        let name = item.required_string("name")?;
        let call = ToolCall {
            id,
            name: match item.string("namespace")? {
                Some(namespace) => namespaced(&namespace, &name),
                None => name,
            },
            arguments: item.string("arguments")?.unwrap_or_default(),
        };
        if self.turn.items.calls.len() >= TOOLS_MAX {
            let most = format!("is one of more than {TOOLS_MAX} calls in a row");
            return Err(BadRequest::invalid(&item.path("call_id"), &most));
        }
        self.turn.items.calls.push((item.path(""), call));
        Ok(())
    }

    fn output(&mut self, item: &mut Fields<'_>) -> Result<(), BadRequest> {
        self.end_turn();
        let call_id = identifier(item, "call_id")?
            .ok_or_else(|| BadRequest::missing(&item.path("call_id")))?;
        let texts = texts(item, "output")?;
        item.inert(&["namespace"]);
        let path = format!("messages[{}].tool_call_id", self.messages.len());
        self.places.put(path, item.path("call_id"));
        let message = Message {
            tool_call_id: Some(call_id),
            ..Message::text(Role::Tool, texts.join("\n"))
        };
        self.add(message, &item.path("output"));
        Ok(())
    }

    /// What was thought, in the open; what is encrypted nobody can scan, and it is not forwarded.
    fn thought(&mut self, item: &mut Fields<'_>) -> Result<(), BadRequest> {
        if !self.turn.items.texts.is_empty() || !self.turn.items.calls.is_empty() {
            self.end_turn();
        }
        for (key, kind) in [("summary", "summary_text"), ("content", "reasoning_text")] {
            for (at, part) in item.array(key)?.unwrap_or_default().into_iter().enumerate() {
                let path = format!("{}[{at}]", item.path(key));
                let mut part = Fields::of(path, part, item.dropped())?;
                if part.required_string("type")? != kind {
                    return Err(unsupported(&part.path("type"), ONLY_TEXT));
                }
                self.turn.items.thoughts.push(part.required_string("text")?);
                part.finish();
                self.turn.thoughts_at = item.path(key);
            }
        }
        item.inert(&["encrypted_content"]);
        Ok(())
    }

    /// Ends the assistant's turn, if it did anything.
    fn end_turn(&mut self) {
        let Turn {
            items,
            text_at,
            thoughts_at,
        } = std::mem::take(&mut self.turn);
        if items.is_empty() {
            return;
        }
        let (at, fields) = (self.messages.len(), ["call_id", "name", "arguments"]);
        let message = items.into_message(Role::Assistant, at, fields, &thoughts_at, self.places);
        self.add(message, &text_at);
    }

    /// Several texts of one message are put together, line by line, as the model would read them.
    fn says(&mut self, role: Role, texts: Vec<String>, place: &str) {
        self.add(Message::text(role, texts.join("\n")), place);
    }

    fn add(&mut self, message: Message, place: &str) {
        let path = format!("messages[{}].content", self.messages.len());
        self.places.put(path, place.to_owned());
        self.messages.push(message);
    }
}

/// The texts of a field that is one, or an array of parts. Only text can be scanned.
fn texts(item: &mut Fields<'_>, key: &str) -> Result<Vec<String>, BadRequest> {
    let path = item.path(key);
    let parts = match item.take(key) {
        None => return Err(BadRequest::missing(&path)),
        Some(Json::String(text)) => return Ok(vec![text]),
        Some(Json::Array(parts)) => parts,
        Some(other) => return Err(item.wrong_type(key, "a string or an array of parts", &other)),
    };
    if parts.is_empty() || parts.len() > PARTS_MAX {
        let some = format!("must hold 1 to {PARTS_MAX} parts");
        return Err(BadRequest::invalid(&path, &some));
    }
    let mut texts = Vec::new();
    for (at, part) in parts.into_iter().enumerate() {
        let mut part = Fields::of(format!("{path}[{at}]"), part, item.dropped())?;
        let kind = part.required_string("type")?;
        texts.push(match kind.as_str() {
            "input_text" | "output_text" | "text" => part.required_string("text")?,
            "refusal" => part.required_string("refusal")?,
            _ => return Err(unsupported(&part.path("type"), ONLY_TEXT)),
        });
        part.inert(&["annotations", "logprobs"]);
        part.finish();
    }
    Ok(texts)
}

/// A function named here must be one of `tools`, where its name is scanned.
fn tool_choice(
    top: &mut Fields<'_>,
    tools: &[Tool],
    places: &mut Places,
) -> Result<Option<ToolChoice>, BadRequest> {
    let must = "must be 'none', 'auto', 'required' or a function";
    let value = match top.take("tool_choice") {
        None => return Ok(None),
        Some(Json::String(word)) => {
            return match word.as_str() {
                "none" => Ok(Some(ToolChoice::None)),
                "auto" => Ok(Some(ToolChoice::Auto)),
                "required" => Ok(Some(ToolChoice::Required)),
                _ => Err(BadRequest::invalid("tool_choice", must)),
            };
        }
        Some(value) => value,
    };
    let mut choice = Fields::of("tool_choice".to_owned(), value, top.dropped())?;
    if choice.required_string("type")? != "function" {
        return Err(BadRequest::invalid("tool_choice", must));
    }
    let name = choice.required_string("name")?;
    choice.finish();
    if !tools.iter().any(|tool| tool.name == name) {
        let must = "must be the name of one of 'tools'";
        return Err(BadRequest::invalid("tool_choice.name", must));
    }
    places.put(
        "tool_choice.function.name".to_owned(),
        "tool_choice.name".to_owned(),
    );
    Ok(Some(ToolChoice::Function(name)))
}

fn sampling(top: &mut Fields<'_>) -> Result<Sampling, BadRequest> {
    let tokens = top.whole("max_output_tokens", 1..=i64::from(u32::MAX))?;
    Ok(Sampling {
        temperature: top.number("temperature", 0.0..=2.0)?,
        top_p: top.number("top_p", 0.0..=1.0)?,
        max_tokens: tokens.and_then(|tokens| u32::try_from(tokens).ok()),
        ..Sampling::default()
    })
}

/// The shape that the answer must have.
fn text(top: &mut Fields<'_>, places: &mut Places) -> Result<Option<ResponseFormat>, BadRequest> {
    let Some(value) = top.take("text") else {
        return Ok(None);
    };
    let mut text = Fields::of("text".to_owned(), value, top.dropped())?;
    text.inert(&["verbosity"]);
    let format = text.take("format");
    let Some(format) = format else {
        text.finish();
        return Ok(None);
    };
    let mut format = Fields::of("text.format".to_owned(), format, text.dropped())?;
    let kinds = [("text", 0), ("json_object", 1), ("json_schema", 2)];
    let kind = format
        .choice("type", &kinds)?
        .ok_or_else(|| BadRequest::missing("text.format.type"))?;
    let read = match kind {
        0 => ResponseFormat::Text,
        1 => ResponseFormat::JsonObject,
        _ => ResponseFormat::JsonSchema {
            name: format.required_string("name")?,
            description: format.string("description")?,
            schema: schema(&mut format, "schema")?,
            strict: format.boolean("strict")?,
        },
    };
    format.finish();
    text.finish();
    for field in ["name", "description", "schema"] {
        places.put(
            format!("response_format.json_schema.{field}"),
            format!("text.format.{field}"),
        );
    }
    Ok(Some(read))
}

/// How hard to think. Summaries of it are not made.
fn reasoning(top: &mut Fields<'_>) -> Result<Option<ReasoningEffort>, BadRequest> {
    let Some(value) = top.take("reasoning") else {
        return Ok(None);
    };
    let mut reasoning = Fields::of("reasoning".to_owned(), value, top.dropped())?;
    let effort = reasoning.choice("effort", &REASONING_EFFORTS)?;
    reasoning.inert(&["summary", "generate_summary"]);
    reasoning.finish();
    Ok(effort)
}

fn stream_options(top: &mut Fields<'_>) -> Result<(), BadRequest> {
    if let Some(value) = top.take("stream_options") {
        let mut options = Fields::of("stream_options".to_owned(), value, top.dropped())?;
        options.inert(&["include_obfuscation"]);
        options.finish();
    }
    Ok(())
}

/// What else the answer is to hold. Encrypted reasoning is asked for by agents as a matter of course, and can be left out;
/// log probabilities are text that is not scanned.
fn include(top: &mut Fields<'_>) -> Result<(), BadRequest> {
    let asked = strings("include", top.array("include")?.unwrap_or_default())?;
    match asked.iter().position(|what| what.ends_with("logprobs")) {
        Some(at) => {
            let path = format!("include[{at}]");
            Err(unsupported(&path, "log probabilities are not scanned"))
        }
        None => Ok(()),
    }
}

fn unsupported(path: &str, why: &str) -> BadRequest {
    BadRequest {
        code: "unsupported_content",
        param: Some(path.to_owned()),
        message: format!("'{path}' is not supported: {why}."),
    }
}

const ONLY_TEXT: &str = "other content than text cannot be scanned";

const INERT: [&str; 10] = [
    "user",
    "metadata",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "truncation",
    "max_tool_calls",
    "client_metadata",
    "context_management",
];

/// Ids of items are the server's own.
const INERT_IN_ITEMS: [&str; 3] = ["id", "status", "phase"];

const REFUSED: [(&str, &str); 6] = [
    ("store", "this gateway keeps no conversations"),
    (
        "previous_response_id",
        "this gateway keeps no conversations: send them",
    ),
    (
        "conversation",
        "this gateway keeps no conversations: send them",
    ),
    ("background", "an answer is given while its caller waits"),
    ("prompt", "this gateway keeps no prompts: send the text"),
    ("top_logprobs", "log probabilities are not scanned"),
];

/// What becomes of each field.
pub(super) const CONTRACT: &[Field] = &[
    ("instructions", Kind::Guarded),
    ("input", Kind::Guarded),
    ("input[].content", Kind::Guarded),
    ("input[].content[].text", Kind::Guarded),
    ("input[].content[].refusal", Kind::Guarded),
    ("input[].name", Kind::Guarded),
    ("input[].namespace", Kind::Guarded),
    ("input[].arguments", Kind::Guarded),
    ("input[].output", Kind::Guarded),
    ("input[].output[].text", Kind::Guarded),
    ("input[].output[].refusal", Kind::Guarded),
    ("input[].summary[].text", Kind::Guarded),
    ("tools[].name", Kind::Guarded),
    ("tools[].description", Kind::Guarded),
    ("tools[].parameters", Kind::Guarded),
    ("tools[].tools[].name", Kind::Guarded),
    ("tools[].tools[].description", Kind::Guarded),
    ("tools[].tools[].parameters", Kind::Guarded),
    ("tool_choice.name", Kind::Guarded),
    ("text.format.name", Kind::Guarded),
    ("text.format.description", Kind::Guarded),
    ("text.format.schema", Kind::Guarded),
    ("model", Kind::Constrained),
    ("stream", Kind::Constrained),
    ("temperature", Kind::Constrained),
    ("top_p", Kind::Constrained),
    ("max_output_tokens", Kind::Constrained),
    ("parallel_tool_calls", Kind::Constrained),
    ("moderation.policy.input.mode", Kind::Constrained),
    ("moderation.policy.output.mode", Kind::Constrained),
    ("include", Kind::Constrained),
    ("input[].type", Kind::Constrained),
    ("input[].role", Kind::Constrained),
    ("input[].call_id", Kind::Constrained),
    ("input[].content[].type", Kind::Constrained),
    ("input[].output[].type", Kind::Constrained),
    ("input[].summary[].type", Kind::Constrained),
    ("tools[].type", Kind::Constrained),
    ("tools[].strict", Kind::Constrained),
    ("tools[].tools[].type", Kind::Constrained),
    ("tools[].tools[].strict", Kind::Constrained),
    ("tool_choice.type", Kind::Constrained),
    ("text.format.type", Kind::Constrained),
    ("text.format.strict", Kind::Constrained),
    ("reasoning.effort", Kind::Constrained),
    ("input[].summary", Kind::Parts),
    ("tools", Kind::Parts),
    ("tools[].tools", Kind::Parts),
    ("tool_choice", Kind::Parts),
    ("text", Kind::Parts),
    ("text.format", Kind::Parts),
    ("reasoning", Kind::Parts),
    ("stream_options", Kind::Parts),
    ("moderation", Kind::Parts),
    ("moderation.policy", Kind::Parts),
    ("moderation.policy.input", Kind::Parts),
    ("moderation.policy.output", Kind::Parts),
    ("moderation.model", Kind::Inert),
    ("user", Kind::Inert),
    ("metadata", Kind::Inert),
    ("service_tier", Kind::Inert),
    ("safety_identifier", Kind::Inert),
    ("prompt_cache_key", Kind::Inert),
    ("prompt_cache_retention", Kind::Inert),
    ("truncation", Kind::Inert),
    ("max_tool_calls", Kind::Inert),
    ("client_metadata", Kind::Inert),
    ("context_management", Kind::Inert),
    ("input[].id", Kind::Inert),
    ("input[].status", Kind::Inert),
    ("input[].phase", Kind::Inert),
    ("input[].encrypted_content", Kind::Inert),
    ("input[].content[].annotations", Kind::Inert),
    ("input[].content[].logprobs", Kind::Inert),
    ("input[].output[].annotations", Kind::Inert),
    ("input[].output[].logprobs", Kind::Inert),
    ("tools[].defer_loading", Kind::Inert),
    ("tools[].tools[].defer_loading", Kind::Inert),
    ("text.verbosity", Kind::Inert),
    ("reasoning.summary", Kind::Inert),
    ("reasoning.generate_summary", Kind::Inert),
    ("stream_options.include_obfuscation", Kind::Inert),
    ("store", Kind::Refused),
    ("previous_response_id", Kind::Refused),
    ("conversation", Kind::Refused),
    ("background", Kind::Refused),
    ("prompt", Kind::Refused),
    ("top_logprobs", Kind::Refused),
];
