//! `tenants/<name>/roles.csv`: who holds which role.
//!
//! ```text
//! # g, member, role, dom
//! g, svc:benefits-app, role:benefits-app, demo/benefits/web
//! g, role:benefits-lead, role:benefits-app, demo/benefits/web
//! ```
//!
//! Inheritance is flattened here: casbin would stop after nine hops without a word, and loads cycles.
//! There is one role graph per tenant and only `g`: casbin keeps `g` and `g2` in one graph.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    csv,
    fields::{Place, Text},
    files::Files,
    manifest::{check_tenant, is_word},
};
use crate::{
    pattern,
    problem::{Problems, did_you_mean},
    records::{Identities, Manifest},
    subject::{EVERYONE, SUSPENDED},
};

/// Which roles are held by somebody, in which tenants.
#[derive(Default)]
pub(super) struct Roles {
    held: BTreeMap<String, BTreeSet<String>>,
}

impl Roles {
    /// Whether somebody in a tenant under the pattern holds the role.
    pub(super) fn is_held(&self, role: &str, tenant: &str) -> bool {
        self.held
            .get(role)
            .is_some_and(|tenants| pattern::any_under(tenants, tenant))
    }

    /// The roles that somebody holds.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.held.keys().map(String::as_str)
    }
}

/// Member to its direct roles, within one tenant.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Reads every `roles.csv` and gives the identities their roles.
pub(super) fn read(
    files: &Files,
    manifest: &Manifest,
    identities: &mut Identities,
    problems: &Problems,
) -> Roles {
    let mut graphs: BTreeMap<String, Graph> = BTreeMap::new();
    for (folder, source) in files.named("roles.csv") {
        let place = Place { source, problems };
        let domain = folder.and_then(|folder| manifest.tenants.get(folder));
        let mut reader = Reader {
            place,
            domain,
            manifest,
            identities,
            graphs: &mut graphs,
        };
        for row in csv::rows(place) {
            if let Some(cells) = csv::cells_of(place, &row, &COLUMNS) {
                reader.link(cells);
            }
        }
    }
    let mut roles = Roles::default();
    for identity in identities
        .by_principal
        .values_mut()
        .filter_map(Arc::get_mut)
    {
        let Some(graph) = graphs.get(&identity.tenant) else {
            continue;
        };
        identity.roles = reachable(graph, &identity.principal).into_iter().collect();
        for role in &identity.roles {
            roles
                .held
                .entry(role.clone())
                .or_default()
                .insert(identity.tenant.clone());
        }
    }
    roles
}

/// Everything reachable from a member, itself excluded.
fn reachable(graph: &Graph, member: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![member.to_owned()];
    while let Some(next) = open.pop() {
        for role in graph.get(&next).into_iter().flatten() {
            if found.insert(role.clone()) {
                open.push(role.clone());
            }
        }
    }
    found
}

/// One `roles.csv` while it is read.
struct Reader<'a> {
    place: Place<'a>,
    domain: Option<&'a String>,
    manifest: &'a Manifest,
    identities: &'a Identities,
    graphs: &'a mut BTreeMap<String, Graph>,
}

impl Reader<'_> {
    /// Adds one link, if it is sound.
    fn link(&mut self, [_, member, role, tenant]: &[Text<'_>; 4]) {
        let place = self.place;
        let tenant_is_sound =
            check_tenant(place, tenant, self.manifest) && self.check_domain(tenant);
        let sound = [
            tenant_is_sound,
            self.check_member(member, tenant_is_sound.then_some(tenant.text)),
            check_role(place, role) && self.check_assignable(role),
        ];
        if sound.contains(&false) {
            return;
        }
        let graph = self.graphs.entry(tenant.text.to_owned()).or_default();
        let closes_a_cycle =
            role.text == member.text || reachable(graph, role.text).contains(member.text);
        if closes_a_cycle {
            let message = format!(
                "`{}` would inherit itself through `{}`",
                member.text, role.text
            );
            place.error(
                role.span(),
                message,
                Some("remove one link of the cycle".into()),
            );
            return;
        }
        if !graph
            .entry(member.text.to_owned())
            .or_default()
            .insert(role.text.to_owned())
        {
            place.error(
                member.span(),
                "this row repeats an earlier one",
                Some("remove the row".into()),
            );
        }
    }

    /// A member is a role, or a principal of that tenant (not compared if either is in doubt).
    fn check_member(&self, member: &Text<'_>, tenant: Option<&str>) -> bool {
        let name = member.text;
        if name == EVERYONE || name == SUSPENDED {
            self.place.error(
                member.span(),
                format!("`{name}` cannot inherit roles"),
                None,
            );
            return false;
        }
        if name.starts_with("role:") {
            return check_role(self.place, member);
        }
        let principals = &self.identities.by_principal;
        let Some(identity) = principals.get(name) else {
            return self.place.check_known(
                "principal",
                member,
                principals.keys().map(String::as_str),
            );
        };
        let comparable = tenant.filter(|_| !identity.tenant.is_empty());
        let belongs = comparable.is_none_or(|tenant| tenant == identity.tenant);
        if !belongs {
            let message = format!(
                "`{name}` belongs to tenant `{}`, so it cannot hold a role here",
                identity.tenant
            );
            self.place.error(member.span(), message, None);
        }
        belongs
    }

    fn check_assignable(&self, role: &Text<'_>) -> bool {
        let everyone = role.text == EVERYONE;
        if everyone {
            self.place.error(
                role.span(),
                "everyone holds `role:everyone` already",
                Some("remove the row".into()),
            );
        }
        !everyone
    }

    /// A tenant's folder gives roles in its own domain only.
    fn check_domain(&self, tenant: &Text<'_>) -> bool {
        let Some(domain) = self.domain else {
            return false; // the undeclared folder is reported already
        };
        let inside = pattern::under(tenant.text, domain);
        if !inside {
            let message = format!(
                "`{}` lies outside this folder's domain `{domain}`",
                tenant.text
            );
            self.place.error(tenant.span(), message, None);
        }
        inside
    }
}

/// Whether a text is `role:` and a word; if not, says so.
pub(super) fn check_role(place: Place<'_>, role: &Text<'_>) -> bool {
    let name = role.text;
    let fits = name.strip_prefix("role:").is_some_and(is_word);
    if !fits {
        let lower = name.to_lowercase();
        let hint = match lower.strip_prefix("role:").is_some_and(is_word) {
            true => format!("did you mean `{lower}`?"),
            false => did_you_mean(name, [EVERYONE, SUSPENDED])
                .unwrap_or_else(|| "write `role:name`".into()),
        };
        place.error(role.span(), format!("`{name}` is not a role"), Some(hint));
    }
    fits
}

const COLUMNS: [&str; 4] = ["g", "member", "role", "dom"];
