//! What a bundle that loads is warned of, and what it is not.

use std::path::Path;

use super::{demo_dir, support::*};
use crate::{Policy, UnixTime};

const ALLOW: &str = "p, R-1, role:app, t/o/m, model/a, chat, p.*, CUI, net, aal1, *, mild, allow\n";

/// The small bundle, with somebody for everybody's role.
fn small() -> Bundle {
    Bundle::small().adding("tenants/t-o/roles.csv", "g, svc:other, role:app, t/o/m\n")
}

/// Asserts that a bundle loads with exactly these warnings.
fn check(bundle: &Bundle, expected: &[&str]) {
    match bundle.load() {
        Ok(loaded) => assert_eq!(lines(&loaded.warnings), expected.join("\n")),
        Err(problems) => panic!("{}", lines(&problems)),
    }
}

/// Asserts that these rows are warned of, and that the proposed change, if there is one, mends it.
fn rows(rows: &str, expected: &str) {
    let bundle = small().rules(rows);
    let loaded = bundle.load().map_err(|problems| lines(&problems));
    let warnings = loaded.expect("it loads").warnings;
    let found = lines(&warnings);
    if expected.is_empty() {
        return assert_eq!(found, "");
    }
    assert_eq!(found, format!("tenants/t-o/rules.csv:{expected}"));
    for fix in warnings.iter().filter_map(|warning| warning.fix.as_ref()) {
        let mended = fix.apply(rows).expect("a fix for these rows");
        check(&bundle.clone().rules(&mended), &[]);
    }
}

#[test]
fn a_row_that_another_covers_under_the_same_or_a_stricter_profile() {
    let other = |row: &str| format!("{ALLOW}{row}\n");
    rows(
        &other("p, R-2, role:app, t/o/m, model/a, chat, p.one, U, net, aal2, duty, mild, allow"),
        "2:4: warning: rule `R-2` changes nothing: R-1 tenants/t-o/rules.csv:1 covers it (remove the row)",
    );
    rows(
        &other("p, R-2, role:everyone, t/o/*, model/*, *, *, CUI, *, aal1, *, strict, allow"),
        "1:4: warning: rule `R-1` changes nothing: R-2 tenants/t-o/rules.csv:2 covers it (remove the row)",
    );
    // The same by other words: the later one is pointless.
    rows(
        &other(
            "p, R-2, role:app, t/o/m, model/a, chat, p.one|p.two, CUI, net, aal1, *, mild, allow",
        ),
        "2:4: warning: rule `R-2` changes nothing: R-1 tenants/t-o/rules.csv:1 covers it (remove the row)",
    );
    // A stricter profile for a part, a higher label, another model, a lower assurance: all count.
    for row in [
        "p, R-2, role:app, t/o/m, model/a, chat, p.one, U, net, aal2, duty, strict, allow",
        "p, R-2, role:app, t/o/m, model/a, chat, p.one, CUI, low|net, aal1, *, mild, allow",
        "p, R-2, role:app, t/o/m, model/*, chat, p.one, U, net, aal1, *, mild, allow",
        "p, R-2, role:app, t/o/m, model/a, *, p.one, U, net, aal1, *, mild, allow",
    ] {
        rows(&other(row), "");
    }
}

#[test]
fn an_allow_row_that_a_deny_row_covers() {
    let denied = |row: &str| format!("{ALLOW}{row}\n");
    rows(
        &denied("p, R-2, role:everyone, t/o/*, model/a, *, *, U, *, aal1, *, -, deny"),
        "1:4: warning: rule `R-1` never permits: R-2 tenants/t-o/rules.csv:2 covers it (remove one of the two, or narrow the denial)",
    );
    for row in [
        "p, R-2, role:everyone, t/o/*, model/a, *, *, CUI, *, aal1, *, -, deny",
        "p, R-2, role:everyone, t/o/*, model/a, *, p.one, U, *, aal1, *, -, deny",
        "p, R-2, role:everyone, t/o/*, model/a, *, *, U, *, aal1, duty, -, deny",
    ] {
        rows(&denied(row), "");
    }
}

