//! Where the text of a moderation is: in its input. Nothing of it goes anywhere.

use super::{Question, Text, lines, put_back};

/// Texts about which the guardrails are asked.
pub struct Moderate {
    /// Under which model's rules.
    pub model: String,
    /// The texts.
    pub input: Vec<String>,
    /// Whether they are parts of one text, to be answered with one result.
    pub is_one: bool,
}

impl Question for Moderate {
    fn model(&self) -> &str {
        &self.model
    }

    fn texts(&self) -> Vec<Text<'_>> {
        lines("input", &self.input)
    }

    fn rewrite(&mut self, rewritten: Vec<Option<String>>) -> Option<()> {
        put_back(&mut self.input, rewritten)
    }
}
