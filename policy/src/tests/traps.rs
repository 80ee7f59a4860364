//! One test for each of the 20 ways in which casbin 2.20 opens, hangs or crashes the door.
//!
//! Where a trap is closed by the loader, the test shows the refusal; where it is closed by how casbin
//! is asked, the test shows the right answer.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use casbin::{CoreApi, function_map::OperatorFunction};

use super::support::*;
use crate::{
    matcher::{Deadline, Matcher, RoleLink, Template},
    rule::Facts,
    *,
};

const ALLOW: &str = "p, R-1, role:app, t/o/m, model/a, chat, p.*, CUI, net, aal1, *, mild, allow\n";
const DENY: &str = "p, R-2, role:everyone, t/o/*, *, *, *, U, *, aal1, *, -, deny\n";

/// What `svc:app` hears when it asks for model `a`.
fn answer(policy: &Policy) -> String {
    verdict(policy, "svc:app", &chat("a", &Label::unclassified()))
}

/// The only problem of a bundle, as a line.
fn problem(bundle: &Bundle) -> String {
    match bundle.load() {
        Ok(_) => "loads".to_owned(),
        Err(problems) => lines(&problems),
    }
}

#[test]
fn trap_01_a_misspelt_effect_is_an_error_and_not_an_ignored_row() {
    for effect in ["Deny", "DENY", "block", "den", ""] {
        let rows = format!("{ALLOW}{}", DENY.replace(", deny", &format!(", {effect}")));
        let found = problem(&Bundle::small().rules(&rows));
        assert!(found.starts_with("tenants/t-o/rules.csv:2:"), "{found}");
        assert!(
            found.contains(&format!("unknown effect `{effect}`")),
            "{found}"
        );
    }
    let spaced = format!("{ALLOW}{}", DENY.replace("deny\n", "deny  \r\n"));
    assert_eq!(answer(&Bundle::small().rules(&spaced).policy()), "rule R-2");
}

#[test]
fn trap_02_an_unknown_kind_of_row_is_an_error() {
    for kind in ["P", "p2", "deny", "g", ""] {
        let rows = format!("{ALLOW}{}", DENY.replacen('p', kind, 1));
        let found = problem(&Bundle::small().rules(&rows));
        assert!(
            found.contains(&format!(":2:1: error: unknown kind of row `{kind}`")),
            "{found}"
        );
    }
}

#[test]
fn trap_03_a_comment_after_values_is_an_error() {
    let rows = format!("{ALLOW}{}", DENY.replace("deny", "deny # for now"));
    let found = problem(&Bundle::small().rules(&rows));
    assert!(
        found.contains("rules.csv:2:63: error: a comment after values"),
        "{found}"
    );
}

#[test]
fn trap_04_a_wrong_column_count_is_an_error_at_load() {
    for (from, to, columns) in [
        (", aal1", "", 12),
        (", aal1", ", aal1, aal1", 14),
        (DENY, "p\n", 1),
    ] {
        let found = problem(&Bundle::small().rules(&format!("{ALLOW}{}", DENY.replace(from, to))));
        assert!(
            found.contains(&format!("{columns} columns where 13 are needed")),
            "{found}"
        );
    }
}

#[test]
fn trap_05_quotes_are_an_error_since_casbin_splits_them() {
    let found = problem(&Bundle::small().rules(&ALLOW.replace("mild", "\"mi\"\"ld\"")));
    assert!(
        found.contains("rules.csv:1:65: error: quotes have no meaning here"),
        "{found}"
    );
}

#[test]
fn trap_06_a_matcher_that_cannot_run_never_allows() {
    assert!(
        problem(&Bundle::small().replacing("model.conf", "under(", "undr("))
            .contains("the access model is fixed")
    );
    let broken = MODEL.replace("under(", "undr(");
    assert_eq!(matched_under(&broken), Err(UndecidedReason::Engine));
}

