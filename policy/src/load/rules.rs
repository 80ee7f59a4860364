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
    manifest::{check_tenant_pattern, word_meant},
    mend::few,
    roles::{Roles, check_role},
};
use crate::{
    hint::{Hint, plain},
    pattern,
    problem::Problems,
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
                .all()
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
    let mut tables = Vec::new();
    for (folder, source) in files.named("rules.csv") {
        let rows = csv::rows(Place { source, problems });
        seen.note_ids(&rows);
        tables.push((folder, source, rows));
    }
    for (folder, source, rows) in &tables {
        let file: Arc<Path> = source.path.as_path().into();
        let scope = match folder {
            None => Scope::Baseline,
            Some(folder) => Scope::Tenant(known.manifest.tenants.get(*folder)),
        };
        let reader = Reader {
            place: Place { source, problems },
            known,
            scope,
        };
        for row in rows {
            let meant = || reader.joined(row);
            let Some(cells) = csv::cells_of(reader.place, row, &COLUMNS, meant) else {
                continue;
            };
            let [_, rid, ..] = cells;
            let site = RuleRef::new(rid.text.to_owned(), Arc::clone(&file), row.line);
            seen.check(reader.place, cells, &site);
            rules.extend(reader.row(cells, site));
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
#[derive(Clone, Copy)]
struct Reader<'a> {
    place: Place<'a>,
    known: &'a Known<'a>,
    scope: Scope<'a>,
}

impl Reader<'_> {
    /// The typed row, if every column is right. Two neighbours, each of which is right in the place of
    /// the other, are one mistake.
    fn row(&self, cells: &[Text<'_>; 13], reference: RuleRef) -> Option<Rule> {
        let found = Problems::default();
        let rule = self.aside(&found).rule(cells, reference);
        let swapped = (1..COLUMNS.len() - 1).find_map(|nth| {
            let (first, second) = (cells.get(nth)?, cells.get(nth + 1)?);
            let mut other = cells.clone();
            other.swap(nth, nth + 1);
            let wrong = found.any_in(first.span()) || found.any_in(second.span());
            (wrong && self.is_sound(&other)).then_some((first, second))
        });
        match swapped {
            Some((first, second)) => {
                let message = format!("`{}` and `{}` are swapped", first.text, second.text);
                let hint = self.place.swap(first, second);
                self.place.error(first.span(), message, hint);
            }
            None => self.place.problems.extend(found),
        }
        rule
    }

    /// Whether a row would be read without a problem.
    fn is_sound(&self, cells: &[Text<'_>; 13]) -> bool {
        let found = Problems::default();
        let reference = RuleRef::new(String::new(), self.place.source.path.as_path().into(), 0);
        self.aside(&found).rule(cells, reference);
        found.is_empty()
    }

    /// The same reader, reporting elsewhere.
    fn aside<'s>(&'s self, problems: &'s Problems) -> Reader<'s> {
        Reader {
            place: Place {
                source: self.place.source,
                problems,
            },
            ..*self
        }
    }

    /// A row with one column too many, in which two neighbours are alternatives of one column.
    fn joined(&self, row: &csv::Row<'_>) -> Hint {
        if row.cells.len() != COLUMNS.len() + 1 {
            return Hint::default();
        }
        let mut found = Vec::new();
        for (nth, pair) in row.cells.windows(2).enumerate() {
            let [first, second] = pair else { continue };
            let text = format!("{}|{}", first.text, second.text);
            let span = first.span().start..second.span().end;
            let mut cells = row.cells.clone();
            cells.splice(nth..nth + 2, [Text::new(&text, span.clone())]);
            if <&[Text<'_>; 13]>::try_from(cells.as_slice()).is_ok_and(|cells| self.is_sound(cells))
            {
                found.push(Hint::replace(span, text.as_str()));
            }
        }
        match found.len() {
            1 => found.pop().unwrap_or_default(),
            _ => Hint::default(),
        }
    }

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
                        .error(eft.span(), "the baseline only forbids", hint);
                }
                Some(false)
            }
            "deny" => Some(true),
            other => {
                // To read another word as a denial grants nothing.
                let denial = match REFUSING.contains(&other) {
                    true => eft.write("deny"),
                    false => Hint::default(),
                };
                let near = eft.mean(["allow", "deny"]).or(denial);
                let hint = near.or("write `allow` or `deny`");
                let message = format!("unknown effect `{other}`");
                self.place.error(eft.span(), message, hint);
                None
            }
        }
    }

    /// A rule id goes into every entry that the rule decides, so it is short and plain.
    fn check_id(&self, rid: &Text<'_>) -> bool {
        let id = rid.text;
        let fits = super::manifest::is_word(id) && id.len() <= ID_BYTES_MAX;
        if !fits {
            let word = match id.len() <= ID_BYTES_MAX {
                true => word_meant(rid),
                false => Hint::default(),
            };
            let hint = word.or("letters, digits, `.`, `_` and `-`, at most 32, as in `BA-101`");
            self.place
                .error(rid.span(), format!("`{id}` is not a rule id"), hint);
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
            let hint = role.mean(roles.names().chain([EVERYONE, SUSPENDED]));
            let message = format!("nobody under `{}` holds `{name}`", tenant?);
            self.idle(role, message, hint, deny);
        }
        Some(name.to_owned())
    }

    /// A tenant pattern within the file's scope, under which somebody is.
    fn tenant(&self, dom: &Text<'_>, deny: Option<bool>) -> Option<String> {
        let name = dom.text;
        if let Err((message, hint)) = check_tenant_pattern(dom) {
            let hint = match hint.fix {
                Some(_) => hint,
                None => self.tenant_meant(dom).or(hint),
            };
            self.place.error(dom.span(), message, hint);
            return None;
        }
        if let Scope::Tenant(domain) = self.scope
            && !pattern::contains(domain?, name)
        {
            let domain = domain?;
            let message = format!("`{name}` lies outside this folder's domain `{domain}`");
            let hint = match pattern::contains(name, domain) {
                true => dom.write(domain.as_str()),
                false => self
                    .tenant_meant(dom)
                    .or("rules about others belong to the baseline"),
            };
            self.place.error(dom.span(), message, hint);
            return None;
        }
        let tenants = &self.known.tenants;
        if !tenants.is_empty() && !tenants.contains("") && !pattern::any_under(tenants, name) {
            let hint = dom.mean(tenants.iter().copied());
            self.idle(dom, format!("no principal belongs to `{name}`"), hint, deny);
        }
        Some(name.to_owned())
    }

    /// A tenant of this folder that is spelled like the text.
    fn tenant_meant(&self, dom: &Text<'_>) -> Hint {
        let inside = |tenant: &&str| match self.scope {
            Scope::Baseline => true,
            Scope::Tenant(domain) => domain.is_some_and(|domain| pattern::under(tenant, domain)),
        };
        dom.mean(self.known.tenants.iter().copied().filter(inside))
    }

    /// A row that speaks about nobody: an error on a deny row, which somebody relies upon.
    fn idle(&self, cell: &Text<'_>, message: String, hint: Hint, deny: Option<bool>) {
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
            let name = Text::new(name, from..from + name.len());
            if let Err((message, hint)) = check_name(what, &name, known) {
                // An empty alternative is not needed where there is another.
                let hint = match without_empty(cell) {
                    Some(rest) if name.text.is_empty() => cell.write(rest),
                    _ => hint,
                };
                self.place.error(name.span(), message, hint);
                sound = false;
            }
            names.push(name.text);
        }
        sound.then(|| names.join("|"))
    }

    /// As [`Reader::names`]; an allow row cannot name a forbidden purpose.
    fn purposes(&self, cell: &Text<'_>, known: &[String], deny: Option<bool>) -> Option<String> {
        let forbidden = |name: &str| {
            self.known
                .purposes
                .is_forbidden(name.trim().trim_end_matches(".*"))
        };
        if deny != Some(true) && cell.text.split('|').any(forbidden) {
            let message = format!("`{}` is forbidden to everybody", cell.text);
            let hint = "name purposes that are registered, or remove the row";
            self.place.error(cell.span(), message, hint);
            return None;
        }
        self.names("purpose", cell, known)
    }

    /// The least assurance. A deny row holds at any assurance, so it says `aal1`.
    fn assurance(&self, aal: &Text<'_>, deny: Option<bool>) -> Option<Assurance> {
        let Ok(assurance) = aal.text.parse() else {
            let message = format!("unknown assurance `{}`", aal.text);
            self.place.error(aal.span(), message, assurance_meant(aal));
            return None;
        };
        if deny == Some(true) && assurance != Assurance::Aal1 {
            let hint = aal.write("aal1");
            let hint = hint.saying("a better key must not escape a deny row: write `aal1`");
            self.place
                .error(aal.span(), "a deny row holds at any assurance", hint);
            return None;
        }
        Some(assurance)
    }

    /// What the row does: an allow row names a profile, a deny row `-`.
    fn effect(&self, obl: &Text<'_>, deny: Option<bool>) -> Option<Effect> {
        let name = obl.text;
        if deny? {
            if name != "-" {
                let message = "a deny row has no obligation";
                self.place.error(obl.span(), message, obl.write("-"));
                return None;
            }
            return Some(Effect::Deny);
        }
        let profiles = &self.known.manifest.profiles;
        let position = profiles.iter().position(|profile| **profile == *name);
        if position.is_none() {
            let hint = obl.mean(profiles.iter().map(AsRef::as_ref));
            let message = format!("unknown guardrail profile `{name}`");
            let hint = match name {
                "-" => hint.or(few(profiles.iter().map(AsRef::as_ref))),
                _ => hint.or("list it in `profiles` of bundle.toml"),
            };
            self.place.error(obl.span(), message, hint);
        }
        position.map(|profile| Effect::Allow { profile })
    }
}

