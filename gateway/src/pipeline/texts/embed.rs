//! Where the text of a request for vectors is: in its input.

use backends::Embed;

use super::{Question, Text, lines, put_back};

/// Texts whose vectors are asked for.
pub struct Vectors {
    /// What goes upstream.
    pub embed: Embed,
    /// Whether the caller wants them as base64 rather than as numbers.
    pub base64: bool,
}

impl Question for Vectors {
    fn model(&self) -> &str {
        &self.embed.model
    }

    fn texts(&self) -> Vec<Text<'_>> {
        lines("input", &self.embed.input)
    }

    fn rewrite(&mut self, rewritten: Vec<Option<String>>) -> Option<()> {
        put_back(&mut self.embed.input, rewritten)
    }
}
