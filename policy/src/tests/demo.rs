//! The bundle in `policies/` loads without a warning and says what the demo shows.

use super::{demo_dir, support::*};
use crate::*;

fn demo() -> Policy {
    let loaded = Policy::load(&demo_dir())
        .map_err(|problems| lines(&problems))
        .expect("the demo bundle loads");
    assert_eq!(lines(&loaded.warnings), "");
    loaded.policy
}

/// A request in the demo's zone.
fn ask<'a>(model: &'a str, data: &'a Label) -> Ask<'a> {
    Ask {
        zone: "demo",
        ..chat(model, data)
    }
}

#[test]
fn the_benefits_application_gets_the_general_model_under_the_standard_profile() {
    let (policy, data) = (demo(), Label::of(Level::Cui));
    let subject = policy
        .subject("svc:benefits-app", &Evidence::at(NOW))
        .expect("the application");
    let permit = policy
        .authorize(&subject, &ask("llama-3.3-70b", &data))
        .expect("a permit");
    assert_eq!(
        permit.rule().to_string(),
        "BA-101 tenants/demo-benefits/rules.csv:5"
    );
    assert_eq!(
        (permit.profile(), permit.purpose()),
        ("civ-standard", "benefits.draft")
    );
    assert_eq!(
        (permit.model(), permit.principal()),
        (Some("llama-3.3-70b"), "svc:benefits-app")
    );
    assert_eq!(
        (permit.policy_digest(), permit.label()),
        (policy.digest(), &data)
    );
    assert_eq!(
        (permit.tenant(), permit.zone(), permit.authority()),
        ("demo/benefits/web", "demo", None)
    );
    assert_eq!(
        (permit.object(), permit.action(), permit.rules().len()),
        (Object::Model("llama-3.3-70b"), Action::Chat, 1)
    );
}

#[test]
fn a_model_may_be_seen_and_not_used_or_not_even_seen() {
    let (policy, data) = (demo(), Label::unclassified());
    let check = |principal: &str, model: &str, expected: &str| {
        assert_eq!(
            verdict(&policy, principal, &ask(model, &data)),
            expected,
            "{principal} {model}"
        );
    };
    check("svc:benefits-app", "llama-4-maverick", "assurance BA-110");
    check(
        "piv:demo:7c1d5e",
        "llama-4-maverick",
        "permit BA-110 civ-strict",
    );
    check("svc:benefits-app", "llama-guard-internal", "hidden");
    check(
        "svc:guard-runner",
        "llama-guard-internal",
        "permit PL-501 civ-strict",
    );
    check("svc:benefits-app", "no-such-model", "hidden");
    check("svc:audit-probe", "llama-3.3-70b", "hidden");
    check("svc:suspended-app", "llama-3.3-70b", "suspended B-900");
    check(
        "svc:contracts-app",
        "llama-3.3-70b",
        "permit CO-201 civ-strict",
    );
}

#[test]
fn the_model_list_is_what_a_subject_may_see() {
    let policy = demo();
    let visible = |principal: &str| -> Vec<&str> {
        let subject = policy
            .subject(principal, &Evidence::at(NOW))
            .expect("a principal");
        policy
            .models()
            .filter(|model| policy.visible(&subject, model))
            .collect()
    };
    assert_eq!(
        visible("svc:benefits-app"),
        ["llama-3.3-70b", "llama-4-maverick", "moderation"]
    );
    assert_eq!(visible("svc:audit-probe"), [""; 0]);
    assert_eq!(visible("svc:guard-runner"), ["llama-guard-internal"]);
}

