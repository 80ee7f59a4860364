//! Which markings does it bear? Always on, and before access is decided: a rule may depend on the label.
//!
//! The grammar that finds markings in text lives in `guardrails`, the algebra of labels in `policy`; here one is
//! translated into the other. The label of a request is the highest of what its messages bear and what the caller
//! declares: `x-portcullis-label` can only raise it.
//!
//! What a marking says after its level counts too (`SECRET//NOFORN` is `S:NF`, `CUI//SP-PROCURE` is `CUI:PROCURE`), and a
//! marking that cannot be read is the highest there is. Dissemination controls are needs like any other, so who is to
//! read `CUI//FEDCON` must be cleared for `FEDCON`. The exception is `U`: unclassified text has no need to know here, and
//! `(U//FOUO)` stands in half of what an office wrote before 2020.

use guardrails::{Engine, Marking};
use policy::{Label, Level};

use crate::incoming::Incoming;
use crate::pipeline::ingest::Prompt;
use crate::pipeline::texts::{self, Question};
use crate::refusal::{BadRequest, Refusal};

/// The header in which a caller may declare a higher label than the text shows.
pub const LABEL_HEADER: &str = "x-portcullis-label";

/// A prompt with its label.
pub struct Labelled<Q> {
    /// What is asked.
    pub prompt: Prompt<Q>,
    /// The high-water mark of its messages and of what was declared.
    pub label: Label,
}

/// Finds the label of a prompt. Every line of the header counts.
///
/// # Errors
/// A declared label that is none.
pub fn labelled<Q: Question>(
    guardrails: &Engine,
    prompt: Prompt<Q>,
    incoming: &Incoming,
) -> Result<Labelled<Q>, Refusal> {
    let found = prompt.question.texts();
    let decoded = texts::decoded(&found);
    let mut spans = texts::spans(&found);
    spans.append(&mut texts::spans(&decoded));
    let markings = guardrails.markings(&spans);
    let mut label = declared(incoming)?;
    // What cannot stand in an entry cannot be decided about.
    if !is_recordable(&label) {
        return Err(no_label());
    }
    for marking in markings {
        label = label.join(&marked(&marking));
    }
    if !is_recordable(&label) {
        label = highest();
    }
    drop(found);
    Ok(Labelled { prompt, label })
}

/// What a marking asks for: never less than its level.
fn marked(marking: &Marking) -> Label {
    let Ok(level) = marking.level.parse() else {
        return highest();
    };
    let floor = Label::of(level);
    match level {
        Level::U => floor,
        _ => Label::from_banner(&marking.text)
            .unwrap_or_else(|_| highest())
            .join(&floor),
    }
}

/// Top secret, and releasable to nobody.
fn highest() -> Label {
    HIGHEST.parse().unwrap_or_else(|_| Label::of(Level::Ts))
}

const HIGHEST: &str = "TS:NOREL";

fn is_recordable(label: &Label) -> bool {
    audit::Name::new(&label.to_string()).is_some()
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

#[cfg(test)]
mod tests;
