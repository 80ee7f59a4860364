//! `[source.NAME]` of `identities.toml` and the files in `sources/`: what others say about principals.
//!
//! ```toml
//! [source.hr]
//! about = "the personnel system, exported monthly"
//! file = "hr.csv"                        # sources/hr.csv: a heading, then a line for each principal
//! expires = 2027-03-31                   # from then on it says nothing
//!
//! [source.idp]
//! issuer = "agency"                      # as in `oidc:agency:…`
//! claims = { clearance = "clearance", nationality = "country" }
//! ```
//!
//! An attribute of a record is then a table:
//!
//! ```toml
//! [identity."oidc:agency:*"]
//! tenant = { source = "hr", one_of = ["demo/benefits/web"] }
//! clearance = { source = "idp", at_most = "CUI:PRVCY" }
//! assurance = "aal2"
//! nationality = { source = "hr" }
//! purposes = ["benefits.draft"]
//! ```
//!
//! Claims are believed only within `at_most` or `one_of`, so that these must be there; for a file they
//! may be.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    csv,
    fields::{Fields, Place, Text, Value},
    files::Files,
    identities::{check_principal, read_assurance},
    manifest::{check_tenant, check_word},
    mend::few,
};
use crate::{
    hint::{Hint, plain},
    label::{Label, is_country},
    records::{Attributes, Manifest},
    source::{Attribute, Given, Source, SourceKind},
    subject::{Assurance, Nationality},
    time::UnixTime,
};

/// What the values of sources and records are compared with.
#[derive(Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) files: &'a Files,
    pub(super) manifest: &'a Manifest,
    pub(super) attributes: &'a Attributes,
}

impl<'a> Known<'a> {
    fn needs(self) -> impl Iterator<Item = &'a str> + Clone {
        self.attributes.needs.iter().map(String::as_str)
    }
}

/// Reads the tables and the files that they name; a file that none names is an error.
pub(super) fn read(fields: &mut Fields<'_>, known: Known<'_>) -> BTreeMap<String, Arc<Source>> {
    let mut sources = BTreeMap::new();
    let mut read = BTreeSet::new();
    for (name, mut entry) in fields.tables("source") {
        let well_named = check_word(entry.place, "source", &name);
        entry.optional_text("about");
        let of_claims = ["issuer", "claims"].iter().any(|key| entry.has(key));
        let of_file = ["file", "expires"].iter().any(|key| entry.has(key));
        let kind = match (of_claims, of_file) {
            (true, true) => {
                let message = "a source is a file with its last day, or an issuer with its claims";
                entry
                    .place
                    .error(name.span(), message, "make two sources of it");
                entry.ask(["issuer", "claims", "file", "expires"]);
                None
            }
            (true, false) => claims(&mut entry),
            (false, _) => file(&mut entry, known, &mut read),
        };
        entry.done();
        // One that is wrong is still there, so that what draws on it is not reported too.
        let kind = kind.unwrap_or(SourceKind::Claims {
            issuer: String::new(),
            names: Attribute::ALL
                .map(|attribute| (attribute, String::new()))
                .into(),
        });
        if well_named {
            let name = name.text.to_owned();
            let source = Source {
                name: name.clone(),
                kind,
            };
            sources.insert(name, Arc::new(source));
        }
    }
    for source in known.files.sources() {
        if !read.contains(&source.path) {
            let message = "no [source] of identities.toml names this file, so nobody reads it";
            let problems = fields.place.problems;
            problems.file(source.path.clone(), message, "name it there, or remove it");
        }
    }
    sources
}

/// A source that speaks through the claims of tokens.
fn claims(fields: &mut Fields<'_>) -> Option<SourceKind> {
    let place = fields.place;
    let issuer = fields.text("issuer");
    let issuer = issuer.filter(|issuer| check_word(place, "issuer's name", issuer));
    let pairs = fields.some_named_texts("claims", "{ clearance = \"…\" }");
    let mut names = BTreeMap::new();
    for (key, claim) in pairs {
        if let Some(attribute) = attribute(place, &key) {
            names.insert(attribute, claim.text.to_owned());
        }
    }
    Some(SourceKind::Claims {
        issuer: issuer?.text.to_owned(),
        names,
    })
}

/// A source that is a file of the bundle.
fn file(
    fields: &mut Fields<'_>,
    known: Known<'_>,
    read: &mut BTreeSet<std::path::PathBuf>,
) -> Option<SourceKind> {
    let place = fields.place;
    let name = fields.text("file");
    let expires_at = fields.site("expires");
    let expires = fields.last_day("expires");
    let name = name?;
    let Some(source) = known.files.source(&format!("sources/{}", name.text)) else {
        let files = known
            .files
            .sources()
            .filter_map(|source| source.path.file_name());
        let names: Vec<_> = files.map(|name| name.to_string_lossy()).collect();
        let names = || names.iter().map(AsRef::as_ref);
        let hint = match name.text.strip_prefix("sources/") {
            Some(short) if names().any(|known| known == short) => name.write(short),
            _ => name.mean(names()).or(few(names())),
        };
        let hint = hint.or("put it there: a heading `principal, clearance, …`, then the rows");
        let message = format!("there is no file `sources/{}`", name.text);
        place.error(name.span(), message, hint);
        return None;
    };
    read.insert(source.path.clone());
    let problems = place.problems;
    let (columns, rows) = Table::read(Place { source, problems }, known)?;
    Some(SourceKind::File {
        expires: expires.unwrap_or(UnixTime(0)),
        expires_at,
        columns,
        rows,
    })
}

