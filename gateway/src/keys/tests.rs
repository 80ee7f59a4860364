use super::*;

fn folder() -> (tempfile::TempDir, IdentityConfig) {
    let dir = tempfile::tempdir().expect("temp dir");
    let config = IdentityConfig {
        keys: dir.path().join("keys.toml"),
        hash_secret: dir.path().join("keys.secret"),
    };
    (dir, config)
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[test]
fn a_minted_key_is_accepted_until_it_expires() {
    let (_dir, config) = folder();
    let now = at("2026-11-23T09:00:00Z");
    let (record, key) = mint(
        &config,
        "svc:benefits-app",
        SignedDuration::from_hours(24),
        now,
    )
    .expect("minted");
    let keys = Keys::load(&config).expect("loaded");
    assert_eq!(
        keys.check(&key, now).expect("accepted").principal,
        "svc:benefits-app"
    );
    assert_eq!(
        keys.check(&key, record.expires).expect_err("over"),
        KeyFault::Expired
    );
    assert_eq!(
        keys.check("pc_guess", now).expect_err("not ours"),
        KeyFault::Unknown
    );
}

#[test]
fn keys_add_up_and_the_file_holds_no_key() {
    let (_dir, config) = folder();
    let now = at("2026-11-23T09:00:00Z");
    let (_, first) = mint(&config, "svc:a", SignedDuration::from_hours(1), now).expect("minted");
    let (_, second) = mint(&config, "svc:b", SignedDuration::from_hours(1), now).expect("minted");
    let keys = Keys::load(&config).expect("loaded");
    assert_eq!(
        keys.check(&first, now).expect("accepted").principal,
        "svc:a"
    );
    assert_eq!(
        keys.check(&second, now).expect("accepted").principal,
        "svc:b"
    );
    let text = std::fs::read_to_string(&config.keys).expect("text");
    assert!(!text.contains(&first) && !text.contains(&first[PREFIX.len()..]));
}

#[test]
fn a_key_is_256_bits_behind_its_prefix() {
    let (_dir, config) = folder();
    let (_, key) = mint(
        &config,
        "svc:a",
        SignedDuration::from_hours(1),
        at("2026-11-23T09:00:00Z"),
    )
    .expect("minted");
    assert_eq!(
        URL_SAFE_NO_PAD
            .decode(key.strip_prefix(PREFIX).expect("prefix"))
            .expect("base64")
            .len(),
        32
    );
}

#[test]
fn a_broken_file_is_a_problem_with_a_place() {
    let (_dir, config) = folder();
    mint(
        &config,
        "svc:a",
        SignedDuration::from_hours(1),
        at("2026-11-23T09:00:00Z"),
    )
    .expect("minted");
    std::fs::write(&config.keys, "[[key]]\nid = 1\n").expect("write");
    let problems = Keys::load(&config).err().expect("a problem");
    assert_eq!(problems[0].line, 2, "{problems:?}");
}
