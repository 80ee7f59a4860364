//! For whom a certificate stands, and for whom none does.

use super::support::*;
use crate::*;

const DOD: &str = "CN=DOD ID CA-70,OU=PKI,OU=DoD,O=U.S. Government,C=US";
const AUTH: &str = "2.16.840.1.101.2.1.11.42";
const PIV_AUTH: &str = "2.16.840.1.101.3.2.1.3.13";

const TABLES: &str = r#"
[card.dod]
issuers = ["CN=DOD ID CA-70,OU=PKI,OU=DoD,O=U.S. Government,C=US"]
policies = ["2.16.840.1.101.2.1.11.42"]
principal = "edipi"
[card.agency]
issuers = ["CN=Agency CA 2,O=Agency,C=US", "CN=Agency CA 3,O=Agency,C=US"]
policies = ["2.16.840.1.101.3.2.1.3.13"]
principal = "subject"
[spiffe]
trust_domains = ["agency.example"]
"#;

fn bundle() -> Bundle {
    let digest = "ab".repeat(32);
    let names = format!(
        "tenant = \"t/o/m\"\nsan_uri = [\"spiffe://agency.example/named\"]\nsan_dns = [\"App.Example\"]\nsha256 = [\"{digest}\"]"
    );
    Bundle::small()
        .replacing("identities.toml", "tenant = \"t/o/m\"", &names)
        .adding("identities.toml", TABLES)
}

/// A certificate, to be varied.
#[derive(Clone, Default)]
struct Shown {
    uris: Vec<String>,
    dns: Vec<String>,
    sha256: String,
    issuer: &'static str,
    subject: &'static [u8],
    names: Vec<String>,
    policies: Vec<String>,
    no_client_auth: bool,
    no_signature: bool,
    is_ca: bool,
}

fn stands_for(shown: &Shown) -> Result<String, CertificateFault> {
    let facts = CertificateFacts {
        san_uris: &shown.uris,
        san_dns: &shown.dns,
        sha256: &shown.sha256,
        issuer: shown.issuer,
        subject_der: shown.subject,
        common_names: &shown.names,
        policies: &shown.policies,
        client_auth: !shown.no_client_auth,
        digital_signature: !shown.no_signature,
        is_ca: shown.is_ca,
    };
    bundle().policy().certificate_principal(&facts)
}

fn card(name: &str) -> Shown {
    Shown {
        issuer: DOD,
        names: vec![name.into()],
        policies: vec![AUTH.into()],
        ..Shown::default()
    }
}

fn uris(uris: &[&str]) -> Shown {
    Shown {
        uris: uris.iter().map(|uri| (*uri).to_owned()).collect(),
        ..Shown::default()
    }
}

#[test]
fn a_certificate_that_a_record_names_stands_for_its_principal() {
    let app = || Ok("svc:app".to_owned());
    let dns = |name: &str| Shown {
        dns: vec![name.into()],
        ..Shown::default()
    };
    let digest = Shown {
        sha256: "ab".repeat(32),
        ..Shown::default()
    };
    assert_eq!(stands_for(&dns("app.EXAMPLE")), app());
    assert_eq!(stands_for(&digest), app());
    assert_eq!(
        stands_for(&dns("other.example")),
        Err(CertificateFault::Unknown)
    );
    // A record comes before the trust domain, whatever else the certificate is called.
    assert_eq!(stands_for(&uris(&["spiffe://agency.example/named"])), app());
    assert_eq!(
        stands_for(&uris(&[
            "spiffe://agency.example/named",
            "spiffe://elsewhere.example/x"
        ])),
        app()
    );
}

#[test]
fn the_authentication_certificate_of_a_card_stands_for_its_holder() {
    let good = card("DOE.JANE.ANN.1234567890");
    assert_eq!(stands_for(&good), Ok("dod:1234567890".into()));
    let fault = |change: &dyn Fn(&mut Shown)| {
        let mut shown = good.clone();
        change(&mut shown);
        stands_for(&shown).expect_err("it is refused")
    };
    let not = CertificateFault::NotAuthentication;
    assert_eq!(fault(&|card| card.no_client_auth = true), not);
    assert_eq!(fault(&|card| card.no_signature = true), not);
    assert_eq!(fault(&|card| card.policies.clear()), not);
    assert_eq!(fault(&|card| card.policies = vec![PIV_AUTH.into()]), not);
    assert_eq!(fault(&|card| card.is_ca = true), not);
    assert_eq!(
        fault(&|card| card.issuer = "CN=DOD ID CA-71,OU=PKI,OU=DoD,O=U.S. Government,C=US"),
        CertificateFault::Unknown
    );
    for name in [
        "DOE.JANE.123456789",
        "DOE.JANE.12345678901",
        "DOE.JANE.123456789O",
        "1234567890",
        ".1234567890",
        "DOE.JANE.1234567890.evil",
        "DOE.JANE.1234567890 ",
        "DOE.JANE.\u{0661}234567890",
        "DOE.JANE.\u{ff11}234567890",
        "",
    ] {
        assert_eq!(
            stands_for(&card(name)),
            Err(CertificateFault::NoEdipi),
            "{name}"
        );
    }
    let two = |card: &mut Shown| card.names.push("ROE.JOHN.0000000001".into());
    assert_eq!(fault(&two), CertificateFault::NoEdipi);
    assert_eq!(fault(&|card| card.names.clear()), CertificateFault::NoEdipi);
}

