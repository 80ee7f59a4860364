//! Seeded mistakes: each is found, at its place, with what to write instead.

use super::support::*;
use crate::{Policy, Severity};

const RULES: &str = "tenants/t-o/rules.csv";
const ROLES: &str = "tenants/t-o/roles.csv";

/// Asserts that a bundle is refused with exactly these problems.
fn check(bundle: &Bundle, expected: &[&str]) {
    match bundle.load() {
        Ok(_) => panic!("loads, expected:\n{}", expected.join("\n")),
        Err(problems) => assert_eq!(lines(&problems), expected.join("\n")),
    }
}

/// Asserts that one replacement in one file of the small bundle is refused with one problem.
fn seeded(path: &str, from: &str, to: &str, expected: &str) {
    check(
        &Bundle::small().replacing(path, from, to),
        &[&format!("{path}:{expected}")],
    );
}

#[test]
fn the_small_bundle_has_no_mistake() {
    let loaded = Bundle::small()
        .load()
        .map_err(|problems| lines(&problems))
        .expect("it loads");
    assert_eq!(lines(&loaded.warnings), "");
}

#[test]
fn in_the_columns_of_rules() {
    let seeded = |from: &str, to: &str, expected: &str| seeded(RULES, from, to, expected);
    seeded(
        "R-1",
        "R 1",
        "1:4: error: `R 1` is not a rule id (letters, digits, `.`, `_` and `-`, at most 32, as in `BA-101`)",
    );
    seeded(
        "R-1",
        "",
        "1:4: error: `` is not a rule id (letters, digits, `.`, `_` and `-`, at most 32, as in `BA-101`)",
    );
    seeded(
        "R-1",
        "R-1234567890123456789012345678901",
        "1:4: error: `R-1234567890123456789012345678901` is not a rule id (letters, digits, `.`, `_` and `-`, at most 32, as in `BA-101`)",
    );
    seeded(
        "role:app",
        "app",
        "1:9: error: `app` is not a role (write `role:name`)",
    );
    seeded(
        "role:app",
        "role:",
        "1:9: error: `role:` is not a role (write `role:name`)",
    );
    seeded(
        "t/o/m",
        "t/o",
        "1:19: error: `t/o` is no tenant: it has fewer than three parts (write `t/o/*` for all tenants below it)",
    );
    seeded(
        "t/o/m",
        "t/*",
        "1:19: error: `t/*` lies outside this folder's domain `t/o/*` (rules about others belong to the baseline)",
    );
    seeded(
        "t/o/m",
        "*",
        "1:19: error: `*` lies outside this folder's domain `t/o/*` (rules about others belong to the baseline)",
    );
    seeded(
        "t/o/m",
        "t//m",
        "1:19: error: `t//m` is not a tenant pattern (write agency/office/mission, or end a shorter path with `/*`)",
    );
    seeded(
        "t/o/m",
        "t/o/m/x",
        "1:19: error: `t/o/m/x` has too many parts (write agency/office/mission, or end a shorter path with `/*`)",
    );
    seeded(
        "model/a",
        "model/c",
        "1:26: error: unknown object `model/c` (did you mean `model/a`?)",
    );
    seeded(
        "model/a",
        "modle/a",
        "1:26: error: unknown object `modle/a` (did you mean `model/a`?)",
    );
    seeded(
        "model/a",
        "a",
        "1:26: error: unknown object `a` (known: model/a, model/b, tool/saw)",
    );
    seeded(
        "model/a",
        "model/a|",
        "1:33: error: an empty object (remove it)",
    );
    seeded(
        "model/a",
        "model/a|*",
        "1:34: error: `*` covers everything beside it (write `*` alone)",
    );
    seeded(
        "model/a",
        "model/c*",
        "1:26: error: `model/c*` covers no registered object (did you mean `model/a`?)",
    );
    seeded(
        "chat",
        "chatt",
        "1:35: error: unknown action `chatt` (did you mean `chat`?)",
    );
    seeded(
        "chat",
        "chat | embedd",
        "1:42: error: unknown action `embedd` (did you mean `embed`?)",
    );
    seeded(
        "p.*",
        "p.tow",
        "1:41: error: unknown purpose `p.tow` (did you mean `p.two`?)",
    );
    seeded(
        "p.*",
        "q.*",
        "1:41: error: `q.*` covers no registered purpose (known: p.one, p.two)",
    );
    seeded(
        "p.*",
        "bad.deed",
        "1:41: error: `bad.deed` is forbidden to everybody",
    );
    seeded(
        "p.*",
        "bad.deed.*",
        "1:41: error: `bad.deed.*` is forbidden to everybody",
    );
    seeded(
        "CUI",
        "cui",
        "1:46: error: `cui` is not a level (U, CUI, C, S, TS) (did you mean `CUI`?)",
    );
    seeded(
        "CUI",
        "CUI:PRIVCY",
        "1:50: error: unknown need `PRIVCY` in label (did you mean `PRVCY`?)",
    );
    seeded(
        "CUI",
        "CUI:XYZ",
        "1:50: error: unknown need `XYZ` in label (register it under [need] in attributes.toml)",
    );
    seeded(
        "CUI",
        "U:NF+REL-UK",
        "1:46: error: `UK` is not a three-letter country code (a label is LEVEL or LEVEL:TAG+TAG, as in `CUI:PRVCY`)",
    );
    seeded(
        "net",
        "nte",
        "1:51: error: unknown zone `nte` (did you mean `net`?)",
    );
    seeded(
        "aal1",
        "al1",
        "1:56: error: unknown assurance `al1` (did you mean `aal1`?)",
    );
    seeded("aal1", "3", "1:56: error: unknown assurance `3`");
    seeded(
        "*, mild",
        "dutty, mild",
        "1:62: error: unknown window `dutty` (did you mean `duty`?)",
    );
    seeded(
        "mild",
        "-",
        "1:65: error: unknown guardrail profile `-` (list it in `profiles` of bundle.toml)",
    );
    seeded(
        "mild",
        "milde",
        "1:65: error: unknown guardrail profile `milde` (did you mean `mild`?)",
    );
    seeded(
        "allow",
        "alow",
        "1:71: error: unknown effect `alow` (did you mean `allow`?)",
    );
    seeded(
        "allow",
        "permit",
        "1:71: error: unknown effect `permit` (write `allow` or `deny`)",
    );
    seeded(
        "allow",
        "deny",
        "1:65: error: a deny row has no obligation (write `-`)",
    );
    seeded(
        "p, R-1",
        "p R-1",
        "1:1: error: unknown kind of row `p R-1` (every row of this file begins with `p,`)",
    );
    seeded(
        "p, R-1",
        "p, R-1,",
        "1:72: error: 14 columns where 13 are needed (columns: p, rid, role, dom, obj, act, purp, label, zone, aal, win, obl, eft)",
    );
    seeded(
        "net",
        "nеt",
        "1:52: error: character U+0435 in a value (write `e`)",
    );
    seeded(
        "net",
        "n\tet",
        "1:52: error: a tab between values (write ` `)",
    );
    seeded(
        "chat",
        "ch\u{200b}at",
        "1:37: error: character U+200B in a value (remove it: nobody sees it)",
    );
}

