//! Which markings does it bear? Always on, and before access is decided: a rule may depend on the label.
//!
//! The grammar that finds markings in text lives in `guardrails`, the algebra of labels in `policy`; here one is
//! translated into the other. The label of a request is the highest of what its messages bear and what the caller
//! declares: `x-portcullis-label` can only raise it.

use policy::Label;

use crate::Gateway;
use crate::incoming::Incoming;
use crate::pipeline::ingest::Prompt;
use crate::pipeline::texts;
use crate::refusal::{BadRequest, Refusal};

/// The header in which a caller may declare a higher label than the text shows.
pub const LABEL_HEADER: &str = "x-portcullis-label";

/// A prompt with its label.
pub struct Labelled {
    /// What is asked.
    pub prompt: Prompt,
    /// The high-water mark of its messages and of what was declared.
    pub label: Label,
}

/// Finds the label of a prompt. Every line of the header counts.
///
/// # Errors
/// A declared label that is none.
pub fn labelled(gw: &Gateway, prompt: Prompt, incoming: &Incoming) -> Result<Labelled, Refusal> {
    let found = texts::texts(&prompt.chat);
    let decoded = texts::decoded(&found);
    let mut spans = texts::spans(&found);
    spans.append(&mut texts::spans(&decoded));
    let markings = gw.guardrails.markings(&spans);
    let mut label = declared(incoming)?;
    for marking in markings {
        // The detector's levels are the algebra's; one that is not would be the highest.
        let marked = marking
            .level
            .parse()
            .unwrap_or_else(|_| Label::of(policy::Level::Ts));
        label = label.join(&marked);
    }
    // What cannot stand in an entry cannot be decided about: only a header can spell such a label.
    if audit::Name::new(&label.to_string()).is_none() {
        return Err(no_label());
    }
    Ok(Labelled { prompt, label })
}

fn declared(incoming: &Incoming) -> Result<Label, Refusal> {
    let mut declared = Label::unclassified();
    for value in incoming.head.headers.get_all(LABEL_HEADER) {
        let label: Option<Label> = value.to_str().ok().and_then(|text| text.parse().ok());
        declared = declared.join(&label.ok_or_else(no_label)?);
    }
    Ok(declared)
}

fn no_label() -> Refusal {
    let message =
        format!("The header '{LABEL_HEADER}' does not hold a label such as 'CUI:PRVCY' or 'S'.");
    BadRequest {
        code: "invalid_value",
        param: None,
        message,
    }
    .into()
}
