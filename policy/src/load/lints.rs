//! What a bundle without a mistake may still get wrong: rows that never count, identities that nobody
//! thought of, purposes that rest on nothing. All are warnings, since none of them opens a door.
//!
//! Said about an allow row that
//! - another allow row covers, under the same or a stricter profile: it changes no verdict;
//! - a deny row covers: it never permits;
//! - asks for an action that its objects do not know, an assurance, a label or a purpose that none of
//!   its holders can have, or a purpose whose clause no authority lifts for its tenants.
//!
//! Said about a deny row of a tenant that another of the same file covers. A second lock in another
//! file is nobody's mistake, nor is a deny row that nothing reaches while the ceilings are right.
//!
//! What it cannot see: rows that cover another one together, and roles that are always held together.
//! Sections above [`SECTION_ROWS_WARN`] rows are not searched; their size is a warning of its own.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
};

use super::{Draft, SECTION_ROWS_WARN, fields::Place};
use crate::{
    hint::Hint,
    label::Label,
    pattern,
    problem::{Problems, Severity},
    records::Record,
    rule::{Action, Effect, Rule},
    snapshot::TenantRules,
    subject::{EVERYONE, Identity, SUSPENDED},
};

/// Warns of everything that the module names.
pub(super) fn check(draft: &Draft, tenants: &BTreeMap<String, TenantRules>) -> Problems {
    let problems = Problems::default();
    let lints = Lints::new(draft, tenants, &problems);
    let mut seen = BTreeSet::new();
    for section in tenants.values().flat_map(|tenant| tenant.sections.values()) {
        if section.rows.len() > SECTION_ROWS_WARN {
            continue;
        }
        // A row that covers another is in every section that the other is in: its first one will do.
        for row in section.rows.iter().filter(|row| seen.insert(**row)) {
            lints.covered(*row, &section.rows);
        }
    }
    for rule in draft.rules.iter().filter(|rule| !rule.is_deny()) {
        lints.idle(rule);
    }
    for record in draft.records.identities.records.values() {
        lints.forgotten(record);
    }
    problems
}

struct Lints<'a> {
    draft: &'a Draft,
    tenants: &'a BTreeMap<String, TenantRules>,
    /// By tenant and record.
    identities: BTreeMap<(&'a str, &'a str), &'a Identity>,
    /// Every registered `model/…` and `tool/…`.
    objects: Vec<String>,
    problems: &'a Problems,
}

