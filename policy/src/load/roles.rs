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
    hint::{Hint, nearest, plain},
    pattern,
    problem::Problems,
    records::{Identities, Manifest, Record},
    subject::{EVERYONE, NAMESPACES, SUSPENDED},
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
            let meant = || reader.tenant_meant(&row);
            if let Some(cells) = csv::cells_of(place, &row, &COLUMNS, meant) {
                reader.link(cells);
            }
        }
    }
    let mut roles = Roles::default();
    let homes = identities.records.values_mut();
    let homes = homes.flat_map(|record| record.homes.values_mut());
    for identity in homes.filter_map(Arc::get_mut) {
        let Some(graph) = graphs.get(&identity.tenant) else {
            continue;
        };
        identity.roles = reachable(graph, &identity.record).into_iter().collect();
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
        let principals = &self.identities.records;
        if member.text.starts_with("role:") && principals.contains_key(role.text) {
            let message = format!("`{}` and `{}` are swapped", member.text, role.text);
            place.error(member.span(), message, place.swap(member, role));
            return;
        }
        let home = self.home(member, tenant);
        let tenant_is_sound = check_tenant(place, tenant, self.manifest, home.clone())
            && self.check_domain(tenant, home);
        let sound = [
            tenant_is_sound,
            self.check_member(member, tenant_is_sound.then_some(tenant)),
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
            let hint = match role.text == member.text {
                true => place.remove_row(role.span().start),
                false => "remove one link of the cycle".into(),
            };
            place.error(role.span(), message, hint);
            return;
        }
        if !graph
            .entry(member.text.to_owned())
            .or_default()
            .insert(role.text.to_owned())
        {
            let hint = place.remove_row(member.span().start);
            place.error(member.span(), "this row repeats an earlier one", hint);
        }
    }

    /// A row without its tenant means the only one in which its member can hold a role.
    fn tenant_meant(&self, row: &csv::Row<'_>) -> Hint {
        let [_, member, _] = row.cells.as_slice() else {
            return Hint::default();
        };
        let record = self.identities.records.get(member.text);
        match record.and_then(Record::home) {
            Some(home) => Hint::insert(row.span.end, format!(", {home}")),
            None => Hint::default(),
        }
    }

    /// The only tenant in which a principal can hold a role, if that is what is meant.
    fn home(&self, member: &Text<'_>, tenant: &Text<'_>) -> Hint {
        let record = self.identities.records.get(member.text);
        let Some(home) = record.and_then(Record::home) else {
            return Hint::default();
        };
        let inside = self
            .domain
            .is_some_and(|domain| pattern::under(home, domain));
        let meant = pattern::under(home, tenant.text) || !nearest(tenant.text, [home]).is_empty();
        match inside && home != tenant.text {
            true if meant => tenant.write(home),
            _ => Hint::default(),
        }
    }

    /// A member is a role, or a principal of that tenant (not compared if either is in doubt).
    fn check_member(&self, member: &Text<'_>, tenant: Option<&Text<'_>>) -> bool {
        let name = member.text;
        if name == EVERYONE || name == SUSPENDED {
            let hint = "write a principal, or a role of your own";
            let message = format!("`{name}` cannot inherit roles");
            self.place.error(member.span(), message, hint);
            return false;
        }
        if name.starts_with("role:") {
            return check_role(self.place, member);
        }
        let principals = &self.identities.records;
        let Some(record) = principals.get(name) else {
            return self.place.check_known(
                "principal",
                member,
                principals.keys().map(String::as_str),
            );
        };
        let whole = |tenant: &&Text<'_>| !tenant.text.is_empty();
        let comparable = tenant.filter(whole).filter(|_| record.home() != Some(""));
        let belongs = comparable.is_none_or(|tenant| record.homes.contains_key(tenant.text));
        if let Some(tenant) = comparable.filter(|_| !belongs) {
            let (message, hint) = match record.home() {
                Some(home) => (
                    format!("`{name}` belongs to tenant `{home}`, so it cannot hold a role here"),
                    format!("write `{home}` in `dom`"),
                ),
                None => (
                    format!("no source puts `{name}` into tenant `{}`", tenant.text),
                    "write one that its source may name".into(),
                ),
            };
            let hint = self.home(member, tenant).or(hint);
            self.place.error(member.span(), message, hint);
        }
        belongs
    }

    fn check_assignable(&self, role: &Text<'_>) -> bool {
        let everyone = role.text == EVERYONE;
        if everyone {
            let hint = self.place.remove_row(role.span().start);
            let message = "everyone holds `role:everyone` already";
            self.place.error(role.span(), message, hint);
        }
        !everyone
    }

    /// A tenant's folder gives roles in its own domain only.
    fn check_domain(&self, tenant: &Text<'_>, home: Hint) -> bool {
        let Some(domain) = self.domain else {
            return false; // the undeclared folder is reported already
        };
        let inside = pattern::under(tenant.text, domain);
        if !inside {
            let message = format!(
                "`{}` lies outside this folder's domain `{domain}`",
                tenant.text
            );
            let hint = home.or("write the row in the roles.csv of that tenant");
            self.place.error(tenant.span(), message, hint);
        }
        inside
    }
}

/// Whether a text is `role:` and a word; if not, says so.
pub(super) fn check_role(place: Place<'_>, role: &Text<'_>) -> bool {
    let name = role.text;
    let fits = is_role(name);
    if !fits {
        let hint = role.mean([EVERYONE, SUSPENDED]).or(role_meant(role));
        let message = format!("`{name}` is not a role");
        place.error(role.span(), message, hint.or("write `role:name`"));
    }
    fits
}

/// The role that a name is with `role:` before it, in place of whatever stands there.
fn role_meant(role: &Text<'_>) -> Hint {
    let name = plain(role.text);
    let word = name
        .rsplit([':', ';', '=', '/', ' '])
        .next()
        .unwrap_or_default();
    let meant = format!("role:{word}");
    match is_role(&meant) && !NAMESPACES.iter().any(|space| name.starts_with(space)) {
        true => role.write(meant),
        false => Hint::default(),
    }
}

fn is_role(name: &str) -> bool {
    name.strip_prefix("role:").is_some_and(is_word)
}

const COLUMNS: [&str; 4] = ["g", "member", "role", "dom"];
