use std::sync::LazyLock;

use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::testing::{Keyword, TRIGGERS, ask, engine, escaped, far, load_with, named, rule};
use crate::{Channel, Classifier, Engine, Field, LabelScore};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
});

static CLASSIFIER: LazyLock<Engine> = LazyLock::new(|| engine(&rule("f", "fake@1", "block")));

/// The verdict and the scores of a text on its way to a model.
fn judged(origin: Origin, text: &str) -> (Action, Vec<LabelScore>) {
    let screening = RUNTIME.block_on(ask(&CLASSIFIER, "p", origin, text));
    let checks = screening.report.checks.into_iter();
    let scores = checks.flat_map(|check| check.scores).collect();
    (screening.action, scores)
}

/// The same of an answer's text or tool arguments, which may be stopped.
fn judged_answer(field: Field, text: &str) -> (bool, Vec<LabelScore>) {
    let mut screen = CLASSIFIER.stream("p").expect("the profile");
    let channel = Channel { choice: 0, field };
    let stopped = RUNTIME.block_on(async {
        let pushed = screen.push(channel, text, far()).await;
        pushed.is_err() || screen.finish(channel, far()).await.is_err()
    });
    let checks = screen.report().checks.into_iter();
    (stopped, checks.flat_map(|check| check.scores).collect())
}

fn span(origin: Origin, text: &str) -> Span<'_> {
    Span {
        origin,
        path: format!("path.{origin:?}"),
        text,
    }
}

#[tokio::test]
async fn each_span_is_rewritten_by_itself_and_the_strictest_action_counts() {
    let engine = engine(&(rule("p", "pii@1", "redact") + &rule("u", "unicode@1", "flag")));
    let spans = [
        span(Origin::User, "call 202-555-0143 or ０78-05-\u{200b}1120 é"),
        span(Origin::Assistant, "nothing"),
        span(Origin::ToolResult, "odd \u{202e} text"),
    ];
    let screening = engine
        .screen("p", Stage::Prompt, &spans, far())
        .await
        .expect("a verdict");
    assert_eq!(screening.action, Action::Redact);
    let expected = "call [REDACTED:us_phone] or [REDACTED:us_ssn] é";
    assert_eq!(screening.rewritten, [Some(expected.to_owned()), None, None]);
    let found: Vec<_> = screening
        .report
        .findings()
        .map(|f| (f.span, f.path.as_str(), f.range.clone()))
        .collect();
    assert_eq!(
        found,
        [
            (0, "path.User", 5..17),
            (0, "path.User", 21..37),
            (2, "path.ToolResult", 4..7)
        ]
    );
}

#[tokio::test]
async fn a_report_lists_what_ran_and_nothing_else() {
    let rules = "{ id = \"a\", detector = \"pii@1\", on = [\"prompt\"], do = \"flag\", why = \"w\" },\
                 { id = \"b\", detector = \"secret@1\", on = [\"tool-result\"], do = \"flag\", why = \"w\" },\
                 { id = \"c\", detector = \"fake@1\", labels = [\"harm\"], on = [\"prompt\"], at = 0.5, do = \"flag\", why = \"w\" },";
    let engine = engine(rules);
    let screening = ask(&engine, "p", Origin::User, "plain words").await;
    let checks = &screening.report.checks;
    let ran: Vec<&str> = checks.iter().map(|check| check.detector.as_str()).collect();
    assert_eq!(ran, ["pii", "fake"]);
    assert_eq!(
        (
            checks[0].spans,
            checks[0].bytes,
            checks[0].fields.as_slice()
        ),
        (1, 11, &[("the.path".to_owned(), 1)][..])
    );
    let scores: Vec<_> = checks[1]
        .scores
        .iter()
        .map(|s| (s.label.as_str(), s.rule.as_str(), s.score))
        .collect();
    assert_eq!(
        scores,
        [("harm", "c", Score::MIN)],
        "recorded although nothing was found"
    );
    assert_eq!(screening.report.action(), Action::Allow);
}

#[tokio::test]
async fn what_had_nothing_to_read_has_not_run() {
    let engine = engine(&(rule("p", "pii@1", "redact") + &rule("f", "fake@1", "block")));
    let ran = async |text| {
        let screening = ask(&engine, "p", Origin::User, text).await;
        let checks = screening.report.checks.into_iter();
        checks.map(|check| check.detector).collect::<Vec<_>>()
    };
    assert_eq!(ran("").await, [] as [&str; 0]);
    assert_eq!(ran(" ").await, ["pii"], "no word, no window");
    assert_eq!(ran("a word").await, ["pii", "fake"]);
}

