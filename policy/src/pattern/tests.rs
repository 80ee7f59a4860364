use super::*;

#[test]
fn tenants_lie_under_patterns() {
    let check = |tenant: &str, pattern: &str, expected: bool| {
        assert_eq!(under(tenant, pattern), expected, "{tenant} under {pattern}");
    };
    check("demo/benefits/web", "*", true);
    check("demo/benefits/web", "demo/*", true);
    check("demo/benefits/web", "demo/benefits/*", true);
    check("demo/benefits/web", "demo/benefits/web", true);
    check("demo/benefits/web", "demo/benefits", false);
    check("demo/benefits/web2", "demo/benefits/web", false);
    check("demolition/x/y", "demo/*", false);
    check("demo", "demo/*", false);
    check("", "*", false);
}

#[test]
fn a_set_of_tenants_is_searched_as_one_by_one() {
    let tenants = BTreeSet::from(["a/b/c", "a/b/d", "a/bb/c", "b/c/d"]);
    for pattern in [
        "*", "a/*", "a/b/*", "a/bb/*", "a/c/*", "c/*", "a/b/c", "a/b/cc", "a/b", "b/c/d", "",
        "b/c/d/*",
    ] {
        let expected = tenants.iter().any(|tenant| under(tenant, pattern));
        assert_eq!(any_under(&tenants, pattern), expected, "{pattern}");
    }
    assert!(!any_under(&BTreeSet::from([""]), "*"));
}

#[test]
fn patterns_contain_patterns() {
    let check = |outer: &str, inner: &str, expected: bool| {
        assert_eq!(contains(outer, inner), expected, "{outer} contains {inner}");
    };
    check("demo/benefits/*", "demo/benefits/web", true);
    check("demo/benefits/*", "demo/benefits/*", true);
    check("demo/benefits/*", "demo/*", false);
    check("demo/benefits/*", "*", false);
    check("*", "demo/*", true);
    check("demo/benefits/web", "demo/benefits/web", true);
    check("demo/benefits/web", "demo/benefits/*", false);
}

#[test]
fn names_match_alternatives_and_prefixes() {
    let check = |name: &str, pattern: &str, expected: bool| {
        assert_eq!(one_of(name, pattern), expected, "{name} in {pattern}");
    };
    check("chat", "chat|complete", true);
    check("cha", "chat|complete", false);
    check("chat|complete", "chat|complete", false);
    check("model/llama-3", "model/llama-*", true);
    check("model/", "model/llama-*", false);
    check("*", "chat", false);
    check("fo€", "fo*", true);
    check("f", "fo*", false);
}

#[test]
fn a_star_needs_no_open_window() {
    assert!(any_of("", "*"));
    assert!(!any_of("", "duty"));
    assert!(any_of("night|duty", "duty"));
    assert!(!any_of("night", "duty|weekend"));
}

#[test]
fn a_name_pattern_covers_another_alternative_by_alternative() {
    for (outer, inner) in [
        ("*", "*"),
        ("*", "a|b*"),
        ("a|b", "b"),
        ("b*", "bc|b*"),
        ("a|b.*", "b.c.*|a"),
    ] {
        assert!(covers(outer, inner), "{outer} covers {inner}");
    }
    for (outer, inner) in [("a", "*"), ("a", "a|b"), ("b.*", "b"), ("bc*", "b*")] {
        assert!(!covers(outer, inner), "{outer} does not cover {inner}");
    }
}