#[test]
fn trap_07_an_unknown_effect_expression_does_not_panic() {
    assert!(
        problem(&Bundle::small().replacing("model.conf", "!some", "! some"))
            .contains("the access model is fixed")
    );
    let spaced = MODEL.replace("some(where", "some ( where");
    assert_eq!(matched_under(&spaced), Ok(vec![0]));
}

/// The rows that match `svc:app`'s request under a changed model, the digest check left out.
fn matched_under(model: &str) -> Result<Vec<usize>, UndecidedReason> {
    let policy = Bundle::small().policy();
    let template = Template::parse(model).expect("five definitions");
    let rows: Vec<_> = policy.rules.iter().filter(|rule| !rule.is_deny()).collect();
    let links = ["svc:app"].map(|principal| RoleLink {
        record: principal,
        role: "role:app",
        tenant: "t/o/m",
    });
    let matcher = Matcher::build(&template, [rows], links).map_err(|_| UndecidedReason::Engine)?;
    let subject = policy
        .subject("svc:app", &Evidence::at(NOW))
        .expect("the application");
    let facts = Facts {
        subject: &subject,
        object: "model/a".into(),
        action: Action::Chat,
        purpose: "p.one",
        data: &Label::unclassified(),
        zone: "net",
        windows: String::new(),
    };
    matcher
        .matched(1, 1, &facts, Deadline::from_now())
        .map_err(|fault| fault.reason)
}

#[test]
fn trap_08_odd_bytes_in_a_request_do_not_panic() {
    let rows = "p, R-1, role:app, t/o/m, tool/s*, tool, p.*, CUI, net, aal1, *, mild, allow\n";
    let policy = Bundle::small().rules(rows).policy();
    let data = Label::unclassified();
    for (tool, expected) in [
        ("s€", "permit R-1 mild"),
        ("€", "no_rule"),
        ("", "no_rule"),
        ("*", "no_rule"),
        ("x|s", "no_rule"),
        ("\u{0}\u{202e}", "no_rule"),
        ("s\n, deny", "permit R-1 mild"),
    ] {
        let ask = Ask {
            object: Object::Tool(tool),
            action: Action::Tool,
            ..chat("a", &data)
        };
        assert_eq!(verdict(&policy, "svc:app", &ask), expected, "{tool:?}");
    }
}

#[test]
fn trap_09_patterns_are_no_regular_expressions() {
    for pattern in ["model/[", "model/(a|b)", "model/a+", "**", "m*l/a"] {
        let found = problem(&Bundle::small().rules(&ALLOW.replace("model/a", pattern)));
        assert!(
            found.contains("rules.csv:1:26: error: "),
            "{pattern}: {found}"
        );
    }
}

#[test]
fn trap_10_no_file_can_bring_code_to_run() {
    let found = problem(&Bundle::small().replacing("model.conf", "m = ", "m = eval(p.rid) && "));
    assert!(found.contains("the access model is fixed"), "{found}");
    let found = problem(&Bundle::small().rules(&ALLOW.replace("role:app", "eval(loop{})")));
    assert!(found.contains("`eval(loop{})` is not a role"), "{found}");
}

#[test]
fn trap_11_there_is_one_role_graph_and_no_g2() {
    let found =
        problem(&Bundle::small().adding("tenants/t-o/roles.csv", "g2, model/a, role:app, t/o/m\n"));
    assert!(
        found.contains("roles.csv:2:1: error: unknown kind of row `g2`"),
        "{found}"
    );
    let found =
        problem(&Bundle::small().adding("tenants/t-o/roles.csv", "g, model/a, role:app, t/o/m\n"));
    assert!(
        found.contains("roles.csv:2:4: error: unknown principal `model/a`"),
        "{found}"
    );
}

