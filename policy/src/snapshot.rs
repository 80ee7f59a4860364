//! A loaded policy and the order of one decision.
//!
//! ```text
//! snapshot ─ visible? ─ suspended? ─ purpose ─ authority ─ labels ─▶ one section of rows ─▶ verdict
//!            Hidden     native refusals, each can only say no         casbin + typed table
//! ```
//!
//! A section holds every row that speaks about one tenant and one action; it is compiled at load.
//! Casbin and the typed comparison of [`Rule::matches`] must agree on every row: if they do not, one
//! of them is wrong about who may do what, and the answer is a fault, not a guess.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    cache::Cache,
    decision::{
        Ask, Denied, DenyReason, Object, Permit, Refused, Target, Undecided, UndecidedReason,
    },
    matcher::Matcher,
    pattern,
    problem::Problem,
    records::{Attributes, Authority, Identities, Manifest, Purpose, Purposes},
    rule::{Action, Effect, Facts, Missed, Rule, RuleRef},
    subject::{CertificateFacts, SUSPENDED, Subject},
    time::UnixTime,
};

/// An immutable policy: one bundle, checked and compiled. Share it behind an `Arc` and swap it whole.
pub struct Policy {
    pub(crate) digest: Arc<str>,
    pub(crate) manifest: Manifest,
    pub(crate) attributes: Attributes,
    pub(crate) purposes: Purposes,
    pub(crate) authorities: Vec<Authority>,
    pub(crate) identities: Identities,
    /// In the order of the bundle: baseline first, then tenants by folder name.
    pub(crate) rules: Vec<Rule>,
    pub(crate) tenants: BTreeMap<String, TenantRules>,
    pub(crate) matcher: Matcher,
    pub(crate) cache: Cache,
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
    /// Decides one request.
    ///
    /// # Errors
    /// [`Refused`]: a denial, a hidden model, or a fault. No combination of arguments panics.
    pub fn authorize(&self, subject: &Subject, ask: &Ask<'_>) -> Result<Permit, Refused> {
        self.check_snapshot(subject)?;
        self.check_visible(subject, ask.object)?;
        self.check_suspension(subject)?;
        let (name, purpose) = self.purpose(subject, ask)?;
        let authority = self.authority(subject, name, purpose, ask.at)?;
        self.check_labels(subject, ask)?;
        let facts = Facts {
            subject,
            object: ask.object.to_string(),
            action: ask.action,
            purpose: name,
            data: ask.data,
            zone: ask.zone,
            windows: self.attributes.open_windows(ask.at),
        };
        let verdict = self.cache.verdict(&facts, || self.verdict(&facts));
        let grant = verdict.map_err(Refused::Undecided)??;
        Ok(grant.permit(&facts, ask.object, authority, &self.digest))
    }

    /// Whether the subject may know that the model exists: some allow row matches subject, tenant and
    /// model, whatever the action, purpose, label, zone, window or assurance.
    #[must_use]
    pub fn visible(&self, subject: &Subject, model: &str) -> bool {
        let object = Object::Model(model).to_string();
        let shows = |row: &usize| {
            self.rules
                .get(*row)
                .is_some_and(|rule| rule.concerns(subject, &object))
        };
        subject.snapshot == self.digest
            && self.attributes.models.contains_key(model)
            && self
                .tenants
                .get(subject.tenant())
                .is_some_and(|tenant| tenant.granting.iter().any(shows))
    }

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

