//! A bundle's own tests: what they report, which rules they cover, which mutants they notice.

use super::{demo_dir, support::*};
use crate::*;

const TESTS: &str = "tenants/t-o/tests.toml";

const RULES: &str = "\
p, R-1, role:app, t/o/m, model/a, chat, p.*, CUI, net, aal1, *, mild, allow
p, R-2, role:app, t/o/m, model/a, chat, p.two, CUI, net, aal1, duty, strict, allow
p, R-3, role:everyone, t/o/m, model/a, embed, p.*, U, net, aal1, *, -, deny
";

fn case(request: &str, expect: &str) -> String {
    format!(
        "[[case]]\nname = \"n\"\nrequest = {{ sub = \"svc:app\", obj = \"model/a\", zone = \"net\", {request} }}\nexpect = {{ {expect} }}\n"
    )
}

fn bundle(cases: &[String]) -> Bundle {
    let text = format!("at = 2026-11-23T15:00:00Z\n{}", cases.concat());
    Bundle::small().rules(RULES).with(TESTS, text)
}

/// `line passed: expected / said`, and the rules that no case decided by.
fn run(cases: &[String]) -> (Vec<String>, Vec<String>) {
    let report = bundle(cases).policy().run_cases();
    let line = |case: &CaseReport| {
        let verdict = if case.passed { "ok" } else { "FAILED" };
        format!("{} {verdict}: {} / {}", case.line, case.expected, case.said)
    };
    let uncovered = report.uncovered.iter().map(|rule| rule.id().to_owned());
    (report.cases.iter().map(line).collect(), uncovered.collect())
}

#[test]
fn a_case_says_what_it_expected_and_what_it_got() {
    let (lines, uncovered) = run(&[
        case(
            "act = \"chat\"",
            "verdict = \"allow\", because = [\"R-1\"], profile = \"mild\"",
        ),
        case(
            "act = \"chat\", purp = \"p.two\"",
            "verdict = \"allow\", because = [\"R-1\"]",
        ),
        case("act = \"embed\"", "verdict = \"deny\", because = [\"R-3\"]"),
        case("act = \"embed\"", "verdict = \"allow\""),
        case(
            "act = \"complete\"",
            "verdict = \"deny\", reason = \"no_rule\"",
        ),
        case(
            "act = \"chat\", data = \"CUI\", aal = \"aal1\"",
            "verdict = \"allow\"",
        ),
    ]);
    assert_eq!(
        lines,
        [
            "2 ok: allow by R-1 under mild / allow by R-1 under mild",
            "6 FAILED: allow by R-1 / allow by R-1, R-2 under strict",
            "10 ok: deny by R-3 / deny (rule) by R-3",
            "14 FAILED: allow / deny (rule) by R-3",
            "18 ok: deny (no_rule) / deny (no_rule)",
            "22 ok: allow / allow by R-1 under mild",
        ]
    );
    // A failing case covers nothing.
    assert_eq!(uncovered, ["B-900", "R-2"]);
}

#[test]
fn a_case_may_name_its_own_moment() {
    let at = |moment: &str, expect: &str| {
        let request = format!("act = \"chat\", purp = \"p.two\", at = {moment}");
        case(&request, expect)
    };
    let (lines, _) = run(&[
        at(
            "2026-11-23T15:59:59Z",
            "verdict = \"allow\", profile = \"strict\"",
        ),
        at(
            "2026-11-23T16:00:00Z",
            "verdict = \"allow\", profile = \"mild\"",
        ),
        at(
            "2026-11-23T10:30:00-05:00",
            "verdict = \"allow\", profile = \"strict\"",
        ),
        at("2031-12-31T23:59:59Z", "verdict = \"allow\""),
        at(
            "2032-01-01T00:00:00Z",
            "verdict = \"deny\", reason = \"purpose_expired\"",
        ),
    ]);
    assert!(
        lines.iter().all(|line| line.contains(" ok: ")),
        "{lines:#?}"
    );
}

