use std::time::Duration;

use super::*;
use crate::document::Body;
use crate::entry::Direction;
use crate::fixtures::{self, Bench, Holder, intent, opener, outcome, text};

/// The recovery recipient and one officer with an RSA key: the one with the P-256 key has left.
fn remaining() -> Recipients {
    let [recovery, officer] =
        [Holder::Recovery, Holder::Rsa].map(|holder| opener(holder).recipient());
    Recipients::new(recovery, [officer]).expect("different ones")
}

async fn closed_log() -> Bench {
    let bench = Bench::new();
    let log = bench.open();
    let body = |direction| {
        vec![Body::new(
            direction,
            vec![text("messages[0].content", "how many roads")],
        )]
    };
    let reserved = log.reserve().await.expect("a place");
    let (_receipt, duty) = reserved
        .intent(intent(1), body(Direction::Request))
        .await
        .expect("durable");
    let _receipt = duty
        .outcome(outcome(1), body(Direction::Response))
        .await
        .expect("durable");
    log.close().await;
    bench
}

/// Opens the log with other recipients, and lets it look around.
async fn life_with(bench: &Bench, recipients: Recipients) {
    let log = bench.open_to(recipients);
    tokio::time::sleep(Duration::from_millis(300)).await;
    log.close().await;
}

fn keyring(bench: &Bench) -> Vec<String> {
    let files = bench.disk().files(&bench.dir().join(KEYRING));
    let name = |path: PathBuf| path.file_name().unwrap_or_default().display().to_string();
    files.expect("a folder").into_iter().map(name).collect()
}

fn opens(bench: &Bench, holder: Holder) -> bool {
    let entries = bench.entries();
    let stored = entries.iter().find(|stored| !stored.body.is_empty());
    let stored = stored.expect("a body");
    let req = stored.entry.request().expect("a request");
    let opened = crate::open_body(&bench.dir(), &opener(holder), req, &stored.body[0]);
    opened.is_ok_and(|document| document.texts[0].text == "how many roads")
}

#[tokio::test]
async fn what_is_sealed_again_is_announced_and_may_replace_the_old_file() {
    let bench = closed_log().await;
    let done = rewrap(&bench.dir(), &opener(Holder::P256), &remaining()).expect("sealed");
    assert_eq!((done.sealed, done.already, done.unopened.len()), (1, 0, 0));
    // Before it is announced, it is a stray: nothing is damaged by it.
    assert_eq!(bench.verify().strays.len(), 1);
    life_with(&bench, remaining()).await;
    assert_eq!(bench.count("key.rewrap"), 1);
    assert_eq!(bench.verify().strays, Vec::<PathBuf>::new());

    let again = rewrap(&bench.dir(), &opener(Holder::Rsa), &remaining()).expect("nothing to do");
    assert_eq!((again.sealed, again.already), (0, 2), "both epochs");

    // The first file of the first epoch goes, and with it what the former officer could open.
    assert!(opens(&bench, Holder::P256));
    let first = bench.entries();
    let first = first.iter().find_map(|stored| match &stored.entry {
        Entry::Epoch(epoch) => Some(epoch.epoch.to_string()),
        _ => None,
    });
    let old = bench.dir().join(KEYRING).join(first.expect("an epoch"));
    std::fs::remove_file(old).expect("removed");
    assert!(!opens(&bench, Holder::P256));
    assert!(opens(&bench, Holder::Rsa) && opens(&bench, Holder::Recovery));
    bench.verify();
}

#[tokio::test]
async fn an_epoch_without_its_newest_file_is_damaged() {
    let bench = closed_log().await;
    rewrap(&bench.dir(), &opener(Holder::Recovery), &remaining()).expect("sealed");
    life_with(&bench, remaining()).await;
    let newest = keyring(&bench)
        .into_iter()
        .find(|name| name.contains('.'))
        .expect("a file");
    let path = bench.dir().join(KEYRING).join(newest);
    let bytes = std::fs::read(&path).expect("a file");
    let announced = bench
        .entries()
        .iter()
        .position(|stored| stored.entry.kind() == "key.rewrap")
        .expect("an entry") as u64;

    std::fs::remove_file(&path).expect("removed");
    let damage = bench.try_verify().expect_err("a missing file");
    assert_eq!(
        damage,
        Damage::new(&path, DamageKind::Missing).of(announced)
    );
    for at in (0..bytes.len()).step_by(97) {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        std::fs::write(&path, altered).expect("written");
        let damage = bench.try_verify().expect_err("an altered file");
        assert_eq!(
            damage,
            Damage::new(&path, DamageKind::Keyring).of(announced)
        );
    }
}

#[tokio::test]
async fn a_file_for_others_than_the_settings_name_is_not_taken_in() {
    let bench = closed_log().await;
    rewrap(&bench.dir(), &opener(Holder::Recovery), &remaining()).expect("sealed");
    let junk = bench.dir().join(KEYRING).join("0123456789abcdef.new");
    std::fs::write(&junk, "junk").expect("written");
    life_with(&bench, fixtures::recipients()).await;
    assert_eq!(bench.count("key.rewrap"), 0);
    let waiting = keyring(&bench)
        .iter()
        .filter(|name| name.ends_with(".new"))
        .count();
    assert_eq!((waiting, bench.verify().strays.len()), (2, 2));
}

#[tokio::test]
async fn who_cannot_open_seals_nothing() {
    let bench = Bench::new();
    let log = bench.open_to(opener(Holder::Recovery).recipient().into());
    log.close().await;
    let done = rewrap(&bench.dir(), &opener(Holder::P256), &remaining()).expect("read");
    assert_eq!((done.sealed, done.unopened.len()), (0, 1));
    assert_eq!(keyring(&bench).len(), 1);
}
