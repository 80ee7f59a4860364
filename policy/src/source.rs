//! Where an attribute comes from that a record of `identities.toml` does not state itself.
//!
//! ```text
//! [source.hr]    a file of the bundle with a last day       sources/hr.csv: principal, clearance, …
//! [source.idp]   claims of the token with which somebody came
//! ```
//!
//! A source is believed up to what the record says: a clearance is cut to `at_most`, a tenant is
//! `one_of` some. What a source does not say, says in a form that nobody reads, or said until
//! its last day, is the lowest there is: clearance `U`, `aal1`, a nationality to which nothing with a
//! release mark may go, and no tenant, which is nobody at all.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{
    label::{self, Label, LabelError},
    problem::Site,
    subject::{Assurance, Identity, Nationality},
    time::UnixTime,
};

/// What a source may say about somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Attribute {
    Tenant,
    Clearance,
    Assurance,
    Nationality,
}

/// What is known of somebody beside the name, when and how they came.
#[derive(Clone, Copy)]
pub struct Evidence<'a> {
    /// Now.
    pub at: UnixTime,
    /// Of the token with which they came, if they came with one.
    pub claims: Option<Claims<'a>>,
}

/// The claims of a verified token.
#[derive(Clone, Copy)]
pub struct Claims<'a> {
    /// The issuer, by the name that principals bear: `oidc:ISSUER:…`.
    pub issuer: &'a str,
    /// The text of a claim; `None` if the token has none of this name, or one that is no text.
    pub get: &'a dyn Fn(&str) -> Option<String>,
}

impl Evidence<'_> {
    /// Somebody who came without a token, or with one whose claims do not matter.
    #[must_use]
    pub fn at(at: UnixTime) -> Self {
        Self { at, claims: None }
    }
}

impl fmt::Debug for Evidence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuer = self.claims.map(|claims| claims.issuer);
        write!(f, "Evidence {{ at: {}, issuer: {issuer:?} }}", self.at.0)
    }
}

/// One `[source.NAME]`.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) kind: SourceKind,
}

#[derive(Debug)]
pub(crate) enum SourceKind {
    File {
        /// First moment after its last day, and where that is written.
        expires: UnixTime,
        expires_at: Site,
        columns: Vec<Attribute>,
        /// By principal.
        rows: BTreeMap<String, Given>,
    },
    Claims {
        issuer: String,
        /// The name of the claim.
        names: BTreeMap<Attribute, String>,
    },
}

/// What a source says about one principal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Given {
    pub(crate) tenant: Option<String>,
    pub(crate) clearance: Option<Label>,
    pub(crate) assurance: Option<Assurance>,
    pub(crate) nationality: Option<String>,
}

/// From which sources the attributes of a record come; `None`: the record states it.
#[derive(Debug, Default)]
pub(crate) struct Drawn {
    pub(crate) tenant: Option<Arc<Source>>,
    pub(crate) clearance: Option<Arc<Source>>,
    pub(crate) assurance: Option<Arc<Source>>,
    pub(crate) nationality: Option<Arc<Source>>,
}

impl Attribute {
    pub(crate) const ALL: [Self; 4] = [
        Self::Tenant,
        Self::Clearance,
        Self::Assurance,
        Self::Nationality,
    ];

    /// The key in a record, and the column in a file.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Clearance => "clearance",
            Self::Assurance => "assurance",
            Self::Nationality => "nationality",
        }
    }
}

impl Source {
    /// Whether it ever says anything about an attribute.
    pub(crate) fn gives(&self, attribute: Attribute) -> bool {
        match &self.kind {
            SourceKind::File { columns, .. } => columns.contains(&attribute),
            SourceKind::Claims { names, .. } => names.contains_key(&attribute),
        }
    }

    /// Whether it speaks through what the caller brings along.
    pub(crate) fn is_claims(&self) -> bool {
        matches!(self.kind, SourceKind::Claims { .. })
    }