#[test]
fn in_deny_rows() {
    let deny = |row: &str, expected: &str| {
        check(
            &Bundle::small().adding(RULES, &format!("{row}\n")),
            &[&format!("{RULES}:{expected}")],
        );
    };
    deny(
        "p, D-1, role:ap, t/o/*, *, *, *, U, *, aal1, *, -, deny",
        "2:9: error: nobody under `t/o/*` holds `role:ap` (did you mean `role:app`?)",
    );
    deny(
        "p, D-1, role:everyone, t/o/n, *, *, *, U, *, aal1, *, -, deny",
        "2:24: error: no principal belongs to `t/o/n` (did you mean `t/o/m`?)",
    );
    deny(
        "p, D-1, role:everyone, t/o/*, *, *, bad.deeds.*, U, *, aal1, *, -, deny",
        "2:37: error: `bad.deeds.*` covers no registered purpose (did you mean `bad.deed.*`?)",
    );
    deny(
        "p, D-1, role:everyone, t/o/*, *, *, *, U, *, aal2, *, -, deny",
        "2:46: error: a deny row holds at any assurance (a better key must not escape a deny row: write `aal1`)",
    );
    deny(
        "p, D-1, role:everyone, t/o/*, *, *, *, U, *, aal1, *, mild, deny",
        "2:55: error: a deny row has no obligation (write `-`)",
    );
}

