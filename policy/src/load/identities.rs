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
//! `[card.NAME]` and `[spiffe]` are in `cards`, `duties` and `person` in `duties`.

use std::sync::Arc;

use super::{
    cards,
    duties::Persons,
    fields::{Fields, Place, Text},
    manifest::check_tenant,
    purposes::check_sha256,
};
use crate::{
    label::Label,
    problem::did_you_mean,
    records::{Attributes, CertificateName, Identities, Manifest, Purposes},
    subject::{Assurance, Identity, NAMESPACES},
};

/// Reads the file. Roles are added later, from the tenants' `roles.csv`.
pub(super) fn read(
    mut fields: Fields<'_>,
    manifest: &Manifest,
    attributes: &Attributes,
    purposes: &Purposes,
) -> Identities {
    let place = fields.place;
    let mut identities = Identities {
        certificates: cards::read(&mut fields),
        ..Identities::default()
    };
    let mut persons = Persons::default();
    for (principal, mut entry) in fields.tables("identity") {
        let well_named = check_principal(place, &principal);
        read_certificates(&mut entry, &principal, &mut identities);
        let duties = persons.duties(&mut entry, &principal);
        let identity = read_identity(&principal, &mut entry, manifest, attributes, purposes);
        let identity = identity.map(|identity| Identity { duties, ..identity });
        entry.done();
        if let Some(identity) = identity.filter(|_| well_named) {
            identities
                .by_principal
                .insert(principal.text.to_owned(), Arc::new(identity));
        }
    }
    fields.done();
    identities
}

fn read_identity(
    principal: &Text<'_>,
    fields: &mut Fields<'_>,
    manifest: &Manifest,
    attributes: &Attributes,
    purposes: &Purposes,
) -> Option<Identity> {
    let place = fields.place;
    fields.optional_text("about");
    let tenant = fields
        .text("tenant")
        .filter(|tenant| check_tenant(place, tenant, manifest));
    let needs = attributes.needs.iter().map(String::as_str);
    let clearance = fields
        .text("clearance")
        .and_then(|text| place.label(&text, needs));
    let assurance = fields
        .text("assurance")
        .and_then(|text| read_assurance(place, &text));
    let granted = granted_purposes(fields, purposes);
    let default = default_purpose(fields, &granted);
    Some(Identity {
        principal: principal.text.to_owned(),
        // An identity without a usable tenant still exists, so that its roles are not reported too.
        tenant: tenant.map(|text| text.text.to_owned()).unwrap_or_default(),
        clearance: clearance.unwrap_or_else(Label::unclassified),
        assurance: assurance.unwrap_or(Assurance::Aal1),
        purposes: granted
            .into_iter()
            .map(|text| text.text.to_owned())
            .collect(),
        default_purpose: default.unwrap_or_default(),
        duties: Vec::new(),
        roles: Vec::new(),
    })
}

/// The granted purposes: registered, and not forbidden.
fn granted_purposes<'a>(fields: &mut Fields<'a>, purposes: &Purposes) -> Vec<Text<'a>> {
    let place = fields.place;
    let granted = fields.some_texts("purposes");
    for name in &granted {
        if purposes.is_forbidden(name.text) {
            place.error(
                name.span(),
                format!("purpose `{}` is forbidden to everybody", name.text),
                None,
            );
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
        let hint = did_you_mean(default.text, granted.iter().map(|purpose| purpose.text));
        fields.place.error(
            default.span(),
            format!("default purpose `{}` is not among `purposes`", default.text),
            hint,
        );
    }
    Some(default.text.to_owned())
}

/// The certificates that stand for the principal; one certificate name never stands for two.
fn read_certificates(fields: &mut Fields<'_>, principal: &Text<'_>, identities: &mut Identities) {
    let place = fields.place;
    let uris = fields
        .texts("san_uri")
        .into_iter()
        .map(|uri| (uri.span(), CertificateName::SanUri(uri.text.to_owned())));
    let uris: Vec<_> = uris.collect();
    let dns = fields.texts("san_dns").into_iter();
    let dns = dns.map(|name| {
        (
            name.span(),
            CertificateName::SanDns(name.text.to_ascii_lowercase()),
        )
    });
    let dns: Vec<_> = dns.collect();
    let digests = fields
        .texts("sha256")
        .into_iter()
        .filter(|digest| check_sha256(place, digest));
    let digests = digests.map(|digest| {
        (
            digest.span(),
            CertificateName::Sha256(digest.text.to_owned()),
        )
    });
    for (span, name) in uris.into_iter().chain(dns).chain(digests) {
        match identities.by_certificate.get(&name) {
            Some(other) => place.error(
                span,
                format!("this certificate already stands for `{other}`"),
                None,
            ),
            None => {
                _ = identities
                    .by_certificate
                    .insert(name, principal.text.to_owned())
            }
        }
    }
}

/// Whether a principal has a namespace and plain characters; if not, says so.
fn check_principal(place: Place<'_>, principal: &Text<'_>) -> bool {
    let name = principal.text;
    let rest = NAMESPACES.iter().find_map(|space| name.strip_prefix(space));
    let plain = |b: u8| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'/' | b':' | b'@' | b'+')
    };
    let message = match rest {
        _ if name.starts_with("role:") => {
            format!("`{name}` is spelled like a role: it would hold that role")
        }
        None => format!("`{name}` has no namespace"),
        Some(rest)
            if rest.is_empty() || !rest.bytes().all(plain) || name.len() > PRINCIPAL_BYTES_MAX =>
        {
            format!("`{name}` is not a principal")
        }
        Some(_) => return true,
    };
    let hint = "svc: oidc: piv: dod: or spiffe:, then letters, digits and . _ - / : @ +, at most 128 bytes";
    place.error(principal.span(), message, Some(hint.into()));
    false
}

fn read_assurance(place: Place<'_>, text: &Text<'_>) -> Option<Assurance> {
    let assurance = text.text.parse().ok();
    if assurance.is_none() {
        let hint = did_you_mean(text.text, ["aal1", "aal2", "aal3"]);
        place.error(
            text.span(),
            format!("unknown assurance `{}`", text.text),
            hint,
        );
    }
    assurance
}

/// Longest principal.
const PRINCIPAL_BYTES_MAX: usize = 128;
