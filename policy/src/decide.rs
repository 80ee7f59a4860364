//! The order of one decision.
//!
//! ```text
//! snapshot ─ visible? ─ suspended? ─ purpose ─ authority ─ labels ─▶ one section of rows ─▶ verdict
//!            Hidden     native refusals, each can only say no         casbin + typed table
//! ```
//!
//! A section holds every row that speaks about one tenant and one action; it is compiled at load, in parts
//! by the objects that its rows name. Casbin is asked about the parts that cover the object.
//! Casbin and the typed comparison of [`Rule::matches`] must agree on every row: if they do not, one
//! of them is wrong about who may do what, and the answer is a fault, not a guess.

use std::sync::Arc;

use crate::{
    decision::{
        Ask, Denied, DenyReason, Object, Permit, Refused, Target, Undecided, UndecidedReason,
    },
    label::Label,
    matcher::Deadline,
    pattern,
    records::{Authority, Purpose},
    rule::{Action, Column, Effect, Facts, Rule, RuleRef},
    snapshot::{Part, Policy, Section},
    subject::{SUSPENDED, Subject},
    time::UnixTime,
};

impl Policy {
    /// Decides one request.
    ///
    /// # Errors
    /// [`Refused`]: a denial, a hidden model, or a fault. No combination of arguments panics.
    pub fn authorize(&self, subject: &Subject, ask: &Ask<'_>) -> Result<Permit, Refused> {
        let (facts, authority) = self.admit(subject, ask)?;
        let verdict = self.cache.verdict(&facts, || self.verdict(&facts));
        let grant = verdict.map_err(Refused::Undecided)??;
        Ok(grant.permit(&facts, ask.object, authority, &self.digest))
    }

    /// Decides one request that an application makes for a user: both must be permitted, for the same
    /// purpose, and the stricter of the two profiles holds. So a user's word can only narrow what the
    /// application may do. The permit is the application's.
    ///
    /// # Errors
    /// [`Refused`], the application's before the user's.
    pub fn authorize_both(
        &self,
        application: &Subject,
        user: &Subject,
        ask: &Ask<'_>,
    ) -> Result<Permit, Refused> {
        let mut permit = self.authorize(application, ask)?;
        let same = permit.purpose().to_owned();
        let theirs = self.authorize(
            user,
            &Ask {
                purpose: Some(&same),
                ..*ask
            },
        )?;
        let rank = |name: &str| self.manifest.profiles.iter().position(|p| **p == *name);
        if rank(theirs.profile()) > rank(permit.profile()) {
            permit.profile = Arc::clone(&theirs.profile);
            permit.rule = theirs.rule.clone();
        }
        permit.rules = permit.rules.iter().chain(theirs.rules()).cloned().collect();
        Ok(permit)
    }

