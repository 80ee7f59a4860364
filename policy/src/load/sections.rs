//! Sorts rows into sections: one per tenant that has a principal, and action.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    label::Label,
    problem::Problems,
    records::Identities,
    rule::{Action, Facts, Rule},
    snapshot::{Policy, TenantRules},
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
    for (nth, section) in sections.enumerate() {
        section.number = nth + 1;
    }
    tenants
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
        entry.granting.push(row);
    }
}

/// Asks every section once, with a request made to fit its first row, so that a matcher that cannot
/// run refuses the bundle and not a request.
pub(super) fn dry_run(policy: &Policy, problems: &Problems) {
    for identity in policy.identities.all() {
        let subject = policy.subject_of(&identity.record, Arc::clone(identity));
        let Some(tenant) = policy.tenants.get(&identity.tenant) else {
            continue;
        };
        for (action, section) in &tenant.sections {
            let Some(first) = section.rows.first().and_then(|row| policy.rules.get(*row)) else {
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
            if let Err(fault) = policy.verdict(&facts) {
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