    /// The principal for whom a verified certificate stands. A certificate whose names belong to two
    /// principals stands for nobody.
    #[must_use]
    pub fn certificate_principal(&self, certificate: &CertificateFacts<'_>) -> Option<&str> {
        self.identities.certificate_principal(certificate)
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

    /// The zones of `attributes.toml`.
    pub fn zones(&self) -> impl Iterator<Item = &str> {
        self.attributes.zones.keys().map(String::as_str)
    }

    /// The principals of `identities.toml`.
    pub fn principals(&self) -> impl Iterator<Item = &str> {
        self.identities.by_principal.keys().map(String::as_str)
    }

    /// A subject made by another snapshot carries attributes that may have been taken away.
    fn check_snapshot(&self, subject: &Subject) -> Result<(), Refused> {
        match subject.snapshot == self.digest {
            true => Ok(()),
            false => Err(Refused::undecided(
                UndecidedReason::StaleSubject,
                "the subject is from another snapshot",
            )),
        }
    }

    fn check_visible(&self, subject: &Subject, object: Object<'_>) -> Result<(), Refused> {
        match object {
            Object::Model(model) if !self.visible(subject, model) => Err(Refused::Hidden),
            Object::Model(_) | Object::Tool(_) => Ok(()),
        }
    }

    fn check_suspension(&self, subject: &Subject) -> Result<(), Refused> {
        if !subject.holds(SUSPENDED) {
            return Ok(());
        }
        let cited = self.deny_row(|rule| {
            rule.role == SUSPENDED && pattern::under(subject.tenant(), &rule.tenant)
        });
        Err(Refused::denied(DenyReason::Suspended, cited))
    }

    /// The purpose of use: the caller's choice among those granted, or the subject's default.
    fn purpose<'a>(
        &'a self,
        subject: &Subject,
        ask: &Ask<'_>,
    ) -> Result<(&'a str, &'a Purpose), Refused> {
        let wanted = ask.purpose.unwrap_or(subject.default_purpose());
        if self.purposes.is_forbidden(wanted) {
            let object = ask.object.to_string();
            let cited = self.deny_row(|rule| {
                pattern::one_of(wanted, &rule.purposes) && rule.concerns(subject, &object)
            });
            return Err(Refused::denied(DenyReason::PurposeForbidden, cited));
        }
        let Some((name, purpose)) = self.purposes.registered.get_key_value(wanted) else {
            return Err(Refused::denied(DenyReason::UnknownPurpose, None));
        };
        if !subject.purposes().contains(name) {
            return Err(Refused::denied(DenyReason::PurposeNotGranted, None));
        }
        if ask.at >= purpose.expires {
            return Err(Refused::denied(DenyReason::PurposeExpired, None));
        }
        Ok((name, purpose))
    }

    /// The authority record on which the purpose rests, if it needs one.
    fn authority(
        &self,
        subject: &Subject,
        name: &str,
        purpose: &Purpose,
        at: UnixTime,
    ) -> Result<Option<Arc<str>>, Refused> {
        if purpose.needs_lifted.is_empty() {
            return Ok(None);
        }
        let mut covering = self
            .authorities
            .iter()
            .filter(|record| record.covers(subject.tenant(), name, purpose))
            .peekable();
        if covering.peek().is_none() {
            return Err(Refused::denied(DenyReason::AuthorityMissing, None));
        }
        match covering.find(|record| at < record.expires) {
            Some(record) => Ok(Some(Arc::clone(&record.id))),
            None => Err(Refused::denied(DenyReason::AuthorityExpired, None)),
        }
    }

    /// The data label against clearance, zone ceiling and model ceiling.
    fn check_labels(&self, subject: &Subject, ask: &Ask<'_>) -> Result<(), Refused> {
        let Some(zone) = self.attributes.zones.get(ask.zone) else {
            return Err(Refused::undecided(
                UndecidedReason::UnknownZone,
                "the listener's zone is not in the bundle",
            ));
        };
        if !subject.clearance().dominates(ask.data) {
            return Err(Refused::denied(DenyReason::LabelAboveClearance, None));
        }
        if !zone.dominates(ask.data) {
            return Err(Refused::denied(DenyReason::LabelAboveZone, None));
        }
        match ask.object {
            Object::Model(model)
                if !self
                    .attributes
                    .models
                    .get(model)
                    .is_some_and(|top| top.dominates(ask.data)) =>
            {
                Err(Refused::denied(DenyReason::LabelAboveModel, None))
            }
            Object::Model(_) | Object::Tool(_) => Ok(()),
        }
    }

    /// The allow rows that match, or the reason why there is none. A deny row wins. It follows from
    /// the facts alone, so it may be remembered.
    ///
    /// # Errors
    /// [`Undecided`]: a fault.
    pub(crate) fn verdict(&self, facts: &Facts<'_>) -> Result<Result<Grant, Denied>, Undecided> {
        let tenant = self.tenants.get(facts.subject.tenant());
        let Some(section) = tenant.and_then(|tenant| tenant.sections.get(&facts.action)) else {
            return Ok(Err(Denied::because(DenyReason::NoRule, None)));
        };
        let rows: Vec<&Rule> = section
            .rows
            .iter()
            .filter_map(|row| self.rules.get(*row))
            .collect();
        let matched = self.matched(section, &rows, facts)?;
        if let Some(deny) = matched.iter().find(|rule| rule.is_deny()) {
            let cited = Some(deny.reference.clone());
            return Ok(Err(Denied::because(DenyReason::Rule, cited)));
        }
        Ok(self
            .strictest(&matched)
            .ok_or_else(|| nearest_miss(&rows, facts)))
    }

