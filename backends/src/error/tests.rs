//! A vendor's words stay where they belong.

use super::*;

const WORDS: &str = "account 123456789012 may not use this; prompt was: hello";

#[test]
fn vendor_words_are_in_neither_display_nor_debug() {
    let error = UpstreamError::new(Failure::Auth, WORDS);
    for shown in [
        error.to_string(),
        format!("{error:?}"),
        format!("{error:#?}"),
    ] {
        assert!(!shown.contains("123456789012"), "{shown}");
    }
    assert_eq!(error.detail().expose(), WORDS);
}

#[test]
fn vendor_words_are_cut_at_a_character() {
    let long = "\u{1f600}".repeat(1000);
    let error = UpstreamError::new(Failure::Incomplete, &format!("x{long}"));
    assert_eq!(error.detail().expose().len(), 1 + 4 * 255);
}

#[test]
fn only_failures_before_the_model_worked_are_retried() {
    let retried = |failure: Failure| failure.retry_is_safe();
    assert!(retried(Failure::Connect(
        std::io::ErrorKind::ConnectionRefused
    )));
    assert!(retried(Failure::Timeout(Clock::Connect)));
    assert!(retried(Failure::Throttled { retry_after: None }));
    for status in [500, 501, 502, 503, 504, 505, 400, 404, 422] {
        let failure = Failure::Status {
            status,
            vendor_code: None,
        };
        assert_eq!(retried(failure), matches!(status, 502..=504), "{status}");
    }
    assert!(!retried(Failure::Timeout(Clock::FirstByte)));
    assert!(!retried(Failure::Auth));
    assert!(!retried(Failure::Incomplete));
}
