//! The question put to a policy, and its three possible answers.
//!
//! A [`Permit`] is a proof: nothing outside this crate can make one, it cannot be cloned, and it
//! carries the evidence for the audit entry. A denial ([`Denied`], or [`Refused::Hidden`]) is an
//! answer; [`Undecided`] is a fault. They share no variant and neither lets anything through.

use std::{fmt, sync::Arc};

use crate::{
    label::Label,
    rule::{Action, RuleRef},
    time::UnixTime,
};

/// What a subject wants, under which circumstances.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The model or tool.
    pub object: Object<'a>,
    /// What to do with it.
    pub action: Action,
    /// The purpose that the caller selected; it must be among those granted. `None`: the default.
    pub purpose: Option<&'a str>,
    /// The label of the data: declared, found and inherited markings joined.
    pub data: &'a Label,
    /// The zone of the listener, as named in `attributes.toml`.
    pub zone: &'a str,
    /// Now.
    pub at: UnixTime,
}

/// What is asked for, by its name as the caller wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object<'a> {
    /// A model.
    Model(&'a str),
    /// A tool.
    Tool(&'a str),
}

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(name) => write!(f, "model/{name}"),
            Self::Tool(name) => write!(f, "tool/{name}"),
        }
    }
}

/// Proof that a policy permits one request, with the evidence.
///
/// ```compile_fail
/// fn twice(permit: policy::Permit) -> (policy::Permit, policy::Permit) {
///     (permit.clone(), permit)
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit is the proof that the request may go on"]
pub struct Permit {
    pub(crate) rules: Arc<[RuleRef]>,
    pub(crate) rule: RuleRef,
    pub(crate) profile: Arc<str>,
    pub(crate) policy_digest: Arc<str>,
    pub(crate) principal: String,
    pub(crate) tenant: String,
    pub(crate) object: Target,
    pub(crate) action: Action,
    pub(crate) purpose: String,
    pub(crate) label: Label,
    pub(crate) zone: String,
    pub(crate) authority: Option<Arc<str>>,
}

/// An [`Object`] that owns its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Model(String),
    Tool(String),
}

impl Target {
    pub(crate) fn as_object(&self) -> Object<'_> {
        match self {
            Self::Model(name) => Object::Model(name),
            Self::Tool(name) => Object::Tool(name),
        }
    }
}

impl Permit {
    /// The allow row that decides: the first of those that name the strictest profile.
    #[must_use]
    pub fn rule(&self) -> &RuleRef {
        &self.rule
    }

    /// Every allow row that matched, in the order of the bundle.
    #[must_use]
    pub fn rules(&self) -> &[RuleRef] {
        &self.rules
    }

    /// The guardrail profile under which the request is permitted: the strictest one named.
    #[must_use]
    pub fn profile(&self) -> &str {
        &self.profile
    }

    /// The digest of the bundle that decided, 64 hexadecimal digits.
    #[must_use]
    pub fn policy_digest(&self) -> &str {
        &self.policy_digest
    }

    /// The principal.
    #[must_use]
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// The principal's tenant.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.tenant
    }

    /// The model or tool. A model's name is registered; a tool's name is covered by a rule, and may
    /// be the caller's spelling where the rule has a `*`.
    #[must_use]
    pub fn object(&self) -> Object<'_> {
        self.object.as_object()
    }

    /// The model, if the object is one.
    #[must_use]
    pub fn model(&self) -> Option<&str> {
        match &self.object {
            Target::Model(name) => Some(name),
            Target::Tool(_) => None,
        }
    }

    /// What may be done with it.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// The purpose of use that was decided upon.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// The label of the data. The subject's clearance dominates it, so its tags are registered ones.
    #[must_use]
    pub fn label(&self) -> &Label {
        &self.label
    }

    /// The zone.
    #[must_use]
    pub fn zone(&self) -> &str {
        &self.zone
    }

    /// The authority record on which the purpose rests, if it needs one.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }
}

/// Why there is no permit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The policy says no.
    #[error("denied: {0}")]
    Denied(Denied),
    /// The model is unknown, or no allow row lets this subject see it; the two look alike outside.
    #[error("the model is not visible to the subject")]
    Hidden,
    /// The policy could not decide. Never a permission.
    #[error("undecided: {0}")]
    Undecided(Undecided),
}

/// A denial with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// The deny row that matched; for a denial by circumstance, the allow row that came nearest.
    pub rule: Option<RuleRef>,
    /// What was decisive.
    pub reason: DenyReason,
    /// The authority record that would have permitted it, and has run out.
    pub authority: Option<Arc<str>>,
}

impl Denied {
    /// Whether [`Denied::rule`] is a deny row that refuses, and not an allow row that came nearest.
    #[must_use]
    pub fn by_rule(&self) -> bool {
        matches!(
            self.reason,
            DenyReason::Rule | DenyReason::Suspended | DenyReason::PurposeForbidden
        )
    }

    pub(crate) fn because(reason: DenyReason, rule: Option<RuleRef>) -> Self {
        Self {
            rule,
            reason,
            authority: None,
        }
    }

