use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;

use super::*;
use crate::checkpoint::Signer;
use crate::entry::{Direction, EntryIndex};
use crate::fixtures::{Bench, intent, origin, outcome};
use crate::merkle::{check_consistency, check_inclusion};
use crate::seal::Body;

/// A log of two lives, closed, with a full tile, partial ones, and bodies.
async fn closed_log() -> Bench {
    let bench = Bench::new();
    for life in 0..2 {
        let log = bench.open();
        for n in 0..90 {
            let body = |direction| {
                vec![Body {
                    direction,
                    plaintext: vec![b'x'; 100],
                }]
            };
            let reserved = log.reserve().await.expect("a place");
            let (_receipt, duty) = reserved
                .intent(intent(life * 100 + n), body(Direction::Request))
                .await
                .expect("durable");
            let _receipt = duty
                .outcome(outcome(n), body(Direction::Response))
                .await
                .expect("durable");
        }
        log.close().await;
    }
    bench
}

fn files(bench: &Bench) -> Vec<PathBuf> {
    let storage = bench.disk();
    storage
        .files(&bench.dir())
        .expect("a folder")
        .into_iter()
        .filter(|path| !path.ends_with("lock"))
        .collect()
}

fn flip(path: &Path, at: u64) {
    let file = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .expect("a file");
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("a byte");
    file.write_all_at(&[byte[0] ^ 1], at).expect("written");
}

#[tokio::test]
async fn a_flipped_byte_is_found_whatever_the_file() {
    let bench = closed_log().await;
    assert_eq!(bench.verify().published, 366);
    let mut flips = 0;
    for path in files(&bench) {
        let length = fs::metadata(&path).expect("a file").len();
        for at in (0..length).step_by((length / 12).max(1) as usize) {
            flip(&path, at);
            let found = bench.try_verify();
            flip(&path, at);
            let damage = found.expect_err(&format!("byte {at} of {} was flipped", path.display()));
            // A header that is none makes its segment invisible: then the folder is named.
            let place = (
                path.starts_with(&damage.file),
                damage.offset.is_none_or(|offset| offset <= at),
            );
            assert_eq!(
                place,
                (true, true),
                "byte {at} of {}: {damage}",
                path.display()
            );
            flips += 1;
        }
    }
    assert!(flips > 100, "{flips}");
    assert_eq!(bench.verify().strays, Vec::<PathBuf>::new());
}

#[tokio::test]
async fn the_first_bad_entry_is_named() {
    let bench = closed_log().await;
    let bundle = bench.dir().join("tile/entries/000");
    let bytes = fs::read(&bundle).expect("a bundle");
    let (at, leaf) = leaves(&bytes).nth(77).expect("an entry").expect("an entry");
    flip(&bundle, (at + leaf.len() / 2) as u64);
    let damage = bench.try_verify().expect_err("an altered entry");
    assert_eq!(
        damage,
        Damage::new(&bundle, DamageKind::Hash).at(at as u64).of(77)
    );
    assert!(damage.to_string().starts_with("entry 77, "), "{damage}");
}

#[tokio::test]
async fn a_missing_or_shortened_file_is_found() {
    let bench = closed_log().await;
    for path in files(&bench) {
        let bytes = fs::read(&path).expect("a file");
        if path.ends_with("checkpoint") {
            continue; // without it the log claims to be new: that is for a kept checkpoint to contradict
        }
        for kept in [None, Some(0), Some(bytes.len() - 1)] {
            match kept {
                None => fs::remove_file(&path).expect("removed"),
                Some(kept) => fs::write(&path, &bytes[..kept]).expect("shortened"),
            }
            assert!(
                bench.try_verify().is_err(),
                "{} cut to {kept:?}",
                path.display()
            );
            fs::write(&path, &bytes).expect("restored");
        }
    }
    bench.verify();
}

