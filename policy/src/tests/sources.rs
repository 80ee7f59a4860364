//! Records about many, and attributes that others state: nobody gets more than the record bounds, and
//! what is not known is the lowest there is.

use proptest::prelude::*;

use super::support::*;
use crate::*;

/// `svc:app` and `svc:other` of the small bundle, everybody of an agency, its guests, and two whose
/// records are their own.
const RECORDS: &str = r#"
[source.hr]
file = "hr.csv"
expires = 2027-03-31
[source.idp]
issuer = "agency"
claims = { tenant = "office", clearance = "clr", assurance = "acr", nationality = "country" }

[identity."oidc:agency:*"]
tenant = { source = "idp", one_of = ["t/o/m", "t/o/n"] }
clearance = { source = "idp", at_most = "S:NF" }
assurance = { source = "idp", at_most = "aal2" }
nationality = { source = "idp" }
purposes = ["p.one"]

[identity."oidc:agency:guest/*"]
tenant = "t/o/m"
clearance = { source = "hr", at_most = "CUI" }
assurance = "aal1"
nationality = { source = "hr" }
purposes = ["p.one"]

[identity."oidc:agency:jdoe"]
tenant = { source = "hr" }
clearance = { source = "hr" }
assurance = "aal2"
nationality = "USA"
purposes = ["p.one"]

[identity."oidc:agency:gone"]
tenant = "t/o/m"
clearance = "U"
assurance = "aal1"
purposes = ["p.one"]
"#;

const HR: &str = "\
principal, tenant, clearance, nationality
oidc:agency:jdoe, t/o/n, S:NF, USA
oidc:agency:guest/ann, , S, GBR
oidc:agency:guest/bob, , ,
";

