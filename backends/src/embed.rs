//! What is asked to get vectors, and what comes back.

use crate::answer::{Remarks, Usage};

/// Texts to be turned into vectors. Has no field for what nobody knows, as a [`Chat`](crate::Chat) has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Embed {
    /// The model's name.
    pub model: String,
    /// The texts, one vector each.
    pub input: Vec<String>,
    /// How many numbers a vector is to have; else the model's own number.
    pub dimensions: Option<u32>,
}

/// The vectors: as many as there were texts, in their order, all of one length, all numbers finite.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedded {
    /// One for each text.
    pub vectors: Vec<Vec<f32>>,
    /// What it cost; `output` is 0.
    pub usage: Usage,
    /// What was noticed.
    pub remarks: Remarks,
    /// The server's own id for this request: at most 128 printable ASCII characters.
    pub vendor_request_id: Option<String>,
}

impl Embed {
    /// An upper bound on its tokens: a byte-level tokenizer makes at most one of a byte, and two mark the ends.
    #[must_use]
    pub fn tokens_at_most(&self) -> u64 {
        self.input.iter().map(|text| text.len() as u64 + 2).sum()
    }
}
