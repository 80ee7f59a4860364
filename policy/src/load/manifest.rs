//! `bundle.toml`: what this bundle is, and which tenants and profiles it speaks about.
//!
//! ```toml
//! id = "demo"
//! revision = 1                                  # grows with every change
//! expires = 2031-12-31
//! reason = "first bundle"
//! profiles = ["civ-standard", "civ-strict"]     # guardrail profiles, mildest first
//! coverage_floor = 90                           # per cent of the rules that tests.toml must decide by; default 0
//! [tenant.demo-benefits]                        # the folder tenants/demo-benefits
//! domain = "demo/benefits/*"                    # the tenants about which its rules may speak
//! owner = "benefits-office@agency.example"
//! ```

use std::collections::BTreeSet;

use super::fields::{Fields, Place, Text};
use crate::{
    hint::{Hint, did_you_mean, plain},
    pattern,
    records::Manifest,
};

/// Reads the file.
pub(super) fn read(mut fields: Fields<'_>) -> Manifest {
    let place = fields.place;
    let mut manifest = Manifest::default();
    if let Some(id) = fields.text("id").filter(|id| check_word(place, "id", id)) {
        manifest.id = id.text.to_owned();
    }
    manifest.revision = fields.number("revision", 1).unwrap_or_default();
    manifest.expires = fields.last_day("expires");
    manifest.expires_at = Some(fields.site("expires"));
    fields.text("reason");
    fields.optional_text("ticket");
    if let Some(floor) = fields.optional_number("coverage_floor", 100) {
        manifest.coverage_floor = u8::try_from(floor).unwrap_or(100);
    }
    let mut seen = BTreeSet::new();
    for profile in fields.some_texts("profiles") {
        if !check_word(place, "profile", &profile) {
            continue;
        }
        if !seen.insert(profile.text.to_owned()) {
            let message = format!("profile `{}` is listed twice", profile.text);
            place.error(profile.span(), message, place.remove_item(&profile));
            continue;
        }
        manifest.profiles.push(profile.text.to_owned().into());
    }
    for (folder, mut tenant) in fields.tables("tenant") {
        tenant.text("owner");
        let domain = tenant
            .text("domain")
            .and_then(|domain| tenant_pattern(place, &domain));
        if check_word(place, "tenant", &folder) {
            // A tenant whose domain is wrong still exists, so that its files are not reported too.
            manifest
                .tenants
                .insert(folder.text.to_owned(), domain.unwrap_or_else(|| "*".into()));
        }
        tenant.done();
    }
    fields.done();
    manifest
}

/// Whether a name is made of `a-z A-Z 0-9 . _ -` and starts with a letter or digit.
pub(super) fn check_word(place: Place<'_>, what: &str, name: &Text<'_>) -> bool {
    let fits = is_word(name.text);
    if !fits {
        let hint = word_meant(name).or("letters, digits, `.`, `_` and `-`, at most 64");
        let message = format!("`{}` is not a {what}", name.text);
        place.error(name.span(), message, hint);
    }
    fits
}

/// The word that a name is with plain letters, without spaces around it and with `-` for those inside.
pub(super) fn word_meant(name: &Text<'_>) -> Hint {
    let word = plain(name.text).trim().replace([' ', '/'], "-");
    match is_word(&word) {
        true => name.write(word),
        false => Hint::default(),
    }
}

/// See [`check_word`].
pub(super) fn is_word(name: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    (1..=64).contains(&name.len())
        && name.bytes().all(inner)
        && name
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_alphanumeric())
}

/// A tenant pattern: `*`, `agency/*`, `agency/office/*` or `agency/office/mission`.
pub(super) fn tenant_pattern(place: Place<'_>, text: &Text<'_>) -> Option<String> {
    match check_tenant_pattern(text) {
        Ok(()) => Some(text.text.to_owned()),
        Err((message, hint)) => {
            place.error(text.span(), message, hint);
            None
        }
    }
}

/// Whether a text is a tenant pattern; if not, what is wrong and what to write.
pub(super) fn check_tenant_pattern(text: &Text<'_>) -> Result<(), (String, Hint)> {
    let name = text.text;
    let Err(fault) = tenant_fault(name) else {
        return Ok(());
    };
    // A shorter path is not completed: whether all below it are meant is for the admin to say.
    let hint = match fault {
        TenantFault::Short => format!("write `{name}/*` for all tenants below it").into(),
        TenantFault::Form | TenantFault::Long => {
            let meant = plain(name).replace(char::is_whitespace, "");
            let meant = meant.trim_matches('/');
            match tenant_fault(meant) {
                Ok(()) => text.write(meant),
                Err(_) => TENANT_HINT.into(),
            }
        }
    };
    let message = match fault {
        TenantFault::Form => format!("`{name}` is not a tenant pattern"),
        TenantFault::Short => format!("`{name}` is no tenant: it has fewer than three parts"),
        TenantFault::Long => format!("`{name}` has too many parts"),
    };
    Err((message, hint))
}

/// Why a text is no tenant pattern.
enum TenantFault {
    Form,
    Short,
    Long,
}

fn tenant_fault(text: &str) -> Result<(), TenantFault> {
    let (stem, open) = match text.strip_suffix("/*") {
        Some(stem) => (stem, true),
        None if text == "*" => return Ok(()),
        None => (text, false),
    };
    let parts: Vec<&str> = stem.split('/').collect();
    if !parts.iter().all(|part| is_word(part)) {
        return Err(TenantFault::Form);
    }
    match (parts.len(), open) {
        (3, false) | (1 | 2, true) => Ok(()),
        (1 | 2, false) => Err(TenantFault::Short),
        _ => Err(TenantFault::Long),
    }
}

/// Whether a text names one tenant under a declared domain; if not, says so.
/// `meant` is what the caller knows about it.
pub(super) fn check_tenant(
    place: Place<'_>,
    tenant: &Text<'_>,
    manifest: &Manifest,
    meant: Hint,
) -> bool {
    let name = tenant.text;
    if let Err((message, hint)) = check_tenant_pattern(tenant) {
        place.error(tenant.span(), message, meant.or(hint));
        return false;
    }
    if name.ends_with('*') {
        let message = format!("`{name}` is a pattern, and one tenant is needed");
        place.error(tenant.span(), message, meant.or(TENANT_HINT));
        return false;
    }
    let mut domains = manifest.tenants.values();
    let declared = domains.any(|domain| pattern::under(name, domain));
    if !declared {
        let domains = manifest.tenants.values().map(String::as_str);
        let near = Hint::from(did_you_mean(name, domains));
        let hint = meant
            .or(near)
            .or("declare its domain under [tenant] in bundle.toml");
        let message = format!("tenant `{name}` lies under no declared domain");
        place.error(tenant.span(), message, hint);
    }
    declared
}

const TENANT_HINT: &str = "write agency/office/mission, or end a shorter path with `/*`";
