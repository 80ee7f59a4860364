//! `purposes.toml` and `authorities.toml`: what models may be used for, and who said so.
//!
//! ```toml
//! [purpose."benefits.draft"]
//! owner = "benefits-office@agency.example"
//! about = "draft letters about benefits"
//! expires = 2031-12-31
//! high_impact = false                    # default; true needs `inventory` and `assessment`
//! needs_lifted = ["AUP-2.1"]             # default none; clauses that an authority must lift
//! [forbidden."nuclear.employment"]       # this and everything below it: nobody, ever
//! clause = "RU-15"
//! about = "nuclear employment decisions"
//! ```
//! ```toml
//! [authority.AUTH-2026-014]
//! official = "Deputy Secretary of …"
//! tenant = "demo/logistics/*"
//! purposes = ["logistics.plan"]
//! lifts = ["AUP-2.1"]
//! document = "3b7e…"                     # SHA-256 of the signed decision
//! expires = 2031-12-31
//! ```

use std::collections::BTreeSet;

use super::{
    fields::{Fields, Place, Text},
    manifest::{check_word, tenant_pattern},
    mend::{few, missing},
};
use crate::{
    pattern,
    records::{Authority, Manifest, Purpose, Purposes},
    time::UnixTime,
};

/// Reads `purposes.toml`.
pub(super) fn read(mut fields: Fields<'_>) -> Purposes {
    let place = fields.place;
    let mut purposes = Purposes::default();
    for (family, mut entry) in fields.tables("forbidden") {
        entry.text("clause");
        entry.text("about");
        if check_word(place, "purpose", &family) {
            purposes.forbidden.insert(family.text.to_owned());
        }
        entry.done();
    }
    for (name, mut entry) in fields.tables("purpose") {
        let purpose = read_purpose(&mut entry);
        if purposes.is_forbidden(name.text) {
            let message = format!("purpose `{}` lies in a forbidden family", name.text);
            place.error(name.span(), message, "remove the purpose, or the family");
        }
        if check_word(place, "purpose", &name) {
            purposes.registered.insert(name.text.to_owned(), purpose);
        }
        entry.done();
    }
    if purposes.registered.is_empty() && !place.problems.any_error() {
        place.error(
            0..0,
            "no purpose is registered, so nothing can be permitted",
            None,
        );
    }
    fields.done();
    purposes
}

/// One purpose. A wrong expiry is reported and counts as long past.
fn read_purpose(fields: &mut Fields<'_>) -> Purpose {
    fields.text("owner");
    fields.text("about");
    let inventory = fields.optional_text("inventory");
    let assessment = fields.optional_text("assessment");
    let high_impact = fields.flag("high_impact");
    if high_impact && (inventory.is_none() || assessment.is_none()) {
        let lacking = match inventory {
            None => "inventory",
            Some(_) => "assessment",
        };
        let hint = missing(fields, lacking, "\"…\"");
        let message = "a high-impact purpose needs `inventory` and `assessment`";
        fields.error(message, hint);
    }
    let expires = fields.last_day("expires").unwrap_or(UnixTime(i64::MIN));
    let needs_lifted = clauses(fields, "needs_lifted");
    Purpose {
        expires,
        site: fields.site("expires"),
        needs_lifted,
    }
}

/// Reads `authorities.toml`.
pub(super) fn read_authorities(
    mut fields: Fields<'_>,
    purposes: &Purposes,
    manifest: &Manifest,
) -> Vec<Authority> {
    let place = fields.place;
    let mut authorities = Vec::new();
    for (id, mut entry) in fields.tables("authority") {
        let authority = read_authority(&id, &mut entry, purposes, manifest);
        entry.done();
        authorities.extend(authority.filter(|_| check_word(place, "authority id", &id)));
    }
    fields.done();
    authorities
}

fn read_authority(
    id: &Text<'_>,
    fields: &mut Fields<'_>,
    purposes: &Purposes,
    manifest: &Manifest,
) -> Option<Authority> {
    let place = fields.place;
    fields.text("official");
    fields.optional_text("about");
    if let Some(document) = fields.text("document") {
        check_sha256(place, &document);
    }
    let tenant = fields
        .text("tenant")
        .and_then(|text| declared_pattern(place, &text, manifest));
    let named = fields.some_texts("purposes");
    let names = || purposes.registered.keys().map(String::as_str);
    let purposes_known = named
        .iter()
        .filter(|name| place.check_known("purpose", name, names()))
        .count();
    let asked: BTreeSet<&str> = purposes
        .registered
        .values()
        .flat_map(|purpose| &purpose.needs_lifted)
        .map(String::as_str)
        .collect();
    let lifts = fields.some_texts("lifts");
    for clause in &lifts {
        // A clause that no purpose asks for is most likely a slip of the pen.
        if !asked.contains(clause.text) {
            let message = format!("no purpose has `{}` in `needs_lifted`", clause.text);
            let hint = clause.mean(asked.iter().copied());
            place.error(clause.span(), message, hint.or(few(asked.iter().copied())));
        }
    }
    let expires = fields.last_day("expires")?;
    (purposes_known == named.len()).then_some(())?;
    Some(Authority {
        id: id.text.into(),
        tenant: tenant?,
        purposes: named.into_iter().map(|text| text.text.to_owned()).collect(),
        lifts: lifts.into_iter().map(|text| text.text.to_owned()).collect(),
        expires,
        site: fields.site("expires"),
    })
}

/// A tenant pattern that covers or lies within a declared domain.
fn declared_pattern(place: Place<'_>, text: &Text<'_>, manifest: &Manifest) -> Option<String> {
    let found = tenant_pattern(place, text)?;
    let meets =
        |domain: &String| pattern::contains(domain, &found) || pattern::contains(&found, domain);
    if !manifest.tenants.values().any(meets) {
        let domains = || manifest.tenants.values().map(String::as_str);
        let message = format!("`{found}` meets no declared tenant domain");
        place.error(
            text.span(),
            message,
            text.mean(domains()).or(few(domains())),
        );
        return None;
    }
    Some(found)
}

/// Clause names such as `AUP-2.1`.
fn clauses(fields: &mut Fields<'_>, key: &'static str) -> Vec<String> {
    let clauses = fields.texts(key);
    let place = fields.place;
    clauses
        .into_iter()
        .filter(|clause| check_word(place, "clause", clause))
        .map(|text| text.text.to_owned())
        .collect()
}

/// Whether a text is a SHA-256 in lower-case hexadecimal; if not, says so.
pub(super) fn check_sha256(place: Place<'_>, text: &Text<'_>) -> bool {
    let fits = is_sha256(text.text);
    if !fits {
        let meant = text.text.trim().to_lowercase();
        let meant = meant
            .strip_prefix("sha256:")
            .unwrap_or(&meant)
            .replace([':', ' '], "");
        let hint = match is_sha256(&meant) {
            true => text.write(meant),
            false => "write 64 lower-case hexadecimal digits".into(),
        };
        place.error(text.span(), "not a SHA-256 digest", hint);
    }
    fits
}

fn is_sha256(text: &str) -> bool {
    let is_digit = |b| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 64 && text.bytes().all(is_digit)
}
