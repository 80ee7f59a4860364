use std::sync::LazyLock;
use std::time::Duration;

use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::scan::tests::hostile;
use crate::testing::{Keyword, TRIGGERS, engine, far, load_with, named, rule, samples};
use crate::{Classifier, ClassifierError, DetectorInfo, Engine, Features, Finding, Origin, Span};

const CONTENT: Channel = Channel {
    choice: 0,
    field: Field::Content,
};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime")
});

/// Everything is masked but `words`, which blocks.
static MASKS: LazyLock<Engine> = LazyLock::new(|| {
    let detectors = [
        ("secret@1", "redact"),
        ("pii@1", "redact"),
        ("unicode@1", "redact"),
        ("marking@1", "flag"),
    ];
    let rules: String = detectors
        .iter()
        .map(|(detector, action)| rule(detector.trim_end_matches("@1"), detector, action))
        .collect();
    engine(&rules)
});

/// As [`MASKS`], with masks that name values.
static NAMES: LazyLock<Engine> = LazyLock::new(|| {
    let families = ["secret", "pii", "unicode"];
    engine(
        &families
            .map(|family| named(family, &format!("{family}@1")))
            .concat(),
    )
});

/// As [`MASKS`], with patterns that are masked too, one of them without an end of its own.
static PATTERNS: LazyLock<Engine> = LazyLock::new(|| {
    let detectors = ["secret@1", "pii@1", "unicode@1", "pattern@1"];
    engine(
        &detectors
            .map(|detector| rule(detector.trim_end_matches("@1"), detector, "redact"))
            .concat(),
    )
});

/// Credentials and patterns block, the rest is masked, and the classifier may block.
static BLOCKS: LazyLock<Engine> = LazyLock::new(|| {
    let rules = [
        ("secret@1", "block"),
        ("pattern@1", "block"),
        ("pii@1", "redact"),
        ("unicode@1", "redact"),
        ("fake@1", "block"),
    ];
    engine(
        &rules
            .map(|(detector, action)| rule(detector.trim_end_matches("@1"), detector, action))
            .concat(),
    )
});

/// As [`BLOCKS`], with answers kept back by what blocks.
static HOLDS: LazyLock<Engine> = LazyLock::new(|| {
    let rules = [
        ("secret@1", "block"),
        ("pii@1", "redact"),
        ("unicode@1", "redact"),
    ];
    let rules = rules.map(|(detector, action)| {
        let rule = rule(detector.trim_end_matches("@1"), detector, action);
        rule.replace("do = \"block\"", "do = \"block\", hold = true")
    });
    engine(&rules.concat())
});

/// What a stream gave: its bytes, the finding that stopped it, and all findings.
#[derive(Debug, PartialEq)]
struct Outcome {
    released: String,
    stopped: Option<StopReason>,
    findings: Vec<Finding>,
}

async fn stream(engine: &Engine, channel: Channel, chunks: &[&str]) -> Outcome {
    let mut screen = engine.stream("p").expect("the profile");
    let (mut released, mut stopped) = (String::new(), None);
    for chunk in chunks {
        let result = screen.push(channel, chunk, far()).await;
        match result {
            Ok(more) => released += &more.text,
            Err(end) => {
                released += &end.released;
                stopped = Some(end.reason);
                break;
            }
        }
    }
    if stopped.is_none() {
        match screen.finish(channel, far()).await {
            Ok(more) => released += &more.text,
            Err(end) => {
                released += &end.released;
                stopped = Some(end.reason);
            }
        }
    }
    let mut findings: Vec<Finding> = screen.report().findings().cloned().collect();
    findings.sort_by_key(|finding| {
        (
            finding.range.start,
            finding.range.end,
            finding.label.clone(),
        )
    });
    Outcome {
        released,
        stopped,
        findings,
    }
}

fn chunked<'t>(text: &'t str, cuts: &[usize]) -> Vec<&'t str> {
    let mut ends: Vec<usize> = cuts
        .iter()
        .map(|cut| {
            (0..=(*cut).min(text.len()))
                .rev()
                .find(|at| text.is_char_boundary(*at))
                .unwrap_or(0)
        })
        .chain([text.len()])
        .collect();
    ends.sort_unstable();
    let mut from = 0;
    ends.into_iter()
        .map(|end| &text[std::mem::replace(&mut from, end)..end])
        .collect()
}

