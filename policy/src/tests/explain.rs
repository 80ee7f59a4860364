//! An explanation names every obstacle, and never tells another story than the gateway.

use super::{demo_dir, support::*};
use crate::*;

fn demo() -> Policy {
    Policy::load(&demo_dir()).expect("it loads").policy
}

/// One line per check, then one per row.
fn told(explanation: &Explanation) -> Vec<String> {
    let outcome = |check: &Check| match check.outcome {
        CheckOutcome::Passed => "passed",
        CheckOutcome::Refused => "REFUSED",
        CheckOutcome::NotAsked => "not asked",
    };
    let checks = explanation
        .checks
        .iter()
        .map(|check| format!("{} {}: {}", check.name, outcome(check), check.detail));
    let rows = explanation.section.iter().flat_map(|section| {
        section.matched.iter().chain(&section.missed).map(|row| {
            let misses: Vec<_> = row
                .misses
                .iter()
                .map(|miss| format!("{} wants {}, has {}", miss.column, miss.wants, miss.has))
                .collect();
            format!("{}: {}", row.rule.id(), misses.join("; "))
        })
    });
    checks.chain(rows).collect()
}

#[test]
fn a_denial_shows_every_check_and_the_nearest_rows_first() {
    let (policy, data) = (demo(), Label::unclassified());
    let subject = policy
        .subject("svc:benefits-app", &Evidence::at(NOW))
        .expect("a principal");
    let ask = Ask {
        zone: "demo",
        ..chat("llama-4-maverick", &data)
    };
    let explanation = policy.explain(&subject, &ask);
    assert_eq!(summary(explanation.answer), "assurance BA-110");
    let explanation = policy.explain(&subject, &ask);
    assert_eq!(
        told(&explanation),
        [
            "visible passed: BA-110 tenants/demo-benefits/rules.csv:8 shows `llama-4-maverick`",
            "suspension passed: `svc:benefits-app` does not hold role:suspended",
            "purpose passed: `benefits.draft` is registered, runs to the end of 2031-12-31, is granted",
            "authority passed: `benefits.draft` needs none",
            "clearance passed: data U, the subject may handle CUI:PRVCY",
            "zone passed: data U, zone `demo` carries CUI:PRVCY",
            "model passed: data U, `llama-4-maverick` is accredited for S:NF",
            "BA-110: aal wants aal3, has aal2",
            "BA-101: obj wants model/llama-3.3-70b, has model/llama-4-maverick",
            "B-920: label wants at least S, has U",
            "B-910: purp wants nuclear.employment.*, has benefits.draft",
            "B-911: purp wants weapons.release.*, has benefits.draft",
            "BA-190: purp wants benefits.decide, has benefits.draft",
            "B-900: role wants role:suspended, has role:benefits-app",
        ]
    );
}

#[test]
fn obstacles_behind_the_first_are_shown_too() {
    let (policy, data) = (demo(), Label::of(Level::S));
    let subject = policy
        .subject("svc:suspended-app", &Evidence::at(NOW))
        .expect("a principal");
    let ask = Ask {
        zone: "demo",
        purpose: Some("no.such"),
        ..chat("llama-3.3-70b", &data)
    };
    let explanation = policy.explain(&subject, &ask);
    let refused: Vec<_> = explanation
        .checks
        .iter()
        .filter(|check| check.outcome != CheckOutcome::Passed)
        .map(|check| check.name)
        .collect();
    assert_eq!(
        refused,
        [
            "suspension",
            "purpose",
            "authority",
            "clearance",
            "zone",
            "model"
        ]
    );
    assert_eq!(summary(explanation.answer), "suspended B-900");
}

#[test]
fn an_authority_that_has_run_out_is_cited() {
    let ends = |expires: &str| {
        let authority = format!(
            "[authority.AU-7]\nofficial = \"someone\"\ntenant = \"t/o/*\"\npurposes = [\"p.one\"]\nlifts = [\"C-1\"]\ndocument = \"{}\"\nexpires = {expires}\n",
            "a".repeat(64)
        );
        Bundle::small()
            .replacing(
                "purposes.toml",
                "expires = 2031-12-31\n",
                "expires = 2031-12-31\nneeds_lifted = [\"C-1\"]\n",
            )
            .with("authorities.toml", authority)
            .policy()
    };
    let data = Label::unclassified();
    let (running, lapsed) = (ends("2026-11-23"), ends("2026-11-22"));
    let ask = chat("a", &data);
    assert_eq!(verdict(&running, "svc:app", &ask), "permit R-1 mild");
    let subject = lapsed
        .subject("svc:app", &Evidence::at(NOW))
        .expect("a principal");
    let refused = lapsed
        .authorize(&subject, &ask)
        .expect_err("it has run out");
    assert_eq!(refused.to_string(), "denied: authority_expired (AU-7)");
    let told = told(&lapsed.explain(&subject, &ask));
    let expected =
        "authority REFUSED: `p.one` needs C-1 lifted: AU-7 lifts it until the end of 2026-11-22";
    assert!(told.iter().any(|line| line == expected), "{told:#?}");
}

#[test]
fn an_explanation_of_a_permit_has_no_refused_check_and_shows_the_rows_that_grant() {
    let policy = Bundle::small().policy();
    let data = Label::of(Level::Cui);
    let subject = policy
        .subject("svc:app", &Evidence::at(NOW))
        .expect("a principal");
    let explanation = policy.explain(&subject, &chat("a", &data));
    assert!(explanation.answer.is_ok());
    assert!(
        explanation
            .checks
            .iter()
            .all(|check| check.outcome == CheckOutcome::Passed)
    );
    let section = explanation.section.expect("a section");
    assert_eq!(
        (section.rows, section.matched.len(), section.missed.len()),
        (2, 1, 1)
    );
    let other = policy
        .subject("svc:other", &Evidence::at(NOW))
        .expect("a principal");
    let hidden = policy.explain(&other, &chat("a", &data));
    assert_eq!(summary(hidden.answer), "hidden");
}

#[test]
fn a_tenant_without_rules_has_no_section() {
    let policy = Bundle::small().with("baseline/rules.csv", "").policy();
    let data = Label::unclassified();
    let subject = policy
        .subject("svc:app", &Evidence::at(NOW))
        .expect("a principal");
    let ask = Ask {
        object: Object::Tool("saw"),
        action: Action::Tool,
        ..chat("a", &data)
    };
    let explanation = policy.explain(&subject, &ask);
    assert!(explanation.section.is_none());
    assert_eq!(summary(explanation.answer), "no_rule");
}
