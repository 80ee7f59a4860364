//! The gaps that gateways have had, and those that we suspect. Each is a case, each case many probes.

mod answers;
mod prompts;

use crate::answer::Answer;
use crate::asked::Asked;
use crate::endpoint::Way;
use crate::target::Target;

/// One gap, looked for everywhere it could be.
pub struct Case {
    /// What it is called, in lower case with hyphens.
    pub name: &'static str,
    /// What goes wrong in a gateway that has it.
    pub gap: &'static str,
    /// Where it has been seen: an issue, a product's default, or "suspected".
    pub seen: &'static str,
    /// Whether the gateway's guard has to be broken for it.
    pub breaks_the_guard: bool,
    pub(crate) probes: fn(&Target) -> Vec<Probe>,
}

/// One request, one answer of the model, and what must not happen.
pub(crate) struct Probe {
    pub(crate) way: Way,
    /// Which of the case's places or spellings.
    pub(crate) place: String,
    pub(crate) asked: Asked,
    /// The same with a harmless text, which tells how a held text was held.
    pub(crate) twin: Option<Asked>,
    pub(crate) answer: Answer,
    pub(crate) law: Law,
}

/// What must not happen.
#[derive(Debug, Clone)]
pub(crate) enum Law {
    /// All these texts arrive at the model with one request.
    KeptFromModel(Vec<String>),
    /// This text comes back, or half of it.
    KeptFromClient(String),
    /// Anything passes, in either direction.
    NothingPasses,
}

/// A text that no gateway forbids.
pub(crate) const HARMLESS: &str = "pelican";

/// Every case: first what goes to the model, then what comes back.
pub fn all() -> Vec<Case> {
    prompts::cases()
        .into_iter()
        .chain(answers::cases())
        .collect()
}

/// A case that leaves the guard alone.
fn case(
    name: &'static str,
    gap: &'static str,
    seen: &'static str,
    probes: fn(&Target) -> Vec<Probe>,
) -> Case {
    Case {
        name,
        gap,
        seen,
        breaks_the_guard: false,
        probes,
    }
}
