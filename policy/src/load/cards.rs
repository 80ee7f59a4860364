//! `[card.NAME]` and `[spiffe]` of `identities.toml`: which certificates stand for people and workloads.
//!
//! ```toml
//! [card.dod]
//! about = "common access cards"
//! issuers = ["CN=DOD ID CA-70,OU=PKI,OU=DoD,O=U.S. Government,C=US"]   # as `portcullis certs show` prints it
//! policies = ["2.16.840.1.101.2.1.11.42"]      # an authentication certificate bears one of these
//! principal = "edipi"                          # dod:1234567890
//! [card.agency]
//! issuers = ["CN=Agency CA 2,O=Agency,C=US", "CN=Agency CA 3,O=Agency,C=US"]
//! policies = ["2.16.840.1.101.3.2.1.3.13"]
//! principal = "subject"                        # piv:agency:…, 32 hexadecimal digits
//! [spiffe]
//! trust_domains = ["agency.example"]           # spiffe:agency.example/app
//! ```

use super::{
    fields::{Fields, Place, Text},
    manifest::check_word,
};
use crate::{
    certificate::{Card, CardPrincipal, CertificateRules},
    hint::plain,
};

/// Reads both tables.
pub(super) fn read(fields: &mut Fields<'_>) -> CertificateRules {
    let place = fields.place;
    let mut rules = CertificateRules::default();
    for (name, mut entry) in fields.tables("card") {
        let well_named = check_word(place, "card table", &name);
        entry.optional_text("about");
        let issuers = entry.some_texts("issuers");
        let policies = entry.some_texts("policies");
        let policies = policies
            .into_iter()
            .filter(|policy| check_policy(place, policy))
            .map(|policy| policy.text.to_owned())
            .collect();
        let principal = entry
            .text("principal")
            .and_then(|text| card_principal(place, &text));
        entry.done();
        let Some(principal) = principal.filter(|_| well_named) else {
            continue;
        };
        let card = Card {
            name: name.text.to_owned(),
            policies,
            principal,
        };
        for issuer in issuers {
            if let Some(other) = rules.cards.get(issuer.text) {
                let message = format!(
                    "cards of this issuer are in `[card.{}]` already",
                    other.name
                );
                let hint = match other.name == name.text {
                    true => place.remove_item(&issuer),
                    false => "remove one of the two".into(),
                };
                place.error(issuer.span(), message, hint);
            } else if check_issuer(place, &issuer) {
                rules.cards.insert(issuer.text.to_owned(), card.clone());
            }
        }
    }
    if let Some(mut spiffe) = fields.optional_table("spiffe") {
        for domain in spiffe.some_texts("trust_domains") {
            if check_trust_domain(place, &domain) {
                rules.trust_domains.insert(domain.text.to_owned());
            }
        }
        spiffe.done();
    }
    rules
}

fn card_principal(place: Place<'_>, text: &Text<'_>) -> Option<CardPrincipal> {
    match text.text {
        "edipi" => Some(CardPrincipal::Edipi),
        "subject" => Some(CardPrincipal::Subject),
        other => {
            let hint = text
                .mean(["edipi", "subject"])
                .or("write `edipi` or `subject`");
            let message = format!("unknown kind of principal `{other}`");
            place.error(text.span(), message, hint);
            None
        }
    }
}

/// Whether a text is a dotted object identifier, and not that of a certificate that needs no PIN.
fn check_policy(place: Place<'_>, policy: &Text<'_>) -> bool {
    if !is_oid(policy.text) {
        let meant = plain(policy.text).replace([',', ' ', '-'], ".");
        let meant = meant
            .trim_matches('.')
            .trim_start_matches("OID:")
            .trim_start_matches("oid:");
        let hint = match is_oid(meant) {
            true => policy.write(meant),
            false => "write numbers with dots, as in `2.16.840.1.101.3.2.1.3.13`".into(),
        };
        let message = format!("`{}` is not an object identifier", policy.text);
        place.error(policy.span(), message, hint);
        return false;
    }
    if CARD_ALONE.contains(&policy.text) {
        let hint = "write that of the authentication certificate, `2.16.840.1.101.3.2.1.3.13`";
        let message = "this is the card authentication certificate, which opens without a PIN";
        place.error(policy.span(), message, hint);
        return false;
    }
    true
}

fn is_oid(text: &str) -> bool {
    let is_arc = |arc: &str| {
        let canonical = arc == "0" || !arc.starts_with('0');
        !arc.is_empty() && canonical && arc.bytes().all(|b| b.is_ascii_digit())
    };
    text.split('.').count() >= 3 && text.split('.').all(is_arc)
}

/// id-fpki-common-cardAuth and its PIV-I counterpart: whoever holds the card, not who it belongs to.
const CARD_ALONE: [&str; 2] = ["2.16.840.1.101.3.2.1.3.17", "2.16.840.1.101.3.2.1.3.19"];

/// Whether a text can be a distinguished name as it is compared: most specific part first.
fn check_issuer(place: Place<'_>, issuer: &Text<'_>) -> bool {
    let text = issuer.text;
    let parts = text.split(',').all(|part| part.contains('='));
    let spaced = text.contains(", ");
    if spaced || !parts {
        let hint = match spaced {
            true => issuer.write(text.replace(", ", ",")),
            false => "write it as `portcullis certs show` prints it, such as `CN=Agency CA 2,O=Agency,C=US`".into(),
        };
        let message = format!("`{text}` is not a distinguished name as it is compared");
        place.error(issuer.span(), message, hint);
        return false;
    }
    true
}

/// Whether a text is a trust domain (SPIFFE ID specification, 2.1): lower-case letters, digits, `.-_`.
fn check_trust_domain(place: Place<'_>, domain: &Text<'_>) -> bool {
    let fits = is_trust_domain(domain.text);
    if !fits {
        let meant = plain(domain.text).to_lowercase();
        let meant = meant.strip_prefix("spiffe://").unwrap_or(&meant);
        let meant = meant.trim_end_matches('/');
        let hint = match is_trust_domain(meant) {
            true => domain.write(meant),
            false => "write the name alone, as in `agency.example`".into(),
        };
        let message = format!("`{}` is not a trust domain", domain.text);
        place.error(domain.span(), message, hint);
    }
    fits
}

fn is_trust_domain(text: &str) -> bool {
    let plain =
        |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-');
    !text.is_empty() && text.bytes().all(plain)
}
