//! A loaded policy: what one bundle holds, checked and compiled. How it decides is in `decide`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    cache::Cache,
    cases::Case,
    certificate::{CertificateFacts, CertificateFault},
    label::Label,
    matcher::Matcher,
    problem::Problem,
    records::{Attributes, Authority, Identities, Manifest, Purposes},
    rule::{Action, Effect, Rule, RuleRef},
    source::{Evidence, SourceKind},
    subject::{Identity, Subject},
    time::UnixTime,
};

/// An immutable policy: one bundle, checked and compiled. Share it behind an `Arc` and swap it whole.
pub struct Policy {
    pub(crate) digest: Arc<str>,
    /// The bundle's folder, as it was named to the loader; empty for one from memory.
    pub(crate) root: PathBuf,
    pub(crate) manifest: Manifest,
    pub(crate) attributes: Attributes,
    pub(crate) purposes: Purposes,
    pub(crate) authorities: Vec<Authority>,
    pub(crate) identities: Identities,
    /// In the order of the bundle: baseline first, then tenants by folder name.
    pub(crate) rules: Vec<Rule>,
    pub(crate) tenants: BTreeMap<String, TenantRules>,
    pub(crate) matcher: Matcher,
    /// Changed after it was loaded, to see whether its tests notice: casbin does not know the change
    /// and is not asked. Nobody outside this crate ever holds such a policy.
    pub(crate) is_mutant: bool,
    pub(crate) cache: Cache,
    /// What the bundle's authors expect, in the order of the bundle.
    pub(crate) cases: Vec<Case>,
    /// Guardrail files by path, as digested.
    pub(crate) guardrails: Vec<(PathBuf, String)>,
}

/// What a successful load hands over.
#[derive(Debug)]
pub struct Loaded {
    /// The policy.
    pub policy: Policy,
    /// What somebody should look at, though it is no error.
    pub warnings: Vec<Problem>,
}

/// The rows about one tenant.
#[derive(Debug, Default)]
pub(crate) struct TenantRules {
    pub(crate) sections: BTreeMap<Action, Section>,
    /// By the pattern of their objects, the roles to which allow rows show models, each with the first
    /// such row: what decides on visibility.
    pub(crate) granting: BTreeMap<String, BTreeMap<String, usize>>,
}

impl TenantRules {
    /// Notes that an allow row shows the models that it names.
    pub(crate) fn grant(&mut self, row: usize, rule: &Rule) {
        let roles = self.granting.entry(rule.objects.clone()).or_default();
        let first = roles.entry(rule.role.clone()).or_insert(row);
        *first = row.min(*first);
    }
}

/// The rows about one tenant and action.
#[derive(Debug, Default)]
pub(crate) struct Section {
    pub(crate) number: usize,
    /// Positions in [`Policy::rules`], ascending, never empty.
    pub(crate) rows: Vec<usize>,
    /// The same rows by the pattern of their objects.
    pub(crate) parts: Vec<Part>,
}

/// The rows of a section whose objects have one pattern: what the matcher compiles under a number, and
/// is asked about the objects that the pattern covers.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) number: usize,
    pub(crate) objects: String,
    /// Positions in [`Section::rows`], ascending, never empty.
    pub(crate) rows: Vec<usize>,
}

impl Policy {
    /// The attributes of a principal, as far as the evidence goes; `None` for one about whom no record
    /// of `identities.toml` speaks, or who belongs to no tenant.
    #[must_use]
    pub fn subject(&self, principal: &str, evidence: &Evidence<'_>) -> Option<Subject> {
        let record = self.identities.record(principal)?;
        let identities = record.identities(principal, evidence, false);
        let identity = identities.into_iter().next()?;
        Some(self.subject_of(principal, identity))
    }

    /// Whether some record speaks about a principal.
    #[must_use]
    pub fn knows(&self, principal: &str) -> bool {
        self.identities.record(principal).is_some()
    }

    pub(crate) fn subject_of(&self, principal: &str, identity: Arc<Identity>) -> Subject {
        let assurance = identity.assurance;
        Subject {
            principal: principal.into(),
            identity,
            assurance,
            snapshot: Arc::clone(&self.digest),
        }
    }