#[tokio::test]
async fn a_report_counts_every_field_however_many_spans_there_are() {
    let engine = engine(&rule("p", "pii@1", "flag"));
    let span = |path: String| Span {
        origin: Origin::User,
        path,
        text: "plain words",
    };
    let report = async |spans: &[Span<'_>]| {
        let screening = engine.screen("p", Stage::Prompt, spans, far()).await;
        screening.expect("a verdict").report
    };
    let messages = (0..70).map(|at| span(format!("messages[{at}].content[{at}].text")));
    let others = ["stop[0]", "stop[1]", "odd[x]"].map(|path| span(path.to_owned()));
    let spans: Vec<Span<'_>> = messages.chain(others).collect();
    let check = &report(&spans).await.checks[0];
    let fields = [
        ("messages[].content[].text".to_owned(), 70),
        ("stop[]".to_owned(), 2),
        ("odd[x]".to_owned(), 1),
    ];
    assert_eq!((check.spans, check.fields.as_slice()), (73, &fields[..]));
    let spans: Vec<Span<'_>> = (0..100).map(|at| span(format!("field{at}"))).collect();
    let check = &report(&spans).await.checks[0];
    assert_eq!((check.fields.len(), check.other_fields), (64, 36));
}

#[tokio::test]
async fn nothing_of_a_blocked_call_goes_on_and_no_classifier_runs_for_it() {
    let engine = engine(
        &(rule("p", "pii@1", "redact")
            + &rule("s", "secret@1", "block")
            + &rule("f", "fake@1", "block")),
    );
    let spans = [
        span(Origin::User, "078-05-1120"),
        span(Origin::User, "AKIAIOSFODNN7EXAMPLE"),
    ];
    let screening = engine
        .screen("p", Stage::Prompt, &spans, far())
        .await
        .expect("a verdict");
    assert_eq!(
        (screening.action, screening.rewritten),
        (Action::Block, vec![None, None])
    );
    assert!(
        screening
            .report
            .checks
            .iter()
            .all(|check| check.detector != "fake")
    );
}

#[tokio::test]
async fn a_classifier_sees_every_word_of_a_long_text() {
    let engine = engine(&rule("f", "fake@1", "block"));
    for before in [0, 3, 7, 8, 100, 5_000] {
        let text = format!(
            "{}{} {}",
            "word ".repeat(before),
            TRIGGERS[0],
            "more ".repeat(20)
        );
        let screening = ask(&engine, "p", Origin::User, &text).await;
        assert_eq!(screening.action, Action::Block, "after {before} words");
        let finding = screening.report.findings().next().expect("a finding");
        assert!(text[finding.range.clone()].contains(TRIGGERS[0]));
        assert_eq!(
            (finding.label.as_str(), finding.score),
            ("attack", Score::MAX)
        );
    }
    let clean = ask(&engine, "p", Origin::User, &"word ".repeat(5_000)).await;
    assert_eq!(clean.action, Action::Allow);
}

#[tokio::test]
async fn a_text_of_too_many_windows_is_undecided() {
    let engine = engine(&rule("f", "fake@1", "flag"));
    let text = "w ".repeat(4 * (WINDOWS_MAX + 10));
    let spans = [span(Origin::User, &text)];
    let screening = engine.screen("p", Stage::Prompt, &spans, far()).await;
    assert!(
        matches!(
            screening,
            Err(Unjudged {
                why: Undecided::TooLong {
                    max: WINDOWS_MAX,
                    ..
                },
                ..
            })
        ),
        "{screening:?}"
    );
}

#[tokio::test]
async fn a_deadline_that_has_passed_is_undecided_for_long_texts() {
    let engine = engine(&rule("p", "pii@1", "flag"));
    let text = "words ".repeat(100_000);
    let spans = [span(Origin::User, &text)];
    let screening = engine
        .screen("p", Stage::Prompt, &spans, Instant::now())
        .await;
    let why = screening.expect_err("it is too late").why;
    assert_eq!(why, Undecided::Deadline);
}

