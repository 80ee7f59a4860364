//! Sorts rows into sections: one per tenant that has a principal, and action; each in parts by object.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    label::Label,
    matcher::Deadline,
    problem::Problems,
    records::Identities,
    rule::{Action, Facts, Rule},
    snapshot::{Part, Policy, TenantRules},
};

/// The rows about each tenant, by action; sections numbered from 1 in the order of iteration.
pub(super) fn sort(identities: &Identities, rules: &[Rule]) -> BTreeMap<String, TenantRules> {
    let names = identities.all().map(|identity| identity.tenant.clone());
    let mut tenants: BTreeMap<String, TenantRules> =
        names.map(|name| (name, TenantRules::default())).collect();
    for (row, rule) in rules.iter().enumerate() {
        // Everything under `demo/*` is one range of names that begin with `demo/`.
        let prefix = rule.tenant.strip_suffix('*').unwrap_or(&rule.tenant);
        let from = tenants.range_mut::<str, _>((
            std::ops::Bound::Included(prefix),
            std::ops::Bound::Unbounded,
        ));
        for (tenant, entry) in from.take_while(|(tenant, _)| tenant.starts_with(prefix)) {
            place(entry, tenant, row, rule);
        }
    }
    let sections = tenants
        .values_mut()
        .flat_map(|tenant| tenant.sections.values_mut());
    let mut number = 0;
    for (nth, section) in sections.enumerate() {
        section.number = nth + 1;
        section.parts = parts(&section.rows, rules);
        for part in &mut section.parts {
            number += 1;
            part.number = number;
        }
    }
    tenants
}

/// The rows of a section by the pattern of their objects, in the order of their first rows.
fn parts(rows: &[usize], rules: &[Rule]) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    let mut known: BTreeMap<&str, usize> = BTreeMap::new();
    for (position, rule) in rows.iter().filter_map(|row| rules.get(*row)).enumerate() {
        let nth = *known.entry(&rule.objects).or_insert(parts.len());
        match parts.get_mut(nth) {
            Some(part) => part.rows.push(position),
            None => parts.push(Part {
                number: 0,
                objects: rule.objects.clone(),
                rows: vec![position],
            }),
        }
    }
    parts
}

/// Adds a row to every section of the tenant about which it speaks.
fn place(entry: &mut TenantRules, tenant: &str, row: usize, rule: &Rule) {
    for action in Action::ALL
        .into_iter()
        .filter(|action| rule.is_about(tenant, *action))
    {
        entry.sections.entry(action).or_default().rows.push(row);
    }
    if rule.shows_models(tenant) {
        entry.grant(row, rule);
    }
}

/// Asks a part of every section once, with a request made to fit its first row, so that a matcher that
/// cannot run refuses the bundle and not a request.
pub(super) fn dry_run(policy: &Policy, problems: &Problems) {
    let mut asked = BTreeSet::new();
    for identity in policy.identities.all() {
        if !asked.insert(&identity.tenant) {
            continue;
        }
        let Some(tenant) = policy.tenants.get(&identity.tenant) else {
            continue;
        };
        let subject = policy.subject_of(&identity.record, Arc::clone(identity));
        for (action, section) in &tenant.sections {
            // The first row of a section is the first of its first part.
            let first = section.rows.first().and_then(|row| policy.rules.get(*row));
            let (Some(first), Some(part)) = (first, section.parts.first()) else {
                continue;
            };
            let data = Label::unclassified();
            let facts = Facts {
                subject: &subject,
                object: sample(&first.objects),
                action: *action,
                purpose: &sample(&first.purposes),
                data: &data,
                zone: &sample(&first.zones),
                windows: sample(&first.windows),
            };
            if let Err(fault) =
                policy
                    .matcher
                    .matched(part.number, part.rows.len(), &facts, Deadline::from_now())
            {
                return problems.file("model.conf".into(), format!("dry run: {fault}"), None);
            }
        }
    }
}

/// A name that a name pattern matches.
fn sample(pattern: &str) -> String {
    let first = pattern.split('|').next().unwrap_or_default();
    first.strip_suffix('*').unwrap_or(first).to_owned()
}