#[test]
fn in_the_baseline() {
    let allow = "p, B-1, role:everyone, *, *, *, *, U, *, aal1, *, mild, allow\n";
    check(
        &Bundle::small().adding("baseline/rules.csv", allow),
        &[
            "baseline/rules.csv:2:57: error: the baseline only forbids (write the row in a tenant's rules.csv)",
        ],
    );
}

#[test]
fn in_roles() {
    let row = |row: &str, expected: &str| {
        check(
            &Bundle::small().adding(ROLES, &format!("{row}\n")),
            &[&format!("{ROLES}:{expected}")],
        );
    };
    row(
        "g, svc:ap, role:app, t/o/m",
        "2:4: error: unknown principal `svc:ap` (did you mean `svc:app`?)",
    );
    row(
        "g, svc:other, role:everyone, t/o/m",
        "2:15: error: everyone holds `role:everyone` already (remove the row)",
    );
    row(
        "g, svc:other, app, t/o/m",
        "2:15: error: `app` is not a role (write `role:name`)",
    );
    row(
        "g, svc:other, role:app",
        "2:23: error: 3 columns where 4 are needed (columns: g, member, role, dom)",
    );
    row(
        "g, svc:other, role:app, t/o/n",
        "2:4: error: `svc:other` belongs to tenant `t/o/m`, so it cannot hold a role here",
    );
    row(
        "g, svc:other, role:app, t/o/*",
        "2:25: error: `t/o/*` is a pattern, and one tenant is needed (write agency/office/mission, or end a shorter path with `/*`)",
    );
    row(
        "g, role:x, role:x, t/o/m",
        "2:12: error: `role:x` would inherit itself through `role:x` (remove one link of the cycle)",
    );
    row(
        "g, role:suspended, role:app, t/o/m",
        "2:4: error: `role:suspended` cannot inherit roles",
    );
    row(
        "g, svc:app, role:app, t/o/m",
        "2:4: error: this row repeats an earlier one (remove the row)",
    );
    row(
        "p, svc:other, role:app, t/o/m",
        "2:1: error: unknown kind of row `p` (every row of this file begins with `g,`)",
    );
}

#[test]
fn in_bundle_toml() {
    let seeded = |from: &str, to: &str, expected: &str| seeded("bundle.toml", from, to, expected);
    seeded(
        "revision = 3",
        "revision = 0",
        "3:12: error: `revision` must be a whole number from 1",
    );
    seeded(
        "revision = 3",
        "revision = \"3\"",
        "3:12: error: `revision` must be a whole number, found string (write `3`)",
    );
    seeded(
        "expires = 2031-12-31",
        "expires = \"2031-12-31\"",
        "4:11: error: `expires` must be a date such as 2031-12-31, without quotes, found string (write `2031-12-31`)",
    );
    seeded(
        "expires = 2031-12-31",
        "expires = 2031-13-31",
        "4:11: error: invalid date, expected month between 01 and 12",
    );
    seeded(
        "\"mild\", \"strict\"",
        "\"mild\", \"strict\", \"mild\"",
        "6:31: error: profile `mild` is listed twice",
    );
    seeded(
        "domain = \"t/o/*\"",
        "domain = \"t/o\"",
        "8:10: error: `t/o` is no tenant: it has fewer than three parts (write `t/o/*` for all tenants below it)",
    );
    seeded(
        "owner = \"someone\"",
        "owner = \" \"",
        "9:9: error: `owner` is empty",
    );
    seeded(
        "reason = \"a test\"",
        "reason = \"a test",
        "5:17: error: invalid basic string, expected `\"`",
    );
}

