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
        Wanted::new("svc:benefits-app", SignedDuration::from_hours(24)),
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
    let (_, first) = mint(
        &config,
        Wanted::new("svc:a", SignedDuration::from_hours(1)),
        now,
    )
    .expect("minted");
    let (_, second) = mint(
        &config,
        Wanted::new("svc:b", SignedDuration::from_hours(1)),
        now,
    )
    .expect("minted");
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
fn commands_at_once_lose_no_key() {
    let (_dir, config) = folder();
    let now = at("2026-11-23T09:00:00Z");
    let hour = SignedDuration::from_hours(1);
    std::thread::scope(|scope| {
        for nth in 0..8 {
            let config = &config;
            scope.spawn(move || {
                for _ in 0..4 {
                    let wanted = Wanted::new(&format!("svc:app-{nth}"), hour);
                    let (record, _) = mint(config, wanted, now).expect("minted");
                    rotate(config, &record.id, hour, hour, now).expect("rotated");
                    revoke(config, &record.id, now).expect("revoked");
                }
            });
        }
    });
    let keys = list(&config).expect("listed");
    let revoked = keys.iter().filter(|key| key.revoked.is_some()).count();
    assert_eq!((keys.len(), revoked), (64, 32));
    let of_one = keys.iter().filter(|key| key.principal == "svc:app-3");
    assert_eq!(of_one.count(), 8);
}

#[test]
fn a_key_is_256_bits_behind_its_prefix() {
    let (_dir, config) = folder();
    let (_, key) = mint(
        &config,
        Wanted::new("svc:a", SignedDuration::from_hours(1)),
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
        Wanted::new("svc:a", SignedDuration::from_hours(1)),
        at("2026-11-23T09:00:00Z"),
    )
    .expect("minted");
    std::fs::write(&config.keys, "[[key]]\nid = 1\n").expect("write");
    let problems = Keys::load(&config).err().expect("a problem");
    assert_eq!(problems[0].line, 2, "{problems:?}");
}

#[test]
fn a_revoked_key_opens_nothing_and_stays_in_the_list() {
    let (_dir, config) = folder();
    let now = at("2026-11-23T09:00:00Z");
    let lifetime = SignedDuration::from_hours(24);
    let (record, key) = mint(&config, Wanted::new("svc:a", lifetime), now).expect("minted");
    let (_, other) = mint(&config, Wanted::new("svc:a", lifetime), now).expect("minted");
    revoke(&config, &record.id, at("2026-11-23T10:00:00Z")).expect("revoked");
    let again = revoke(&config, &record.id, at("2026-11-23T11:00:00Z")).expect("as it is");
    assert_eq!(again.revoked, Some(at("2026-11-23T10:00:00Z")));
    let keys = Keys::load(&config).expect("loaded");
    assert_eq!(keys.check(&key, now).expect_err("over"), KeyFault::Revoked);
    assert!(keys.check(&other, now).is_ok());
    assert_eq!(list(&config).expect("a list").len(), 2);
    let unknown = revoke(&config, "key-0000000", now).expect_err("no such key");
    assert_eq!(unknown.message, "holds no key `key-0000000`");
    assert!(rotate(&config, &record.id, lifetime, lifetime, now).is_err());
}

#[test]
fn a_rotated_key_goes_on_for_the_overlap_and_no_longer_than_it_would_have() {
    let (_dir, config) = folder();
    let now = at("2026-11-23T09:00:00Z");
    let wanted = Wanted {
        tenant: Some("t/o/m".into()),
        owner: Some("somebody".into()),
        ..Wanted::new("svc:a", SignedDuration::from_hours(48))
    };
    let (record, key) = mint(&config, wanted, now).expect("minted");
    let hours = SignedDuration::from_hours;
    let (next, new_key) = rotate(&config, &record.id, hours(100), hours(2), now).expect("rotated");
    assert_eq!(
        (
            next.principal.as_str(),
            next.tenant.as_deref(),
            next.owner.as_deref()
        ),
        ("svc:a", Some("t/o/m"), Some("somebody"))
    );
    let keys = Keys::load(&config).expect("loaded");
    assert!(keys.check(&key, at("2026-11-23T10:59:59Z")).is_ok());
    let over = keys.check(&key, at("2026-11-23T11:00:00Z"));
    assert_eq!(over.expect_err("over"), KeyFault::Expired);
    assert!(keys.check(&new_key, at("2026-11-27T00:00:00Z")).is_ok());
    rotate(&config, &record.id, hours(100), hours(200), now).expect("rotated");
    let old = list(&config).expect("a list").remove(0);
    assert_eq!(
        old.expires,
        at("2026-11-23T11:00:00Z"),
        "an overlap lengthens no life"
    );
}