    /// The tenants that its file names; none for claims.
    pub(crate) fn tenants(&self) -> impl Iterator<Item = &str> {
        let rows = match &self.kind {
            SourceKind::File { rows, .. } => Some(rows.values()),
            SourceKind::Claims { .. } => None,
        };
        let tenants = rows.into_iter().flatten();
        tenants.filter_map(|given| given.tenant.as_deref())
    }

    /// What it says about somebody.
    fn given(&self, principal: &str, evidence: &Evidence<'_>) -> Given {
        match &self.kind {
            SourceKind::File { expires, rows, .. } if evidence.at < *expires => {
                rows.get(principal).cloned().unwrap_or_default()
            }
            SourceKind::File { .. } => Given::default(),
            SourceKind::Claims { issuer, names } => match evidence.claims {
                Some(claims) if claims.issuer == issuer => Given::of_claims(&claims, names),
                _ => Given::default(),
            },
        }
    }
}

impl Given {
    fn of_claims(claims: &Claims<'_>, names: &BTreeMap<Attribute, String>) -> Self {
        let text = |attribute| (claims.get)(names.get(&attribute)?);
        let nationality = text(Attribute::Nationality);
        Self {
            tenant: text(Attribute::Tenant),
            clearance: text(Attribute::Clearance).and_then(|text| read_clearance(&text).ok()),
            assurance: text(Attribute::Assurance).and_then(|text| text.parse().ok()),
            nationality: nationality.filter(|code| label::is_country(code)),
        }
    }
}

/// A label, in the short form or as a banner line: `S:NF`, `SECRET//NOFORN`.
fn read_clearance(text: &str) -> Result<Label, LabelError> {
    Label::parse(text).or_else(|_| Label::from_banner(text))
}

impl Drawn {
    /// Every source, with what is drawn from it.
    pub(crate) fn all(&self) -> impl Iterator<Item = (Attribute, &Arc<Source>)> {
        let of = |attribute| match attribute {
            Attribute::Tenant => &self.tenant,
            Attribute::Clearance => &self.clearance,
            Attribute::Assurance => &self.assurance,
            Attribute::Nationality => &self.nationality,
        };
        Attribute::ALL
            .into_iter()
            .filter_map(move |attribute| Some((attribute, of(attribute).as_ref()?)))
    }

    /// Whether the record states everything itself.
    pub(crate) fn is_nothing(&self) -> bool {
        self.all().next().is_none()
    }

    /// The tenant to which somebody belongs; `None` if the source says none.
    pub(crate) fn tenant(&self, principal: &str, evidence: &Evidence<'_>) -> Option<String> {
        self.tenant.as_ref()?.given(principal, evidence).tenant
    }

    /// The identity that is at most believed, lowered to what the sources say about somebody. With
    /// `trusting`, claims are believed up to their bound: for reviews, which know no token.
    pub(crate) fn lower(
        &self,
        most: &Identity,
        principal: &str,
        evidence: &Evidence<'_>,
        trusting: bool,
    ) -> Identity {
        let asked = |source: &Option<Arc<Source>>| {
            let source = source
                .as_ref()
                .filter(|source| !(trusting && source.is_claims()));
            source.map(|source| source.given(principal, evidence))
        };
        let mut lowered = most.clone();
        if let Some(given) = asked(&self.clearance) {
            let clearance = given.clearance.map(|label| label.meet(&most.clearance));
            lowered.clearance = clearance.unwrap_or_else(Label::unclassified);
        }
        if let Some(given) = asked(&self.assurance) {
            let assurance = given.assurance.map(|level| level.min(most.assurance));
            lowered.assurance = assurance.unwrap_or(Assurance::Aal1);
        }
        if let Some(given) = asked(&self.nationality) {
            lowered.nationality = match given.nationality {
                Some(code) => Nationality::Of(code),
                None => Nationality::Unknown,
            };
        }
        lowered
    }
}