/// One alternative of a name pattern; if it is none, what is wrong and what to write.
fn check_name(what: &str, name: &Text<'_>, known: &[String]) -> Result<(), (String, Hint)> {
    let text = name.text;
    let stem = text.trim_end_matches('*');
    let covers = |prefix: &str| known.iter().any(|name| name.starts_with(prefix));
    if known.iter().any(|name| name == text) {
        return Ok(());
    }
    Err(match text.strip_suffix('*') {
        _ if text.is_empty() => (format!("an empty {what}"), "write `*` for all".into()),
        Some("") => (
            "`*` covers everything beside it".into(),
            "write `*` alone".into(),
        ),
        Some(prefix) if !prefix.contains('*') && covers(prefix) => return Ok(()),
        Some(prefix) if !prefix.contains('*') => {
            let message = format!("`{text}` covers no registered {what}");
            (message, name_meant(name, known))
        }
        _ if text.contains('*') => {
            let hint = match !stem.contains('*') && !stem.is_empty() && covers(stem) {
                true => name.write(format!("{stem}*")),
                false => "write one prefix".into(),
            };
            ("`*` may only be the last character".into(), hint)
        }
        _ => (format!("unknown {what} `{text}`"), name_meant(name, known)),
    })
}

/// What to write instead of a name that is not known.
fn name_meant(name: &Text<'_>, known: &[String]) -> Hint {
    let names = || known.iter().map(String::as_str);
    // For a prefix, those of the known names.
    let cuts = |known: &str| -> Vec<String> {
        let signs = known.match_indices(['.', '/', '-', ':']);
        signs
            .filter_map(|(at, sign)| Some(format!("{}*", known.get(..at + sign.len())?)))
            .collect()
    };
    let prefixes: Vec<String> = match name.text.ends_with('*') {
        true => known.iter().flat_map(|known| cuts(known)).collect(),
        false => Vec::new(),
    };
    // Other signs between alternatives than `|`.
    let listed = ["+", ";", "/", "&", " "].into_iter().find_map(|sign| {
        let parts: Vec<&str> = name.text.split(sign).map(str::trim).collect();
        let all = parts.len() > 1 && parts.iter().all(|part| names().any(|name| name == *part));
        all.then(|| name.write(parts.join("|")))
    });
    let prefix = name.mean(prefixes.iter().map(String::as_str));
    prefix
        .or(name.mean(names()))
        .or(listed.unwrap_or_default())
        .or(few(names()))
        .or("register it first")
}