#[tokio::test]
async fn what_ran_before_there_was_no_verdict_is_reported() {
    let rules = rule("p", "pii@1", "redact") + &rule("f", "fake@1", "block");
    let engine = engine(&rules);
    let spans = [span(Origin::User, "my number is 078-05-1120")];
    let late = Instant::now();
    let unjudged = engine.screen("p", Stage::Prompt, &spans, late).await;
    let unjudged = unjudged.expect_err("classifiers have no time left");
    assert_eq!(unjudged.why, Undecided::Deadline);
    let checks = unjudged.report.checks.iter();
    let ran: Vec<_> = checks
        .map(|check| (check.detector.as_str(), check.findings.len()))
        .collect();
    assert_eq!(ran, [("pii", 1)]);
}

#[tokio::test]
async fn many_findings_are_counted_and_the_strictest_are_kept() {
    let engine = engine(
        &(rule("p", "pii@1", "flag")
            + &rule("s", "pii@1", "flag").replace("\"flag\"", "\"block\", labels = [\"us_ssn\"]")),
    );
    let text = format!("{} 078-05-1120 ok", "a@b.example, ".repeat(100));
    let screening = ask(&engine, "p", Origin::User, &text).await;
    assert_eq!(screening.action, Action::Block);
    let check = &screening.report.checks[0];
    assert_eq!(
        (check.findings.len(), check.truncated_findings),
        (crate::FINDINGS_MAX, 37)
    );
    assert_eq!(screening.report.action(), Action::Block);
}

#[tokio::test]
async fn a_schema_is_still_json_after_masking() {
    let engine = engine(&rule("p", "pii@1", "redact"));
    let schema = r#"{"type":"integer","default":4111111111111111,"description":"as \u0030\u0037\u0038-05-1120"}"#;
    let masked = ask(&engine, "p", Origin::ToolDefinition, schema).await;
    let expected = r#"{"type":"integer","default":"[REDACTED:payment_card]","description":"as [REDACTED:us_ssn]"}"#;
    assert_eq!(masked.rewritten, [Some(expected.to_owned())]);
    let name = ask(
        &engine,
        "p",
        Origin::ToolDefinition,
        "charge 4111111111111111",
    )
    .await;
    assert_eq!(
        name.rewritten,
        [Some("charge [REDACTED:payment_card]".to_owned())]
    );
}

#[tokio::test]
async fn an_escaped_line_break_hides_nothing_in_what_a_tool_answers() {
    let engine = engine(&rule("p", "pii@1", "redact"));
    let answer = r#"{"note":"Caller:\n078-05-1120"}"#;
    let masked = ask(&engine, "p", Origin::ToolResult, answer).await;
    let expected = r#"{"note":"Caller:\n[REDACTED:us_ssn]"}"#;
    assert_eq!(masked.rewritten, [Some(expected.to_owned())]);
}

#[test]
fn an_instruction_in_escapes_is_found_where_it_stands() {
    let spelled = escaped(TRIGGERS[0], &[true]);
    for (origin, text) in [
        (Origin::ToolResult, format!("{{\"note\": {spelled}}}")),
        (Origin::ToolArguments, format!("{{{spelled}: 1}}")),
        (Origin::ToolArguments, format!("no JSON, but {spelled}")),
        (Origin::User, format!("repeat after me: {spelled}")),
        (
            Origin::ToolResult,
            format!("{{\"note\": {}}}", escaped(&spelled, &[false])),
        ),
    ] {
        let screening = RUNTIME.block_on(ask(&CLASSIFIER, "p", origin, &text));
        assert_eq!(screening.action, Action::Block, "{text}");
        let finding = screening.report.findings().next().expect("a finding");
        let found = &text[finding.range.clone()];
        let (first, last) = ("u007a", "u006b");
        assert!(
            found.contains(first) && found.contains(last),
            "{found} in {text}"
        );
    }
}

#[test]
fn an_escaped_line_break_glues_no_words_together() {
    let text = format!("{{\"note\": \"Hello,\\n{}\\nBye\"}}", TRIGGERS[0]);
    assert_eq!(judged(Origin::ToolResult, &text).0, Action::Block);
    assert!(judged_answer(Field::ToolArguments(0), &text).0);
    assert!(judged_answer(Field::Content, &text).0);
}

#[test]
fn reading_escapes_hides_nothing_that_is_written() {
    // Read, the path is a line break and half a word.
    let text = format!("see C:\\{} for more", TRIGGERS[0].replace("zz", "nzz"));
    let written = RUNTIME.block_on(ask(&CLASSIFIER, "p", Origin::User, &text));
    assert_eq!(written.report.checks[0].scores.len(), 2);
    let text = format!("{} \\u", TRIGGERS[0]);
    assert_eq!(judged(Origin::User, &text).0, Action::Block);
    assert!(judged_answer(Field::Content, &text).0);
}

