//! `identities.toml`: who exists, and what is known about them.
//!
//! ```toml
//! [identity."svc:benefits-app"]
//! tenant = "demo/benefits/web"
//! clearance = "CUI:PRVCY"
//! assurance = "aal2"                     # at most; the authenticator may lower it
//! purposes = ["benefits.draft", "benefits.summarise"]
//! default_purpose = "benefits.draft"     # default: the first
//! about = "the benefits web application"
//! san_uri = ["spiffe://demo.example/benefits-app"]     # certificates that stand for it
//! san_dns = ["benefits-app.demo.example"]
//! sha256 = ["…"]
//! ```
//!
//! A record may speak about everybody below a name, as in `[identity."oidc:agency:*"]`; of several, the
//! one that covers most of a name counts, and before it a record of the name itself. It holds no duty
//! and no certificate. Attributes may come from `sources`; `[card.NAME]` and `[spiffe]` are in `cards`,
//! `duties` and `person` in `duties`.

use std::sync::Arc;

use super::{
    cards,
    duties::Persons,
    fields::{Fields, Place, Text},
    mend::few,
    purposes::check_sha256,
    rules::assurance_meant,
    sources::{self, Known, Origins},
};
use crate::{
    duty::Duty,
    hint::{Hint, plain},
    label::Label,
    problem::Severity,
    records::{ALL_BELOW, CertificateName, Identities, Purposes, Record},
    source::Drawn,
    subject::{Assurance, Identity, NAMESPACES, Nationality},
};

/// Reads the file. Roles are added later, from the tenants' `roles.csv`.
pub(super) fn read(mut fields: Fields<'_>, known: Known<'_>, purposes: &Purposes) -> Identities {
    let place = fields.place;
    let mut identities = Identities {
        certificates: cards::read(&mut fields),
        sources: sources::read(&mut fields, known),
        ..Identities::default()
    };
    let mut persons = Persons::default();
    for (name, mut entry) in fields.tables("identity") {
        let well_named = check_record(place, &name);
        if !name.text.ends_with(ALL_BELOW) {
            read_certificates(&mut entry, &name, &mut identities);
        }
        let duties = match name.text.ends_with(ALL_BELOW) {
            true => nobodys_alone(&mut entry),
            false => persons.duties(&mut entry, &name),
        };
        let origins = Origins {
            known,
            sources: &identities.sources,
            record: name.text,
        };
        let record = read_record(&name, &mut entry, &origins, purposes, duties);
        entry.done();
        if well_named {
            identities.records.insert(name.text.to_owned(), record);
        }
    }
    fields.done();
    identities
}

fn read_record(
    name: &Text<'_>,
    fields: &mut Fields<'_>,
    origins: &Origins<'_>,
    purposes: &Purposes,
    duties: Vec<Duty>,
) -> Record {
    fields.optional_text("about");
    let tenants = origins.tenants(fields);
    let clearance = origins.clearance(fields);
    let assurance = origins.assurance(fields);
    let nationality = origins.nationality(fields);
    let granted = granted_purposes(fields, purposes);
    let default = default_purpose(fields, &granted);
    let most = Identity {
        record: name.text.to_owned(),
        tenant: String::new(),
        clearance: clearance.most.unwrap_or_else(Label::unclassified),
        assurance: assurance.most.unwrap_or(Assurance::Aal1),
        nationality: nationality.most.unwrap_or(Nationality::Unknown),
        purposes: granted
            .into_iter()
            .map(|text| text.text.to_owned())
            .collect(),
        default_purpose: default.unwrap_or_default(),
        duties,
        roles: Vec::new(),
    };
    let home = |tenant: String| {
        let most = most.clone();
        (tenant.clone(), Arc::new(Identity { tenant, ..most }))
    };
    Record {
        // A record without a usable tenant still exists, so that its roles are not reported too.
        homes: tenants
            .most
            .unwrap_or_else(|| vec![String::new()])
            .into_iter()
            .map(home)
            .collect(),
        drawn: Drawn {
            tenant: tenants.source,
            clearance: clearance.source,
            assurance: assurance.source,
            nationality: nationality.source,
        },
        site: fields.place.source.site(name.span()),
    }
}

/// Duties, persons and certificates belong to one principal.
fn nobodys_alone(fields: &mut Fields<'_>) -> Vec<Duty> {
    for key in ["duties", "person", "san_uri", "san_dns", "sha256"] {
        if fields.has(key) {
            let message =
                format!("`{key}` belongs to one principal, and this record speaks of many");
            let hint = "give whoever is meant a record of their own";
            fields
                .place
                .problems
                .report(&fields.site(key), Severity::Error, message, hint);
        }
    }
    fields.ask(["duties", "person", "san_uri", "san_dns", "sha256"]);
    Vec::new()
}

