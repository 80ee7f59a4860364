//! Profiles: which detectors look at which texts, and what is done about what they find.
//!
//! ```toml
//! [profile.civ-standard]
//! description = "What most offices use."
//! rule = [
//!   { id = "CS-10", covers = "RU-10", detector = "pii@1", labels = ["us_ssn"], on = ["prompt", "response"],
//!     do = "redact", why = "Privacy Act" },
//!   { id = "CS-13", covers = "RU-13", detector = "fast-guard@1", labels = ["prompt_attack"], on = ["tool-result"],
//!     at = 0.92, do = "block", rung = "enforce", why = "AUP 1.8" },
//! ]
//! [pattern.forbidden-sql]
//! description = "Statements that destroy data."
//! entry = [{ id = "drop-table", regex = '(?i)\bdrop\s+table\b', keywords = ["table"], max_span = 64 }]
//! ```
//!
//! | `on` | texts |
//! |---|---|
//! | `prompt` | everything on its way to a model, but tool results |
//! | `tool-result` | what tools, searches and documents said, on its way to a model |
//! | `response` | everything on its way from a model, tool arguments and names included |
//! | `tool-arguments` | tool arguments in both directions |
//!
//! A kind that no rule of a profile reads passes unseen, so a profile has to say so: `unread = ["tool-result"]`.
//!
//! The loader is strict: it refuses what it does not know and what can check nothing (an empty list, patterns where there
//! are none), and reports every problem of every file at once. It warns of what loads and changes nothing: a rule that
//! others always outrank, a pattern list that no rule names, a threshold that means nothing or that every text reaches.

use std::sync::Arc;

use crate::{Action, Origin, Score, Stage};

mod fields;
mod load;
mod pattern;
mod shadows;

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
    pub(crate) rung: Rung,
}

/// Which detector a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    /// A deterministic one, by its index among the detectors.
    Shapes(usize),
    /// A trained one, by its index among the classifiers.
    Classifier(usize),
}

/// Which texts a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum On {
    Prompt,
    ToolResult,
    Response,
    ToolArguments,
}

/// How far a rule has been rolled out; it caps the action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rung {
    Observe,
    Warn,
    Enforce,
}

impl Rule {
    /// Whether the rule is about texts of a stage and origin.
    pub(crate) fn selects(&self, stage: Stage, origin: Origin) -> bool {
        self.on.iter().any(|on| on.selects(stage, origin))
    }

    /// What is done about a finding, after the rung.
    pub(crate) fn effect(&self) -> Action {
        self.rung.cap(self.action)
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
    pub(crate) const ALL: [(&'static str, On); 4] = [
        ("prompt", On::Prompt),
        ("tool-result", On::ToolResult),
        ("response", On::Response),
        ("tool-arguments", On::ToolArguments),
    ];

    /// The table of the module's documentation.
    pub(crate) fn selects(self, stage: Stage, origin: Origin) -> bool {
        match self {
            On::Prompt => stage == Stage::Prompt && origin != Origin::ToolResult,
            On::ToolResult => stage == Stage::Prompt && origin == Origin::ToolResult,
            On::Response => stage == Stage::Answer,
            On::ToolArguments => origin == Origin::ToolArguments,
        }
    }
}

impl Rung {
    pub(crate) const ALL: [(&'static str, Rung); 3] = [
        ("observe", Rung::Observe),
        ("warn", Rung::Warn),
        ("enforce", Rung::Enforce),
    ];

    pub(crate) fn cap(self, action: Action) -> Action {
        match self {
            Rung::Observe => Action::Allow,
            Rung::Warn => action.min(Action::Flag),
            Rung::Enforce => action,
        }
    }
}

#[cfg(test)]
mod tests;