    /// The native refusals in their order. What they let through is a question for the rows, and
    /// comes with the authority record on which the purpose rests.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) fn admit<'a>(
        &'a self,
        subject: &'a Subject,
        ask: &Ask<'a>,
    ) -> Result<(Facts<'a>, Option<Arc<str>>), Refused> {
        self.check_snapshot(subject)?;
        self.check_visible(subject, ask.object)?;
        self.check_suspension(subject)?;
        let (name, purpose) = self.purpose(subject, ask)?;
        let authority = self.authority(subject, name, purpose, ask.at)?;
        self.check_labels(subject, ask)?;
        Ok((self.facts(subject, ask, name), authority))
    }

    /// The request in the words of the rules.
    pub(crate) fn facts<'a>(
        &'a self,
        subject: &'a Subject,
        ask: &Ask<'a>,
        purpose: &'a str,
    ) -> Facts<'a> {
        Facts {
            subject,
            object: ask.object.to_string(),
            action: ask.action,
            purpose,
            data: ask.data,
            zone: ask.zone,
            windows: self.attributes.open_windows(ask.at),
        }
    }

    /// Whether the subject may know that the model exists: some allow row matches subject, tenant and
    /// model, whatever the action, purpose, label, zone, window or assurance.
    #[must_use]
    pub fn visible(&self, subject: &Subject, model: &str) -> bool {
        subject.snapshot == self.digest
            && self.attributes.models.contains_key(model)
            && self.showing_row(subject, model).is_some()
    }

    /// The first allow row that lets the subject see the model.
    pub(crate) fn showing_row(&self, subject: &Subject, model: &str) -> Option<&RuleRef> {
        let object = Object::Model(model).to_string();
        let granting = self.tenants.get(subject.tenant())?.granting.iter();
        let covering = granting.filter(|(objects, _)| pattern::one_of(&object, objects));
        let roles = covering.flat_map(|(_, roles)| roles);
        let shown = roles.filter(|(role, _)| subject.holds(role));
        let first = shown.map(|(_, row)| *row).min()?;
        Some(&self.rules.get(first)?.reference)
    }

    /// A subject made by another snapshot carries attributes that may have been taken away.
    pub(crate) fn check_snapshot(&self, subject: &Subject) -> Result<(), Refused> {
        match subject.snapshot == self.digest {
            true => Ok(()),
            false => Err(Refused::undecided(
                UndecidedReason::StaleSubject,
                "the subject is from another snapshot",
            )),
        }
    }

    pub(crate) fn check_visible(
        &self,
        subject: &Subject,
        object: Object<'_>,
    ) -> Result<(), Refused> {
        match object {
            Object::Model(model) if !self.visible(subject, model) => Err(Refused::Hidden),
            Object::Model(_) | Object::Tool(_) => Ok(()),
        }
    }

    pub(crate) fn check_suspension(&self, subject: &Subject) -> Result<(), Refused> {
        if !subject.is_suspended() {
            return Ok(());
        }
        let cited = self.deny_row(|rule| {
            rule.role == SUSPENDED && pattern::under(subject.tenant(), &rule.tenant)
        });
        Err(Refused::denied(DenyReason::Suspended, cited))
    }

    /// The purpose of use: the caller's choice among those granted, or the subject's default.
    pub(crate) fn purpose<'a>(
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
    pub(crate) fn authority(
        &self,
        subject: &Subject,
        name: &str,
        purpose: &Purpose,
        at: UnixTime,
    ) -> Result<Option<Arc<str>>, Refused> {
        if purpose.needs_lifted.is_empty() {
            return Ok(None);
        }
        let mut lapsed = None;
        for record in self.covering(subject.tenant(), name, purpose) {
            if at < record.expires {
                return Ok(Some(Arc::clone(&record.id)));
            }
            lapsed.get_or_insert(&record.id);
        }
        Err(Refused::Denied(match lapsed {
            Some(record) => Denied::on_record(DenyReason::AuthorityExpired, record),
            None => Denied::because(DenyReason::AuthorityMissing, None),
        }))
    }

    /// The authority records that open a purpose to a tenant, whether they still run or not.
    pub(crate) fn covering(
        &self,
        tenant: &str,
        name: &str,
        purpose: &Purpose,
    ) -> impl Iterator<Item = &Authority> {
        self.authorities
            .iter()
            .filter(move |record| record.covers(tenant, name, purpose))
    }

    /// The data label against clearance, nationality, zone ceiling and model ceiling.
    fn check_labels(&self, subject: &Subject, ask: &Ask<'_>) -> Result<(), Refused> {
        let zone = self.zone_ceiling(ask)?;
        check_ceiling(
            subject.clearance(),
            ask.data,
            DenyReason::LabelAboveClearance,
        )?;
        check_release(subject, ask.data)?;
        check_ceiling(zone, ask.data, DenyReason::LabelAboveZone)?;
        self.check_model_ceiling(ask)
    }

    /// The highest label that the zone may carry.
    pub(crate) fn zone_ceiling(&self, ask: &Ask<'_>) -> Result<&Label, Refused> {
        self.attributes.zones.get(ask.zone).ok_or_else(|| {
            Refused::undecided(
                UndecidedReason::UnknownZone,
                "the listener's zone is not in the bundle",
            )
        })
    }

    /// The data label against what the model's backend is accredited for. A tool has no ceiling.
    pub(crate) fn check_model_ceiling(&self, ask: &Ask<'_>) -> Result<(), Refused> {
        let Object::Model(model) = ask.object else {
            return Ok(());
        };
        match self.attributes.models.get(model) {
            Some(ceiling) => check_ceiling(ceiling, ask.data, DenyReason::LabelAboveModel),
            None => Err(Refused::denied(DenyReason::LabelAboveModel, None)),
        }
    }

    /// The allow rows that match, or the reason why there is none. It follows from the facts alone, so
    /// it may be remembered.
    ///
    /// # Errors
    /// [`Undecided`]: a fault.
    pub(crate) fn verdict(&self, facts: &Facts<'_>) -> Result<Result<Grant, Denied>, Undecided> {
        let Some((section, rows)) = self.section(facts.subject, facts.action) else {
            return Ok(Err(Denied::because(DenyReason::NoRule, None)));
        };
        let matched = self.matched(section, &rows, facts)?;
        Ok(self
            .judge(&matched)
            .unwrap_or_else(|| Err(nearest_miss(&rows, facts))))
    }

    /// The rows that speak about the subject's tenant and the action; `None` if no row does.
    pub(crate) fn section(
        &self,
        subject: &Subject,
        action: Action,
    ) -> Option<(&Section, Vec<&Rule>)> {
        let section = self.tenants.get(subject.tenant())?.sections.get(&action)?;
        let rows = section.rows.iter().filter_map(|row| self.rules.get(*row));
        Some((section, rows.collect()))
    }

    /// What matching rows come to: a deny row wins over any number of allow rows. `None`: no row.
    pub(crate) fn judge(&self, matched: &[&Rule]) -> Option<Result<Grant, Denied>> {
        match matched.iter().find(|rule| rule.is_deny()) {
            Some(deny) => Some(Err(Denied::because(
                DenyReason::Rule,
                Some(deny.reference.clone()),
            ))),
            None => self.strictest(matched).map(Ok),
        }
    }

    /// The rows of a section that match, by casbin and by the typed comparison alike.
    pub(crate) fn matched<'a>(
        &self,
        section: &Section,
        rows: &[&'a Rule],
        facts: &Facts<'_>,
    ) -> Result<Vec<&'a Rule>, Undecided> {
        let typed: Vec<usize> = (0..)
            .zip(rows)
            .filter(|(_, rule)| rule.matches(facts))
            .map(|(nth, _)| nth)
            .collect();
        if !self.is_mutant && self.by_casbin(section, facts)? != typed {
            return Err(Undecided {
                reason: UndecidedReason::Disagreement,
                detail: format!(
                    "section {}: casbin and the typed rows differ",
                    section.number
                ),
            });
        }
        let matched = typed.iter().filter_map(|nth| rows.get(*nth).copied());
        Ok(matched.collect())
    }

    /// The rows of a section that match by casbin, which is asked about the parts that cover the object.
    fn by_casbin(&self, section: &Section, facts: &Facts<'_>) -> Result<Vec<usize>, Undecided> {
        let deadline = Deadline::from_now();
        let mut matched = Vec::new();
        let covering = |part: &&Part| pattern::one_of(&facts.object, &part.objects);
        for part in section.parts.iter().filter(covering) {
            let found = self
                .matcher
                .matched(part.number, part.rows.len(), facts, deadline)?;
            matched.extend(found.into_iter().filter_map(|nth| part.rows.get(nth)));
        }
        matched.sort_unstable();
        Ok(matched)
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

    /// The guardrail profile that an allow row grants.
    pub(crate) fn profile_of(&self, rule: &Rule) -> Option<&Arc<str>> {
        match rule.effect {
            Effect::Allow { profile } => self.manifest.profiles.get(profile),
            Effect::Deny => None,
        }
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

/// Refuses data above a ceiling.
pub(crate) fn check_ceiling(
    ceiling: &Label,
    data: &Label,
    reason: DenyReason,
) -> Result<(), Refused> {
    match ceiling.dominates(data) {
        true => Ok(()),
        false => Err(Refused::denied(reason, None)),
    }
}

/// Refuses data that is not released to the subject's country.
pub(crate) fn check_release(subject: &Subject, data: &Label) -> Result<(), Refused> {
    match subject.nationality().may_hold(data) {
        true => Ok(()),
        false => Err(Refused::denied(DenyReason::NotReleased, None)),
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
        Some(Column::Purpose) => DenyReason::PurposeNotInRule,
        Some(Column::Label) => DenyReason::LabelAboveRule,
        Some(Column::Zone) => DenyReason::ZoneNotInRule,
        Some(Column::Assurance) => DenyReason::Assurance,
        Some(Column::Window) => DenyReason::OutsideWindow,
        // A row that concerns the subject and the object does not miss these.
        Some(Column::Role | Column::Object) | None => DenyReason::NoRule,
    };
    Denied::because(reason, Some(rule.reference.clone()))
}