#[test]
fn a_deny_row_that_another_of_its_file_covers() {
    let narrow = "p, R-2, role:app, t/o/m, model/b, chat, p.one, CUI, *, aal1, *, -, deny\n";
    let wide = "p, R-3, role:everyone, t/o/*, model/b, *, *, U, *, aal1, *, -, deny\n";
    rows(
        &format!("{ALLOW}{narrow}{wide}"),
        "2:4: warning: rule `R-2` changes nothing: R-3 tenants/t-o/rules.csv:3 covers it (remove the row)",
    );
    // Another file is a second lock.
    let baseline = "p, B-901, role:everyone, *, model/b, *, *, U, *, aal1, *, -, deny\n";
    let bundle = small().adding("baseline/rules.csv", baseline);
    check(&bundle.rules(&format!("{ALLOW}{narrow}")), &[]);
}

#[test]
fn an_allow_row_that_no_request_can_meet() {
    rows(
        "p, R-1, role:app, t/o/m, tool/saw, chat, p.*, CUI, net, aal1, *, mild, allow\n",
        "1:36: warning: rule `R-1` never permits: tools are used by `tool`, models by all other actions (write `tool` for tools, `chat` or another for models)",
    );
    rows(
        "p, R-1, role:app, t/o/m, model/*, tool, p.*, CUI, net, aal1, *, mild, allow\n",
        "1:35: warning: rule `R-1` never permits: tools are used by `tool`, models by all other actions (write `tool` for tools, `chat` or another for models)",
    );
    rows(
        "p, R-1, role:app, t/o/m, model/a, chat, p.*, CUI, net, aal3, *, mild, allow\n",
        "1:56: warning: rule `R-1` never permits: nobody who holds `role:app` reaches aal3 (the best of them has aal2)",
    );
    let nobody = small().replacing("identities.toml", "\"p.one\", \"p.two\"", "\"p.one\"");
    check(
        &nobody.rules(&ALLOW.replace("p.*", "p.two")),
        &[
            "tenants/t-o/rules.csv:1:41: warning: rule `R-1` never permits: nobody who holds `role:app` is granted its purpose (grant it in identities.toml, or remove the row)",
        ],
    );
}

#[test]
fn a_label_up_to_which_nobody_can_come() {
    // Clearance CUI, zone S, model S.
    rows(
        &ALLOW.replace("CUI", "S"),
        "1:46: warning: `S` is out of reach of rule `R-1`: its requests bear at most CUI (write `CUI`)",
    );
    // Zone U.
    rows(
        &ALLOW.replace("net", "low"),
        "1:46: warning: `CUI` is out of reach of rule `R-1`: its requests bear at most U (write `U`)",
    );
    // One zone of several will do.
    rows(&ALLOW.replace("net", "*"), "");
}

#[test]
fn a_purpose_that_rests_on_nothing() {
    let bundle = small().replacing(
        "purposes.toml",
        "expires = 2031-12-31",
        "expires = 2031-12-31\nneeds_lifted = [\"AUP-2.1\"]",
    );
    check(
        &bundle,
        &[
            "tenants/t-o/rules.csv:1:41: warning: purpose `p.one` needs AUP-2.1 lifted, and no authority does so for `t/o/m` (add the record to authorities.toml, or remove the purpose)",
        ],
    );
    check(&bundle.clone().rules(&ALLOW.replace("p.*", "p.two")), &[]);
    check(&bundle.with("authorities.toml", AUTHORITY), &[]);
}

