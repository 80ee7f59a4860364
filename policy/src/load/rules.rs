//! `rules.csv`: typing every column of every row.
//!
//! ```text
//! # p, rid, role, dom, obj, act, purp, label, zone, aal, win, obl, eft
//! p, BA-101, role:benefits-app, demo/benefits/web, model/llama-3.3-70b, chat|complete, benefits.*, CUI:PRVCY, demo|opennet, aal2, *, civ-standard, allow
//! p, B-900, role:suspended, *, *, *, *, U, *, aal1, *, -, deny
//! ```
//!
//! A name that nothing bears is an error wherever it could turn a deny row off; on an allow row,
//! where it only grants less, an unheld role or empty tenant is a warning.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use super::{
    Records, csv,
    fields::{Place, Text},
    files::Files,
    manifest::check_tenant_pattern,
    roles::{Roles, check_role},
};
use crate::{
    pattern,
    problem::{Problems, did_you_mean},
    records::{Attributes, Manifest, Purposes},
    rule::{Action, Effect, Rule, RuleRef},
    subject::{Assurance, EVERYONE, SUSPENDED},
};

/// Every word that a rule may use.
pub(super) struct Known<'a> {
    manifest: &'a Manifest,
    attributes: &'a Attributes,
    purposes: &'a Purposes,
    roles: &'a Roles,
    /// Those that have a principal. The empty one is that of an identity whose tenant is wrong: it may
    /// be any, so nothing is said about missing ones then.
    tenants: BTreeSet<&'a str>,
    objects: Vec<String>,
    actions: Vec<String>,
    /// For allow rows: the registered ones.
    granted_purposes: Vec<String>,
    /// For deny rows: the forbidden families as well.
    denied_purposes: Vec<String>,
    zones: Vec<String>,
    windows: Vec<String>,
}

impl<'a> Known<'a> {
    pub(super) fn new(records: &'a Records) -> Self {
        let Records {
            manifest,
            attributes,
            purposes,
            identities,
            roles,
            ..
        } = records;
        let models = attributes.models.keys().map(|name| format!("model/{name}"));
        let tools = attributes.tools.iter().map(|name| format!("tool/{name}"));
        let families = purposes
            .forbidden
            .iter()
            .flat_map(|family| [family.clone(), format!("{family}.*")]);
        let granted_purposes: Vec<String> = purposes.registered.keys().cloned().collect();
        Self {
            manifest,
            attributes,
            purposes,
            roles,
            tenants: identities
                .by_principal
                .values()
                .map(|identity| identity.tenant.as_str())
                .collect(),
            objects: models.chain(tools).collect(),
            actions: Action::ALL.map(|action| action.to_string()).into(),
            denied_purposes: granted_purposes.iter().cloned().chain(families).collect(),
            granted_purposes,
            zones: attributes.zones.keys().cloned().collect(),
            windows: attributes.windows.keys().cloned().collect(),
        }
    }
}

/// The rules of a bundle.
pub(super) struct Rules {
    /// Those without a mistake.
    pub(super) rules: Vec<Rule>,
    /// The ids of all, so that nothing that names a mistaken one is reported too; `None` if a file of
    /// rules is missing.
    pub(super) ids: Option<BTreeSet<String>>,
}

/// Reads every `rules.csv`, the baseline's first.
pub(super) fn read(files: &Files, known: &Known<'_>, problems: &Problems) -> Rules {
    let mut seen = Seen::default();
    let mut rules = Vec::new();
    for (folder, source) in files.named("rules.csv") {
        let file: Arc<Path> = source.path.as_path().into();
        let scope = match folder {
            None => Scope::Baseline,
            Some(folder) => Scope::Tenant(known.manifest.tenants.get(folder)),
        };
        let reader = Reader {
            place: Place { source, problems },
            known,
            scope,
        };
        for row in csv::rows(reader.place) {
            let Some(cells) = csv::cells_of(reader.place, &row, &COLUMNS) else {
                continue;
            };
            let [_, rid, ..] = cells;
            let site = RuleRef::new(rid.text.to_owned(), Arc::clone(&file), row.line);
            seen.check(reader.place, cells, &site);
            rules.extend(reader.rule(cells, site));
        }
    }
    let complete = files.named("rules.csv").len() > known.manifest.tenants.len();
    let ids = seen.ids.into_keys().map(str::to_owned);
    Rules {
        rules,
        ids: complete.then(|| ids.collect()),
    }
}

