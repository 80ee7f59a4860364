//! Where the text of a [`Chat`] is. A place that is forgotten here would be forwarded unscanned; the test beside this
//! file fills every field of a `Chat` with a marker and looks for it in what is shown.

use backends::{Chat, ResponseFormat, ToolChoice};
use guardrails::Origin;

use super::{Question, Text};

impl Question for Chat {
    fn model(&self) -> &str {
        &self.model
    }

    fn streams(&self) -> bool {
        self.stream
    }

    fn texts(&self) -> Vec<Text<'_>> {
        texts(self)
    }

    fn rewrite(&mut self, rewritten: Vec<Option<String>>) -> Option<()> {
        rewrite(self, rewritten)
    }
}

fn texts(chat: &Chat) -> Vec<Text<'_>> {
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

fn rewrite(chat: &mut Chat, rewritten: Vec<Option<String>>) -> Option<()> {
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