    /// Everybody whom the bundle names, for a review: the principals of records and of source files, and
    /// `oidc:agency:*` for whoever else is covered. Claims are believed up to their bounds, so that nobody
    /// may do more than is shown; whom a claim may put into one of several tenants is shown in each.
    #[must_use]
    pub fn everybody(&self, at: UnixTime) -> Vec<Subject> {
        let names = self.identities.records.keys().map(String::as_str);
        let named = self.identities.named_by_files();
        let everybody: BTreeSet<&str> = names.chain(named).collect();
        everybody
            .into_iter()
            .flat_map(|principal| self.at_most(principal, at))
            .collect()
    }

    /// What a principal may be at most, as in [`Policy::everybody`]; or everybody whom a record covers
    /// that is named here by its own name, such as `oidc:agency:*`.
    #[must_use]
    pub fn at_most(&self, principal: &str, at: UnixTime) -> Vec<Subject> {
        let record = self.identities.records.get(principal);
        let Some(record) = record.or_else(|| self.identities.record(principal)) else {
            return Vec::new();
        };
        let identities = record.identities(principal, &Evidence::at(at), true);
        let subject = |identity| self.subject_of(principal, identity);
        identities.into_iter().map(subject).collect()
    }

    /// The issuers whose claims records rely on, by the names that principals bear.
    pub fn claim_issuers(&self) -> impl Iterator<Item = &str> {
        let sources = self.identities.sources.values();
        sources.filter_map(|source| match &source.kind {
            SourceKind::Claims { issuer, .. } => Some(issuer.as_str()),
            SourceKind::File { .. } => None,
        })
    }

    /// The principal for whom a verified certificate stands; whether the bundle knows it is another
    /// question.
    ///
    /// # Errors
    /// [`CertificateFault`]: it stands for nobody.
    pub fn certificate_principal(
        &self,
        certificate: &CertificateFacts<'_>,
    ) -> Result<String, CertificateFault> {
        let rules = &self.identities.certificates;
        rules.principal(&self.identities, certificate)
    }

    /// SHA-256 over all files of the bundle, names included: 64 lower-case hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The first 12 digits of [`Policy::digest`], for headers and headings.
    #[must_use]
    pub fn short_digest(&self) -> &str {
        self.digest.get(..12).unwrap_or(&self.digest)
    }

    /// The bundle's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.manifest.id
    }

    /// The bundle's revision; a later bundle has a greater one.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.manifest.revision
    }

    /// The first moment at which the bundle is out of date. It stays in force; somebody must act.
    #[must_use]
    pub fn expires(&self) -> Option<UnixTime> {
        self.manifest.expires
    }

    /// The guardrail profiles that allow rows name, each with the first such row.
    pub fn profiles(&self) -> impl Iterator<Item = (&str, RuleRef)> {
        self.manifest
            .profiles
            .iter()
            .enumerate()
            .filter_map(|(nth, name)| {
                let names_it = |rule: &&Rule| rule.effect == Effect::Allow { profile: nth };
                Some((
                    name.as_ref(),
                    self.rules.iter().find(names_it)?.reference.clone(),
                ))
            })
    }

    /// How many rules the bundle holds.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        self.rules.len()
    }

    /// The `guardrails.toml` files, the baseline's first: path relative to the bundle, and text. Their
    /// content is not this crate's business; this is the text that the digest covers.
    pub fn guardrail_files(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.guardrails
            .iter()
            .map(|(path, text)| (path.as_path(), text.as_str()))
    }

    /// The models of `attributes.toml`.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.attributes.models.keys().map(String::as_str)
    }

    /// Whether `purposes.toml` registers the purpose.
    #[must_use]
    pub fn has_purpose(&self, purpose: &str) -> bool {
        self.purposes.registered.contains_key(purpose)
    }

    /// Whether `attributes.toml` registers every need-to-know tag of a label.
    #[must_use]
    pub fn has_needs_of(&self, label: &Label) -> bool {
        label.needs().is_subset(&self.attributes.needs)
    }

    /// The zones of `attributes.toml`.
    pub fn zones(&self) -> impl Iterator<Item = &str> {
        self.attributes.zones.keys().map(String::as_str)
    }

    /// The names of the records of `identities.toml`.
    pub fn principals(&self) -> impl Iterator<Item = &str> {
        self.identities.records.keys().map(String::as_str)
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Policy");
        out.field("id", &self.id())
            .field("revision", &self.revision())
            .field("digest", &self.short_digest());
        out.finish_non_exhaustive()
    }
}