/// About whom a file may speak, and how.
#[derive(Clone, Copy)]
enum Scope<'a> {
    /// About everybody, but it only forbids.
    Baseline,
    /// About the declared domain; `None` if the folder is not declared, which is reported already.
    Tenant(Option<&'a String>),
}

/// One `rules.csv` while it is read.
struct Reader<'a> {
    place: Place<'a>,
    known: &'a Known<'a>,
    scope: Scope<'a>,
}

impl Reader<'_> {
    /// The typed row, if every column is right. All columns are looked at in any case.
    fn rule(&self, cells: &[Text<'_>; 13], reference: RuleRef) -> Option<Rule> {
        let [
            _,
            rid,
            role,
            dom,
            obj,
            act,
            purp,
            label,
            zone,
            aal,
            win,
            obl,
            eft,
        ] = cells;
        let known = self.known;
        let deny = self.is_deny(eft);
        let purposes = if deny == Some(true) {
            &known.denied_purposes
        } else {
            &known.granted_purposes
        };
        let id = self.check_id(rid);
        let tenant = self.tenant(dom, deny);
        let role = self.role(role, tenant.as_deref(), deny);
        let objects = self.names("object", obj, &known.objects);
        let actions = self.names("action", act, &known.actions);
        let purposes = self.purposes(purp, purposes, deny);
        let label = self
            .place
            .label(label, known.attributes.needs.iter().map(String::as_str));
        let zones = self.names("zone", zone, &known.zones);
        let assurance = self.assurance(aal, deny);
        let windows = self.names("window", win, &known.windows);
        let effect = self.effect(obl, deny);
        id.then_some(Rule {
            reference,
            role: role?,
            tenant: tenant?,
            objects: objects?,
            actions: actions?,
            purposes: purposes?,
            label: label?,
            zones: zones?,
            assurance: assurance?,
            windows: windows?,
            effect: effect?,
        })
    }

    /// Whether the row denies; `None` if the effect is no effect, which is reported.
    fn is_deny(&self, eft: &Text<'_>) -> Option<bool> {
        match eft.text {
            "allow" => {
                if matches!(self.scope, Scope::Baseline) {
                    let hint = "write the row in a tenant's rules.csv";
                    self.place
                        .error(eft.span(), "the baseline only forbids", Some(hint.into()));
                }
                Some(false)
            }
            "deny" => Some(true),
            other => {
                let hint = did_you_mean(other, ["allow", "deny"])
                    .unwrap_or_else(|| "write `allow` or `deny`".into());
                self.place
                    .error(eft.span(), format!("unknown effect `{other}`"), Some(hint));
                None
            }
        }
    }

    /// A rule id goes into every entry that the rule decides, so it is short and plain.
    fn check_id(&self, rid: &Text<'_>) -> bool {
        let id = rid.text;
        let fits = super::manifest::is_word(id) && id.len() <= ID_BYTES_MAX;
        if !fits {
            let hint = "letters, digits, `.`, `_` and `-`, at most 32, as in `BA-101`";
            self.place.error(
                rid.span(),
                format!("`{id}` is not a rule id"),
                Some(hint.into()),
            );
        }
        fits
    }

    /// A role that somebody under the row's tenants holds.
    fn role(&self, role: &Text<'_>, tenant: Option<&str>, deny: Option<bool>) -> Option<String> {
        let name = role.text;
        if !check_role(self.place, role) {
            return None;
        }
        let roles = self.known.roles;
        let held = name == EVERYONE || name == SUSPENDED || roles.is_held(name, tenant?);
        if !held && !self.known.tenants.contains("") {
            let hint = did_you_mean(name, roles.names().chain([EVERYONE, SUSPENDED]));
            self.idle(
                role,
                format!("nobody under `{}` holds `{name}`", tenant?),
                hint,
                deny,
            );
        }
        Some(name.to_owned())
    }

    /// A tenant pattern within the file's scope, under which somebody is.
    fn tenant(&self, dom: &Text<'_>, deny: Option<bool>) -> Option<String> {
        let name = dom.text;
        if let Err((message, hint)) = check_tenant_pattern(name) {
            self.place.error(dom.span(), message, Some(hint));
            return None;
        }
        if let Scope::Tenant(domain) = self.scope
            && !pattern::contains(domain?, name)
        {
            let message = format!("`{name}` lies outside this folder's domain `{}`", domain?);
            self.place.error(
                dom.span(),
                message,
                Some("rules about others belong to the baseline".into()),
            );
            return None;
        }
        let tenants = &self.known.tenants;
        if !tenants.is_empty() && !tenants.contains("") && !pattern::any_under(tenants, name) {
            let hint = did_you_mean(name, tenants.iter().copied());
            self.idle(dom, format!("no principal belongs to `{name}`"), hint, deny);
        }
        Some(name.to_owned())
    }

    /// A row that speaks about nobody: an error on a deny row, which somebody relies upon.
    fn idle(&self, cell: &Text<'_>, message: String, hint: Option<String>, deny: Option<bool>) {
        match deny {
            Some(false) => self.place.warning(cell.span(), message, hint),
            Some(true) | None => self.place.error(cell.span(), message, hint),
        }
    }

    /// A name pattern: `*`, or alternatives each of which is known or ends in `*` and covers
    /// something known. Returned without spaces.
    fn names(&self, what: &str, cell: &Text<'_>, known: &[String]) -> Option<String> {
        if cell.text == "*" {
            return Some("*".into());
        }
        let mut at = cell.span().start;
        let mut names = Vec::new();
        let mut sound = true;
        for part in cell.text.split('|') {
            let name = part.trim();
            let from = at + (part.len() - part.trim_start().len());
            at += part.len() + 1;
            let place = match name.is_empty() && cell.text.contains('|') {
                // Between two `|`, or at an end: one `|` too many, and that is marked.
                true => at.min(cell.span().end) - 1..at.min(cell.span().end),
                false => from..from + name.len(),
            };
            sound &= self.check_name(what, &Text::new(name, place), known);
            names.push(name);
        }
        sound.then(|| names.join("|"))
    }

    /// One alternative of a name pattern.
    fn check_name(&self, what: &str, name: &Text<'_>, known: &[String]) -> bool {
        let text = name.text;
        if known.iter().any(|name| name == text) {
            return true;
        }
        let (message, hint) = match text.strip_suffix('*') {
            _ if text.is_empty() && name.span().is_empty() => {
                (format!("an empty {what}"), "write `*` for all".to_owned())
            }
            _ if text.is_empty() => (format!("an empty {what}"), "remove it".to_owned()),
            Some("") => (
                "`*` covers everything beside it".into(),
                "write `*` alone".into(),
            ),
            Some(prefix) if prefix.contains('*') => (
                "`*` may only be the last character".into(),
                "write one prefix".into(),
            ),
            Some(prefix) if known.iter().any(|name| name.starts_with(prefix)) => return true,
            Some(_) => (
                format!("`{text}` covers no registered {what}"),
                nearest(text, known),
            ),
            None if text.contains('*') => (
                "`*` may only be the last character".into(),
                "write one prefix".into(),
            ),
            None => (format!("unknown {what} `{text}`"), nearest(text, known)),
        };
        self.place.error(name.span(), message, Some(hint));
        false
    }

    /// As [`Reader::names`]; an allow row cannot name a forbidden purpose.
    fn purposes(&self, cell: &Text<'_>, known: &[String], deny: Option<bool>) -> Option<String> {
        let forbidden = |name: &str| {
            self.known
                .purposes
                .is_forbidden(name.trim().trim_end_matches(".*"))
        };
        if deny != Some(true) && cell.text.split('|').any(forbidden) {
            self.place.error(
                cell.span(),
                format!("`{}` is forbidden to everybody", cell.text),
                None,
            );
            return None;
        }
        self.names("purpose", cell, known)
    }

    /// The least assurance. A deny row holds at any assurance, so it says `aal1`.
    fn assurance(&self, aal: &Text<'_>, deny: Option<bool>) -> Option<Assurance> {
        let Ok(assurance) = aal.text.parse() else {
            let hint = did_you_mean(aal.text, ["aal1", "aal2", "aal3"]);
            self.place.error(
                aal.span(),
                format!("unknown assurance `{}`", aal.text),
                hint,
            );
            return None;
        };
        if deny == Some(true) && assurance != Assurance::Aal1 {
            let hint = "a better key must not escape a deny row: write `aal1`";
            self.place.error(
                aal.span(),
                "a deny row holds at any assurance",
                Some(hint.into()),
            );
            return None;
        }
        Some(assurance)
    }

    /// What the row does: an allow row names a profile, a deny row `-`.
    fn effect(&self, obl: &Text<'_>, deny: Option<bool>) -> Option<Effect> {
        let name = obl.text;
        if deny? {
            if name != "-" {
                self.place.error(
                    obl.span(),
                    "a deny row has no obligation",
                    Some("write `-`".into()),
                );
                return None;
            }
            return Some(Effect::Deny);
        }
        let profiles = &self.known.manifest.profiles;
        let position = profiles.iter().position(|profile| **profile == *name);
        if position.is_none() {
            let hint = did_you_mean(name, profiles.iter().map(AsRef::as_ref))
                .unwrap_or_else(|| "list it in `profiles` of bundle.toml".into());
            self.place.error(
                obl.span(),
                format!("unknown guardrail profile `{name}`"),
                Some(hint),
            );
        }
        position.map(|profile| Effect::Allow { profile })
    }
}