#[test]
fn trap_12_no_principal_is_spelled_like_a_role() {
    let found = problem(&Bundle::small().replacing("identities.toml", "svc:other", "role:app"));
    assert!(
        found.contains("identities.toml:7:11: error: `role:app` is spelled like a role"),
        "{found}"
    );
    assert!(
        Bundle::small()
            .policy()
            .subject("role:app", &Evidence::at(NOW))
            .is_none()
    );
}

#[test]
fn trap_13_inheritance_has_no_hidden_depth_and_no_cycles() {
    let chain = |last: &str| {
        let links = (1..20).map(|nth| format!("g, role:r{nth}, role:r{}, t/o/m\n", nth + 1));
        format!(
            "g, svc:app, role:r1, t/o/m\n{}g, role:r20, {last}, t/o/m\n",
            links.collect::<String>()
        )
    };
    let deep = Bundle::small().with("tenants/t-o/roles.csv", chain("role:app"));
    assert_eq!(answer(&deep.policy()), "permit R-1 mild");
    let cyclic = Bundle::small().with("tenants/t-o/roles.csv", chain("role:r7"));
    assert!(
        problem(&cyclic)
            .contains("roles.csv:21:14: error: `role:r20` would inherit itself through `role:r7`")
    );
}

#[test]
fn trap_14_a_revoked_grant_is_gone_with_the_next_snapshot() {
    let before = Bundle::small().policy();
    assert_eq!(answer(&before), "permit R-1 mild");
    let after = Bundle::small().rules("").policy();
    assert_eq!(answer(&after), "hidden");
    assert_eq!(
        answer(&before),
        "permit R-1 mild",
        "a request keeps the snapshot it began with"
    );

    let stale = before
        .subject("svc:app", &Evidence::at(NOW))
        .expect("the application");
    assert!(!after.visible(&stale, "a"));
    let asked = after.authorize(&stale, &chat("a", &Label::unclassified()));
    assert_eq!(summary(asked), "undecided stale_subject");
}

#[test]
fn trap_15_one_section_never_answers_for_another() {
    let rows = format!("{ALLOW}{}", DENY.replace("*, *, *, U", "*, complete, *, U"));
    let rows = rows.replace(", chat,", ", chat|complete,");
    let policy = Bundle::small().rules(&rows).policy();
    let data = Label::unclassified();
    for _ in 0..3 {
        assert_eq!(answer(&policy), "permit R-1 mild");
        let complete = Ask {
            action: Action::Complete,
            ..chat("a", &data)
        };
        assert_eq!(verdict(&policy, "svc:app", &complete), "rule R-2");
    }
}

#[test]
fn trap_16_nothing_is_loaded_from_a_broken_bundle_and_nothing_allowed_by_an_empty_one() {
    assert!(Bundle::small().rules("p, R-1\n").load().is_err());
    let empty = Bundle::small()
        .rules("")
        .with("baseline/rules.csv", "")
        .policy();
    assert_eq!(answer(&empty), "hidden");
    let only_denies = Bundle::small().rules(DENY).policy();
    assert_eq!(answer(&only_denies), "hidden");
}

#[test]
fn trap_17_a_switched_off_engine_decides_nothing() {
    let mut policy = Bundle::small().policy();
    assert!(policy.matcher.enforcer_mut().is_enabled());
    policy.matcher.enforcer_mut().enable_enforce(false);
    assert_eq!(answer(&policy), "undecided incomplete");
}

#[test]
fn trap_18_repeated_rows_are_reported_and_levels_compare_as_levels() {
    let found = problem(&Bundle::small().rules(&format!("{ALLOW}{ALLOW}")));
    assert!(
        found.contains("rules.csv:2:4: error: rule id `R-1` is taken by tenants/t-o/rules.csv:1"),
        "{found}"
    );
    let twice = Bundle::small()
        .rules(&format!("{ALLOW}{}", ALLOW.replace("R-1", "R-2")))
        .load()
        .expect("it loads");
    assert!(lines(&twice.warnings).contains("warning: rule `R-2` says the same as R-1"));
    let found = problem(&Bundle::small().rules(&ALLOW.replace("aal1", "aal10")));
    assert!(found.contains("unknown assurance `aal10`"), "{found}");
    let above = Bundle::small()
        .rules(&ALLOW.replace("aal1", "aal3"))
        .policy();
    assert_eq!(answer(&above), "assurance R-1");
}

