//! Real servers' words, and nonsense.

use proptest::prelude::*;

use super::*;

#[test]
fn a_prompt_that_is_too_long_in_every_dialect() {
    let words = [
        // llama.cpp
        r#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_prompt_tokens":9,"n_ctx":8}}"#,
        // vLLM, old and new
        r#"{"object":"error","message":"This model's maximum context length is 8 tokens. However, you requested 9.","type":"BadRequestError","param":null,"code":400}"#,
        r#"{"error":{"message":"This model's maximum context length is 8 tokens.","type":"BadRequestError","code":400}}"#,
        // OpenAI
        r#"{"error":{"message":"too long","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}"#,
        // FastAPI in front of llama_cpp.server
        r#"{"detail":"This model's maximum context length is 8 tokens"}"#,
    ];
    for words in words {
        let error = VendorError::read(words.as_bytes());
        assert_eq!(
            error.under_status(400).failure(),
            &Failure::ContextLength,
            "{words}"
        );
    }
}

#[test]
fn a_status_outweighs_words_that_do_not_fit_it() {
    let words = br#"{"error":{"code":"context_length_exceeded"}}"#;
    let busy = VendorError::read(words).under_status(503);
    let Failure::Status {
        status: 503,
        vendor_code,
    } = busy.failure()
    else {
        panic!("{busy:?}");
    };
    assert_eq!(vendor_code.as_deref(), Some("context_length_exceeded"));
    let denied = VendorError::read(words).under_status(401);
    assert_eq!(denied.failure(), &Failure::Auth);
}

#[test]
fn words_are_kept_for_the_sealed_log_only() {
    let error = VendorError::read(b"{\"error\":\"account 42\"}").under_status(500);
    assert_eq!(error.detail().expose(), "{\"error\":\"account 42\"}");
    assert!(!format!("{error} {error:?}").contains("42"));
}

proptest! {
    #[test]
    fn any_body_is_accepted(body in prop::collection::vec(any::<u8>(), 0..200), status in 201_u16..600) {
        let error = VendorError::read(&body).under_status(status);
        prop_assert!(error.detail().expose().len() <= 1024);
    }
}
