//! Where the text of a [`Chat`] is: every guarded place, its contract path, and the way to put a redacted text back.
//!
//! This list and the field contract of `ingest` are the two halves of one promise: what is forwarded is either listed
//! here, or cannot hold text. A place that is forgotten here would be forwarded unscanned; the test beside this file
//! fills every field of a `Chat` with a marker and looks for it in what `visit` shows.

use aws_lc_rs::digest::{self, Digest};
use backends::{Chat, ResponseFormat, ToolChoice};
use guardrails::{Origin, Span};

/// One guarded text, borrowed.
pub struct Text<'c> {
    /// Who it comes from.
    pub origin: Origin,
    /// Its contract path, such as `messages[3].content[0].text`.
    pub path: String,
    /// The text itself; JSON for schemas.
    pub text: std::borrow::Cow<'c, str>,
}

impl Text<'_> {
    /// A copy of it, as it is kept in a sealed body.
    pub fn to_kept(&self) -> audit::Text<'static> {
        audit::Text {
            at: self.path.clone().into(),
            text: self.text.clone().into_owned().into(),
        }
    }
}

/// Every guarded text of a chat, in a fixed order.
pub fn texts(chat: &Chat) -> Vec<Text<'_>> {
    let mut found = Vec::new();
    for (at, message) in chat.messages.iter().enumerate() {
        message_texts(&mut found, at, message);
    }
    for (at, tool) in chat.tools.iter().enumerate() {
        let path = |field: &str| format!("tools[{at}].function.{field}");
        push(
            &mut found,
            Origin::ToolDefinition,
            path("name"),
            Some(&tool.name),
        );
        push(
            &mut found,
            Origin::ToolDefinition,
            path("description"),
            tool.description.as_ref(),
        );
        push_json(&mut found, path("parameters"), tool.parameters.as_ref());
    }
    if let Some(ToolChoice::Function(name)) = &chat.tool_choice {
        let path = "tool_choice.function.name".to_owned();
        push(&mut found, Origin::ToolDefinition, path, Some(name));
    }
    if let Some(ResponseFormat::JsonSchema {
        name,
        description,
        schema,
        ..
    }) = &chat.response_format
    {
        let path = |field: &str| format!("response_format.json_schema.{field}");
        push(&mut found, Origin::Other, path("name"), Some(name));
        push(
            &mut found,
            Origin::Other,
            path("description"),
            description.as_ref(),
        );
        push_json(&mut found, path("schema"), schema.as_ref());
    }
    for (at, stop) in chat.sampling.stop.iter().enumerate() {
        push(&mut found, Origin::User, format!("stop[{at}]"), Some(stop));
    }
    found
}

fn message_texts<'c>(found: &mut Vec<Text<'c>>, at: usize, message: &'c backends::Message) {
    let origin = origin_of(message.role);
    let path = |field: &str| format!("messages[{at}].{field}");
    match message.content.as_slice() {
        // What most callers write as a string; the one part of an array is named by its field.
        [text] => push(found, origin, path("content"), Some(text)),
        parts => {
            for (part, text) in parts.iter().enumerate() {
                push(
                    found,
                    origin,
                    path(&format!("content[{part}].text")),
                    Some(text),
                );
            }
        }
    }
    push(found, origin, path("name"), message.name.as_ref());
    push(found, origin, path("refusal"), message.refusal.as_ref());
    push(
        found,
        origin,
        path("reasoning_content"),
        message.reasoning.as_ref(),
    );
    push(
        found,
        origin,
        path("tool_call_id"),
        message.tool_call_id.as_ref(),
    );
    for (call_at, call) in message.tool_calls.iter().enumerate() {
        let path = |field: &str| format!("messages[{at}].tool_calls[{call_at}].{field}");
        push(found, origin, path("id"), Some(&call.id));
        push(found, origin, path("function.name"), Some(&call.name));
        push(
            found,
            Origin::ToolArguments,
            path("function.arguments"),
            Some(&call.arguments),
        );
    }
}