fn attribute(place: Place<'_>, name: &Text<'_>) -> Option<Attribute> {
    let known = Attribute::ALL.map(Attribute::as_str);
    place.check_known("attribute", name, known).then_some(())?;
    Attribute::ALL
        .into_iter()
        .find(|attribute| attribute.as_str() == name.text)
}

/// A file of a source while it is read.
struct Table<'a> {
    place: Place<'a>,
    known: Known<'a>,
}

impl Table<'_> {
    /// The attributes of the heading, and what each row says.
    fn read(
        place: Place<'_>,
        known: Known<'_>,
    ) -> Option<(Vec<Attribute>, BTreeMap<String, Given>)> {
        let rows = csv::rows(place);
        let Some((heading, rows)) = rows.split_first() else {
            let hint = "begin with `principal, clearance` or another attribute";
            place.error(0..0, "the file has no heading", hint);
            return None;
        };
        let columns = columns(place, heading)?;
        let table = Table { place, known };
        let mut said = BTreeMap::new();
        for row in rows {
            let Some((principal, given)) = table.row(&columns, row) else {
                continue;
            };
            if said.insert(principal.text.to_owned(), given).is_some() {
                let message = format!("an earlier row speaks about `{}`", principal.text);
                place.error(principal.span(), message, "keep the one that is true");
            }
        }
        Some((columns, said))
    }

    fn row<'r>(
        &self,
        columns: &[Attribute],
        row: &'r csv::Row<'_>,
    ) -> Option<(&'r Text<'r>, Given)> {
        let place = self.place;
        let (principal, cells) = row.cells.split_first()?;
        if cells.len() != columns.len() {
            let (have, need) = (row.cells.len(), columns.len() + 1);
            let message = format!("{have} columns where the heading has {need}");
            place.error(
                row.span.clone(),
                message,
                "leave a cell empty for what is not known",
            );
            return None;
        }
        let mut given = Given::default();
        for (attribute, cell) in columns
            .iter()
            .zip(cells)
            .filter(|(_, cell)| !cell.text.is_empty())
        {
            self.cell(*attribute, cell, &mut given);
        }
        check_principal(place, principal).then_some((principal, given))
    }

    /// One value; a cell that is wrong is reported, an empty one says nothing.
    fn cell(&self, attribute: Attribute, cell: &Text<'_>, given: &mut Given) {
        let (place, known) = (self.place, self.known);
        match attribute {
            Attribute::Tenant => {
                let is_one = check_tenant(place, cell, known.manifest, Hint::default());
                given.tenant = is_one.then(|| cell.text.to_owned());
            }
            Attribute::Clearance => given.clearance = place.label(cell, known.needs()),
            Attribute::Assurance => given.assurance = read_assurance(place, cell),
            Attribute::Nationality => given.nationality = country(place, cell),
        }
    }
}

/// The attributes of a heading `principal, clearance, …`, in its order.
fn columns(place: Place<'_>, heading: &csv::Row<'_>) -> Option<Vec<Attribute>> {
    let (first, rest) = heading.cells.split_first()?;
    if first.text != "principal" {
        let hint = first.mean(["principal"]);
        let hint = hint.or("begin with `principal, clearance` or another attribute");
        place.error(first.span(), "the heading begins with `principal`", hint);
        return None;
    }
    let mut columns = Vec::new();
    for name in rest {
        let attribute = attribute(place, name)?;
        if columns.contains(&attribute) {
            let message = format!("`{}` is here twice", name.text);
            place.error(name.span(), message, place.remove_item(name));
            return None;
        }
        columns.push(attribute);
    }
    if columns.is_empty() {
        let hint = few(Attribute::ALL.map(Attribute::as_str));
        place.error(first.span(), "the heading names no attribute", hint);
        return None;
    }
    Some(columns)
}

fn country(place: Place<'_>, code: &Text<'_>) -> Option<String> {
    if is_country(code.text) {
        return Some(code.text.to_owned());
    }
    let meant = plain(code.text).trim().to_ascii_uppercase();
    let hint = match is_country(&meant) {
        true => code.write(meant),
        false => "write three capital letters, as in `USA`".into(),
    };
    let message = format!("`{}` is not a three-letter country code", code.text);
    place.error(code.span(), message, hint);
    None
}

/// Where the attributes of one record come from.
pub(super) struct Origins<'a> {
    pub(super) known: Known<'a>,
    pub(super) sources: &'a BTreeMap<String, Arc<Source>>,
    /// The record's name.
    pub(super) record: &'a str,
}

/// An attribute: what is believed at most, and the source that says how much of it.
pub(super) struct Origin<T> {
    pub(super) most: Option<T>,
    pub(super) source: Option<Arc<Source>>,
}