#[test]
fn purposes_are_chosen_among_those_granted() {
    let (policy, data) = (demo(), Label::unclassified());
    let check = |purpose: &str, expected: &str| {
        let ask = Ask {
            purpose: Some(purpose),
            ..ask("llama-3.3-70b", &data)
        };
        assert_eq!(
            verdict(&policy, "svc:benefits-app", &ask),
            expected,
            "{purpose}"
        );
    };
    check("benefits.summarise", "permit BA-101 civ-standard");
    check("benefits.decide", "rule BA-190");
    check("benefits.pilot-2024", "purpose_expired");
    check("contracts.review", "purpose_not_granted");
    check("benefits.draft ", "unknown_purpose");
    check("", "unknown_purpose");
    check("nuclear.employment.targets", "purpose_forbidden B-910");
    check("weapons.release.now", "purpose_forbidden B-911");
    check("nuclear.employmental", "unknown_purpose");
}

#[test]
fn labels_stop_at_clearance_zone_and_model() {
    let policy = demo();
    let check = |principal: &str, zone: &str, label: &str, expected: &str| {
        let data = Label::parse(label).expect("a label");
        let ask = Ask {
            zone,
            ..ask("llama-3.3-70b", &data)
        };
        assert_eq!(
            verdict(&policy, principal, &ask),
            expected,
            "{principal} {zone} {label}"
        );
    };
    check(
        "svc:benefits-app",
        "demo",
        "CUI:PRVCY",
        "permit BA-101 civ-standard",
    );
    check(
        "svc:benefits-app",
        "demo",
        "CUI:PROCURE",
        "label_above_clearance",
    );
    check("svc:benefits-app", "demo", "S", "label_above_clearance");
    check(
        "svc:contracts-app",
        "demo",
        "CUI:PROCURE",
        "label_above_zone",
    );
    check(
        "svc:contracts-app",
        "opennet",
        "CUI:PROCURE",
        "permit CO-201 civ-strict",
    );
    check(
        "svc:benefits-app",
        "closednet",
        "U",
        "zone_not_in_rule BA-101",
    );
    check("svc:benefits-app", "nowhere", "U", "undecided unknown_zone");
}

#[test]
fn military_use_rests_on_a_named_authority() {
    let (policy, data) = (demo(), Label::of(Level::S));
    let subject = policy
        .subject("svc:logistics-planner", &Evidence::at(NOW))
        .expect("the planner");
    let ask = Ask {
        zone: "closednet",
        ..ask("llama-4-maverick", &data)
    };
    let permit = policy.authorize(&subject, &ask).expect("a permit");
    assert_eq!(permit.authority(), Some("AUTH-2026-014"));
}

#[test]
fn a_tool_is_allowed_in_its_window_only() {
    let (policy, data) = (demo(), Label::unclassified());
    let subject = policy
        .subject("svc:logistics-planner", &Evidence::at(NOW))
        .expect("the planner");
    let at = |at| {
        let object = Object::Tool("parts-order");
        let ask = Ask {
            object,
            action: Action::Tool,
            purpose: None,
            data: &data,
            zone: "closednet",
            at,
        };
        summary(policy.authorize(&subject, &ask))
    };
    assert_eq!(at(NOW), "permit LO-310 civ-strict");
    assert_eq!(at(UnixTime(NOW.0 + 12 * 3600)), "outside_window LO-310");
}

#[test]
fn the_gateway_can_check_its_configuration_against_the_bundle() {
    let policy = demo();
    let profiles: Vec<String> = policy
        .profiles()
        .map(|(name, rule)| format!("{name} {}", rule.id()))
        .collect();
    assert_eq!(profiles, ["civ-standard BA-101", "civ-strict BA-110"]);
    assert_eq!(
        policy.zones().collect::<Vec<_>>(),
        ["closednet", "demo", "opennet"]
    );
    assert_eq!(policy.models().count(), 4);
    assert!(
        policy
            .principals()
            .any(|principal| principal == "svc:audit-probe")
    );
    assert_eq!(
        (policy.id(), policy.revision(), policy.expires()),
        ("demo", 1, Some(UnixTime(1_956_528_000)))
    );
    assert_eq!(
        (policy.digest().len(), policy.short_digest().len()),
        (64, 12)
    );
}