const ROLES: &str = "\
g, svc:app, role:app, t/o/m
g, oidc:agency:*, role:app, t/o/m
g, oidc:agency:*, role:far, t/o/n
g, oidc:agency:guest/*, role:app, t/o/m
g, oidc:agency:jdoe, role:far, t/o/n
g, oidc:agency:gone, role:suspended, t/o/m
";

const RULES: &str = "\
p, R-1, role:app, t/o/m, model/a, chat, p.*, S:NF, net, aal1, *, mild, allow
p, R-2, role:far, t/o/n, model/b, chat, p.*, CUI, net, aal2, *, strict, allow
";

fn sourced() -> Bundle {
    Bundle::small()
        .replacing("attributes.toml", "ceiling = \"S\"", "ceiling = \"S:NF\"")
        .replacing(
            "attributes.toml",
            "model.a]\nabout = \"a model\"\nceiling = \"S\"",
            "model.a]\nabout = \"a model\"\nceiling = \"S:NF\"",
        )
        .adding("identities.toml", RECORDS)
        .with("sources/hr.csv", HR)
        .with("tenants/t-o/roles.csv", ROLES)
        .rules(RULES)
}

/// Somebody with a token of an issuer.
fn with(
    policy: &Policy,
    principal: &str,
    issuer: &str,
    claims: &[(&str, &str)],
) -> Option<Subject> {
    let get = |name: &str| {
        let found = claims.iter().find(|(known, _)| *known == name);
        found.map(|(_, text)| (*text).to_owned())
    };
    let claims = Some(Claims { issuer, get: &get });
    policy.subject(principal, &Evidence { at: NOW, claims })
}

/// `tenant clearance assurance nationality`.
fn facts(subject: Option<Subject>) -> String {
    subject.map_or_else(
        || "nobody".to_owned(),
        |subject| {
            format!(
                "{} {} {} {}",
                subject.tenant(),
                subject.clearance(),
                subject.assurance(),
                subject.nationality()
            )
        },
    )
}

#[test]
fn the_record_that_covers_most_of_a_name_speaks_about_it() {
    let policy = sourced().policy();
    let at = Evidence::at(NOW);
    let record = |principal| {
        policy
            .subject(principal, &at)
            .map(|who| who.record().to_owned())
    };
    assert_eq!(
        record("oidc:agency:guest/ann").as_deref(),
        Some("oidc:agency:guest/*")
    );
    assert_eq!(
        record("oidc:agency:gone").as_deref(),
        Some("oidc:agency:gone")
    );
    let anna = with(
        &policy,
        "oidc:agency:anna",
        "agency",
        &[("office", "t/o/m")],
    );
    let anna = anna.expect("covered");
    assert_eq!(
        (anna.principal(), anna.record()),
        ("oidc:agency:anna", "oidc:agency:*")
    );
    assert_eq!(anna.roles(), ["role:app"]);
    for stranger in [
        "oidc:agency:",
        "oidc:agency:/",
        "oidc:agencyx:anna",
        "oidc:other:anna",
        "svc:guest/ann",
        "oidc:agency:*",
    ] {
        assert!(!policy.knows(stranger), "{stranger} is somebody");
    }
}

#[test]
fn claims_count_within_the_bounds_of_the_record_and_from_its_issuer_only() {
    let policy = sourced().policy();
    let anna =
        |issuer, claims: &[(&str, &str)]| facts(with(&policy, "oidc:agency:anna", issuer, claims));
    let office = ("office", "t/o/m");
    assert_eq!(
        anna(
            "agency",
            &[
                office,
                ("clr", "CUI:PRVCY"),
                ("acr", "aal1"),
                ("country", "GBR")
            ]
        ),
        "t/o/m CUI aal1 GBR",
        "a need that the bound does not have is cut off"
    );
    assert_eq!(
        anna(
            "agency",
            &[
                office,
                ("clr", "TOP SECRET//NOFORN"),
                ("acr", "aal3"),
                ("country", "USA")
            ]
        ),
        "t/o/m S:NF aal2 USA"
    );
    assert_eq!(anna("agency", &[office]), "t/o/m U aal1 unknown");
    assert_eq!(
        anna(
            "agency",
            &[office, ("clr", "top"), ("acr", "9"), ("country", "usa")]
        ),
        "t/o/m U aal1 unknown",
        "what nobody can read is the lowest"
    );
    assert_eq!(anna("agency", &[("clr", "S")]), "nobody");
    assert_eq!(
        anna("agency", &[("office", "t/o/x"), ("clr", "S")]),
        "nobody"
    );
    assert_eq!(
        anna("other", &[office, ("clr", "S"), ("country", "USA")]),
        "nobody"
    );
    let none = policy.subject("oidc:agency:anna", &Evidence::at(NOW));
    assert_eq!(facts(none), "nobody");
}

#[test]
fn a_file_counts_for_those_whom_it_names_and_until_its_last_day() {
    let policy = sourced().policy();
    let at = |principal, at| facts(policy.subject(principal, &Evidence::at(at)));
    assert_eq!(at("oidc:agency:jdoe", NOW), "t/o/n S:NF aal2 USA");
    assert_eq!(
        at("oidc:agency:guest/ann", NOW),
        "t/o/m CUI aal1 GBR",
        "cut to the bound"
    );
    assert_eq!(at("oidc:agency:guest/bob", NOW), "t/o/m U aal1 unknown");
    assert_eq!(at("oidc:agency:guest/eve", NOW), "t/o/m U aal1 unknown");
    let last = UnixTime::after_day(2027, 3, 31);
    assert_eq!(
        at("oidc:agency:guest/ann", UnixTime(last.0 - 1)),
        "t/o/m CUI aal1 GBR"
    );
    assert_eq!(at("oidc:agency:guest/ann", last), "t/o/m U aal1 unknown");
    assert_eq!(at("oidc:agency:jdoe", last), "nobody");
    let warned = lines(&policy.warnings_at(last));
    assert!(
        warned.contains("source `hr` ended on 2027-03-31"),
        "{warned}"
    );
}

#[test]
fn data_with_a_release_mark_goes_to_its_countries_only() {
    let unmarked = ["U", "CUI:PRVCY", "TS"];
    let none: [&str; 0] = [];
    for (nationality, holds) in [
        (
            Nationality::NotAsked,
            &["S:NF", "S:FVEY", "S:REL-FRA-USA", "S:NOREL"][..],
        ),
        (
            Nationality::Of("USA".into()),
            &["S:NF", "S:FVEY", "S:REL-FRA-USA"],
        ),
        (Nationality::Of("GBR".into()), &["S:FVEY"]),
        (Nationality::Of("FRA".into()), &["S:REL-FRA-USA"]),
        (Nationality::Unknown, &none),
    ] {
        let label = |text: &str| Label::parse(text).expect("a label");
        for text in unmarked {
            assert!(nationality.may_hold(&label(text)), "{nationality} {text}");
        }
        for text in ["S:NF", "S:FVEY", "S:REL-FRA-USA", "S:NOREL"] {
            let may = nationality.may_hold(&label(text));
            assert_eq!(may, holds.contains(&text), "{nationality} {text}");
        }
    }
}

#[test]
fn a_clearance_without_the_nationality_does_not_open_what_is_not_released() {
    let policy = sourced().policy();
    let data = Label::parse("S:NF").expect("a label");
    let ask = |country| {
        let claims = [("office", "t/o/m"), ("clr", "S:NF"), ("country", country)];
        let subject = with(&policy, "oidc:agency:anna", "agency", &claims).expect("somebody");
        let explained = policy.explain(&subject, &chat("a", &data));
        let checked = explained
            .checks
            .into_iter()
            .find(|check| check.name == "release");
        let outcome = checked.expect("asked").outcome;
        (
            summary(policy.authorize(&subject, &chat("a", &data))),
            outcome,
        )
    };
    assert_eq!(ask("USA"), ("permit R-1 mild".into(), CheckOutcome::Passed));
    assert_eq!(ask("GBR"), ("not_released".into(), CheckOutcome::Refused));
    assert_eq!(ask("??"), ("not_released".into(), CheckOutcome::Refused));
}

#[test]
fn a_tenant_that_a_source_names_brings_the_roles_held_there() {
    let policy = sourced().policy();
    let data = Label::unclassified();
    let ask = |office, model| {
        let subject = with(
            &policy,
            "oidc:agency:anna",
            "agency",
            &[("office", office), ("acr", "aal2")],
        );
        summary(policy.authorize(&subject.expect("somebody"), &chat(model, &data)))
    };
    assert_eq!(ask("t/o/m", "a"), "permit R-1 mild");
    assert_eq!(ask("t/o/n", "a"), "hidden");
    assert_eq!(ask("t/o/n", "b"), "permit R-2 strict");
    assert_eq!(ask("t/o/m", "b"), "hidden");
}

#[test]
fn one_of_many_is_suspended_by_a_record_of_their_own() {
    let policy = sourced().policy();
    let data = Label::unclassified();
    assert_eq!(
        verdict(&policy, "oidc:agency:gone", &chat("a", &data)),
        "hidden"
    );
    let subject = policy.subject("oidc:agency:gone", &Evidence::at(NOW));
    assert!(subject.expect("known").is_suspended());
}

/// Two under one record share remembered verdicts, and not what is native: the clearance.
#[test]
fn a_remembered_verdict_does_not_carry_a_clearance_to_somebody_else() {
    let policy = sourced().policy();
    let data = Label::parse("S").expect("a label");
    let ask = |name: &str, clearance| {
        let claims = [("office", "t/o/m"), ("clr", clearance)];
        let subject = with(&policy, name, "agency", &claims).expect("somebody");
        summary(policy.authorize(&subject, &chat("a", &data)))
    };
    for _ in 0..2 {
        assert_eq!(ask("oidc:agency:anna", "S"), "permit R-1 mild");
        assert_eq!(ask("oidc:agency:ben", "CUI"), "label_above_clearance");
    }
}

#[test]
fn a_review_names_everybody_at_their_most() {
    let policy = sourced().policy();
    let everybody: Vec<String> = policy
        .everybody(NOW)
        .into_iter()
        .map(|subject| format!("{} {}", subject.principal(), facts(Some(subject.clone()))))
        .collect();
    assert_eq!(
        everybody,
        [
            "oidc:agency:* t/o/m S:NF aal2 unknown",
            "oidc:agency:* t/o/n S:NF aal2 unknown",
            "oidc:agency:gone t/o/m U aal1 not asked",
            "oidc:agency:guest/* t/o/m U aal1 unknown",
            "oidc:agency:guest/ann t/o/m CUI aal1 GBR",
            "oidc:agency:guest/bob t/o/m U aal1 unknown",
            "oidc:agency:jdoe t/o/n S:NF aal2 USA",
            "svc:app t/o/m CUI aal2 not asked",
            "svc:other t/o/m CUI aal2 not asked",
        ]
    );
}

#[test]
fn cases_come_with_claims() {
    let cases = r#"
at = 2026-11-23T15:00:00Z
[[case]]
name = "a claim opens"
request = { sub = "oidc:agency:anna", obj = "model/a", act = "chat", zone = "net", data = "S", claims = { office = "t/o/m", clr = "S" } }
expect = { verdict = "allow", because = ["R-1"] }
[[case]]
name = "no claim does not"
request = { sub = "oidc:agency:anna", obj = "model/a", act = "chat", zone = "net", data = "S", claims = { office = "t/o/m" } }
expect = { verdict = "deny", reason = "label_above_clearance" }
"#;
    let report = sourced()
        .with("baseline/tests.toml", cases)
        .policy()
        .run_cases();
    let failed: Vec<_> = report.cases.iter().filter(|case| !case.passed).collect();
    assert!(failed.is_empty() && report.cases.len() == 2, "{failed:?}");
}

proptest! {
    /// Whatever a token says, nobody has more than a review shows.
    #[test]
    fn no_claim_lifts_anybody_above_the_review(
        office in "t/o/[mnx]|\\PC{0,8}",
        clearance in "(U|CUI|C|S|TS)(:(PRVCY|NF|FVEY|NOREL|REL-GBR|X-1))?|(TOP )?SECRET(//NOFORN)?|\\PC{0,12}",
        assurance in "aal[0-9]|\\PC{0,6}",
        country in "USA|GBR|\\PC{0,4}",
    ) {
        let policy = policy();
        let claims = [("office", office.as_str()), ("clr", &clearance), ("acr", &assurance), ("country", &country)];
        if let Some(subject) = with(policy, "oidc:agency:anna", "agency", &claims) {
            let most = policy.at_most("oidc:agency:*", NOW);
            let most = most.iter().find(|most| most.tenant() == subject.tenant()).expect("shown");
            prop_assert!(most.clearance().dominates(subject.clearance()));
            prop_assert!(most.assurance() >= subject.assurance());
            prop_assert_eq!(most.roles(), subject.roles());
            prop_assert_ne!(subject.nationality(), &Nationality::NotAsked);
        }
    }
}

fn policy() -> &'static Policy {
    static POLICY: std::sync::OnceLock<Policy> = std::sync::OnceLock::new();
    POLICY.get_or_init(|| sourced().policy())
}