/// A name pattern without its empty alternatives, if it has others.
fn without_empty(cell: &Text<'_>) -> Option<String> {
    let parts = cell.text.split('|').map(str::trim);
    let kept: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    (!kept.is_empty()).then(|| kept.join("|"))
}

/// `3`, `AAL3`, `aal-3`: the digit says it. Anything else may be any of the three.
pub(super) fn assurance_meant(aal: &Text<'_>) -> Hint {
    let known = ["aal1", "aal2", "aal3"];
    let word = plain(aal.text).to_lowercase();
    let digit = word
        .trim_start_matches("aal")
        .trim_matches([' ', '-', '_', ':']);
    let named = known
        .iter()
        .find(|known| known.strip_prefix("aal") == Some(digit));
    match named {
        Some(named) => aal.write(*named),
        None => aal.mean(known).or("write `aal1`, `aal2` or `aal3`"),
    }
}

/// The rows so far, to find repetitions.
#[derive(Default)]
struct Seen<'a> {
    /// Of all rows, later ones included.
    all: BTreeSet<&'a str>,
    ids: BTreeMap<&'a str, RuleRef>,
    contents: BTreeMap<Vec<&'a str>, RuleRef>,
}

impl<'a> Seen<'a> {
    fn note_ids(&mut self, rows: &[csv::Row<'a>]) {
        let ids = rows.iter().filter_map(|row| row.cells.get(1));
        self.all.extend(ids.map(|rid| rid.text));
    }

    /// The next id of the same kind that no row has: `CL-103` for a second `CL-101`.
    fn free(&self, rid: &Text<'_>) -> Hint {
        let stem = rid.text.trim_end_matches(|c: char| c.is_ascii_digit());
        let number: Option<u64> = rid
            .text
            .get(stem.len()..)
            .and_then(|number| number.parse().ok());
        let ids = number
            .into_iter()
            .flat_map(|number| number..)
            .skip(1)
            .take(self.all.len() + 1);
        let mut free = ids
            .map(|number| format!("{stem}{number}"))
            .filter(|id| !self.all.contains(id.as_str()));
        match free.next() {
            Some(id) => rid.write(id),
            None => "choose another".into(),
        }
    }

    /// Rule ids are unique in the bundle, and no row says what another says already.
    fn check(&mut self, place: Place<'_>, cells: &[Text<'a>; 13], site: &RuleRef) {
        let [_, rid, content @ ..] = cells;
        let content: Vec<&str> = content.iter().map(|cell| cell.text).collect();
        let same = self.contents.get(&content);
        if let Some(first) = self.ids.get(rid.text) {
            let (file, line) = (first.file().display(), first.line());
            let message = format!("rule id `{}` is taken by {file}:{line}", rid.text);
            let hint = match same {
                Some(_) => place.remove_row(rid.span().start),
                None => self.free(rid),
            };
            place.error(rid.span(), message, hint);
            return;
        }
        self.ids.insert(rid.text, site.clone());
        if let Some(first) = same {
            let message = format!("rule `{}` says the same as {first}", rid.text);
            place.warning(rid.span(), message, place.remove_row(rid.span().start));
            return;
        }
        self.contents.insert(content, site.clone());
    }
}

const COLUMNS: [&str; 13] = [
    "p", "rid", "role", "dom", "obj", "act", "purp", "label", "zone", "aal", "win", "obl", "eft",
];

/// Other words for `deny`.
const REFUSING: [&str; 6] = [
    "block", "disallow", "forbid", "prohibit", "refuse", "reject",
];

/// Longest rule id.
const ID_BYTES_MAX: usize = 32;