#[test]
fn in_attributes_toml() {
    let seeded =
        |from: &str, to: &str, expected: &str| seeded("attributes.toml", from, to, expected);
    seeded(
        "PRVCY = \"privacy\"",
        "PRVCY = \"privacy\"\nNF = \"us only\"",
        "4:1: error: `NF` is not a need (capital letters, digits and `-`; NF, FVEY, NOREL and REL-… are release marks)",
    );
    seeded(
        "ceiling = \"S\"",
        "ceiling = \"SECRET\"",
        "6:11: error: `SECRET` is not a level (U, CUI, C, S, TS) (a label is LEVEL or LEVEL:TAG+TAG, as in `CUI:PRVCY`)",
    );
    seeded(
        "days = [\"mon\"]",
        "days = [\"monday\"]",
        "11:9: error: unknown day `monday` (mon tue wed thu fri sat sun)",
    );
    seeded(
        "days = [\"mon\"]",
        "days = []",
        "11:8: error: `days` is empty",
    );
    seeded(
        "from = 14:00:00",
        "from = 17:00:00",
        "10:9: error: the window ends before it begins (make two windows for hours around midnight)",
    );
    seeded(
        "from = 14:00:00",
        "from = \"14:00\"",
        "12:8: error: `from` must be a time such as 07:00:00, without quotes, found string (write `14:00`)",
    );
    seeded(
        "from = 14:00:00",
        "from = 14:00:00\nutc_offset = \"5\"",
        "13:14: error: `5` is not an offset (write it as `-05:00`)",
    );
    seeded(
        "[tool.saw]\nabout = \"a tool\"",
        "[tool]\nsaw = 1",
        "21:7: error: `saw` must be a table, found integer",
    );
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
            "identities.toml:6:13: error: purpose `p.one` is forbidden to everybody",
            "identities.toml:6:22: error: purpose `p.two` is forbidden to everybody",
            "identities.toml:11:13: error: purpose `p.one` is forbidden to everybody",
            "purposes.toml:2:10: error: purpose `p.one` lies in a forbidden family",
            "purposes.toml:6:10: error: purpose `p.two` lies in a forbidden family",
            "tenants/t-o/rules.csv:1:41: error: `p.*` is forbidden to everybody",
        ],
    );
}

#[test]
fn in_purposes_and_authorities() {
    let purposes =
        |from: &str, to: &str, expected: &str| seeded("purposes.toml", from, to, expected);
    purposes(
        "owner = \"someone\"\n",
        "",
        "2:10: error: missing key `owner` (add `owner = \"…\"`)",
    );
    purposes(
        "expires = 2031-12-31",
        "expires = 2031-12-31\nhigh_impact = true",
        "2:10: error: a high-impact purpose needs `inventory` and `assessment`",
    );
    purposes(
        "expires = 2031-12-31",
        "expires = 2031-12-31\nhigh_impact = 1",
        "6:15: error: `high_impact` must be true or false, found integer",
    );
    let authority = |from: &str, to: &str, expected: &[&str]| {
        let purposes = "expires = 2031-12-31\nneeds_lifted = [\"AUP-2.1\"]";
        let bundle = Bundle::small().replacing("purposes.toml", "expires = 2031-12-31", purposes);
        check(
            &bundle
                .with("authorities.toml", AUTHORITY)
                .replacing("authorities.toml", from, to),
            expected,
        );
    };
    authority(
        "AUP-2.1",
        "AUP-2.2",
        &[
            "authorities.toml:6:10: error: no purpose has `AUP-2.2` in `needs_lifted` (did you mean `AUP-2.1`?)",
        ],
    );
    authority(
        "p.one",
        "p.on",
        &["authorities.toml:5:13: error: unknown purpose `p.on` (did you mean `p.one`?)"],
    );
    authority(
        "t/o/*",
        "t/p/*",
        &[
            "authorities.toml:4:10: error: `t/p/*` meets no declared tenant domain (did you mean `t/o/*`?)",
        ],
    );
    authority(
        "\"00",
        "\"0",
        &[
            "authorities.toml:7:12: error: not a SHA-256 digest (write 64 lower-case hexadecimal digits)",
        ],
    );
    authority(
        "expires = 2031-12-31\n",
        "",
        &["authorities.toml:2:12: error: missing key `expires` (add `expires = 2031-12-31`)"],
    );
}