/// Puts rewritten texts back: one entry per text of [`texts`], in its order, `None` where nothing changes.
/// `None` if a rewritten schema is no longer JSON, or the counts differ: then nothing may be sent.
pub fn rewrite(chat: &mut Chat, rewritten: Vec<Option<String>>) -> Option<()> {
    let mut next = rewritten.into_iter();
    let mut put = |place: &mut String| -> Option<()> {
        if let Some(text) = next.next()? {
            *place = text;
        }
        Some(())
    };
    let put_json = |put: &mut dyn FnMut(&mut String) -> Option<()>,
                    place: &mut Option<serde_json::Value>|
     -> Option<()> {
        let Some(value) = place else { return Some(()) };
        let mut text = String::new();
        put(&mut text)?;
        if !text.is_empty() {
            *value = serde_json::from_str(&text).ok()?;
        }
        Some(())
    };
    for message in &mut chat.messages {
        message.content.iter_mut().try_for_each(&mut put)?;
        for place in [
            &mut message.name,
            &mut message.refusal,
            &mut message.reasoning,
            &mut message.tool_call_id,
        ] {
            place.iter_mut().try_for_each(&mut put)?;
        }
        for call in &mut message.tool_calls {
            [&mut call.id, &mut call.name, &mut call.arguments]
                .into_iter()
                .try_for_each(&mut put)?;
        }
    }
    for tool in &mut chat.tools {
        put(&mut tool.name)?;
        tool.description.iter_mut().try_for_each(&mut put)?;
        put_json(&mut put, &mut tool.parameters)?;
    }
    if let Some(ToolChoice::Function(name)) = &mut chat.tool_choice {
        put(name)?;
    }
    if let Some(ResponseFormat::JsonSchema {
        name,
        description,
        schema,
        ..
    }) = &mut chat.response_format
    {
        put(name)?;
        description.iter_mut().try_for_each(&mut put)?;
        put_json(&mut put, schema)?;
    }
    chat.sampling.stop.iter_mut().try_for_each(&mut put)?;
    next.next().is_none().then_some(())
}

/// The digest of everything that [`texts`] shows: what a clearance is bound to.
pub fn digest(chat: &Chat) -> Digest {
    let mut context = digest::Context::new(&digest::SHA256);
    for text in texts(chat) {
        for part in [text.path.as_bytes(), text.text.as_bytes()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part);
        }
    }
    context.finish()
}

/// What is inside those texts that are JSON: their strings and keys as decoded, line by line. A marking behind an escaped
/// line break counts like any other.
pub fn decoded<'t>(texts: &[Text<'t>]) -> Vec<Text<'t>> {
    let inside = |text: &Text<'_>| {
        if !text.text.trim_start().starts_with(['{', '[']) {
            return None;
        }
        let value: serde_json::Value = serde_json::from_str(&text.text).ok()?;
        let mut lines = String::new();
        strings_of(&value, &mut lines);
        Some(Text {
            origin: text.origin,
            path: text.path.clone(),
            text: lines.into(),
        })
    };
    texts.iter().filter_map(inside).collect()
}

fn strings_of(value: &serde_json::Value, lines: &mut String) {
    use serde_json::Value;
    let mut line = |text: &str| lines.extend([text, "\n"]);
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => line(text),
        Value::Array(items) => items.iter().for_each(|item| strings_of(item, lines)),
        Value::Object(fields) => {
            for (key, value) in fields {
                lines.extend([key.as_str(), "\n"]);
                strings_of(value, lines);
            }
        }
    }
}

/// The texts as the guardrails take them.
pub fn spans<'t>(texts: &'t [Text<'_>]) -> Vec<Span<'t>> {
    texts
        .iter()
        .map(|t| Span {
            origin: t.origin,
            path: t.path.clone(),
            text: &t.text,
        })
        .collect()
}

fn origin_of(role: backends::Role) -> Origin {
    match role {
        backends::Role::System | backends::Role::Developer => Origin::System,
        backends::Role::User => Origin::User,
        backends::Role::Assistant => Origin::Assistant,
        backends::Role::Tool => Origin::ToolResult,
    }
}

fn push<'c>(found: &mut Vec<Text<'c>>, origin: Origin, path: String, text: Option<&'c String>) {
    if let Some(text) = text {
        found.push(Text {
            origin,
            path,
            text: text.as_str().into(),
        });
    }
}

fn push_json(found: &mut Vec<Text<'_>>, path: String, value: Option<&serde_json::Value>) {
    if let Some(value) = value {
        found.push(Text {
            origin: Origin::ToolDefinition,
            path,
            text: value.to_string().into(),
        });
    }
}

#[cfg(test)]
mod tests;