fn characters(text: &str) -> Vec<&str> {
    text.char_indices()
        .map(|(at, c)| &text[at..at + c.len_utf8()])
        .collect()
}

fn check(engine: &Engine, chunks: &[&str], expected: &str) {
    let outcome = RUNTIME.block_on(stream(engine, CONTENT, chunks));
    assert_eq!(
        (outcome.released.as_str(), outcome.stopped),
        (expected, None),
        "{chunks:?}"
    );
}

#[test]
fn a_key_split_over_chunks_leaves_as_a_mask() {
    check(
        &MASKS,
        &["The key is AKIA", "IOSFODNN", "7EXAMPLE and more."],
        "The key is [REDACTED:aws_access_key] and more.",
    );
    check(
        &MASKS,
        &["Jane: jane.roe@exam", "ple.com, 202-", "555-0143"],
        "Jane: [REDACTED:email], [REDACTED:us_phone]",
    );
    check(&MASKS, &["nothing here"], "nothing here");
    check(&MASKS, &[], "");
}

#[test]
fn escapes_in_an_answer_hide_nothing() {
    for (text, expected) in [
        (
            r#"{"note":"Caller:\n078-05-1120"}"#,
            r#"{"note":"Caller:\n[REDACTED:us_ssn]"}"#,
        ),
        (
            r#"{"note":"\u0030\u0037\u0038-05-1120 it is"}"#,
            r#"{"note":"[REDACTED:us_ssn] it is"}"#,
        ),
        (
            r#"{"note":"jane\u002eroe\u0040example.com\n"}"#,
            r#"{"note":"[REDACTED:email]\n"}"#,
        ),
        (
            r#"{"inner":"{\"note\":\"\\u0030\\u0037\\u0038-05-1120\"}"}"#,
            r#"{"inner":"{\"note\":\"[REDACTED:us_ssn]\"}"}"#,
        ),
        (r"say foo\t bar again", "say [REDACTED:words.bad] again"),
        (
            r"\ud83d\ude00 card 4111\u00201111 1111 1111!",
            r"\ud83d\ude00 card [REDACTED:payment_card]!",
        ),
    ] {
        check(&PATTERNS, &[text], expected);
        check(&PATTERNS, &characters(text), expected);
    }
}

#[test]
fn what_only_looks_like_an_escape_stays_and_hides_nothing() {
    for text in [
        r"C:\new\table and \\server\b$",
        r"\nu + \tau = \u00",
        r"^\d{3}\.\w+\\$",
        "\\",
        r"\ud83d",
        r#"{"a":"\u00e9\ud83d\ude00\"\\"}"#,
    ] {
        check(&PATTERNS, &[text], text);
        check(&PATTERNS, &characters(text), text);
    }
    // Read as an escape, the backslash takes the word before it along.
    let text = r"x \n \u00AKIAIOSFODNN7EXAMPLE and \u0041078-05-1120";
    let expected = r"x \n \u00[REDACTED:aws_access_key] and \u0041[REDACTED:us_ssn]";
    check(&PATTERNS, &[text], expected);
    check(&PATTERNS, &characters(text), expected);
}