#[test]
fn in_identities_toml() {
    let seeded =
        |from: &str, to: &str, expected: &str| seeded("identities.toml", from, to, expected);
    seeded(
        "svc:other",
        "other",
        "7:11: error: `other` has no namespace (svc: oidc: piv: dod: or spiffe:, then letters, digits and . _ - / : @ +, at most 128 bytes)",
    );
    seeded(
        "svc:other",
        "svc:",
        "7:11: error: `svc:` is not a principal (svc: oidc: piv: dod: or spiffe:, then letters, digits and . _ - / : @ +, at most 128 bytes)",
    );
    seeded(
        "svc:other",
        "svc:other app",
        "7:11: error: `svc:other app` is not a principal (svc: oidc: piv: dod: or spiffe:, then letters, digits and . _ - / : @ +, at most 128 bytes)",
    );
    seeded(
        "tenant = \"t/o/m\"",
        "tenant = \"t/p/m\"",
        "3:10: error: tenant `t/p/m` lies under no declared domain (declare its domain under [tenant] in bundle.toml)",
    );
    seeded(
        "tenant = \"t/o/m\"",
        "tenant = \"t/o/*\"",
        "3:10: error: `t/o/*` is a pattern, and one tenant is needed (write agency/office/mission, or end a shorter path with `/*`)",
    );
    seeded(
        "clearance = \"CUI\"",
        "clearance = \"CUI:PRVYC\"",
        "4:18: error: unknown need `PRVYC` in label (did you mean `PRVCY`?)",
    );
    seeded(
        "assurance = \"aal2\"",
        "assurance = \"aal4\"",
        "5:13: error: unknown assurance `aal4` (did you mean `aal1`?)",
    );
    seeded(
        "purposes = [\"p.one\", \"p.two\"]",
        "purposes = [\"p.one\", \"p.too\"]",
        "6:22: error: unknown purpose `p.too` (did you mean `p.two`?)",
    );
    seeded(
        "purposes = [\"p.one\", \"p.two\"]",
        "purposes = [\"p.one\"]\ndefault_purpose = \"p.two\"",
        "7:19: error: default purpose `p.two` is not among `purposes`",
    );
    seeded(
        "purposes = [\"p.one\", \"p.two\"]",
        "purposes = [\"p.one\", \"bad.deed\"]",
        "6:22: error: purpose `bad.deed` is forbidden to everybody",
    );
    seeded(
        "purposes = [\"p.one\", \"p.two\"]",
        "purposes = []",
        "6:12: error: `purposes` is empty",
    );
    seeded(
        "purposes = [\"p.one\", \"p.two\"]",
        "purposes = \"p.one\"",
        "6:12: error: `purposes` must be a list of texts, found string (write `[\"p.one\"]`)",
    );
    seeded(
        "purposes = [\"p.one\"]",
        "purposes = [\"p.one\"]\nsha256 = [\"AB\"]",
        "12:11: error: not a SHA-256 digest (write 64 lower-case hexadecimal digits)",
    );
    seeded(
        "tenant = \"t/o/m\"",
        "tenant = \"t/o/m\"\nsan_uri = [\"u\", \"u\"]",
        "4:17: error: this certificate already stands for `svc:app`",
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
            "identities.toml:5:13: error: unknown assurance `aal9` (did you mean `aal1`?)",
            "tenants/t-o/rules.csv:1:4: error: `R 1` is not a rule id (letters, digits, `.`, `_` and `-`, at most 32, as in `BA-101`)",
            "tenants/t-o/rules.csv:1:26: error: unknown object `model/x` (did you mean `model/a`?)",
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
    let loaded = Bundle::small().rules(rows).load().expect("it loads");
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

const AUTHORITY: &str = r#"
[authority.A-1]
official = "someone"
tenant = "t/o/*"
purposes = ["p.one"]
lifts = ["AUP-2.1"]
document = "0000000000000000000000000000000000000000000000000000000000000000"
expires = 2031-12-31
"#;