impl<'a> Lints<'a> {
    fn new(
        draft: &'a Draft,
        tenants: &'a BTreeMap<String, TenantRules>,
        problems: &'a Problems,
    ) -> Self {
        let identities = draft.records.identities.all();
        let keyed = |identity: &'a Arc<Identity>| {
            let key = (identity.tenant.as_str(), identity.record.as_str());
            (key, identity.as_ref())
        };
        let attributes = &draft.records.attributes;
        let models = attributes.models.keys().map(|name| format!("model/{name}"));
        let tools = attributes.tools.iter().map(|name| format!("tool/{name}"));
        Self {
            draft,
            tenants,
            identities: identities.map(keyed).collect(),
            objects: models.chain(tools).collect(),
            problems,
        }
    }

    /// Warns of a row that another one of its section makes pointless.
    fn covered(&self, row: usize, section: &[usize]) {
        let Some(rule) = self.draft.rules.get(row) else {
            return;
        };
        let others = section.iter().filter(|other| **other != row);
        let others = others.filter_map(|other| Some((*other, self.draft.rules.get(*other)?)));
        for (nth, other) in others.filter(|(_, other)| other.spans(rule)) {
            // Of two that say the same, the later one is pointless.
            let alike = rule.spans(other) && rule.label == other.label;
            let (message, hint) = match (&rule.effect, &other.effect) {
                (Effect::Allow { profile }, Effect::Allow { profile: theirs }) => {
                    let covers = other.label.dominates(&rule.label) && theirs >= profile;
                    if !covers || alike && theirs == profile && row < nth {
                        continue;
                    }
                    ("changes nothing", self.remove(rule))
                }
                (Effect::Allow { .. }, Effect::Deny) => {
                    if other.label != Label::unclassified() {
                        continue;
                    }
                    let advice = "remove one of the two, or narrow the denial";
                    ("never permits", advice.into())
                }
                (Effect::Deny, Effect::Deny) => {
                    let same_file = rule.reference.file() == other.reference.file();
                    let covers = rule.label.dominates(&other.label);
                    if !same_file || !covers || alike && row < nth {
                        continue;
                    }
                    ("changes nothing", self.remove(rule))
                }
                (Effect::Deny, Effect::Allow { .. }) => continue,
            };
            // Rows that say the same to the letter are reported where they are read.
            if rule.says_the_same(other) {
                return;
            }
            let id = rule.reference.id();
            let message = format!("rule `{id}` {message}: {} covers it", other.reference);
            return self.warn(rule, RID, message, hint);
        }
    }

    /// Warns of columns of an allow row that no request can meet.
    fn idle(&self, rule: &Rule) {
        let id = rule.reference.id();
        let holders = self.holders(rule);
        let objects = covered_by(&rule.objects, &self.objects);
        let fits = |object: &&&str| {
            let tool = object.starts_with("tool/");
            let about = |action: &Action| pattern::one_of(action.as_str(), &rule.actions);
            let fitting = |action: &&Action| tool == (**action == Action::Tool);
            Action::ALL.iter().filter(fitting).any(about)
        };
        if objects.iter().filter(fits).count() == 0 {
            let message = format!(
                "rule `{id}` never permits: tools are used by `tool`, models by all other actions"
            );
            return self.warn(
                rule,
                ACT,
                message,
                "write `tool` for tools, `chat` or another for models",
            );
        }
        if holders.is_empty() {
            return; // said where the row was read
        }
        let best = holders.iter().map(|holder| holder.assurance).max();
        if let Some(best) = best.filter(|best| *best < rule.assurance) {
            let message = format!(
                "rule `{id}` never permits: nobody who holds `{}` reaches {}",
                rule.role, rule.assurance
            );
            let hint = format!("the best of them has {best}");
            self.warn(rule, AAL, message, hint);
        }
        let purposes = covered_by(
            &rule.purposes,
            self.draft.records.purposes.registered.keys(),
        );
        let granted = |purpose: &&&str| {
            let holds = |holder: &&Identity| holder.purposes.iter().any(|held| held == **purpose);
            holders.iter().any(holds)
        };
        if purposes.iter().filter(granted).count() == 0 {
            let message = format!(
                "rule `{id}` never permits: nobody who holds `{}` is granted its purpose",
                rule.role
            );
            self.warn(
                rule,
                PURP,
                message,
                "grant it in identities.toml, or remove the row",
            );
        }
        self.resting_on_nothing(rule, &holders, &purposes);
        self.above_all_ceilings(rule, &holders, &objects);
    }

    /// Warns of purposes that a row grants and no authority opens to the tenant of somebody who could
    /// use them.
    fn resting_on_nothing(&self, rule: &Rule, holders: &[&Identity], purposes: &[&str]) {
        let records = &self.draft.records;
        for name in purposes {
            let Some(purpose) = records.purposes.registered.get(*name) else {
                continue;
            };
            let lacks = |holder: &&&Identity| {
                let mut authorities = records.authorities.iter();
                holder.purposes.iter().any(|held| held == name)
                    && !authorities.any(|record| record.covers(&holder.tenant, name, purpose))
            };
            let lacking = holders.iter().find(lacks);
            if let Some(holder) = lacking.filter(|_| !purpose.needs_lifted.is_empty()) {
                let clauses = purpose.needs_lifted.join(", ");
                let message = format!(
                    "purpose `{name}` needs {clauses} lifted, and no authority does so for `{}`",
                    holder.tenant
                );
                let hint = "add the record to authorities.toml, or remove the purpose";
                self.warn(rule, PURP, message, hint);
            }
        }
    }

    /// Warns of a label up to which nobody can come: each holder's clearance, zone and model cuts it.
    fn above_all_ceilings(&self, rule: &Rule, holders: &[&Identity], objects: &[&str]) {
        let attributes = &self.draft.records.attributes;
        let zones = covered_by(&rule.zones, attributes.zones.keys());
        let mut reached: BTreeMap<String, Label> = BTreeMap::new();
        for holder in holders {
            for zone in zones.iter().filter_map(|zone| attributes.zones.get(*zone)) {
                let here = rule.label.meet(&holder.clearance).meet(zone);
                for object in objects {
                    let model = object.strip_prefix("model/");
                    let ceiling = model.and_then(|name| attributes.models.get(name));
                    let label = ceiling.map_or(here.clone(), |ceiling| here.meet(ceiling));
                    if label == rule.label {
                        return;
                    }
                    reached.insert(label.to_string(), label);
                }
            }
        }
        let (id, label) = (rule.reference.id(), &rule.label);
        let Some((source, span)) = self.draft.files.cell(&rule.reference, LABEL) else {
            return;
        };
        let mut labels = reached.values();
        let top = labels.find(|top| reached.values().all(|other| top.dominates(other)));
        let (most, hint) = match top {
            Some(top) => (
                format!("its requests bear at most {top}"),
                Hint::replace(span.clone(), top.to_string()),
            ),
            None => (
                "a clearance, a zone or a model stops every request before".into(),
                "lower the label, or raise the ceiling that is too low".into(),
            ),
        };
        let message = format!("`{label}` is out of reach of rule `{id}`: {most}");
        self.problems.warning(source, span, message, hint);
    }

    /// Warns of somebody to whom no allow row gives anything, where that looks like an oversight: a role
    /// that gives nothing, or none of those that do in a tenant that has some. Whoever is suspended, does
    /// duty for the gateway, or is alone in a tenant without rows, is so on purpose; whose tenant comes
    /// from a source may be at home where the rules are.
    fn forgotten(&self, record: &Record) {
        let Some(identity) = record.home().and_then(|home| record.homes.get(home)) else {
            return;
        };
        let suspended = identity.roles.iter().any(|role| role == SUSPENDED);
        if suspended || !identity.duties.is_empty() {
            return;
        }
        let sections = self.tenants.get(&identity.tenant).into_iter();
        let numbers = sections.flat_map(|tenant| tenant.sections.values());
        let numbers: BTreeSet<usize> = numbers.flat_map(|section| &section.rows).copied().collect();
        let rows = numbers
            .into_iter()
            .filter_map(|row| self.draft.rules.get(row));
        let rows: Vec<&Rule> = rows.filter(|rule| !rule.is_deny()).collect();
        let holds = |role: &str| role == EVERYONE || identity.roles.iter().any(|held| held == role);
        if rows.iter().any(|rule| holds(&rule.role)) {
            return;
        }
        let (name, tenant) = (&identity.record, &identity.tenant);
        let roles: BTreeSet<&str> = rows.iter().map(|rule| rule.role.as_str()).collect();
        let roles: Vec<&str> = roles.into_iter().collect();
        let (message, hint) = match (identity.roles.is_empty(), roles.is_empty()) {
            (true, true) => return,
            (true, false) => (
                format!("`{name}` holds no role, and so no rule of `{tenant}` is about it"),
                format!("give it one in roles.csv: {}", roles.join(", ")),
            ),
            (false, _) => (
                format!(
                    "`{name}` holds {}, to which no rule gives anything",
                    identity.roles.join(", ")
                ),
                "write a rule for the role, or remove it".into(),
            ),
        };
        self.problems
            .report(&record.site, Severity::Warning, message, hint);
    }

    /// Those to whom a row speaks.
    fn holders(&self, rule: &Rule) -> Vec<&'a Identity> {
        // Everybody under `demo/*` is one range of tenants that begin with `demo/`.
        let prefix = rule.tenant.strip_suffix('*').unwrap_or(&rule.tenant);
        let from = self.identities.range((prefix, "")..);
        let here = from.take_while(|((tenant, _), _)| tenant.starts_with(prefix));
        let holds = |identity: &&Identity| {
            let role = rule.role == EVERYONE || identity.roles.contains(&rule.role);
            role && pattern::under(&identity.tenant, &rule.tenant)
        };
        here.map(|(_, identity)| *identity).filter(holds).collect()
    }

    /// "remove the row".
    fn remove(&self, rule: &Rule) -> Hint {
        let problems = self.problems;
        let site = self.draft.files.site(&rule.reference);
        let remove =
            |(source, span): (_, Range<usize>)| Place { source, problems }.remove_row(span.start);
        site.map(remove).unwrap_or_default()
    }

    fn warn(&self, rule: &Rule, column: usize, message: String, hint: impl Into<Hint>) {
        if let Some((source, span)) = self.draft.files.cell(&rule.reference, column) {
            self.problems.warning(source, span, message, hint);
        }
    }
}

/// The registered names that a pattern covers.
fn covered_by<'n>(pattern: &str, known: impl IntoIterator<Item = &'n String>) -> Vec<&'n str> {
    let names = known.into_iter().map(String::as_str);
    names
        .filter(|name| pattern::one_of(name, pattern))
        .collect()
}

/// Columns of rules.csv.
const RID: usize = 1;
const ACT: usize = 5;
const PURP: usize = 6;
const LABEL: usize = 7;
const AAL: usize = 9;