impl<T> Origin<T> {
    fn nothing() -> Self {
        Self {
            most: None,
            source: None,
        }
    }
}

impl Origins<'_> {
    /// The tenant, or those that a source may name.
    pub(super) fn tenants(&self, fields: &mut Fields<'_>) -> Origin<Vec<String>> {
        let (place, manifest) = (fields.place, self.known.manifest);
        let check = |text: &Text<'_>| check_tenant(place, text, manifest, Hint::default());
        let mut table = match fields.text_or_table("tenant") {
            None => return Origin::nothing(),
            Some(Value::Text(text)) => {
                let most = check(&text).then(|| vec![text.text.to_owned()]);
                return Origin { most, source: None };
            }
            Some(Value::Table(table)) => table,
        };
        let source = self.source(&mut table, Attribute::Tenant);
        let listed = table.has("one_of").then(|| {
            let texts = table.some_texts("one_of").into_iter().filter(check);
            texts.map(|text| text.text.to_owned()).collect()
        });
        let most = match (listed, &source) {
            (Some(listed), _) => Some(listed),
            (None, Some(source)) if source.is_claims() => {
                self.unbounded(&table, "one_of", "[\"…\"]")
            }
            (None, Some(source)) => Some(source.tenants().map(str::to_owned).collect()),
            (None, None) => None,
        };
        table.done();
        Origin { most, source }
    }

    pub(super) fn clearance(&self, fields: &mut Fields<'_>) -> Origin<Label> {
        let read = |place: Place<'_>, text: &Text<'_>| place.label(text, self.known.needs());
        let top = Label::highest(&self.known.attributes.needs);
        let clearance = fields.text_or_table("clearance");
        self.read(fields.place, clearance, Attribute::Clearance, read, top)
    }

    pub(super) fn assurance(&self, fields: &mut Fields<'_>) -> Origin<Assurance> {
        let assurance = fields.text_or_table("assurance");
        let (read, top) = (read_assurance, Assurance::Aal3);
        self.read(fields.place, assurance, Attribute::Assurance, read, top)
    }

    /// A nationality may be left out, and knows no bound.
    pub(super) fn nationality(&self, fields: &mut Fields<'_>) -> Origin<Nationality> {
        let (most, source) = match fields.optional_text_or_table("nationality") {
            None => (Some(Nationality::NotAsked), None),
            Some(Value::Text(text)) => (country(fields.place, &text).map(Nationality::Of), None),
            Some(Value::Table(mut table)) => {
                let source = self.source(&mut table, Attribute::Nationality);
                table.done();
                (Some(Nationality::Unknown), source)
            }
        };
        Origin { most, source }
    }

    /// A value that is stated, or `{ source = "…", at_most = "…" }`.
    fn read<T>(
        &self,
        place: Place<'_>,
        value: Option<Value<'_>>,
        attribute: Attribute,
        read: impl Fn(Place<'_>, &Text<'_>) -> Option<T>,
        top: T,
    ) -> Origin<T> {
        let mut table = match value {
            None => return Origin::nothing(),
            Some(Value::Text(text)) => {
                let most = read(place, &text);
                return Origin { most, source: None };
            }
            Some(Value::Table(table)) => table,
        };
        let source = self.source(&mut table, attribute);
        let most = match table.optional_text("at_most") {
            Some(text) => read(place, &text),
            None if source.as_ref().is_some_and(|source| source.is_claims()) => {
                self.unbounded(&table, "at_most", "\"…\"")
            }
            None => Some(top),
        };
        table.done();
        Origin { most, source }
    }

    /// Says that claims need a bound.
    fn unbounded<T>(&self, table: &Fields<'_>, bound: &str, example: &str) -> Option<T> {
        let message = format!("claims are believed only within bounds, and there is no `{bound}`");
        table.error(message, format!("add `{bound} = {example}`"));
        None
    }

    /// The source of an attribute, which must give it, and to this record.
    fn source(&self, table: &mut Fields<'_>, attribute: Attribute) -> Option<Arc<Source>> {
        let name = table.text("source")?;
        let place = table.place;
        let names = self.sources.keys().map(String::as_str);
        place.check_known("source", &name, names).then_some(())?;
        let source = self.sources.get(name.text)?;
        if !source.gives(attribute) {
            let (name_, what) = (name.text, attribute.as_str());
            let message = format!("source `{name_}` says nothing about `{what}`");
            let hint = match source.is_claims() {
                true => format!("add `{what}` to its `claims`"),
                false => format!("add a column `{what}` to its file"),
            };
            place.error(name.span(), message, hint);
            return None;
        }
        if let SourceKind::Claims { issuer, .. } = &source.kind
            && !issuer.is_empty()
            && !self.record.starts_with(&format!("oidc:{issuer}:"))
        {
            let message = format!(
                "source `{}` speaks about `oidc:{issuer}:…` and never about `{}`",
                source.name, self.record
            );
            place.error(
                name.span(),
                message,
                "state the value, or take another source",
            );
            return None;
        }
        Some(Arc::clone(source))
    }
}
