//! The checked content of a bundle's TOML files.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    certificate::CertificateRules,
    label::Label,
    pattern,
    problem::Site,
    subject::Identity,
    time::{UnixTime, Window},
};

/// `bundle.toml`.
#[derive(Debug, Default)]
pub(crate) struct Manifest {
    pub(crate) id: String,
    pub(crate) revision: u64,
    /// First moment after the last day, and where it is written.
    pub(crate) expires: Option<UnixTime>,
    pub(crate) expires_at: Option<Site>,
    /// Guardrail profiles, mildest first.
    pub(crate) profiles: Vec<Arc<str>>,
    /// The least share of rules by which a test case is decided, in per cent.
    pub(crate) coverage_floor: u8,
    /// Folder below `tenants/` to the tenant pattern that its rules may speak about.
    pub(crate) tenants: BTreeMap<String, String>,
}

/// `attributes.toml`: what labels, zones, windows, models and tools there are.
#[derive(Debug, Default)]
pub(crate) struct Attributes {
    pub(crate) needs: BTreeSet<String>,
    /// Zone to the highest label that it may carry.
    pub(crate) zones: BTreeMap<String, Label>,
    pub(crate) windows: BTreeMap<String, Window>,
    /// Model to the highest label that its backend is accredited for.
    pub(crate) models: BTreeMap<String, Label>,
    pub(crate) tools: BTreeSet<String>,
}

/// `purposes.toml`.
#[derive(Debug, Default)]
pub(crate) struct Purposes {
    pub(crate) registered: BTreeMap<String, Purpose>,
    /// Families that nobody may use: `nuclear.employment` covers `nuclear.employment.…` and itself.
    pub(crate) forbidden: BTreeSet<String>,
}

/// One registered purpose of use.
#[derive(Debug)]
pub(crate) struct Purpose {
    /// First moment after the last day.
    pub(crate) expires: UnixTime,
    /// Where its end is written.
    pub(crate) site: Site,
    /// Use-policy clauses that an authority record must lift first.
    pub(crate) needs_lifted: Vec<String>,
}

/// One record of `authorities.toml`: an official lifts clauses for some tenants and purposes.
#[derive(Debug)]
pub(crate) struct Authority {
    pub(crate) id: Arc<str>,
    pub(crate) tenant: String,
    pub(crate) purposes: BTreeSet<String>,
    pub(crate) lifts: BTreeSet<String>,
    /// First moment after the last day.
    pub(crate) expires: UnixTime,
    /// Where its end is written.
    pub(crate) site: Site,
}

/// `identities.toml`.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    pub(crate) by_principal: BTreeMap<String, Arc<Identity>>,
    /// Where each is written.
    pub(crate) sites: BTreeMap<String, Site>,
    pub(crate) by_certificate: BTreeMap<CertificateName, String>,
    /// How other certificates become principals.
    pub(crate) certificates: CertificateRules,
}

/// One name by which a certificate stands for a principal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum CertificateName {
    SanUri(String),
    /// Lower case.
    SanDns(String),
    /// Lower-case hexadecimal.
    Sha256(String),
}

impl Attributes {
    /// Names of the windows that are open, joined with `|`.
    pub(crate) fn open_windows(&self, at: UnixTime) -> String {
        let open = self.windows.iter().filter(|(_, window)| window.is_open(at));
        open.map(|(name, _)| name.as_str())
            .collect::<Vec<_>>()
            .join("|")
    }
}

impl Purposes {
    /// Whether the purpose belongs to a forbidden family.
    pub(crate) fn is_forbidden(&self, purpose: &str) -> bool {
        self.forbidden_family(purpose).is_some()
    }

    /// The forbidden family to which the purpose belongs.
    pub(crate) fn forbidden_family(&self, purpose: &str) -> Option<&str> {
        let holds = |family: &&String| {
            purpose
                .strip_prefix(family.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.forbidden.iter().find(holds).map(String::as_str)
    }
}

impl Authority {
    /// Whether the record, while it runs, opens this purpose to this tenant.
    pub(crate) fn covers(&self, tenant: &str, name: &str, purpose: &Purpose) -> bool {
        pattern::under(tenant, &self.tenant)
            && self.purposes.contains(name)
            && purpose
                .needs_lifted
                .iter()
                .all(|clause| self.lifts.contains(clause))
    }
}