    pub(crate) fn on_record(reason: DenyReason, record: &Arc<str>) -> Self {
        Self {
            authority: Some(Arc::clone(record)),
            ..Self::because(reason, None)
        }
    }
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

/// What was decisive for a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DenyReason {
    /// No allow row matches, and none comes near.
    NoRule,
    /// A deny row matches.
    Rule,
    /// The principal is suspended.
    Suspended,
    /// The selected purpose is not registered.
    UnknownPurpose,
    /// The selected purpose is registered, but not granted to the subject.
    PurposeNotGranted,
    /// The selected purpose belongs to a family that nobody may use.
    PurposeForbidden,
    /// The purpose has run out.
    PurposeExpired,
    /// The purpose needs an authority record, and none covers this tenant.
    AuthorityMissing,
    /// The purpose needs an authority record, and those that cover this tenant have run out.
    AuthorityExpired,
    /// The data label is above the subject's clearance.
    LabelAboveClearance,
    /// The data is not released to the subject's country, or nobody knows which that is.
    NotReleased,
    /// The data label is above what the zone may carry.
    LabelAboveZone,
    /// The data label is above what the model's backend may see.
    LabelAboveModel,
    /// The nearest allow row is for data below this label.
    LabelAboveRule,
    /// The nearest allow row asks for a higher assurance.
    Assurance,
    /// The nearest allow row is for other purposes.
    PurposeNotInRule,
    /// The nearest allow row is for other zones.
    ZoneNotInRule,
    /// The nearest allow row is for another time.
    OutsideWindow,
}

impl DenyReason {
    /// Every reason, in the order of the type.
    pub const ALL: [Self; 18] = [
        Self::NoRule,
        Self::Rule,
        Self::Suspended,
        Self::UnknownPurpose,
        Self::PurposeNotGranted,
        Self::PurposeForbidden,
        Self::PurposeExpired,
        Self::AuthorityMissing,
        Self::AuthorityExpired,
        Self::LabelAboveClearance,
        Self::NotReleased,
        Self::LabelAboveZone,
        Self::LabelAboveModel,
        Self::LabelAboveRule,
        Self::Assurance,
        Self::PurposeNotInRule,
        Self::ZoneNotInRule,
        Self::OutsideWindow,
    ];

    /// The word for entries and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::NoRule => "no_rule",
            Self::Rule => "rule",
            Self::Suspended => "suspended",
            Self::UnknownPurpose => "unknown_purpose",
            Self::PurposeNotGranted => "purpose_not_granted",
            Self::PurposeForbidden => "purpose_forbidden",
            Self::PurposeExpired => "purpose_expired",
            Self::AuthorityMissing => "authority_missing",
            Self::AuthorityExpired => "authority_expired",
            Self::LabelAboveClearance => "label_above_clearance",
            Self::NotReleased => "not_released",
            Self::LabelAboveZone => "label_above_zone",
            Self::LabelAboveModel => "label_above_model",
            Self::LabelAboveRule => "label_above_rule",
            Self::Assurance => "assurance",
            Self::PurposeNotInRule => "purpose_not_in_rule",
            Self::ZoneNotInRule => "zone_not_in_rule",
            Self::OutsideWindow => "outside_window",
        }
    }
}

impl fmt::Display for Denied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.code())?;
        match (&self.rule, &self.authority) {
            (Some(rule), _) => write!(f, " ({rule})"),
            (None, Some(record)) => write!(f, " ({record})"),
            (None, None) => Ok(()),
        }
    }
}

/// A fault while deciding.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", reason.code())]
pub struct Undecided {
    /// What failed.
    pub reason: UndecidedReason,
    /// For the operational log; may hold internals, never what a caller typed.
    pub detail: String,
}

/// What failed while deciding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UndecidedReason {
    /// The matching engine panicked.
    Panicked,
    /// The matching engine returned an error.
    Engine,
    /// The matching engine took too long.
    Slow,
    /// The matching engine did not look at every row.
    Incomplete,
    /// The matching engine reports a row that does not match by our own comparison.
    Disagreement,
    /// The subject comes from another snapshot of the policy.
    StaleSubject,
    /// The listener names a zone that the bundle does not define.
    UnknownZone,
}

impl UndecidedReason {
    /// The word for entries and metrics.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Panicked => "panicked",
            Self::Engine => "engine",
            Self::Slow => "slow",
            Self::Incomplete => "incomplete",
            Self::Disagreement => "disagreement",
            Self::StaleSubject => "stale_subject",
            Self::UnknownZone => "unknown_zone",
        }
    }
}

impl Refused {
    pub(crate) fn denied(reason: DenyReason, rule: Option<RuleRef>) -> Self {
        Self::Denied(Denied::because(reason, rule))
    }

    pub(crate) fn undecided(reason: UndecidedReason, detail: impl Into<String>) -> Self {
        Self::Undecided(Undecided {
            reason,
            detail: detail.into(),
        })
    }
}
