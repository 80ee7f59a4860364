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
    source::{Drawn, Evidence, Source, SourceKind},
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
    /// By the record's name, which is a principal or `oidc:agency:*`.
    pub(crate) records: BTreeMap<String, Record>,
    /// By name.
    pub(crate) sources: BTreeMap<String, Arc<Source>>,
    pub(crate) by_certificate: BTreeMap<CertificateName, String>,
    /// How other certificates become principals.
    pub(crate) certificates: CertificateRules,
}

/// One record of `identities.toml`.
#[derive(Debug)]
pub(crate) struct Record {
    /// What is believed at most, by tenant: of one, unless a source says which it is.
    pub(crate) homes: BTreeMap<String, Arc<Identity>>,
    pub(crate) drawn: Drawn,
    /// Where it is written.
    pub(crate) site: Site,
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

impl Identities {
    /// The record that speaks about a principal: its own, or the one that covers most of its name.
    pub(crate) fn record(&self, principal: &str) -> Option<&Record> {
        if principal.ends_with(ALL_BELOW) {
            return None;
        }
        let covering = || {
            // Somebody has a name of their own behind what is covered.
            let named = principal.trim_end_matches([':', '/']);
            let ends = named.rmatch_indices([':', '/']);
            ends.filter_map(|(at, sign)| principal.get(..at + sign.len()))
                .find_map(|stem| self.records.get(&format!("{stem}{ALL_BELOW}")))
        };
        self.records.get(principal).or_else(covering)
    }

    /// The principals in source files about whom some record speaks.
    pub(crate) fn named_by_files(&self) -> impl Iterator<Item = &str> {
        let files = self
            .sources
            .values()
            .filter_map(|source| match &source.kind {
                SourceKind::File { rows, .. } => Some(rows.keys()),
                SourceKind::Claims { .. } => None,
            });
        let names = files.flatten().map(String::as_str);
        names.filter(|name| self.record(name).is_some())
    }

    /// Everything that some record says at most.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Identity>> {
        self.records
            .values()
            .flat_map(|record| record.homes.values())
    }
}

impl Record {
    /// The only tenant, if the record states it.
    pub(crate) fn home(&self) -> Option<&str> {
        match self.drawn.tenant {
            Some(_) => None,
            None => self.homes.keys().next().map(String::as_str),
        }
    }

    /// What is known of somebody about whom the record speaks; `None` if they belong to no tenant. With
    /// `trusting`, as [`Drawn::lower`]; then there is one for each tenant that a claim may say.
    pub(crate) fn identities(
        &self,
        principal: &str,
        evidence: &Evidence<'_>,
        trusting: bool,
    ) -> Vec<Arc<Identity>> {
        let Self { homes, drawn, .. } = self;
        if drawn.is_nothing() {
            return homes.values().map(Arc::clone).collect();
        }
        let chosen = match &drawn.tenant {
            Some(source) if !(trusting && source.is_claims()) => {
                Some(drawn.tenant(principal, evidence).unwrap_or_default())
            }
            _ => None,
        };
        let here = |tenant: &String| chosen.as_ref().is_none_or(|chosen| chosen == tenant);
        let homes = homes.iter().filter(|(tenant, _)| here(tenant));
        homes
            .map(|(_, most)| Arc::new(drawn.lower(most, principal, evidence, trusting)))
            .collect()
    }
}

/// At the end of a record's name: it speaks about everybody whose name begins like this.
pub(crate) const ALL_BELOW: &str = "*";

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