    /// The rows of a section that match, by casbin and by the typed comparison alike.
    fn matched<'a>(
        &self,
        section: &Section,
        rows: &[&'a Rule],
        facts: &Facts<'_>,
    ) -> Result<Vec<&'a Rule>, Undecided> {
        let reported = self.matcher.matched(section.number, rows.len(), facts)?;
        let typed = rows
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.matches(facts))
            .map(|(nth, _)| nth);
        if !typed.eq(reported.iter().copied()) {
            return Err(Undecided {
                reason: UndecidedReason::Disagreement,
                detail: format!(
                    "section {}: casbin and the typed rows differ",
                    section.number
                ),
            });
        }
        Ok(reported
            .iter()
            .filter_map(|nth| rows.get(*nth).copied())
            .collect())
    }

    /// The matching allow rows and the strictest profile that they name; the first row on a tie.
    fn strictest(&self, matched: &[&Rule]) -> Option<Grant> {
        let mut best: Option<(usize, &Rule)> = None;
        for rule in matched {
            if let Effect::Allow { profile } = rule.effect
                && best.is_none_or(|(strictest, _)| profile > strictest)
            {
                best = Some((profile, rule));
            }
        }
        let (profile, rule) = best?;
        Some(Grant {
            rule: rule.reference.clone(),
            rules: matched.iter().map(|rule| rule.reference.clone()).collect(),
            profile: Arc::clone(self.manifest.profiles.get(profile)?),
        })
    }

    /// The first deny row that fits, to be cited for a native refusal.
    fn deny_row(&self, fits: impl Fn(&Rule) -> bool) -> Option<RuleRef> {
        self.rules
            .iter()
            .find(|rule| rule.is_deny() && fits(rule))
            .map(|rule| rule.reference.clone())
    }
}

/// The rows that grant a request: what becomes a permit. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    rule: RuleRef,
    rules: Arc<[RuleRef]>,
    profile: Arc<str>,
}

impl Grant {
    fn permit(
        self,
        facts: &Facts<'_>,
        object: Object<'_>,
        authority: Option<Arc<str>>,
        digest: &Arc<str>,
    ) -> Permit {
        Permit {
            rule: self.rule,
            rules: self.rules,
            profile: self.profile,
            policy_digest: Arc::clone(digest),
            principal: facts.subject.principal().to_owned(),
            tenant: facts.subject.tenant().to_owned(),
            object: match object {
                Object::Model(name) => Target::Model(name.to_owned()),
                Object::Tool(name) => Target::Tool(name.to_owned()),
            },
            action: facts.action,
            purpose: facts.purpose.to_owned(),
            label: facts.data.clone(),
            zone: facts.zone.to_owned(),
            authority,
        }
    }
}

/// Why no allow row matched: what the row that misses fewest columns lacks, if one is near.
fn nearest_miss(rows: &[&Rule], facts: &Facts<'_>) -> Denied {
    let near = rows
        .iter()
        .filter(|rule| !rule.is_deny() && rule.concerns(facts.subject, &facts.object));
    let nearest = near
        .map(|rule| (rule.missed(facts), rule))
        .min_by_key(|(missed, _)| missed.len());
    let Some((missed, rule)) = nearest else {
        return Denied::because(DenyReason::NoRule, None);
    };
    let reason = match missed.first() {
        Some(Missed::Purpose) => DenyReason::PurposeNotInRule,
        Some(Missed::Label) => DenyReason::LabelAboveRule,
        Some(Missed::Zone) => DenyReason::ZoneNotInRule,
        Some(Missed::Assurance) => DenyReason::Assurance,
        Some(Missed::Window) => DenyReason::OutsideWindow,
        None => DenyReason::NoRule,
    };
    Denied::because(reason, Some(rule.reference.clone()))
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
