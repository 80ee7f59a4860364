use std::path::Path;

use super::{quoted, server};

#[test]
fn a_backend_is_a_whole_http_address() {
    assert_eq!(
        server("http://127.0.0.1:11434/v1/").map(|uri| uri.to_string()),
        Ok("http://127.0.0.1:11434/v1".to_owned())
    );
    for wrong in [
        "127.0.0.1:11434",
        "localhost",
        "ftp://host/v1",
        "https://host/v1",
        "",
    ] {
        assert!(server(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_path_is_one_word_for_a_shell() {
    assert_eq!(
        quoted(Path::new("/tmp/demo-1/ca.pem")),
        "/tmp/demo-1/ca.pem"
    );
    assert_eq!(quoted(Path::new("/tmp/it's here")), "'/tmp/it'\\''s here'");
}