/// The rows so far, to find repetitions.
#[derive(Default)]
struct Seen<'a> {
    ids: BTreeMap<&'a str, RuleRef>,
    contents: BTreeMap<Vec<&'a str>, RuleRef>,
}

impl<'a> Seen<'a> {
    /// Rule ids are unique in the bundle, and no row says what another says already.
    fn check(&mut self, place: Place<'_>, cells: &[Text<'a>; 13], site: &RuleRef) {
        let [_, rid, content @ ..] = cells;
        if let Some(first) = self.ids.get(rid.text) {
            let (file, line) = (first.file().display(), first.line());
            let message = format!("rule id `{}` is taken by {file}:{line}", rid.text);
            place.error(rid.span(), message, Some("choose another".into()));
            return;
        }
        self.ids.insert(rid.text, site.clone());
        let content: Vec<&str> = content.iter().map(|cell| cell.text).collect();
        if let Some(first) = self.contents.get(&content) {
            let message = format!("rule `{}` says the same as {first}", rid.text);
            place.warning(rid.span(), message, Some("remove the row".into()));
            return;
        }
        self.contents.insert(content, site.clone());
    }
}

/// What to write instead of a name that is not known.
fn nearest(name: &str, known: &[String]) -> String {
    did_you_mean(name, known.iter().map(String::as_str)).unwrap_or_else(|| match known {
        few if (1..=8).contains(&few.len()) => format!("known: {}", few.join(", ")),
        _ => "register it first".into(),
    })
}

const COLUMNS: [&str; 13] = [
    "p", "rid", "role", "dom", "obj", "act", "purp", "label", "zone", "aal", "win", "obl", "eft",
];

/// Longest rule id.
const ID_BYTES_MAX: usize = 32;
