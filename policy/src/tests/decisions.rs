//! Single decisions of small bundles that the demo bundle does not show.

use super::support::*;
use crate::*;

const MILD: &str = "p, R-1, role:app, t/o/m, model/a, chat, p.*, CUI, net, aal1, *, mild, allow\n";
const STRICT: &str = "p, R-2, role:app, t/o/*, model/*, *, *, CUI, *, aal1, *, strict, allow\n";

fn answer(bundle: &Bundle) -> String {
    verdict(
        &bundle.policy(),
        "svc:app",
        &chat("a", &Label::unclassified()),
    )
}

#[test]
fn the_strictest_profile_of_all_matching_rows_holds() {
    for rows in [format!("{MILD}{STRICT}"), format!("{STRICT}{MILD}")] {
        let bundle = Bundle::small().rules(&rows);
        assert_eq!(answer(&bundle), "permit R-2 strict");
        let policy = bundle.policy();
        let subject = policy
            .subject("svc:app", &Evidence::at(NOW))
            .expect("the application");
        let permit = policy
            .authorize(&subject, &chat("a", &Label::unclassified()))
            .expect("a permit");
        assert_eq!(permit.rules().len(), 2);
    }
}

#[test]
fn a_purpose_whose_clause_is_not_lifted_permits_nothing() {
    let bundle = Bundle::small().replacing(
        "purposes.toml",
        "expires = 2031-12-31",
        "expires = 2031-12-31\nneeds_lifted = [\"AUP-2.1\", \"AUP-2.2\"]",
    );
    let authority = |lifts: &str, tenant: &str, expires: &str| {
        let document = "0".repeat(64);
        let record = format!(
            "[authority.A-1]\nofficial = \"x\"\ntenant = \"{tenant}\"\npurposes = [\"p.one\"]\nlifts = [{lifts}]\n\
             document = \"{document}\"\nexpires = {expires}\n"
        );
        answer(&bundle.clone().with("authorities.toml", record))
    };
    let both = "\"AUP-2.1\", \"AUP-2.2\"";
    assert_eq!(answer(&bundle), "authority_missing");
    assert_eq!(
        authority("\"AUP-2.1\"", "t/o/*", "2031-12-31"),
        "authority_missing"
    );
    assert_eq!(authority(both, "t/o/n", "2031-12-31"), "authority_missing");
    assert_eq!(authority(both, "t/o/*", "2026-11-22"), "authority_expired");
    assert_eq!(authority(both, "t/o/*", "2026-11-23"), "permit R-1 mild");
}

#[test]
fn a_purpose_ends_with_its_last_day() {
    let last_day = |day: &str| Bundle::small().replacing("purposes.toml", "2031-12-31", day);
    assert_eq!(answer(&last_day("2026-11-22")), "purpose_expired");
    assert_eq!(answer(&last_day("2026-11-23")), "permit R-1 mild");
}

#[test]
fn a_session_never_gains_assurance() {
    let policy = Bundle::small()
        .rules(&MILD.replace("aal1", "aal2"))
        .policy();
    let data = Label::unclassified();
    let with = |cap| {
        let subject = policy
            .subject("svc:app", &Evidence::at(NOW))
            .expect("the application")
            .with_assurance(cap);
        (
            subject.assurance(),
            summary(policy.authorize(&subject, &chat("a", &data))),
        )
    };
    assert_eq!(
        with(Assurance::Aal3),
        (Assurance::Aal2, "permit R-1 mild".into())
    );
    assert_eq!(
        with(Assurance::Aal1),
        (Assurance::Aal1, "assurance R-1".into())
    );
}

#[test]
fn a_refusal_names_the_nearest_row_and_what_it_lacks() {
    let check = |from: &str, to: &str, expected: &str| {
        let data = Label::of(Level::Cui);
        let policy = Bundle::small().rules(&MILD.replace(from, to)).policy();
        assert_eq!(
            verdict(&policy, "svc:app", &chat("a", &data)),
            expected,
            "{to}"
        );
    };
    check("p.*", "p.two", "purpose_not_in_rule R-1");
    check("CUI, net", "U, net", "label_above_rule R-1");
    check("net", "low", "zone_not_in_rule R-1");
    check("aal1", "aal3", "assurance R-1");
    check("chat", "complete", "no_rule");
    check(
        "role:app, t/o/m, model/a",
        "role:app, t/o/m, model/b",
        "hidden",
    );
    let data = Label::unclassified();
    let late = Ask {
        at: UnixTime(NOW.0 + 7200),
        ..chat("a", &data)
    };
    let policy = Bundle::small()
        .rules(&MILD.replace("*, mild", "duty, mild"))
        .policy();
    assert_eq!(verdict(&policy, "svc:app", &late), "outside_window R-1");
}

#[test]
fn a_model_is_hidden_from_who_has_no_row_for_it_whatever_denies() {
    let policy = Bundle::small().policy();
    let data = Label::unclassified();
    assert_eq!(verdict(&policy, "svc:other", &chat("a", &data)), "hidden");
    assert_eq!(verdict(&policy, "svc:app", &chat("b", &data)), "hidden");
    assert_eq!(verdict(&policy, "svc:app", &chat("A", &data)), "hidden");
    assert_eq!(verdict(&policy, "svc:app", &chat("", &data)), "hidden");
}

#[test]
fn a_row_for_tools_alone_shows_no_model() {
    let rows = "p, R-1, role:app, t/o/m, *, tool, p.*, CUI, net, aal1, *, mild, allow\n";
    assert_eq!(answer(&Bundle::small().rules(rows)), "hidden");
}

#[test]
fn a_raised_label_with_an_unregistered_tag_is_above_every_clearance() {
    let data = Label::parse("U:TYPED-BY-A-CALLER").expect("a label");
    assert_eq!(
        verdict(&Bundle::small().policy(), "svc:app", &chat("a", &data)),
        "label_above_clearance"
    );
}

#[test]
fn the_subject_carries_what_the_bundle_says() {
    let policy = Bundle::small().policy();
    let subject = policy
        .subject("svc:app", &Evidence::at(NOW))
        .expect("the application");
    assert_eq!(
        (subject.principal(), subject.tenant()),
        ("svc:app", "t/o/m")
    );
    assert_eq!(
        (subject.clearance().to_string(), subject.assurance()),
        ("CUI".into(), Assurance::Aal2)
    );
    assert_eq!(
        (subject.purposes().len(), subject.default_purpose()),
        (2, "p.one")
    );
    assert_eq!(subject.roles(), ["role:app"]);
    assert!(
        policy.subject("svc:nobody", &Evidence::at(NOW)).is_none()
            && policy.subject("", &Evidence::at(NOW)).is_none()
    );
}

#[test]
fn sections_have_a_size_at_which_somebody_is_told() {
    let rows = |count: usize| {
        (0..count)
            .map(|nth| {
                MILD.replace("R-1", &format!("R-{nth}"))
                    .replace("model/a", "model/b")
            })
            .collect::<String>()
    };
    let warned = Bundle::small()
        .rules(&rows(200))
        .load()
        .expect("it loads")
        .warnings;
    assert!(
        lines(&warned)
            .contains("rules.csv:200:1: warning: 201 rules speak about `t/o/m` and `chat`")
    );
    let refused = Bundle::small()
        .rules(&rows(2000))
        .load()
        .expect_err("too many");
    assert!(
        lines(&refused)
            .contains("rules.csv:2000:1: error: 2001 rules speak about `t/o/m` and `chat`")
    );
}
