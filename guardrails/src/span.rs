//! Text and where it came from: spans of a prompt, channels of an answer.

use std::fmt;

/// A piece of text to be judged, with its origin.
#[derive(Debug, Clone)]
pub struct Span<'a> {
    /// Whose words these are.
    pub origin: Origin,
    /// The caller's name for the field, copied into findings and never interpreted.
    pub path: String,
    /// The text as it stands in the request, undecoded beyond JSON.
    pub text: &'a str,
}

/// Whose words a text is. Rules select texts by it (see [`Origin`]'s table in `profile`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// The application's instructions.
    System,
    /// The person's words.
    User,
    /// An earlier answer, sent back as history.
    Assistant,
    /// What a tool, a search or a document said.
    ToolResult,
    /// Names, descriptions and schemas of tools.
    ToolDefinition,
    /// The arguments of a tool call: usually JSON, and judged as such (escapes cannot hide anything).
    ToolArguments,
    /// The answer's visible text.
    Answer,
    /// The answer's reasoning.
    Reasoning,
    /// The answer's refusal text.
    Refusal,
    /// Any other text.
    Other,
}

/// Which way the text is going.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// From a caller to a model.
    Prompt,
    /// From a model to a caller.
    Answer,
}

impl Origin {
    pub(crate) const ALL: [Origin; 10] = [
        Origin::System,
        Origin::User,
        Origin::Assistant,
        Origin::ToolResult,
        Origin::ToolDefinition,
        Origin::ToolArguments,
        Origin::Answer,
        Origin::Reasoning,
        Origin::Refusal,
        Origin::Other,
    ];
}

impl Stage {
    /// `prompt` or `answer`.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Prompt => "prompt",
            Stage::Answer => "answer",
        }
    }
}

/// One of the texts that grow side by side in a streamed answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Channel {
    /// The choice's index.
    pub choice: u32,
    /// Which text of the choice.
    pub field: Field,
}

/// Which text of a choice. The number is the tool call's index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Field {
    /// The visible text.
    Content,
    /// The reasoning.
    Reasoning,
    /// The refusal.
    Refusal,
    /// The arguments of a tool call.
    ToolArguments(u32),
    /// The name of the called tool.
    ToolName(u32),
}

impl Channel {
    pub(crate) fn origin(self) -> Origin {
        match self.field {
            Field::Content => Origin::Answer,
            Field::Reasoning => Origin::Reasoning,
            Field::Refusal => Origin::Refusal,
            Field::ToolArguments(_) => Origin::ToolArguments,
            // A name is an answer's text like any other; arguments alone are read as JSON.
            Field::ToolName(_) => Origin::Answer,
        }
    }
}

impl fmt::Display for Channel {
    /// The path under which findings name the channel: `choices[0].content`,
    /// `choices[0].tool_calls[1].arguments`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "choices[{}].", self.choice)?;
        match self.field {
            Field::Content => f.write_str("content"),
            Field::Reasoning => f.write_str("reasoning"),
            Field::Refusal => f.write_str("refusal"),
            Field::ToolArguments(call) => write!(f, "tool_calls[{call}].arguments"),
            Field::ToolName(call) => write!(f, "tool_calls[{call}].name"),
        }
    }
}
