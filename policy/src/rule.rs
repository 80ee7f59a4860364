//! One typed access rule, and the reference by which everyone cites it.

use std::{fmt, path::Path, str::FromStr, sync::Arc};

use crate::{
    label::Label,
    pattern,
    subject::{Assurance, EVERYONE, Subject},
};

/// What a subject wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// A chat completion.
    Chat,
    /// A text completion.
    Complete,
    /// Embeddings.
    Embed,
    /// A moderation verdict.
    Moderate,
    /// Use of a tool.
    Tool,
}

impl Action {
    /// Every action, in the order of the type.
    pub const ALL: [Self; 5] = [
        Self::Chat,
        Self::Complete,
        Self::Embed,
        Self::Moderate,
        Self::Tool,
    ];

    /// The word in rules, entries and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Complete => "complete",
            Self::Embed => "embed",
            Self::Moderate => "moderate",
            Self::Tool => "tool",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no action.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an action (chat, complete, embed, moderate, tool)")]
pub struct ActionError;

impl FromStr for Action {
    type Err = ActionError;

    fn from_str(text: &str) -> Result<Self, ActionError> {
        Self::ALL
            .into_iter()
            .find(|action| action.as_str() == text)
            .ok_or(ActionError)
    }
}

/// Where a rule stands: its id, its file within the bundle, its line. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RuleRef(Arc<RuleSite>);

#[derive(Debug, PartialEq, Eq, Hash)]
struct RuleSite {
    id: String,
    file: Arc<Path>,
    line: u32,
}

impl RuleRef {
    pub(crate) fn new(id: String, file: Arc<Path>, line: u32) -> Self {
        Self(Arc::new(RuleSite { id, file, line }))
    }

    /// The rule id, unique in its bundle: `A-Z a-z 0-9 . _ -`, at most 32 bytes.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The file, relative to the bundle's folder.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.0.file
    }

    /// The line in the file, from 1.
    #[must_use]
    pub fn line(&self) -> u32 {
        self.0.line
    }
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}", self.id(), self.file().display(), self.line())
    }
}

/// One checked row of `rules.csv`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) reference: RuleRef,
    pub(crate) role: String,
    /// Tenant pattern.
    pub(crate) tenant: String,
    /// Name pattern over `model/…` and `tool/…`.
    pub(crate) objects: String,
    /// Name pattern over [`Action::as_str`].
    pub(crate) actions: String,
    /// Name pattern over purposes.
    pub(crate) purposes: String,
    /// On an allow row the ceiling of the data label, on a deny row its floor.
    pub(crate) label: Label,
    /// Name pattern over zones.
    pub(crate) zones: String,
    /// Least assurance; always `aal1` on a deny row.
    pub(crate) assurance: Assurance,
    /// Name pattern over windows.
    pub(crate) windows: String,
    pub(crate) effect: Effect,
}

/// What a matching rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Permits, under the guardrail profile at this position of the bundle's list.
    Allow { profile: usize },
    /// Refuses, whatever else matches.
    Deny,
}

/// One request in the words of the rules, ready to be compared with rows.
pub(crate) struct Facts<'a> {
    pub(crate) subject: &'a Subject,
    /// `model/…` or `tool/…`.
    pub(crate) object: String,
    pub(crate) action: Action,
    pub(crate) purpose: &'a str,
    pub(crate) data: &'a Label,
    pub(crate) zone: &'a str,
    /// Names of the windows that are open, joined with `|`.
    pub(crate) windows: String,
}

/// A column of `rules.csv` by which a row of a section may fail to match. Tenant and action are not
/// among them: they choose the section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Column {
    /// Who.
    Role,
    /// Which model or tool.
    Object,
    /// What for.
    Purpose,
    /// How sensitive the data is.
    Label,
    /// Where the request came in.
    Zone,
    /// How well the subject proved itself.
    Assurance,
    /// When.
    Window,
}

impl Column {
    /// Every column, in the order of the file.
    pub const ALL: [Self; 7] = [
        Self::Role,
        Self::Object,
        Self::Purpose,
        Self::Label,
        Self::Zone,
        Self::Assurance,
        Self::Window,
    ];

    /// The column's name in the heading of `rules.csv`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Role => "role",
            Self::Object => "obj",
            Self::Purpose => "purp",
            Self::Label => "label",
            Self::Zone => "zone",
            Self::Assurance => "aal",
            Self::Window => "win",
        }
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Rule {
    /// Whether whatever meets `other` in everything but the label meets this row.
    pub(crate) fn spans(&self, other: &Self) -> bool {
        (self.role == EVERYONE || self.role == other.role)
            && pattern::contains(&self.tenant, &other.tenant)
            && self.assurance <= other.assurance
            && pattern::covers(&self.objects, &other.objects)
            && pattern::covers(&self.actions, &other.actions)
            && pattern::covers(&self.purposes, &other.purposes)
            && pattern::covers(&self.zones, &other.zones)
            && pattern::covers(&self.windows, &other.windows)
    }

    /// Whether two rows differ in their id alone.
    pub(crate) fn says_the_same(&self, other: &Self) -> bool {
        let reference = other.reference.clone();
        *other
            == Self {
                reference,
                ..self.clone()
            }
    }

    pub(crate) fn is_deny(&self) -> bool {
        self.effect == Effect::Deny
    }

    /// Whether the row speaks about this tenant and action at all, whoever asks.
    pub(crate) fn is_about(&self, tenant: &str, action: Action) -> bool {
        pattern::under(tenant, &self.tenant) && pattern::one_of(action.as_str(), &self.actions)
    }

    /// Whether the row lets whoever it is about in this tenant see the models that it names.
    pub(crate) fn shows_models(&self, tenant: &str) -> bool {
        let about_models =
            |action: &Action| *action != Action::Tool && self.is_about(tenant, *action);
        !self.is_deny() && Action::ALL.iter().any(about_models)
    }

    /// Whether the row speaks about this subject and object, whatever the circumstances.
    pub(crate) fn concerns(&self, subject: &Subject, object: &str) -> bool {
        pattern::under(subject.tenant(), &self.tenant)
            && pattern::one_of(object, &self.objects)
            && subject.holds(&self.role)
    }

    /// Whether the request meets one column.
    fn meets(&self, column: Column, facts: &Facts<'_>) -> bool {
        match column {
            Column::Role => facts.subject.holds(&self.role),
            Column::Object => pattern::one_of(&facts.object, &self.objects),
            Column::Purpose => pattern::one_of(facts.purpose, &self.purposes),
            Column::Label => match self.effect {
                Effect::Allow { .. } => self.label.dominates(facts.data),
                Effect::Deny => facts.data.dominates(&self.label),
            },
            Column::Zone => pattern::one_of(facts.zone, &self.zones),
            Column::Assurance => facts.subject.assurance() >= self.assurance,
            Column::Window => pattern::any_of(&facts.windows, &self.windows),
        }
    }

    /// The columns by which the row does not match, in the order of the file.
    pub(crate) fn missed(&self, facts: &Facts<'_>) -> Vec<Column> {
        let missed = |column: &Column| !self.meets(*column, facts);
        Column::ALL.into_iter().filter(missed).collect()
    }

    /// Whether the row matches by the typed comparison, the second opinion to casbin's.
    pub(crate) fn matches(&self, facts: &Facts<'_>) -> bool {
        self.is_about(facts.subject.tenant(), facts.action)
            && Column::ALL
                .into_iter()
                .all(|column| self.meets(column, facts))
    }
}
