use super::*;

fn complete(text: &str) -> bool {
    Progress::default()
        .is_complete(text.as_bytes())
        .expect("a response")
}

#[test]
fn a_response_is_complete_at_its_end_and_not_before() {
    let plain = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    for whole in [plain, chunked] {
        for cut in 0..whole.len() {
            assert!(!complete(&whole[..cut]), "{:?}", &whole[..cut]);
        }
        assert!(complete(whole));
    }
}

#[test]
fn another_status_is_an_error_that_quotes_the_response() {
    let refused = b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n";
    let error = Progress::default()
        .is_complete(refused)
        .expect_err("refused");
    assert!(error.to_string().contains("503"), "{error}");
}

#[test]
fn the_first_text_is_the_first_content_that_is_not_empty() {
    let events = br#"{"delta":{"role":"assistant","content":""}} {"delta":{"content":"Thank"}}"#;
    let mut progress = Progress::default();
    let found = (0..=events.len()).find(|cut| progress.has_text(&events[..*cut]));
    assert_eq!(
        found.map(|cut| &events[..cut]),
        events.strip_suffix(br#"hank"}}"#)
    );
}

#[test]
fn find_finds_what_begins_within_a_false_start() {
    assert_eq!(find(b"aab", b"ab"), Some(1));
    assert_eq!(find(b"\r\n\r\r\n\r\n", b"\r\n\r\n"), Some(3));
    assert_eq!(find(b"abc", b"abcd"), None);
}