#[test]
fn somebody_whom_nobody_thought_of() {
    check(
        &Bundle::small(),
        &[
            "identities.toml:7:11: warning: `svc:other` holds no role, and so no rule of `t/o/m` is about it (give it one in roles.csv: role:app)",
        ],
    );
    let roles = "tenants/t-o/roles.csv";
    let given = |row: &str| Bundle::small().adding(roles, row);
    check(
        &given("g, svc:other, role:guest, t/o/m\n"),
        &[
            "identities.toml:7:11: warning: `svc:other` holds role:guest, to which no rule gives anything (write a rule for the role, or remove it)",
        ],
    );
    check(&given("g, svc:other, role:suspended, t/o/m\n"), &[]);
    // Alone in a tenant without rows: on purpose.
    let identity = "[identity.\"svc:other\"]\ntenant = \"t/o/m\"";
    let elsewhere = identity.replace("t/o/m", "t/o/n");
    check(
        &Bundle::small().replacing("identities.toml", identity, &elsewhere),
        &[],
    );
}

#[test]
fn the_demo_bundle_is_free_of_warnings() {
    let loaded = Policy::load(&demo_dir()).expect("it loads");
    assert_eq!(lines(&loaded.warnings), "");
    assert_eq!(lines(&loaded.policy.warnings_at(NOW)), "");
}

#[test]
fn what_has_ended_or_ends_soon_is_told_with_the_moment() {
    let policy = small()
        .replacing(
            "purposes.toml",
            "expires = 2031-12-31",
            "expires = 2026-12-01\nneeds_lifted = [\"AUP-2.1\"]",
        )
        .with("authorities.toml", AUTHORITY)
        .policy();
    let at = |days: i64| lines(&policy.warnings_at(UnixTime(NOW.0 + days * 86_400)));
    let advice = "(have its owner renew it, or remove what relies on it)";
    assert_eq!(at(-30), "");
    assert_eq!(
        at(0),
        format!(
            "purposes.toml:5:11: warning: purpose `p.one` ends on 2026-12-01: from then on its requests are refused {advice}"
        )
    );
    assert_eq!(
        at(8).lines().next(),
        Some(&*format!(
            "purposes.toml:5:11: warning: purpose `p.one` ends on 2026-12-01: from then on its requests are refused {advice}"
        ))
    );
    assert_eq!(
        at(9),
        format!(
            "purposes.toml:5:11: warning: purpose `p.one` ended on 2026-12-01: its requests are refused {advice}"
        )
    );
    let end = at(6 * 366);
    for told in [
        format!(
            "bundle.toml:4:11: warning: the bundle ended on 2031-12-31: it stays in force out of date {advice}"
        ),
        format!(
            "authorities.toml:8:11: warning: authority `A-1` ended on 2031-12-31: what rests on it is refused {advice}"
        ),
        format!(
            "purposes.toml:10:11: warning: purpose `p.two` ended on 2031-12-31: its requests are refused {advice}"
        ),
    ] {
        assert!(end.contains(&told), "{end}\nlacks {told}");
    }
    // Nobody can use a purpose that no row grants.
    let unused = small().rules(&ALLOW.replace("p.*", "p.two"));
    let unused = unused.replacing(
        "purposes.toml",
        "expires = 2031-12-31",
        "expires = 2026-12-01",
    );
    assert_eq!(lines(&unused.policy().warnings_at(NOW)), "");
}

#[test]
fn a_later_warning_names_the_file_as_the_loader_did() {
    let policy = Policy::load(&demo_dir()).expect("it loads").policy;
    let late = policy.warnings_at(UnixTime(NOW.0 + 9 * 366 * 86_400));
    let file = late.first().map(|warning| warning.file.as_path());
    assert_eq!(file, Some(demo_dir().join("bundle.toml").as_path()));
    assert!(file.is_some_and(Path::exists));
}

const AUTHORITY: &str = r#"
[authority.A-1]
official = "someone"
tenant = "t/o/*"
purposes = ["p.one"]
lifts = ["AUP-2.1"]
document = "0000000000000000000000000000000000000000000000000000000000000000"
expires = 2031-12-31
"#;
