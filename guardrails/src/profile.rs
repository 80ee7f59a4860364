//! Profiles: which detectors look at which texts, and what is done about what they find.
//!
//! ```toml
//! [profile.civ-standard]
//! description = "What most offices use."
//! rule = [
//!   { id = "CS-10", covers = "RU-10", detector = "pii@1", labels = ["us_ssn"], on = ["prompt", "response"],
//!     do = "redact", why = "Privacy Act" },
//!   { id = "CS-13", covers = "RU-13", detector = "fast-guard@1", labels = ["prompt_attack"], on = ["tool-result"],
//!     at = 0.92, do = "block", rung = "enforce", owner = "CIO", review = 2027-06-30, budget = 0.001, why = "AUP 1.8" },
//! ]
//! [pattern.forbidden-sql]
//! description = "Statements that destroy data."
//! entry = [{ id = "drop-table", regex = '(?i)\bdrop\s+table\b', keywords = ["table"], max_span = 64 }]
//! ```
//!
//! | `on` | texts |
//! |---|---|
//! | `prompt` | everything on its way to a model, but tool results: `instructions` and `conversation` together |
//! | `instructions` | of that, the application's own words: system messages, and what it says of its tools |
//! | `conversation` | of that, the rest: what people and models said |
//! | `tool-result` | what tools, searches and documents said, on its way to a model |
//! | `response` | everything on its way from a model, tool arguments and names included |
//! | `tool-arguments` | tool arguments in both directions |
//!
//! `do = "redact"` leaves `[REDACTED:us_ssn]`; with `mask = "keyed-hash"` it leaves `[REDACTED:us_ssn:kqtbndfgrslm]`, the
//! same for the same number, so that a model can still tell who is who. That takes a key, which the gateway's
//! configuration names.
//!
//! An answer is released as it is judged, so what a rule blocks may have begun to show. With `hold = true` a rule that blocks
//! keeps each text of an answer back until it has read all of it: then nothing of a blocked text shows.
//!
//! A kind that no rule of a profile reads passes unseen, so a profile has to say so: `unread = ["tool-result"]`.
//!
//! The loader is strict: it refuses what it does not know and what can check nothing (an empty list, patterns where there
//! are none), and reports every problem of every file at once. It warns of what loads and changes nothing: a rule that
//! others always outrank, a pattern list that no rule names, a threshold that means nothing or that every text reaches.

use std::sync::Arc;

use crate::{Action, Origin, Score, Stage};

mod fields;
mod ladder;
mod load;
mod pattern;
mod shadows;

pub(crate) use ladder::Ladder;
pub(crate) use load::{KnownDetector, PATTERN, Vocabulary, load};

/// A named set of rules.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) rules: Vec<Rule>,
}

/// One rule of a profile.
#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) id: Arc<str>,
    pub(crate) subject: Subject,
    /// `None` means every label of the detector.
    pub(crate) labels: Option<Vec<String>>,
    pub(crate) on: Vec<On>,
    pub(crate) at: Score,
    pub(crate) action: Action,
    pub(crate) mask: MaskAs,
    /// Whether an answer waits until all of it has been read.
    pub(crate) hold: bool,
    pub(crate) ladder: Ladder,
}

/// Which detector a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A deterministic one, by its index among the detectors.
    Shapes(usize),
    /// A trained one, by its index among the classifiers.
    Classifier(usize),
}

/// How a rule redacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum MaskAs {
    /// By a mask that is the same for every value.
    #[default]
    Label,
    /// By one that names the value: equal values have equal masks.
    Name,
}

impl MaskAs {
    const ALL: [(&'static str, MaskAs); 2] =
        [("label", MaskAs::Label), ("keyed-hash", MaskAs::Name)];
}

/// Which texts a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    /// Everything on its way to a model, but tool results.
    Prompt,
    /// Of that, system messages and the definitions of tools.
    Instructions,
    /// Of that, everything else.
    Conversation,
    /// What tools, searches and documents said, on its way to a model.
    ToolResult,
    /// Everything on its way from a model, tool arguments and names included.
    Response,
    /// Tool arguments in both directions.
    ToolArguments,
}

impl Rule {
    /// Whether the rule is about texts of a stage and origin.
    pub(crate) fn selects(&self, stage: Stage, origin: Origin) -> bool {
        self.on.iter().any(|on| on.selects(stage, origin))
    }

    /// What is done about a finding, after the rung.
    pub(crate) fn effect(&self) -> Action {
        self.ladder.rung.cap(self.action)
    }

    /// Whether the rule is about this label, or about the pattern list that the label's pattern is in.
    pub(crate) fn wants(&self, label: &str) -> bool {
        let list = label.split_once('.').map_or(label, |(list, _)| list);
        let named =
            |labels: &Vec<String>| labels.iter().any(|named| named == label || named == list);
        self.labels.as_ref().is_none_or(named)
    }
}

impl Subject {
    pub(crate) fn deterministic(self) -> Option<usize> {
        match self {
            Subject::Shapes(detector) => Some(detector),
            Subject::Classifier(_) => None,
        }
    }
}

impl On {
    pub(crate) const ALL: [(&'static str, On); 6] = [
        ("prompt", On::Prompt),
        ("instructions", On::Instructions),
        ("conversation", On::Conversation),
        ("tool-result", On::ToolResult),
        ("response", On::Response),
        ("tool-arguments", On::ToolArguments),
    ];

    /// The kinds that are together all of this kind; itself, if it is not made of others.
    pub(crate) fn parts(&self) -> &[On] {
        match self {
            On::Prompt => &[On::Instructions, On::Conversation],
            other => std::slice::from_ref(other),
        }
    }

    /// The table of the module's documentation.
    pub(crate) fn selects(self, stage: Stage, origin: Origin) -> bool {
        let instructs = matches!(origin, Origin::System | Origin::ToolDefinition);
        match self {
            On::Prompt => stage == Stage::Prompt && origin != Origin::ToolResult,
            On::Instructions => stage == Stage::Prompt && instructs,
            On::Conversation => On::Prompt.selects(stage, origin) && !instructs,
            On::ToolResult => stage == Stage::Prompt && origin == Origin::ToolResult,
            On::Response => stage == Stage::Answer,
            On::ToolArguments => origin == Origin::ToolArguments,
        }
    }
}

#[cfg(test)]
mod tests;