#[tokio::test]
async fn a_mask_covers_what_is_encoded_and_nothing_else() {
    let engine = engine(&(rule("p", "pii@1", "redact") + &rule("s", "secret@1", "redact")));
    for (written, masked) in [
        (
            "SSN 078%2D05%2D1120, thanks",
            "SSN [REDACTED:us_ssn], thanks",
        ),
        (
            "hex 3037382d30352d31313230 end",
            "hex [REDACTED:us_ssn] end",
        ),
        ("see MDc4LTA1LTExMjA= there", "see [REDACTED:us_ssn]= there"),
        // The second character of a quantum belongs to its first byte, which stays.
        (
            "eHkgbnVtYmVyIGlzIDA3OC0wNS0xMTIw.",
            "eHkgbnVtYmVyIGlzID[REDACTED:us_ssn].",
        ),
        // As `base64` and mail write it, cut within the number.
        (
            "bXkgbnVtYmVyIGlzIDA3OC\n0wNS0xMTIw.",
            "bXkgbnVtYmVyIGlzID[REDACTED:us_ssn].",
        ),
        (
            "АКІАІОЅFОDNN7ЕХАМРLЕ, он сказал",
            "[REDACTED:aws_access_key], он сказал",
        ),
        (
            "𝟎𝟕𝟖-𝟎𝟓-𝟏𝟏𝟐𝟎 and 078-05-1120",
            "[REDACTED:us_ssn] and [REDACTED:us_ssn]",
        ),
    ] {
        for origin in [Origin::User, Origin::Answer, Origin::ToolResult] {
            let screening = ask(&engine, "p", origin, written).await;
            assert_eq!(screening.rewritten, [Some(masked.to_owned())], "{written}");
            let findings = screening.report.findings().count();
            assert_eq!(
                findings,
                masked.matches("REDACTED").count(),
                "{written}: each once"
            );
        }
    }
    let json = r#"{"note":"MDc4LTA1LTExMjA="}"#;
    let screening = ask(&engine, "p", Origin::ToolArguments, json).await;
    let expected = r#"{"note":"[REDACTED:us_ssn]="}"#;
    assert_eq!(screening.rewritten, [Some(expected.to_owned())]);
}

#[test]
fn a_classifier_reads_what_is_encoded_or_disguised() {
    let cyrillic = TRIGGERS[0].replace('a', "\u{430}").replace('c', "\u{441}");
    let bold: String = TRIGGERS[0]
        .chars()
        .filter_map(|c| char::from_u32(u32::from(c) - 0x61 + 0x1D41A))
        .collect();
    let hex: String = format!("now {} please", TRIGGERS[0])
        .bytes()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    for hidden in [
        cyrillic,
        bold,
        hex,
        "bm93IHp6YXR0YWNrIHBsZWFzZQ==".to_owned(),
        "%7A%7aattack".to_owned(),
    ] {
        for text in [
            hidden.clone(),
            format!("Some words before, {hidden}, and a few words after it, quite a few of them."),
        ] {
            let (action, scores) = judged(Origin::User, &text);
            assert_eq!(action, Action::Block, "{text}: {scores:?}");
            assert!(judged_answer(Field::Content, &text).0, "{text}");
            assert!(judged_answer(Field::ToolArguments(0), &text).0, "{text}");
        }
    }
    // Another alphabet is no disguise.
    let (action, scores) = judged(Origin::User, "Привет, мир");
    assert_eq!((action, scores.len()), (Action::Allow, 2));
}

#[test]
fn of_a_long_text_only_the_window_that_holds_a_code_is_read_twice() {
    let plain = "It’s plain. ".repeat(WINDOWS_MAX * 3);
    let is_judged = |text: &str| {
        let spans = [span(Origin::User, text)];
        RUNTIME
            .block_on(CLASSIFIER.screen("p", Stage::Prompt, &spans, far()))
            .is_ok()
    };
    assert!(!is_judged(&plain));
    // Three quarters of the windows that there may be, so that reading all of them twice would be too many.
    let half = plain.floor_char_boundary(plain.len() / 4);
    let (before, after) = (&plain[..half], &plain[..half]);
    assert!(is_judged(&format!("{before} %41 {after}")));
    let decoded = "%41t%20".repeat(WINDOWS_MAX * 2);
    assert!(!is_judged(&format!("{before} {decoded} {after}")));
}