/// The granted purposes: registered, and not forbidden.
fn granted_purposes<'a>(fields: &mut Fields<'a>, purposes: &Purposes) -> Vec<Text<'a>> {
    let place = fields.place;
    let granted = fields.some_texts("purposes");
    for name in &granted {
        if purposes.is_forbidden(name.text) {
            let message = format!("purpose `{}` is forbidden to everybody", name.text);
            place.error(name.span(), message, place.remove_item(name));
        } else {
            place.check_known(
                "purpose",
                name,
                purposes.registered.keys().map(String::as_str),
            );
        }
    }
    granted
}

/// The purpose that holds when the caller selects none: a granted one, by default the first.
fn default_purpose(fields: &mut Fields<'_>, granted: &[Text<'_>]) -> Option<String> {
    let Some(default) = fields.optional_text("default_purpose") else {
        return granted.first().map(|first| first.text.to_owned());
    };
    if !granted.iter().any(|purpose| purpose.text == default.text) {
        let names = || granted.iter().map(|purpose| purpose.text);
        let message = format!("default purpose `{}` is not among `purposes`", default.text);
        let hint = default.mean(names()).or(few(names()));
        fields.place.error(default.span(), message, hint);
    }
    Some(default.text.to_owned())
}

/// The certificates that stand for the principal; one certificate name never stands for two.
fn read_certificates(fields: &mut Fields<'_>, principal: &Text<'_>, identities: &mut Identities) {
    let place = fields.place;
    let uris = fields.texts("san_uri").into_iter().map(|text| {
        let name = CertificateName::SanUri(text.text.to_owned());
        (text, name)
    });
    let dns = fields.texts("san_dns").into_iter().map(|text| {
        let name = CertificateName::SanDns(text.text.to_ascii_lowercase());
        (text, name)
    });
    let digests = fields.texts("sha256").into_iter();
    let digests = digests.filter(|digest| check_sha256(place, digest));
    let digests = digests.map(|text| {
        let name = CertificateName::Sha256(text.text.to_owned());
        (text, name)
    });
    for (text, name) in uris.chain(dns).chain(digests) {
        if let Some(other) = identities.by_certificate.get(&name) {
            let message = format!("this certificate already stands for `{other}`");
            // Of two principals, only the admin knows whose it is.
            let hint = match other == principal.text {
                true => place.remove_item(&text),
                false => "remove it from one of the two".into(),
            };
            place.error(text.span(), message, hint);
        } else {
            let principal = principal.text.to_owned();
            identities.by_certificate.insert(name, principal);
        }
    }
}

/// Whether the name of a record is a principal, or the beginning of many; if not, says so.
fn check_record(place: Place<'_>, name: &Text<'_>) -> bool {
    let Some(stem) = name.text.strip_suffix(ALL_BELOW) else {
        return check_principal(place, name);
    };
    let message = if stem.starts_with("svc:") {
        "each service has a record of its own"
    } else if !stem.ends_with([':', '/']) || !is_principal(&format!("{stem}x")) {
        "`*` stands for everybody below a namespace, an issuer or a path"
    } else {
        return true;
    };
    let hint = "write it after `:` or `/`, as in `oidc:agency:*`";
    place.error(name.span(), message, hint);
    false
}

/// Whether a principal has a namespace and plain characters; if not, says so.
pub(super) fn check_principal(place: Place<'_>, principal: &Text<'_>) -> bool {
    let name = principal.text;
    if is_principal(name) {
        return true;
    }
    let message = if name.starts_with("role:") {
        format!("`{name}` is spelled like a role: it would hold that role")
    } else if NAMESPACES.iter().any(|space| name.starts_with(space)) {
        format!("`{name}` is not a principal")
    } else {
        format!("`{name}` has no namespace")
    };
    place.error(principal.span(), message, principal_meant(principal));
    false
}

/// See [`check_principal`].
fn is_principal(name: &str) -> bool {
    let plain = |b: u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/' | b':' | b'@' | b'+')
    };
    let rest = NAMESPACES.iter().find_map(|space| name.strip_prefix(space));
    let fits = |rest: &str| !rest.is_empty() && rest.bytes().all(plain);
    name.len() <= PRINCIPAL_BYTES_MAX && rest.is_some_and(fits)
}

/// A namespace in capitals or before another sign, look-alikes, spaces around the name.
fn principal_meant(principal: &Text<'_>) -> Hint {
    let name = plain(principal.text);
    let name = name.trim();
    let letters = name.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (space, rest) = name.split_at(letters);
    let rest = rest.trim_start_matches([':', ';', '/', '=', ' ']);
    let meant = format!("{}:{rest}", space.to_ascii_lowercase());
    let known = NAMESPACES.iter().any(|space| meant.starts_with(space));
    match known && is_principal(&meant) {
        true => principal.write(meant),
        false => "svc: oidc: piv: dod: or spiffe:, then letters, digits and . _ - / : @ +, at most 128 bytes".into(),
    }
}

pub(super) fn read_assurance(place: Place<'_>, text: &Text<'_>) -> Option<Assurance> {
    let assurance = text.text.parse().ok();
    if assurance.is_none() {
        let message = format!("unknown assurance `{}`", text.text);
        place.error(text.span(), message, assurance_meant(text));
    }
    assurance
}

/// Longest principal.
const PRINCIPAL_BYTES_MAX: usize = 128;
