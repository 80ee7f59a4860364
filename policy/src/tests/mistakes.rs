//! Several problems at once, in the very words that are said. Single mistakes are in `seeded`.

use super::support::*;
use crate::{Policy, Severity};

const ROLES: &str = "tenants/t-o/roles.csv";

/// Asserts that a bundle is refused with exactly these problems.
fn check(bundle: &Bundle, expected: &[&str]) {
    match bundle.load() {
        Ok(_) => panic!("loads, expected:\n{}", expected.join("\n")),
        Err(problems) => assert_eq!(lines(&problems), expected.join("\n")),
    }
}

#[test]
fn the_small_bundle_has_no_mistake() {
    let loaded = Bundle::small()
        .load()
        .map_err(|problems| lines(&problems))
        .expect("it loads");
    // Somebody without a role, for tests of that.
    let told = lines(&loaded.warnings);
    assert!(told.starts_with("identities.toml:7:11: warning: `svc:other` holds no role"));
    assert_eq!(told.lines().count(), 1, "{told}");
}

#[test]
fn in_keys() {
    check(
        &Bundle::small().replacing("bundle.toml", "revision", "revison"),
        &["bundle.toml:3:1: error: unknown key `revison` (did you mean `revision`?)"],
    );
    check(
        &Bundle::small().replacing("attributes.toml", "ceiling = \"U\"", "ceilling = \"U\""),
        &["attributes.toml:9:1: error: unknown key `ceilling` (did you mean `ceiling`?)"],
    );
    check(
        &Bundle::small().replacing("attributes.toml", "[zone.net]", "[zones.net]"),
        &[
            "attributes.toml:4:2: error: unknown key `zones` (did you mean `zone`?)",
            "tenants/t-o/rules.csv:1:51: error: unknown zone `net` (known: low)",
        ],
    );
    check(
        &Bundle::small().replacing("purposes.toml", "[forbidden.\"bad.deed\"]", "[forbidden.p]"),
        &[
            "identities.toml:6:13: error: purpose `p.one` is forbidden to everybody (remove it)",
            "identities.toml:6:22: error: purpose `p.two` is forbidden to everybody (remove it)",
            "identities.toml:11:13: error: purpose `p.one` is forbidden to everybody (remove it)",
            "purposes.toml:2:10: error: purpose `p.one` lies in a forbidden family (remove the purpose, or the family)",
            "purposes.toml:6:10: error: purpose `p.two` lies in a forbidden family (remove the purpose, or the family)",
            "tenants/t-o/rules.csv:1:41: error: `p.*` is forbidden to everybody (name purposes that are registered, or remove the row)",
        ],
    );
}

#[test]
fn in_the_files_of_a_bundle() {
    check(
        &Bundle::small().without("purposes.toml"),
        &["purposes.toml:1:1: error: the bundle lacks this file"],
    );
    check(
        &Bundle::small().without(ROLES),
        &[
            "tenants/t-o/roles.csv:1:1: error: the bundle lacks this file of a declared tenant",
            "tenants/t-o/rules.csv:1:9: warning: nobody under `t/o/m` holds `role:app`",
        ],
    );
    check(
        &Bundle::small().with("tenants/t-o/rule.csv", ""),
        &[
            "tenants/t-o/rule.csv:1:1: error: a bundle has no such file, so nobody would read it (did you mean `rules.csv`?)",
        ],
    );
    check(
        &Bundle::small().with("tenants/t-p/rules.csv", ""),
        &["tenants/t-p/rules.csv:1:1: error: tenant `t-p` is not declared (did you mean `t-o`?)"],
    );
    check(
        &Bundle::small().with("tenants/t-o/more/rules.csv", ""),
        &[
            "tenants/t-o/more/rules.csv:1:1: error: a bundle has no such file, so nobody would read it (did you mean `roles.csv`?)",
        ],
    );
    check(
        &Bundle::small().with("notes.txt", ""),
        &["notes.txt:1:1: error: a bundle has no such file, so nobody would read it (remove it)"],
    );
    check(
        &Bundle::small().adding("model.conf", "\n"),
        &[
            "model.conf:1:1: error: the access model is fixed, and this is another one (SHA-256 d46efffd8e153541bd7b1408a267477093e0469c5e670077e17efe5f94d53c99) (restore the file that came with this version of the gateway)",
        ],
    );
    check(
        &Bundle::small().replacing("baseline/rules.csv", "p,", "\u{feff}p,"),
        &[
            "baseline/rules.csv:1:1: error: the file begins with a byte order mark (save it without one)",
        ],
    );
    let files = vec![("model.conf".into(), b"ok\n\xffno".to_vec())];
    let found = Policy::from_files(files).expect_err("not UTF-8");
    assert!(
        lines(&found).contains("model.conf:2:1: error: the file is not UTF-8 (save it as UTF-8)")
    );
}

#[test]
fn all_at_once_in_order_of_files() {
    let bundle = Bundle::small()
        .replacing("attributes.toml", "from = 14:00:00", "from = 17:00:00")
        .replacing("identities.toml", "aal2", "aal9")
        .rules(
            "p, R 1, role:app, t/o/m, model/x, chat, p.*, CUI, nte, aal1, *, mild, alow\nx, y\n",
        );
    check(
        &bundle,
        &[
            "attributes.toml:10:9: error: the window ends before it begins (make two windows for hours around midnight)",
            "identities.toml:5:13: error: unknown assurance `aal9` (did you mean `aal1`, `aal2` or `aal3`?)",
            "tenants/t-o/rules.csv:1:4: error: `R 1` is not a rule id (write `R-1`)",
            "tenants/t-o/rules.csv:1:26: error: unknown object `model/x` (did you mean `model/a` or `model/b`?)",
            "tenants/t-o/rules.csv:1:51: error: unknown zone `nte` (did you mean `net`?)",
            "tenants/t-o/rules.csv:1:71: error: unknown effect `alow` (did you mean `allow`?)",
            "tenants/t-o/rules.csv:2:1: error: unknown kind of row `x` (every row of this file begins with `p,`)",
        ],
    );
}

#[test]
fn warnings_do_not_refuse_a_bundle() {
    let rows = "p, R-1, role:app, t/o/m, model/a, chat, p.*, CUI, net, aal1, *, mild, allow\n\
                p, R-2, role:nobody, t/o/n, model/a, chat, p.*, CUI, net, aal1, *, mild, allow\n";
    let bundle = Bundle::small().adding(ROLES, "g, svc:other, role:app, t/o/m\n");
    let loaded = bundle.rules(rows).load().expect("it loads");
    assert!(
        loaded
            .warnings
            .iter()
            .all(|problem| problem.severity == Severity::Warning)
    );
    assert_eq!(
        lines(&loaded.warnings),
        "tenants/t-o/rules.csv:2:9: warning: nobody under `t/o/n` holds `role:nobody`\n\
         tenants/t-o/rules.csv:2:22: warning: no principal belongs to `t/o/n` (did you mean `t/o/m`?)"
    );
}

#[test]
fn a_span_is_the_text_in_question() {
    let bundle = Bundle::small().rules(
        "p, R-1, role:app, t/o/m, model/a, chat|emded, p.*, CUI, net, aal1, *, mild, allow\n",
    );
    let problems = bundle.load().expect_err("a mistake");
    assert_eq!(
        problems.first().map(|problem| problem.span.clone()),
        Some(39..44)
    );
}