/// Words, some of which the classifier is certain about.
fn words() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        8 => "[a-zA-Z0-9.,'é-]{1,9}",
        1 => proptest::sample::select(TRIGGERS.to_vec()).prop_map(str::to_owned),
    ];
    proptest::collection::vec(word, 1..40).prop_map(|words| words.join(" "))
}

#[tokio::test]
async fn a_dear_classifier_is_asked_only_if_cheaper_ones_block_nothing() {
    let labels = ["attack", "harm"];
    let classifiers: [Arc<dyn Classifier>; 2] = [
        Arc::new(Keyword::named("dear", &labels).of_tier(2)),
        Arc::new(Keyword::named("fake", &labels)),
    ];
    let of = |id: &str, detector: &str, label: &str| {
        let labels = format!(", labels = [\"{label}\"], on =");
        let rule = rule(id, "fake@1", "block").replace(", on =", &labels);
        rule.replace("fake@1", detector)
    };
    let rules = of("A-1", "dear@1", "harm") + &of("A-2", "fake@1", "attack");
    let engine = load_with(&rules, classifiers.into()).expect("loads");
    let asked = async |texts: &[&str]| {
        let span = |text| Span {
            origin: Origin::User,
            path: "the.path".to_owned(),
            text,
        };
        let spans: Vec<Span<'_>> = texts.iter().map(|text| span(*text)).collect();
        let screened = engine.screen("p", Stage::Prompt, &spans, far()).await;
        let Screening { action, report, .. } = screened.expect("a verdict");
        let ran = report.checks.into_iter().map(|check| check.detector);
        (action, ran.collect::<Vec<_>>())
    };
    let both = vec!["fake".to_owned(), "dear".to_owned()];
    assert_eq!(asked(&["plain words"]).await, (Action::Allow, both.clone()));
    assert_eq!(asked(&[TRIGGERS[1]]).await, (Action::Block, both));
    let settled = (Action::Block, vec!["fake".to_owned()]);
    assert_eq!(asked(&[TRIGGERS[0]]).await, settled);
    // Of several texts the cheap one reads all first.
    assert_eq!(asked(&[TRIGGERS[1], "plain", TRIGGERS[0]]).await, settled);
}

#[tokio::test]
async fn equal_values_have_equal_masks_in_every_kind_of_text() {
    let engine = engine(&named("A-1", "pii@1"));
    let mask = "[REDACTED:us_ssn:chjmsgmqkhjg]";
    for (origin, text, expected) in [
        (
            Origin::User,
            "078-05-1120 is 078 05 1120, not 219-09-9999",
            format!("{mask} is {mask}, not "),
        ),
        (
            Origin::ToolArguments,
            r#"{"a":"\u0030\u0037\u0038-05-1120"}"#,
            format!(r#"{{"a":"{mask}"}}"#),
        ),
        (
            Origin::ToolArguments,
            r#"{"ssn 078-05-1120": 1}"#,
            format!(r#"{{"ssn {mask}": 1}}"#),
        ),
    ] {
        let screening = ask(&engine, "p", origin, text).await;
        let rewritten = screening.rewritten[0].as_deref().expect("redacted");
        assert!(rewritten.starts_with(&expected), "{rewritten}");
        // Nothing is left in it to be found, its masks included.
        let again = ask(&engine, "p", origin, rewritten).await;
        assert_eq!((again.action, &again.rewritten[0]), (Action::Allow, &None));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn every_spelling_of_json_scores_the_same(
        words in words(),
        which in proptest::collection::vec(any::<bool>(), 1..20),
        deep in any::<bool>(),
    ) {
        let json = |which: &[bool]| {
            let once = format!("{{\"note\": {}}}", escaped(&words, which));
            match deep {
                true => format!("[{}]", escaped(&once, which)),
                false => once,
            }
        };
        // Quotes inside of a string are escapes in both.
        let (plain, spelled) = (json(&[false]), json(&which));
        for origin in [Origin::ToolResult, Origin::ToolArguments, Origin::ToolDefinition] {
            prop_assert_eq!(judged(origin, &spelled), judged(origin, &plain));
        }
        let arguments = Field::ToolArguments(0);
        prop_assert_eq!(judged_answer(arguments, &spelled), judged_answer(arguments, &plain));
    }
}
