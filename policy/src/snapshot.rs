//! A loaded policy: what one bundle holds, checked and compiled. How it decides is in `decide`.

use std::{
    collections::BTreeMap,
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
    subject::Subject,
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
    /// Positions of the allow rows about models, for visibility.
    pub(crate) granting: Vec<usize>,
}

/// The rows about one tenant and action: a numbered section of the matcher.
#[derive(Debug, Default)]
pub(crate) struct Section {
    pub(crate) number: usize,
    /// Positions in [`Policy::rules`], ascending, never empty.
    pub(crate) rows: Vec<usize>,
}

impl Policy {
    /// The attributes of a principal; `None` for one that `identities.toml` does not name.
    #[must_use]
    pub fn subject(&self, principal: &str) -> Option<Subject> {
        let identity = Arc::clone(self.identities.by_principal.get(principal)?);
        let assurance = identity.assurance;
        Some(Subject {
            identity,
            assurance,
            snapshot: Arc::clone(&self.digest),
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

    /// The principals of `identities.toml`.
    pub fn principals(&self) -> impl Iterator<Item = &str> {
        self.identities.by_principal.keys().map(String::as_str)
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