#[test]
fn a_card_that_is_renewed_keeps_its_holder() {
    let with = |issuer: &'static str, subject: &'static [u8]| Shown {
        issuer,
        subject,
        policies: vec![PIV_AUTH.into()],
        ..Shown::default()
    };
    let first = stands_for(&with("CN=Agency CA 2,O=Agency,C=US", b"subject")).expect("a principal");
    let renewed = stands_for(&with("CN=Agency CA 3,O=Agency,C=US", b"subject"));
    assert_eq!(renewed.as_ref(), Ok(&first));
    // SHA-256 of `agency`, a zero byte, `subject`; by `sha256sum`.
    assert_eq!(first, "piv:agency:295072e6c49ab05fde520b09fcfd28fb");
    let other = stands_for(&with("CN=Agency CA 2,O=Agency,C=US", b"Subject"));
    assert_ne!(other, Ok(first));
}

#[test]
fn a_workload_is_known_by_its_only_uri() {
    let named = |path: &str| stands_for(&uris(&[path]));
    assert_eq!(
        named("spiffe://agency.example/benefits/web"),
        Ok("spiffe:agency.example/benefits/web".into())
    );
    for odd in [
        "spiffe://elsewhere.example/app",
        "spiffe://agency.example.evil/app",
        "spiffe://Agency.example/app",
        "spiffe://agency.example",
        "spiffe://agency.example/",
        "spiffe://agency.example/a//b",
        "spiffe://agency.example/../named",
        "spiffe://agency.example/app?x",
        "spiffe://agency.example/app%2fx",
        "spiffe://agency.example:443/app",
        "https://agency.example/app",
    ] {
        assert_eq!(named(odd), Err(CertificateFault::Unknown), "{odd}");
    }
    let two = uris(&["spiffe://agency.example/a", "spiffe://agency.example/b"]);
    assert_eq!(stands_for(&two), Err(CertificateFault::Unknown));
    let authority = Shown {
        is_ca: true,
        ..uris(&["spiffe://agency.example/a"])
    };
    assert_eq!(stands_for(&authority), Err(CertificateFault::Unknown));
}

#[test]
fn what_leads_to_two_principals_stands_for_nobody() {
    let both = Shown {
        sha256: "ab".repeat(32),
        ..card("DOE.JANE.1234567890")
    };
    assert_eq!(stands_for(&both), Err(CertificateFault::Ambiguous));
}

#[test]
fn mistakes_in_card_tables_are_found_at_their_place() {
    let seeded = |from: &str, to: &str, expected: &str| {
        let bundle = Bundle::small().with("identities.toml", TABLES.replacen(from, to, 1));
        let problems = bundle.load().map(|_| "it loads").expect_err(expected);
        let told = lines(&problems);
        let first = told.lines().next().unwrap_or_default();
        assert_eq!(first, format!("identities.toml:{expected}"));
    };
    seeded(
        "\"edipi\"",
        "\"edip\"",
        "5:13: error: unknown kind of principal `edip` (did you mean `edipi`?)",
    );
    seeded(
        AUTH,
        "2.16.840.1.101.3.2.1.3.17",
        "4:13: error: this is the card authentication certificate, which opens without a PIN (write that of the authentication certificate, `2.16.840.1.101.3.2.1.3.13`)",
    );
    seeded(
        AUTH,
        "2.16.840.O.101",
        "4:13: error: `2.16.840.O.101` is not an object identifier (write numbers with dots, as in `2.16.840.1.101.3.2.1.3.13`)",
    );
    seeded(
        "\"CN=Agency CA 3,O=Agency,C=US\"",
        "\"CN=DOD ID CA-70,OU=PKI,OU=DoD,O=U.S. Government,C=US\"",
        "7:44: error: cards of this issuer are in `[card.dod]` already (remove one of the two)",
    );
    seeded(
        "CN=Agency CA 2,O=Agency,C=US",
        "CN=Agency CA 2, O=Agency, C=US",
        "7:12: error: `CN=Agency CA 2, O=Agency, C=US` is not a distinguished name as it is compared (write `CN=Agency CA 2,O=Agency,C=US`)",
    );
    seeded(
        "\"agency.example\"",
        "\"spiffe://agency.example\"",
        "11:18: error: `spiffe://agency.example` is not a trust domain (write `agency.example`)",
    );
    seeded(
        "issuers",
        "isuers",
        "3:1: error: unknown key `isuers` (did you mean `issuers`?)",
    );
}