#[test]
fn trap_19_a_deny_row_inside_a_section_denies() {
    for rows in [format!("{ALLOW}{DENY}"), format!("{DENY}{ALLOW}")] {
        assert_eq!(answer(&Bundle::small().rules(&rows).policy()), "rule R-2");
    }
}

#[test]
fn trap_20_an_empty_section_is_never_asked() {
    let policy = Bundle::small().with("baseline/rules.csv", "").policy();
    let data = Label::unclassified();
    let subject = policy
        .subject("svc:app", &Evidence::at(NOW))
        .expect("the application");
    let embed = Ask {
        action: Action::Embed,
        ..chat("a", &data)
    };
    assert_eq!(summary(policy.authorize(&subject, &embed)), "no_rule");
    let facts = Facts {
        subject: &subject,
        object: String::new(),
        action: Action::Embed,
        purpose: "",
        data: &data,
        zone: "",
        windows: String::new(),
    };
    assert_eq!(
        policy.matcher.matched(999, 0, &facts, Deadline::from_now()),
        Ok(vec![])
    );
    assert!(
        policy
            .matcher
            .matched(999, 1, &facts, Deadline::from_now())
            .is_err()
    );
}

#[test]
fn a_panic_inside_the_engine_is_a_fault_and_not_an_answer() {
    let mut policy = Bundle::small().policy();
    let panics = OperatorFunction::Arg2(|_, _| panic!("on purpose"));
    policy.matcher.enforcer_mut().add_function("one_of", panics);
    assert_eq!(answer(&policy), "undecided panicked");
}

/// Whatever the answer would have been: one comparison that takes too long, or many that take a little.
#[test]
fn an_engine_that_takes_too_long_is_a_fault_and_not_an_answer() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let one = OperatorFunction::Arg2(|_, _| {
        std::thread::sleep(Duration::from_millis(1_100));
        true.into()
    });
    let many = OperatorFunction::Arg2(|_, _| {
        ASKED.fetch_add(1, Ordering::Relaxed);
        std::thread::sleep(Duration::from_millis(20));
        true.into()
    });
    let answer_of = |rows: usize, function| {
        let row = |nth: usize| ALLOW.replace("R-1", &format!("R-{nth}"));
        let rows: String = (1..=rows).map(row).collect();
        let mut policy = Bundle::small().rules(&rows).policy();
        let enforcer = policy.matcher.enforcer_mut();
        enforcer.add_function("under", function);
        answer(&policy)
    };
    assert_eq!(answer_of(1, one), "undecided slow");
    assert_eq!(answer_of(200, many), "undecided slow");
    let asked = ASKED.load(Ordering::Relaxed);
    assert!((1..100).contains(&asked), "{asked} rows were asked");
}

#[test]
fn an_engine_that_sees_too_little_or_too_much_is_a_fault() {
    let rows = format!("{ALLOW}{DENY}");
    let data = Label::unclassified();
    let check = |function: &str, says: OperatorFunction, zone: &str| {
        let mut policy = Bundle::small().rules(&rows).policy();
        policy.matcher.enforcer_mut().add_function(function, says);
        let ask = Ask {
            zone,
            ..chat("a", &data)
        };
        assert_eq!(
            verdict(&policy, "svc:app", &ask),
            "undecided disagreement",
            "{function}"
        );
    };
    check("under", OperatorFunction::Arg2(|_, _| false.into()), "net"); // hides the deny row
    check("one_of", OperatorFunction::Arg2(|_, _| true.into()), "low"); // shows an allow row for `net`
}
