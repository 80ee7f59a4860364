use std::sync::LazyLock;

use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::testing::{ask, engine, escaped, rule, samples};
use crate::{Engine, Origin, Screening};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
});

static MASKS: LazyLock<Engine> = LazyLock::new(|| {
    engine(
        &(rule("s", "secret@1", "redact")
            + &rule("p", "pii@1", "redact")
            + &rule("w", "pattern@1", "block")),
    )
});

fn judge(text: &str) -> Screening {
    RUNTIME.block_on(ask(&MASKS, "p", Origin::ToolArguments, text))
}

/// What becomes of arguments: `None` if they are blocked.
fn check(text: &str, expected: Option<&str>) {
    let judged = judge(text);
    let outcome = match judged.action {
        Action::Block => None,
        _ => Some(judged.rewritten[0].as_deref().unwrap_or(text)),
    };
    assert_eq!(outcome, expected, "{text}");
}

#[test]
fn clean_arguments_stay_byte_for_byte() {
    for text in [
        r#"{"city": "Paris", "n": 1.50e3, "n": 2, "t": "a\/b\u0041"}"#,
        "",
        "not json",
        r#"{"cut": "off"#,
        "[]",
    ] {
        check(text, Some(text));
    }
}

#[test]
fn strings_are_masked_and_the_rest_stays() {
    check(
        r#"{"to": "jane.roe@example.com", "n": 1.50}"#,
        Some(r#"{"to": "[REDACTED:email]", "n": 1.50}"#),
    );
    check(
        r#"{"note":"\u0030\u0037\u0038-05-1120 \"x\"","k":[1, 2]}"#,
        Some(r#"{"note":"[REDACTED:us_ssn] \"x\"","k":[1, 2]}"#),
    );
    check(
        r#"{"AKIAIOSFODNN7EXAMPLE": 1}"#,
        Some(r#"{"[REDACTED:aws_access_key]": 1}"#),
    );
    check(
        r#"{"password": "Xk92-plmQ-77aa"}"#,
        Some(r#"{"password": "[REDACTED:assigned_secret]"}"#),
    );
}

#[test]
fn numbers_are_masked_as_strings() {
    check(
        r#"{"card": 4111111111111111, "n": 2}"#,
        Some(r#"{"card": "[REDACTED:payment_card]", "n": 2}"#),
    );
}

#[test]
fn the_second_of_two_equal_keys_hides_nothing() {
    check(
        r#"{"a":"\u0041KIAIOSFODNN7EXAMPLE","a":"x"}"#,
        Some(r#"{"a":"[REDACTED:aws_access_key]","a":"x"}"#),
    );
}

#[test]
fn what_only_shows_after_unescaping_twice_is_blocked() {
    check(
        r#"{"body":"{\"ssn\":\"\\u0030\\u0037\\u0038-05-1120\"}"}"#,
        None,
    );
    check(
        r#"{"body":"{\"ssn\":\"078-05-1120\"}"}"#,
        Some(r#"{"body":"{\"ssn\":\"[REDACTED:us_ssn]\"}"}"#),
    );
    // A visible copy is masked; it does not cover for a hidden one.
    check(
        r#"{"b":"078-05-1120 and \\u0030\\u0037\\u0038-05-1120"}"#,
        None,
    );
}

#[test]
fn escapes_in_what_is_not_json_are_undone_too() {
    check(r#"{"key": "\u0041KIAIOSFODNN7EXAMPLE"#, None);
    check(
        r#"key AKIAIOSFODNN7EXAMPLE \n and"#,
        Some(r#"key [REDACTED:aws_access_key] \n and"#),
    );
    check(r#"{"a": "\ud800 \u0030\u0037\u0038-05-1120"}"#, None);
}

#[test]
fn blocking_patterns_see_escapes_as_well() {
    check(r#"{"q":"foo bar"}"#, None);
    check(r#"{"q":"f\u006fo bar"}"#, None);
    check(r#"{"foo\tbar":1}"#, None);
    check(r#"{"q":["{\"x\":\"f\\u006fo bar\"}"]}"#, None);
}

#[test]
fn findings_say_where_in_the_original() {
    let text = r#"{"to": "jane.roe@example.com", "é": "\u0030\u0037\u0038-05-1120"}"#;
    let judged = judge(text);
    let found: Vec<(&str, &str)> = judged
        .report
        .findings()
        .map(|finding| (finding.label.as_str(), &text[finding.range.clone()]))
        .collect();
    let escaped = r#""\u0030\u0037\u0038-05-1120""#;
    assert_eq!(
        found,
        [("email", "jane.roe@example.com"), ("us_ssn", escaped)]
    );
}

#[test]
fn escapes_are_undone() {
    assert_eq!(
        unescape(r"a\n\t\\\u0041\ud83d\ude00\/\q\u12"),
        "a\n\t\\A😀/\\q\\u12"
    );
    assert_eq!(unescape("\\ud800x\\"), "\u{fffd}x\\");
    assert_eq!(unescape("\\é"), "\\é");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_spelling_of_a_secret_passes(
        sample in 0..samples().len(),
        which in proptest::collection::vec(any::<bool>(), 1..20),
        deep in any::<bool>(),
    ) {
        let (_, text, secret) = samples()[sample].clone();
        let once = format!("{{\"a\":{}}}", escaped(&text, &which));
        let arguments = match deep {
            true => format!("{{\"b\":{}}}", escaped(&once, &which)),
            false => once,
        };
        let judged = judge(&arguments);
        match judged.action {
            Action::Block => prop_assert!(deep),
            _ => {
                let out = judged.rewritten[0].clone();
                prop_assert!(out.is_some(), "{} passed", arguments);
                let mut view = out.clone().unwrap_or_default();
                prop_assert!(serde_json::from_str::<serde_json::Value>(&view).is_ok());
                for _ in 0..4 {
                    prop_assert!(!view.contains(&secret), "{} in {}", secret, view);
                    view = unescape(&view);
                }
            }
        }
    }

    #[test]
    fn nothing_breaks_the_reader(text in "(\\PC|[\"\\\\{}\\[\\]:,0-9u]){0,60}") {
        let judged = judge(&text);
        if let Some(Some(new)) = judged.rewritten.first() {
            prop_assert_eq!(is_json(&text), is_json(new));
        }
    }
}

#[test]
fn more_strings_than_anybody_judges_are_not_judged_for_ever() {
    let many = format!("[{}\"x\"]", "\"078-05-1120\",".repeat(STRINGS_MAX));
    let span = crate::Span {
        origin: Origin::ToolArguments,
        path: "arguments".to_owned(),
        text: &many,
    };
    let judged = RUNTIME.block_on(async {
        let deadline = Instant::now() + std::time::Duration::from_secs(60);
        let spans = [span];
        MASKS
            .screen("p", crate::Stage::Prompt, &spans, deadline)
            .await
    });
    assert!(
        matches!(
            judged.map_err(|unjudged| unjudged.why),
            Err(Undecided::TooManyStrings { .. })
        ),
        "not judged"
    );
}

#[test]
fn many_hits_behind_escapes_take_time_in_proportion() {
    let flags = engine(&rule("w", "pattern@1", "flag"));
    // The two labels alternate in blocks: whoever looks through all of the first for each of the second takes minutes.
    let text = "foo bar\n".repeat(100_000) + &"<<x>>\n".repeat(100_000) + "\\\\\\\\";
    let begun = Instant::now();
    let judged = RUNTIME.block_on(ask(&flags, "p", Origin::ToolArguments, &text));
    assert_eq!(judged.action, Action::Flag);
    let check = &judged.report.checks[0];
    assert_eq!(check.findings.len(), crate::FINDINGS_MAX);
    let elapsed = begun.elapsed();
    assert!(elapsed < std::time::Duration::from_secs(20), "{elapsed:?}");
}