#[test]
fn a_hit_in_both_readings_is_reported_once() {
    let text = r"a \n 078-05-1120 and \u0030\u0037\u0038-05-1120 and jane@example.com \";
    for chunks in [vec![text], characters(text)] {
        let outcome = RUNTIME.block_on(stream(&PATTERNS, CONTENT, &chunks));
        let found: Vec<(&str, &str)> = outcome
            .findings
            .iter()
            .map(|finding| (finding.label.as_str(), &text[finding.range.clone()]))
            .collect();
        let expected = [
            ("us_ssn", "078-05-1120"),
            ("us_ssn", r"\u0030\u0037\u0038-05-1120"),
            ("email", "jane@example.com"),
        ];
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn plain_words_leave_as_soon_as_they_end() {
    let mut screen = MASKS.stream("p").expect("the profile");
    let mut push = async |text: &str| {
        screen
            .push(CONTENT, text, far())
            .await
            .expect("released")
            .text
    };
    assert_eq!(push("Hello, wor").await, "Hello, ");
    assert_eq!(push("ld. It is ").await, "world. It is ");
    assert_eq!(push("078-05-").await, "");
    assert_eq!(push("1120, ok ").await, "[REDACTED:us_ssn], ok ");
    assert_eq!(screen.held_bytes(), 0);
}

#[tokio::test]
async fn an_open_candidate_alone_is_held_and_what_is_before_it_leaves() {
    let mut screen = MASKS.stream("p").expect("the profile");
    let first = screen
        .push(CONTENT, "see -----BEGIN PRIVATE KEY-----\nMIIE ", far())
        .await
        .expect("released");
    assert_eq!(first.text, "see ");
    assert!(screen.held_bytes() > 30);
    let rest = screen.finish(CONTENT, far()).await.expect("released");
    assert_eq!(rest.text, "[REDACTED:private_key] ");
}

#[tokio::test]
async fn a_key_without_an_end_is_swallowed_in_bounded_memory() {
    let mut screen = MASKS.stream("p").expect("the profile");
    let mut released = screen
        .push(CONTENT, "k -----BEGIN PRIVATE KEY-----\n", far())
        .await
        .expect("released")
        .text;
    for _ in 0..2_000 {
        let line = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj\n";
        released += &screen
            .push(CONTENT, line, far())
            .await
            .expect("released")
            .text;
        assert!(
            screen.held_bytes() < 10_000,
            "{} bytes held",
            screen.held_bytes()
        );
    }
    released += &screen
        .push(CONTENT, "-----END PRIVATE KEY-----, then text. ", far())
        .await
        .expect("released")
        .text;
    assert_eq!(released, "k [REDACTED:private_key], then text. ");
}

#[test]
fn a_hidden_character_inside_what_is_swallowed_does_not_leave() {
    // 48 bytes after the space is a cut, just behind the hidden character.
    let text = format!("a <<{}\u{ad}##\nend", "#".repeat(44));
    for chunks in [vec![text.as_str()], characters(&text)] {
        check(&PATTERNS, &chunks, "a [REDACTED:words.open]\nend");
    }
}

#[tokio::test]
async fn a_block_stops_every_channel_for_good() {
    let mut screen = BLOCKS.stream("p").expect("the profile");
    let other = Channel {
        choice: 1,
        field: Field::Reasoning,
    };
    let _ = screen
        .push(other, "some text here ", far())
        .await
        .expect("held or released");
    let stopped = screen
        .push(
            CONTENT,
            "hello ghp_aB3dE6gH9jK2mN5pQ8sT1vW4yZ7aB3dE6gH9jK2 x ",
            far(),
        )
        .await;
    let reason = stopped.expect_err("blocked").reason;
    assert!(
        matches!(&reason, StopReason::Blocked(finding) if finding.label == "github_token"),
        "{reason:?}"
    );
    let again = screen
        .push(other, "more", far())
        .await
        .expect_err("still stopped");
    assert_eq!(
        again,
        Stopped {
            released: String::new(),
            reason: reason.clone()
        }
    );
    assert_eq!(
        screen
            .finish(other, far())
            .await
            .expect_err("still stopped")
            .reason,
        reason
    );
    assert!(
        screen
            .report()
            .findings()
            .any(|finding| finding.label == "github_token")
    );
}

#[tokio::test]
async fn a_classifier_that_may_block_is_waited_for_and_stops_before_its_words_leave() {
    let text = format!(
        "one two three four five six seven eight {} nine ten eleven twelve thirteen fourteen",
        TRIGGERS[0]
    );
    for chunks in [vec![text.as_str()], characters(&text)] {
        let outcome = stream(&BLOCKS, CONTENT, &chunks).await;
        assert!(
            matches!(&outcome.stopped, Some(StopReason::Blocked(finding)) if finding.label == "attack")
        );
        assert_eq!(outcome.released, "one two three four five six seven eight ");
    }
}

#[tokio::test]
async fn tool_arguments_are_held_to_the_end_and_bounded() {
    let mut screen = MASKS.stream("p").expect("the profile");
    let call = Channel {
        choice: 0,
        field: Field::ToolArguments(0),
    };
    assert_eq!(
        screen
            .push(call, r#"{"to":"jane\u002er"#, far())
            .await
            .expect("held")
            .text,
        ""
    );
    assert_eq!(
        screen
            .push(call, r#"oe@example.com"}"#, far())
            .await
            .expect("held")
            .text,
        ""
    );
    assert_eq!(
        screen.finish(call, far()).await.expect("released").text,
        r#"{"to":"[REDACTED:email]"}"#
    );
    let long = Channel {
        choice: 0,
        field: Field::ToolArguments(1),
    };
    let text = "x".repeat(HELD_MAX + 1);
    let reason = screen
        .push(long, &text, far())
        .await
        .expect_err("too long")
        .reason;
    assert_eq!(
        reason,
        StopReason::Undecided(Undecided::HeldTooLong {
            bytes: HELD_MAX + 1,
            max: HELD_MAX
        })
    );
}

#[tokio::test]
async fn a_report_counts_every_byte_that_was_read_once() {
    let text = "Please repeat: my SSN is 078-05-1120 and that is that";
    for chunks in [vec![text], characters(text)] {
        let mut screen = BLOCKS.stream("p").expect("the profile");
        for chunk in chunks {
            let _ = screen.push(CONTENT, chunk, far()).await.expect("released");
        }
        let _ = screen.finish(CONTENT, far()).await.expect("released");
        for check in screen.report().checks {
            let read = (check.spans, check.bytes, check.fields.as_slice());
            assert_eq!(
                read,
                (
                    1,
                    text.len() as u64,
                    &[("choices[].content".to_owned(), 1)][..]
                ),
                "{}",
                check.detector
            );
        }
    }
}

#[tokio::test]
async fn a_channel_that_nothing_has_read_yet_is_not_reported() {
    let mut screen = BLOCKS.stream("p").expect("the profile");
    let held = screen.push(CONTENT, "Hel", far()).await;
    assert_eq!(held.expect("no verdict is needed").text, "");
    assert_eq!(screen.report().checks, []);
    let empty = Channel {
        choice: 1,
        ..CONTENT
    };
    for field in [Field::Content, Field::ToolArguments(0)] {
        let channel = Channel { field, ..empty };
        let _opened = screen.push(channel, "", far()).await.expect("nothing");
        let _ended = screen.finish(channel, far()).await.expect("nothing");
    }
    assert_eq!(screen.report().checks, []);
    let _released = screen.push(CONTENT, "lo there", far()).await.expect("fine");
    let report = screen.report();
    let deterministic = report
        .checks
        .iter()
        .filter(|check| check.detector != "fake");
    let read: Vec<_> = deterministic
        .map(|check| (check.spans, check.bytes))
        .collect();
    assert_eq!(read, [(1, 6); 4]);
}

#[tokio::test]
async fn misuse_is_undecided() {
    let mut screen = MASKS.stream("p").expect("the profile");
    let _ = screen.push(CONTENT, "a b ", far()).await.expect("released");
    let _ = screen.finish(CONTENT, far()).await.expect("released");
    assert_eq!(
        screen.finish(CONTENT, far()).await.expect("nothing").text,
        ""
    );
    let after = screen
        .push(CONTENT, "c", far())
        .await
        .expect_err("after the end");
    assert_eq!(after.reason, StopReason::Undecided(Undecided::AfterEnd));

    let mut screen = MASKS.stream("p").expect("the profile");
    for choice in 0..256 {
        let _ = screen
            .push(Channel { choice, ..CONTENT }, "a", far())
            .await
            .expect("a channel");
    }
    let one_more = screen
        .push(
            Channel {
                choice: 256,
                ..CONTENT
            },
            "a",
            far(),
        )
        .await
        .expect_err("too many");
    assert_eq!(
        one_more.reason,
        StopReason::Undecided(Undecided::TooManyChannels { max: CHANNELS_MAX })
    );
}

/// A classifier that never answers, fails, or panics.
struct Broken(Keyword, Answer);

type Answer = fn() -> Result<Vec<Vec<f32>>, ClassifierError>;

impl Classifier for Broken {
    fn info(&self) -> &DetectorInfo {
        self.0.info()
    }
    fn labels(&self) -> &[String] {
        self.0.labels()
    }
    fn score(&self, _: &[Features]) -> Result<Vec<Vec<f32>>, ClassifierError> {
        (self.1)()
    }
}

fn broken(how: Answer) -> Engine {
    let classifier = Broken(Keyword::named("fake", &["attack", "harm"]), how);
    load_with(&rule("F", "fake@1", "flag"), vec![Arc::new(classifier)]).expect("loads")
}

#[tokio::test]
async fn a_classifier_that_does_not_answer_stops_the_stream() {
    let hang: fn() -> _ = || loop {
        std::thread::park();
    };
    let cases: [(Answer, &str); 5] = [
        (hang, "the deadline passed before the verdict"),
        (|| panic!("on purpose"), "classifier failed: it panicked"),
        (
            || {
                Err(ClassifierError {
                    message: "no".into(),
                })
            },
            "classifier failed: no",
        ),
        (
            || Ok(vec![vec![f32::NAN, 0.0]]),
            "classifier failed: it gave a score that is not from 0 to 1",
        ),
        (
            || Ok(vec![vec![0.0]]),
            "classifier failed: it answered for another number of labels",
        ),
    ];
    for (how, sentence) in cases {
        let engine = broken(how);
        let mut screen = engine.stream("p").expect("the profile");
        // Only the hanging one runs into it.
        let time = if sentence.contains("deadline") {
            200
        } else {
            30_000
        };
        let soon = Instant::now() + Duration::from_millis(time);
        let _ = screen.push(CONTENT, "some words", soon).await;
        let stopped = screen.finish(CONTENT, soon).await.expect_err("undecided");
        let StopReason::Undecided(reason) = stopped.reason else {
            panic!("blocked")
        };
        assert_eq!(
            (reason.to_string().as_str(), stopped.released.as_str()),
            (sentence, "")
        );
        let span = Span {
            origin: Origin::User,
            path: "p".into(),
            text: "some words",
        };
        let whole = engine
            .screen(
                "p",
                Stage::Prompt,
                &[span],
                Instant::now() + Duration::from_millis(200),
            )
            .await;
        assert!(whole.is_err());
        assert!(screen.push(CONTENT, "more", far()).await.is_err());
    }
}

#[tokio::test]
async fn a_dropped_call_stops_the_stream() {
    let hang: fn() -> _ = || loop {
        std::thread::park();
    };
    let engine = broken(hang);
    let mut screen = engine.stream("p").expect("the profile");
    let words = "w ".repeat(300);
    let dropped = tokio::time::timeout(
        Duration::from_millis(20),
        screen.push(CONTENT, &words, far()),
    )
    .await;
    assert!(dropped.is_err());
    let stopped = screen
        .push(CONTENT, "more", far())
        .await
        .expect_err("stopped");
    assert_eq!(stopped.reason, StopReason::Undecided(Undecided::Abandoned));
}

/// The law that the issue names: in text, reasoning, refusals, tool names, tool arguments and other choices.
#[test]
fn a_secret_cut_at_every_byte_never_leaves() {
    let fields = [
        Field::Content,
        Field::Reasoning,
        Field::Refusal,
        Field::ToolName(3),
        Field::ToolArguments(1),
    ];
    for (number, (label, text, secret)) in samples().into_iter().enumerate() {
        for (choice, field) in (0..).zip(fields) {
            // All channels for the first samples, then in turn: the channels share their code.
            if number > 2 && choice != number as u32 % 5 {
                continue;
            }
            let channel = Channel { choice, field };
            let text = format!("well, {text} is it.");
            let expected = text.replace(&secret, &format!("[REDACTED:{label}]"));
            for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
                let outcome =
                    RUNTIME.block_on(stream(&MASKS, channel, &[&text[..cut], &text[cut..]]));
                assert_eq!(
                    outcome.released, expected,
                    "{label} cut at {cut} in {channel}"
                );
            }
            let outcome = RUNTIME.block_on(stream(&MASKS, channel, &characters(&text)));
            assert_eq!(
                outcome.released, expected,
                "{label} in single characters in {channel}"
            );
            let blocked = RUNTIME.block_on(stream(&BLOCKS, channel, &characters(&text)));
            let rest: String = blocked.released;
            assert!(!rest.contains(&secret), "{label} left in {channel}: {rest}");
        }
    }
}

fn cases() -> ProptestConfig {
    ProptestConfig::with_cases(if std::env::var_os("PORTCULLIS_SOAK").is_some() {
        100_000
    } else {
        1_000
    })
}

/// Hostile text with classifier triggers and patterns in it.
fn text() -> impl Strategy<Value = String> {
    let extra = proptest::sample::select(vec![
        "",
        " zzattack ",
        "foo bar",
        "foo  b",
        "<<",
        ">>",
        "\u{e0041}\u{e0042}",
        "\u{200b}\u{200b}",
        "\u{200b}",
        "０78-05-1120",
        " some plain words that say little ",
        "\u{202e}",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        r"\n078-05-1120",
        r"\u0030\u0037\u0038-05-1120",
        r"0\u00378-05-112\u0030",
        r"foo\tb\u0061r",
        r"<\u003c",
        r"\u200b",
        r"\",
        r"\u00",
        r"\ud83d",
        r"\ude00\\",
        r#"\""#,
        "-----------------------------------------------\\u0041KIAIOSFODNN7EXAMPLE",
        "===============================================\\\\",
        "АКІАІОЅFОDΝΝ7ЕХАМРLЕ",
        "𝐀𝐊𝐈𝐀IOSFODNN7EXAMPLE é",
        "ﬁé",
        "MDc4LTA1LTExMjA=",
        "bXkgbnVtYmVyIGlzIDA3OC0wNS0xMTIw",
        "YlhrZ2JuVnRZbVZ5SUdseklEQTNPQzB3TlMweE1USXc=",
        "SGVsbG8sIHdvcmxk",
        "bXkgbnVtYmVyIGlzIDA3OC\n0wNS0xMTIw",
        "SGVsbG8sIHdvcmxkLCBpdCBpcyAw Nzg tMDU\r\ntMTEy",
        "3037382d30352d31313230",
        "%30%37%38%2D05-1120",
        "%4",
        "/",
    ]);
    proptest::collection::vec((hostile(), extra), 1..4).prop_map(|pieces| {
        pieces
            .into_iter()
            .map(|(text, extra)| text + extra)
            .collect()
    })
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn chunks_change_neither_the_bytes_nor_the_verdict(text in text(), cuts in proptest::collection::vec(0usize..600, 0..10)) {
        for engine in [&*MASKS, &*NAMES, &*PATTERNS, &*BLOCKS, &*HOLDS] {
            let whole = RUNTIME.block_on(stream(engine, CONTENT, &[&text]));
            let pieces = RUNTIME.block_on(stream(engine, CONTENT, &chunked(&text, &cuts)));
            prop_assert_eq!(&pieces, &whole);
            let characters = RUNTIME.block_on(stream(engine, CONTENT, &characters(&text)));
            prop_assert_eq!(&characters, &whole);
        }
    }

    #[test]
    fn a_stream_that_is_only_masked_gives_what_the_whole_text_gives(text in text(), cuts in proptest::collection::vec(0usize..600, 0..10)) {
        for engine in [&*MASKS, &*NAMES, &*PATTERNS] {
            let span = Span { origin: Origin::Answer, path: CONTENT.to_string(), text: &text };
            let whole = RUNTIME.block_on(engine.screen("p", Stage::Answer, &[span], far())).expect("a verdict");
            let expected = whole.rewritten[0].as_deref().unwrap_or(&text);
            let pieces = RUNTIME.block_on(stream(engine, CONTENT, &chunked(&text, &cuts)));
            prop_assert_eq!(pieces.released, expected);
        }
    }

    #[test]
    fn what_is_held_leaves_whole_or_not_at_all(text in text(), cuts in proptest::collection::vec(0usize..600, 0..10)) {
        let span = Span { origin: Origin::Answer, path: CONTENT.to_string(), text: &text };
        let whole = RUNTIME.block_on(HOLDS.screen("p", Stage::Answer, &[span], far())).expect("a verdict");
        let expected = match whole.action {
            Action::Block => "",
            _ => whole.rewritten[0].as_deref().unwrap_or(&text),
        };
        let pieces = RUNTIME.block_on(stream(&HOLDS, CONTENT, &chunked(&text, &cuts)));
        prop_assert_eq!(pieces.released, expected);
        prop_assert_eq!(pieces.stopped.is_some(), whole.action == Action::Block);
    }

    #[test]
    fn what_leaves_a_blocked_stream_is_a_beginning_of_what_would_have_left(text in text(), cuts in proptest::collection::vec(0usize..600, 0..10)) {
        let blocked = RUNTIME.block_on(stream(&BLOCKS, CONTENT, &chunked(&text, &cuts)));
        let masked = RUNTIME.block_on(stream(&PATTERNS, CONTENT, &[&text]));
        prop_assert!(masked.released.starts_with(&blocked.released), "{:?} and {:?}", blocked.released, masked.released);
    }
}

#[tokio::test]
async fn what_is_held_leaves_at_the_end_and_is_bounded() {
    let mut screen = HOLDS.stream("p").expect("the profile");
    for _ in 0..3 {
        let more = screen.push(CONTENT, "some plain words. ", far()).await;
        assert_eq!(more.expect("judged").text, "");
    }
    assert_eq!(screen.held_bytes(), 54);
    // Another channel is held by itself.
    let thought = Channel {
        choice: 0,
        field: Field::Reasoning,
    };
    assert_eq!(
        screen
            .push(thought, "hm. ", far())
            .await
            .expect("judged")
            .text,
        ""
    );
    let all = screen.finish(CONTENT, far()).await.expect("judged").text;
    assert_eq!(all, "some plain words. ".repeat(3));
    assert_eq!(
        screen.finish(thought, far()).await.expect("judged").text,
        "hm. "
    );
    let mut screen = HOLDS.stream("p").expect("the profile");
    let words = "word ".repeat(HELD_MAX / 5);
    assert!(screen.push(CONTENT, &words, far()).await.is_ok());
    let more = screen.push(CONTENT, "and more", far()).await;
    let stopped = more.expect_err("too long");
    assert_eq!(stopped.released, "");
    let too_long = matches!(
        stopped.reason,
        StopReason::Undecided(Undecided::HeldTooLong { .. })
    );
    assert!(too_long, "{:?}", stopped.reason);
}

#[test]
fn where_a_reading_begins_changes_nothing() {
    // The word is cut in the middle of a run that may be encoded; what is encoded comes behind a letter with a mark.
    let key = "ask-ant-api03-aB3dE6gH9jK2mN5pQ8sT1vW4yZ7aB3dE6gH9jK2mN5pQ8sT1vW4yZ7aB3dE6gH9jK2mN5pQ8sT1vW4yZ";
    let address = r"\u000aghp_aB3dE6gH9jK2mN5a 078-05-1120sk-aB3dE6gH9jK2mN5pQ8sT1vW4yZ7aB3dE6gH9jK2mNjane.roe@example.com\u0030\u0037\u0038-05-1120";
    for text in [format!("{key}éMDc4LTA1LTExMjA="), address.to_owned()] {
        for engine in [&*MASKS, &*NAMES, &*PATTERNS, &*BLOCKS] {
            let whole = RUNTIME.block_on(stream(engine, CONTENT, &[&text]));
            let characters = RUNTIME.block_on(stream(engine, CONTENT, &characters(&text)));
            assert_eq!(characters, whole);
        }
    }
}
