//! Settings that cannot work are refused before anything is connected.

use super::*;

#[test]
fn a_base_url_needs_a_scheme_and_a_host_and_nothing_secret() {
    for url in [
        "/v1",
        "localhost:80",
        "http://user:pass@localhost/v1",
        "http://localhost/v1?key=1",
        "ftp://localhost/",
    ] {
        let error = check(OpenAiSettings::new("x", url.parse().unwrap()));
        assert!(matches!(error, Some(SettingsError::BaseUrl)), "{url}");
    }
    for url in [
        "http://localhost",
        "http://localhost:8080/v1/",
        "http://[::1]:8080/v1",
    ] {
        let error = check(OpenAiSettings::new("x", url.parse().unwrap()));
        assert!(error.is_none(), "{url}: {error:?}");
    }
}

#[test]
fn the_path_is_joined_once() {
    for url in ["http://localhost/v1", "http://localhost/v1/"] {
        let endpoint = Endpoint::new(OpenAiSettings::new("x", url.parse().unwrap())).unwrap();
        assert_eq!(endpoint.chats.path(), "/v1/chat/completions");
        assert_eq!((endpoint.host.as_str(), endpoint.port), ("localhost", 80));
    }
    let endpoint =
        Endpoint::new(OpenAiSettings::new("x", "http://[::1]:81".parse().unwrap())).unwrap();
    assert_eq!((endpoint.host.as_str(), endpoint.port), ("::1", 81));
    assert_eq!(endpoint.chats.path(), "/chat/completions");
}

#[test]
fn https_needs_something_to_trust() {
    let settings = OpenAiSettings::new("x", "https://llama.example/v1".parse().unwrap());
    assert!(matches!(
        check(settings.clone()),
        Some(SettingsError::NoCertificateAuthority)
    ));
    let folder = tempfile::tempdir().unwrap();
    let with_ca = |name: &str| OpenAiSettings {
        ca_file: Some(folder.path().join(name)),
        ..settings.clone()
    };
    assert!(matches!(
        check(with_ca("absent")),
        Some(SettingsError::Unreadable { .. })
    ));
    std::fs::write(folder.path().join("empty.pem"), "no certificate in here").unwrap();
    assert!(matches!(
        check(with_ca("empty.pem")),
        Some(SettingsError::BadCertificates { .. })
    ));
}

#[test]
fn a_bearer_is_one_printable_word_and_stays_off_open_networks() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    let with_bearer = |url: &str, token: &str| {
        std::fs::write(&path, token).unwrap();
        check(OpenAiSettings {
            bearer_file: Some(path.clone()),
            ..OpenAiSettings::new("x", url.parse().unwrap())
        })
    };
    for token in ["", " \n", "two words", "two\nlines", "caf\u{e9}"] {
        let error = with_bearer("http://localhost/v1", token);
        assert!(
            matches!(error, Some(SettingsError::BadBearer { .. })),
            "{token:?}"
        );
    }
    assert!(with_bearer("http://127.0.0.1/v1", " s3cr3t\n").is_none());
    assert!(with_bearer("http://[::1]/v1", "s3cr3t").is_none());
    let clear = with_bearer("http://llama.example/v1", "s3cr3t");
    assert!(matches!(clear, Some(SettingsError::BearerInTheClear)));
}

#[test]
fn a_bearer_prints_as_stars() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "s3cr3t").unwrap();
    let bearer = Bearer::read(&path).unwrap();
    assert_eq!(format!("{bearer:?}"), "***");
    assert!(!format!("{:?}", bearer.0).contains("s3cr3t"));
}

#[test]
fn clocks_and_limits_have_a_range() {
    let settings = || OpenAiSettings::new("x", "http://localhost/v1".parse().unwrap());
    for idle in [Duration::ZERO, Duration::MAX] {
        let mut settings = settings();
        settings.clocks.idle = idle;
        let error = check(settings);
        assert!(
            matches!(error, Some(SettingsError::OutOfRange("idle clock"))),
            "{error:?}"
        );
    }
    let mut settings = settings();
    settings.event_bytes_max = 0;
    let error = check(settings);
    assert!(
        matches!(error, Some(SettingsError::OutOfRange("event_bytes_max"))),
        "{error:?}"
    );
}

fn check(settings: OpenAiSettings) -> Option<SettingsError> {
    Endpoint::new(settings).err()
}
