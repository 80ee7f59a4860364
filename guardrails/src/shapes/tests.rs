use super::*;
use crate::testing::{ask, engine, rule, samples};
use crate::{Action, Origin};

/// The labels that a detector finds in a text.
fn found(detector: &str, text: &str) -> Vec<String> {
    let engine = engine(&rule("r", detector, "flag"));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let screening = runtime.block_on(ask(&engine, "p", Origin::User, text));
    screening
        .report
        .findings()
        .map(|finding| finding.label.clone())
        .collect()
}

#[test]
fn automata_are_small_and_keyword_shapes_end() {
    for family in FAMILIES.iter() {
        for shape in &family.shapes {
            let (bytes, span) = (shape.automaton_bytes(), shape.max_span);
            assert!(bytes <= 512 << 10, "{} takes {bytes} bytes", shape.label);
            assert!(
                span <= MAX_SPAN,
                "{} holds text for {span} bytes",
                shape.label
            );
        }
    }
}

#[tokio::test]
async fn every_sample_is_masked_and_nothing_else_is() {
    let engine = engine(
        &["secret@1", "pii@1"]
            .map(|detector| rule(&detector[..3], detector, "redact"))
            .concat(),
    );
    for (label, text, secret) in samples() {
        let text = format!("Before, {text}, after.");
        let screening = ask(&engine, "p", Origin::User, &text).await;
        let expected = text.replace(&secret, &format!("[REDACTED:{label}]"));
        assert_eq!(screening.rewritten[0].as_deref(), Some(expected.as_str()));
        assert_eq!(screening.action, Action::Redact);
        let again = ask(&engine, "p", Origin::User, &expected).await;
        assert_eq!(
            again.action,
            Action::Allow,
            "a mask is not a hit: {expected}"
        );
    }
}

#[test]
fn look_alikes_of_credentials_are_not_hits() {
    for text in [
        "the task-management and risk-assessment desk",
        "password: please choose one",
        "the password is required before 5 pm",
        "token count: 1024 tokens, max_tokens=4096",
        "AKIA is the prefix; akiaiosfodnn7example in small letters is not",
        "https://example.com:8443/path?q=1 and http://host/a@b",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----",
        "sk-learn and sk-abcdefghijklmnopqrstuvwxyzabcdefghij",
        "bearer of bad news, bearer bonds",
        "eyJustWords.notAToken",
        "api_key = ${API_KEY}",
    ] {
        assert_eq!(found("secret@1", text), [""; 0], "{text}");
    }
}

#[test]
fn credentials_are_found_in_code_and_config() {
    for (text, label) in [
        ("\"api_key\": \"f3Kq90-zzLx81\"", "assigned_secret"),
        ("export DB_PASSWORD='Tr0ub4dor&3x'", "assigned_secret"),
        ("client_secret=8Q~aB3dE6gH9jK2mN5", "assigned_secret"),
        ("the password is Xk92plmQ77", "assigned_secret"),
        ("{\\\"token\\\": \\\"a81Kq90zzLx81\\\"}", "assigned_secret"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private_key"),
        (
            "-----BEGIN PRIVATE KEY-----\\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\\n-----END PRIVATE KEY-----",
            "private_key",
        ),
        (
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: 1\n\nlQOYBF",
            "private_key",
        ),
        ("mongodb+srv://u:p%40ss@host/db", "url_password"),
    ] {
        assert_eq!(found("secret@1", text), [label], "{text}");
    }
}

#[test]
fn characters_that_hide_text_are_found_and_ordinary_ones_are_not() {
    for (text, label) in [
        ("hi\u{e0069}\u{e0067}\u{e006e}", "tag_characters"),
        ("a\u{202e}b", "bidi_override"),
        ("a\u{200b}\u{200c}\u{200b}b", "zero_width_run"),
        ("a\u{fe00}\u{e0101}b", "variation_selector_run"),
    ] {
        assert_eq!(found("unicode@1", text), [label], "{text:?}");
    }
    for text in [
        "plain",
        "👨\u{200d}👩\u{200d}👧",
        "❤\u{fe0f}",
        "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
        "می\u{200c}خواهم",
        "שלום\u{200f} abc \u{2068}x\u{2069}",
        "日本語、中文",
    ] {
        assert_eq!(found("unicode@1", text), [""; 0], "{text:?}");
    }
}

#[test]
fn entropy_is_in_bits() {
    assert!(entropy("aaaa") < 0.01);
    assert!((entropy("abcd") - 2.0).abs() < 0.01);
}
