//! A message that is put together from several items of a request.

use backends::{Message, Role, ToolCall};

use super::Places;

/// The items so far.
#[derive(Default)]
pub(super) struct Assembled {
    pub(super) texts: Vec<String>,
    pub(super) thoughts: Vec<String>,
    /// Each with the path of its item, up to the name of a field.
    pub(super) calls: Vec<(String, ToolCall)>,
}

impl Assembled {
    pub(super) fn is_empty(&self) -> bool {
        self.texts.is_empty() && self.thoughts.is_empty() && self.calls.is_empty()
    }

    /// The message, which becomes the one at `at` of the chat. `fields` are what the dialect calls the id, the name and
    /// the arguments of a call; its thoughts stand at `thoughts_at`. Several texts are put together, line by line, as the
    /// model would read them.
    pub(super) fn into_message(
        self,
        role: Role,
        at: usize,
        fields: [&str; 3],
        thoughts_at: &str,
        places: &mut Places,
    ) -> Message {
        for (nth, (path, _)) in self.calls.iter().enumerate() {
            let call = format!("messages[{at}].tool_calls[{nth}]");
            let in_chat = ["id", "function.name", "function.arguments"];
            for (in_chat, in_request) in in_chat.into_iter().zip(fields) {
                places.put(format!("{call}.{in_chat}"), format!("{path}{in_request}"));
            }
        }
        if !self.thoughts.is_empty() {
            let path = format!("messages[{at}].reasoning_content");
            places.put(path, thoughts_at.to_owned());
        }
        Message {
            content: match self.texts.is_empty() {
                true => Vec::new(),
                false => vec![self.texts.join("\n")],
            },
            reasoning: (!self.thoughts.is_empty()).then(|| self.thoughts.join("\n")),
            tool_calls: self.calls.into_iter().map(|(_, call)| call).collect(),
            ..Message::text(role, "")
        }
    }
}