#[test]
fn turning_an_effect_round_is_noticed_where_a_case_decides_by_the_rule() {
    let mutate = |cases: &[String]| {
        let report = bundle(cases).policy().mutate();
        assert_eq!(report.mutants, 4);
        let ids = report.survivors.iter().map(|rule| rule.id().to_owned());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(mutate(&[]), ["B-900", "R-1", "R-2", "R-3"]);
    let allowed = case("act = \"chat\"", "verdict = \"allow\"");
    assert_eq!(
        mutate(std::slice::from_ref(&allowed)),
        ["B-900", "R-2", "R-3"]
    );
    let strict = case(
        "act = \"chat\", purp = \"p.two\"",
        "verdict = \"allow\", profile = \"strict\"",
    );
    assert_eq!(mutate(&[allowed, strict.clone()]), ["B-900", "R-3"]);
    // A case that names no rule notices the deny row too: without it, the request would be allowed.
    let denied = case("act = \"embed\"", "verdict = \"deny\"");
    assert_eq!(mutate(&[strict, denied]), ["B-900"]);
}

#[test]
fn a_case_that_fails_notices_nothing() {
    let wrong = case("act = \"chat\"", "verdict = \"deny\"");
    let report = bundle(&[wrong]).policy().mutate();
    assert_eq!(report.survivors.len(), 4);
}

#[test]
fn mistakes_in_tests_are_found_at_their_place() {
    let check = |text: &str, expected: &str| {
        let problems = Bundle::small().with(TESTS, text).load();
        let problems = problems.map(|_| "it loads").expect_err(expected);
        assert_eq!(lines(&problems), format!("{TESTS}:{expected}"));
    };
    let good = bundle(&[case(
        "act = \"chat\"",
        "verdict = \"allow\", because = [\"R-1\"]",
    )]);
    assert!(good.load().is_ok());
    let seeded = |from: &str, to: &str, expected: &str| {
        let text = format!(
            "at = 2026-11-23T15:00:00Z\n{}",
            case(
                "act = \"chat\", data = \"CUI\", aal = \"aal1\"",
                "verdict = \"allow\", because = [\"R-1\"]"
            )
        );
        assert!(text.contains(from), "{from}");
        check(&text.replacen(from, to, 1), expected);
    };
    seeded(
        "svc:app",
        "svc:ap",
        "4:19: error: unknown principal `svc:ap` (did you mean `svc:app`?)",
    );
    seeded(
        "model/a",
        "a",
        "4:36: error: `a` is neither a model nor a tool (did you mean `model/a`?)",
    );
    seeded(
        "\"net\"",
        "\"nte\"",
        "4:54: error: unknown zone `nte` (did you mean `net`?)",
    );
    seeded(
        "\"chat\"",
        "\"caht\"",
        "4:67: error: unknown action `caht` (did you mean `chat`?)",
    );
    seeded(
        "\"allow\"",
        "\"alow\"",
        "5:22: error: unknown verdict `alow` (did you mean `allow`?)",
    );
    seeded(
        "R-1",
        "R-9",
        "5:42: error: unknown rule `R-9` (did you mean `R-1`?)",
    );
    seeded(
        "aal1",
        "aal9",
        "4:95: error: unknown assurance `aal9` (did you mean `aal1`, `aal2` or `aal3`?)",
    );
    seeded(
        "name = \"n\"\n",
        "",
        "2:1: error: missing key `name` (add `name = \"…\"`)",
    );
    seeded(
        "because",
        "becuase",
        "5:31: error: unknown key `becuase` (did you mean `because`?)",
    );
    seeded(
        "at = 2026-11-23T15:00:00Z\n",
        "\n",
        "4:11: error: no moment: what may be done depends on the time (write `at = 2026-11-23T15:00:00Z` here, or once at the top of the file)",
    );
    seeded(
        "T15:00:00Z",
        "",
        "1:6: error: `at` must be a moment such as 2026-11-23T15:00:00Z, without quotes, found datetime",
    );
    seeded(
        "because = [\"R-1\"]",
        "reason = \"no_rule\"",
        "5:40: error: a case that expects `allow` has none of these (remove it)",
    );
    seeded(
        "[[case]]",
        "[case]",
        "2:1: error: `case` must be a list of tables, as in `[[case]]`, found table",
    );
}

#[test]
fn the_demo_bundle_passes_its_own_tests_and_they_notice_every_rule_that_can_decide() {
    let policy = Policy::load(&demo_dir()).expect("it loads").policy;
    let report = policy.run_cases();
    let failed: Vec<_> = report.cases.iter().filter(|case| !case.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let uncovered: Vec<_> = report.uncovered.iter().map(RuleRef::id).collect();
    assert_eq!(uncovered, ["B-920"]);
    assert!(report.coverage() >= report.floor, "{}", report.coverage());
    // B-920 turned round would show every model to everybody, which the baseline's last case notices.
    let survivors = policy.mutate().survivors;
    assert!(survivors.is_empty(), "{survivors:?}");
}