#[tokio::test]
async fn bodies_that_change_places_are_found() {
    let bench = closed_log().await;
    let volume = bench.dir().join("content/00000000");
    let mut bytes = fs::read(&volume).expect("a volume");
    let first: Vec<u8> = bytes[..189].to_vec();
    bytes.copy_within(189..378, 0);
    bytes[189..378].copy_from_slice(&first);
    fs::write(&volume, bytes).expect("written");
    let damage = bench.try_verify().expect_err("swapped bodies");
    assert_eq!(
        (damage.file, damage.offset, damage.fault),
        (volume, Some(0), DamageKind::Body)
    );
    let skipping = VerifyOptions {
        skip_bodies: true,
        ..VerifyOptions::default()
    };
    assert!(
        verify(&bench.dir(), skipping).is_ok(),
        "and those who do not look do not see"
    );
}

#[tokio::test]
async fn a_checkpoint_of_another_key_is_found_by_whoever_has_the_key() {
    let bench = closed_log().await;
    let proof = bench.verify();
    let forger = Signer::generate(origin()).expect("a key");
    fs::write(
        bench.dir().join("checkpoint"),
        forger.note(proof.size, proof.root.0),
    )
    .expect("written");
    assert!(matches!(
        bench.try_verify().expect_err("forged").fault,
        DamageKind::Checkpoint(_)
    ));
    let proof =
        verify(&bench.dir(), VerifyOptions::default()).expect("without a key nobody can tell");
    assert!(!proof.signature_checked && proof.to_string().contains("who signed"));
}

#[tokio::test]
async fn a_running_log_verifies_with_its_tail() {
    let bench = Bench::new();
    let log = bench.open();
    let mut sizes = BTreeSet::new();
    for n in 0..300 {
        let (receipt, duty) = log
            .reserve()
            .await
            .expect("a place")
            .intent(intent(n), Vec::new())
            .await
            .expect("durable");
        let _receipt = duty.outcome(outcome(n), Vec::new()).await.expect("durable");
        if n % 10 == 0 {
            let proof = bench.verify();
            assert!(
                proof.size >= receipt.index.0 + 2,
                "what was acknowledged is there"
            );
            sizes.insert(proof.published);
        }
    }
    assert!(sizes.len() > 2, "checkpoints came meanwhile: {sizes:?}");
    log.close().await;
    let proof = bench.verify();
    assert_eq!((proof.size, proof.published), (603, 603));
}

#[tokio::test]
async fn proofs_from_the_tiles_hold() {
    let bench = closed_log().await;
    let (size, root) = (bench.verify().size, bench.verify().root.0);
    let (mut tree, mut roots) = (Frontier::default(), vec![Frontier::default().root()]);
    let entries: Vec<_> = crate::entries(&bench.dir())
        .expect("a log")
        .map(|entry| entry.expect("an entry").1)
        .collect();
    for leaf in &entries {
        tree.push(leaf_hash(leaf));
        roots.push(tree.root());
    }
    for (index, leaf) in (0..).zip(&entries) {
        let proof = crate::prove_inclusion(&bench.dir(), EntryIndex(index), size).expect("a proof");
        assert_eq!(
            check_inclusion(index, &leaf_hash(leaf), size, &root, &proof),
            Ok(()),
            "{index}"
        );
    }
    for (old, old_root) in (0..).zip(&roots) {
        let proof = crate::prove_consistency(&bench.dir(), old, size).expect("a proof");
        assert_eq!(
            check_consistency(old, old_root, size, &root, &proof),
            Ok(()),
            "{old}"
        );
    }
    assert!(crate::prove_inclusion(&bench.dir(), EntryIndex(size), size).is_err());
    assert!(crate::prove_consistency(&bench.dir(), 1, size + 1).is_err());
}

#[tokio::test]
async fn the_recipient_opens_what_an_entry_refers_to() {
    let bench = closed_log().await;
    let stored = bench
        .entries()
        .into_iter()
        .find(|stored| !stored.body.is_empty())
        .expect("a body");
    let req = stored.entry.request().expect("a request");
    let text =
        crate::open_body(&bench.dir(), &bench.opener, req, &stored.body[0]).expect("it opens");
    assert_eq!(text.as_slice(), [b'x'; 100]);
}
