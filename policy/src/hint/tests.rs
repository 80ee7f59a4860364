use super::*;

#[test]
fn near_words_are_offered_and_far_ones_are_not() {
    let known = ["opennet", "demo", "civ-standard"];
    let check = |word: &str, expected: Option<&str>| {
        let expected = expected.map(|name| format!("did you mean `{name}`?"));
        assert_eq!(did_you_mean(word, known), expected, "{word}");
    };
    check("opnenet", Some("opennet"));
    check("Demo", Some("demo"));
    check("dme", None);
    check("civ_standard", Some("civ-standard"));
    check("оpеnnet", Some("opennet"));
    check("sipr", None);
    check("", None);
}

#[test]
fn words_that_are_equally_near_are_all_offered() {
    let known = ["aal1", "aal2", "aal3"];
    let offered = did_you_mean("aal4", known);
    assert_eq!(
        offered.as_deref(),
        Some("did you mean `aal1`, `aal2` or `aal3`?")
    );
    assert_eq!(
        did_you_mean("al2", known).as_deref(),
        Some("did you mean `aal2`?")
    );
}

#[test]
fn a_hint_says_what_its_fix_does() {
    let check = |hint: Hint, words: &str, after: &str| {
        let fix = hint.fix.expect("a fix");
        assert_eq!(hint.words.as_deref(), Some(words));
        assert_eq!(fix.apply("a = b\n").as_deref(), Some(after));
    };
    check(Hint::replace(4..5, "1"), "write `1`", "a = 1\n");
    check(Hint::insert(6, "c = 2\n"), "add `c = 2`", "a = b\nc = 2\n");
    check(Hint::remove(0..6), "remove it", "");
    assert_eq!(Hint::advice("choose").fix, None);
}

#[test]
fn a_fix_for_another_text_changes_nothing() {
    let fix = |span| Fix {
        span,
        text: "x".into(),
    };
    assert_eq!(fix(4..5).apply("abc"), None);
    assert_eq!(fix(1..2).apply("é"), None);
}

#[test]
fn look_alikes_become_what_they_look_like() {
    assert_eq!(plain("сhаt"), "chat");
    assert_eq!(plain("ｃｈａｔ，"), "chat,");
    assert_eq!(plain("ch\u{200b}at\u{a0}"), "chat ");
    assert_eq!(plain("CUІ–“x”"), "CUI-\"x\"");
    assert_eq!(plain("日本 é"), "日本 é");
}
