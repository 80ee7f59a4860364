//! Who is asking: the attributes that a bundle gives a principal.

use std::{fmt, str::FromStr, sync::Arc};

use crate::{
    duty::Duty,
    label::{Label, Release},
};

/// Authenticator assurance (NIST SP 800-63B), lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Assurance {
    /// Some assurance: one factor.
    Aal1,
    /// High: two factors, or a bound service key.
    Aal2,
    /// Very high: a hardware key with verified possession.
    Aal3,
}

/// An authenticated principal with its attributes.
///
/// Only [`Policy::subject`](crate::Policy::subject) makes one, and it remembers the snapshot that it
/// came from: another snapshot refuses to decide about it, since its clearance may be out of date.
#[derive(Debug, Clone)]
pub struct Subject {
    pub(crate) principal: Arc<str>,
    pub(crate) identity: Arc<Identity>,
    pub(crate) assurance: Assurance,
    pub(crate) snapshot: Arc<str>,
}

/// What one record of `identities.toml` says of whoever belongs to one tenant, with the roles that
/// `roles.csv` gives them there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The record's own name: a principal, or `oidc:agency:*` for all below it.
    pub(crate) record: String,
    pub(crate) tenant: String,
    pub(crate) clearance: Label,
    pub(crate) assurance: Assurance,
    pub(crate) nationality: Nationality,
    pub(crate) purposes: Vec<String>,
    pub(crate) default_purpose: String,
    /// At the admin interface.
    pub(crate) duties: Vec<Duty>,
    /// All roles in the own tenant, inherited ones included, sorted.
    pub(crate) roles: Vec<String>,
}

/// Of which country somebody is. It can only refuse: see [`Nationality::may_hold`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nationality {
    /// The record does not ask: the clearance alone decides.
    NotAsked,
    /// Of this country, a three-letter code (ISO 3166-1).
    Of(String),
    /// It was asked, and nobody knows, or it is not known any more.
    Unknown,
}

impl Nationality {
    /// Whether data of this label may go to somebody of this nationality, as far as that matters: it is
    /// released to their country, or bears no release mark.
    #[must_use]
    pub fn may_hold(&self, data: &Label) -> bool {
        match (self, data.release()) {
            (Self::NotAsked, _) | (_, Release::Anyone) => true,
            (Self::Of(country), Release::Only(countries)) => countries.contains(country),
            (Self::Unknown, Release::Only(_)) => false,
        }
    }
}

impl fmt::Display for Nationality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAsked => "not asked",
            Self::Of(country) => country,
            Self::Unknown => "unknown",
        })
    }
}

impl Subject {
    /// The principal with its namespace, such as `svc:benefits-app`.
    #[must_use]
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// The name of the record that speaks about the principal, by which roles are given.
    pub(crate) fn record(&self) -> &str {
        &self.identity.record
    }

    /// Agency, office and mission, such as `demo/benefits/web`.
    #[must_use]
    pub fn tenant(&self) -> &str {
        &self.identity.tenant
    }

    /// The highest label whose data the principal may handle.
    #[must_use]
    pub fn clearance(&self) -> &Label {
        &self.identity.clearance
    }

    /// The nationality, where the record asks for one.
    #[must_use]
    pub fn nationality(&self) -> &Nationality {
        &self.identity.nationality
    }

    /// The assurance of this session.
    #[must_use]
    pub fn assurance(&self) -> Assurance {
        self.assurance
    }

    /// The purposes that the principal may select.
    #[must_use]
    pub fn purposes(&self) -> &[String] {
        &self.identity.purposes
    }

    /// The purpose that holds when the caller selects none.
    #[must_use]
    pub fn default_purpose(&self) -> &str {
        &self.identity.default_purpose
    }

    /// What the principal does for the gateway itself; none for most.
    #[must_use]
    pub fn duties(&self) -> &[Duty] {
        &self.identity.duties
    }

    /// All roles in the own tenant, inherited ones included, sorted; `role:everyone` is not listed.
    #[must_use]
    pub fn roles(&self) -> &[String] {
        &self.identity.roles
    }

    /// Whether everything is refused to the principal.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.holds(SUSPENDED)
    }

    /// The same subject with its assurance capped by what the authenticator proved. Never raises.
    #[must_use]
    pub fn with_assurance(mut self, cap: Assurance) -> Self {
        self.assurance = self.assurance.min(cap);
        self
    }

    /// Whether the principal holds the role in its own tenant.
    pub(crate) fn holds(&self, role: &str) -> bool {
        role == EVERYONE || self.identity.roles.iter().any(|held| held == role)
    }
}

impl fmt::Display for Assurance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aal1 => "aal1",
            Self::Aal2 => "aal2",
            Self::Aal3 => "aal3",
        })
    }
}

/// The text is none of `aal1`, `aal2`, `aal3`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an assurance level (aal1, aal2, aal3)")]
pub struct AssuranceError;

impl FromStr for Assurance {
    type Err = AssuranceError;

    fn from_str(text: &str) -> Result<Self, AssuranceError> {
        match text {
            "aal1" => Ok(Self::Aal1),
            "aal2" => Ok(Self::Aal2),
            "aal3" => Ok(Self::Aal3),
            _ => Err(AssuranceError),
        }
    }
}

/// The role that every subject holds.
pub(crate) const EVERYONE: &str = "role:everyone";

/// The role whose holders are refused everything, before any rule is asked.
pub(crate) const SUSPENDED: &str = "role:suspended";

/// The namespaces of principals. `role:` is not among them: a subject spelled like a role would hold
/// that role by casbin's reflexive `g`.
pub(crate) const NAMESPACES: [&str; 5] = ["svc:", "oidc:", "piv:", "dod:", "spiffe:"];
