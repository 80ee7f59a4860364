use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, Mutex};

use super::*;
use crate::checkpoint::Signer;
use crate::clock::ManualClock;
use crate::entry::{Direction, EntryIndex};
use crate::fixtures::{Bench, body, intent, origin, outcome, refusal, signed_by};
use crate::log::Log;
use crate::merkle::{check_consistency, check_inclusion, leaf_hash};
use crate::recover::{self, Parts};
use crate::seal::Sealer;
use crate::simulation::{self, Dice, poll_now};
use crate::storage::{CrashStorage, File};
use crate::tiles::leaves;

/// A log of two lives, closed, with a full tile, partial ones, and bodies.
async fn closed_log() -> Bench {
    let bench = Bench::new();
    for life in 0..2 {
        let log = bench.open();
        for n in 0..90 {
            let body = |direction| body(direction, 100);
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

fn since(bench: &Bench, kept: Option<Checkpoint>) -> Result<Proof, Damage> {
    let options = VerifyOptions {
        vkey: bench.vkey(),
        since: kept,
        ..VerifyOptions::default()
    };
    verify(&bench.dir(), options)
}

#[tokio::test]
async fn a_log_is_held_against_a_checkpoint_that_was_kept() {
    let bench = closed_log().await;
    let mut tree = Frontier::default();
    let kept = |tree: &Frontier| Checkpoint {
        origin: origin(),
        size: tree.size(),
        root: Digest(tree.root()),
    };
    let entries = crate::entries(&bench.dir()).expect("a log");
    for leaf in entries.map(|entry| entry.expect("an entry").1) {
        tree.push(leaf_hash(&leaf));
        if ![1, 2, 255, 256, 257, 365, 366].contains(&tree.size()) {
            continue;
        }
        let proof = since(&bench, Some(kept(&tree))).expect("every earlier tree is its beginning");
        assert_eq!(proof.since, Some(tree.size()));
        let altered = Checkpoint {
            root: Digest([1; 32]),
            ..kept(&tree)
        };
        let damage = since(&bench, Some(altered)).expect_err("another tree");
        assert_eq!(damage.fault, DamageKind::Rewritten(tree.size()));
    }
    let said = since(&bench, Some(kept(&tree)))
        .expect("it holds")
        .to_string();
    assert!(said.contains("the first 366 are those"), "{said}");
    tree.push([1; 32]);
    let damage = since(&bench, Some(kept(&tree))).expect_err("it was longer");
    let (kept_size, found) = (367, 366);
    assert_eq!(
        damage.fault,
        DamageKind::CutOff {
            kept: kept_size,
            found
        }
    );
    let other = Checkpoint {
        origin: Origin::new("gw2.agency.example/audit").expect("an origin"),
        ..kept(&Frontier::default())
    };
    let damage = since(&bench, Some(other)).expect_err("another log's");
    assert!(matches!(damage.fault, DamageKind::Checkpoint(_)));
}

/// What is not signed yet is held against it too.
#[tokio::test]
async fn the_tail_is_held_against_a_checkpoint_that_was_kept() {
    let mut bench = Bench::new();
    bench.settings.checkpoint_every = std::time::Duration::from_secs(3600);
    let log = bench.open();
    let size = bench.verify().size;
    let kept = |root| Checkpoint {
        origin: origin(),
        size,
        root,
    };
    assert!(since(&bench, Some(kept(bench.verify().root))).is_ok());
    let damage = since(&bench, Some(kept(Digest([1; 32])))).expect_err("another tree");
    assert_eq!(damage.fault, DamageKind::Rewritten(size));
    drop(log);
}

/// Whoever reads side by side finds the same, and the first of it.
#[tokio::test]
async fn threads_find_what_one_finds() {
    let mut bench = Bench::new();
    bench.settings.segment_bytes = 4 * 1024 * 1024; // room for all, however slow the publisher
    let log = bench.open();
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..32 {
        let log = log.clone();
        callers.spawn(async move {
            for n in 0..100 {
                let reserved = log.reserve().await.expect("a place");
                let refused = reserved.refuse(refusal(caller * 100 + n), Vec::new()).await;
                drop(refused.expect("durable"));
            }
        });
    }
    callers.join_all().await;
    log.close().await;
    let with = |threads| {
        let options = VerifyOptions {
            vkey: Some(bench.signer.verify_key()),
            threads: NonZeroUsize::new(threads),
            ..VerifyOptions::default()
        };
        verify(&bench.dir(), options)
    };
    let proof = with(1).expect("it verifies");
    assert!(proof.published > 3_200, "{proof:?}");
    assert_eq!(with(3), Ok(proof));
    // From the end, so that there is more and more to be found, and the new one is always the first.
    for bundle in ["011", "009", "005"] {
        let path = bench.dir().join("tile/entries").join(bundle);
        flip(&path, 1_000);
        let first = with(1).expect_err("damage");
        assert_eq!(first.file, path);
        assert_eq!(with(2), Err(first.clone()));
        assert_eq!(with(3), Err(first));
    }
}

/// The disk of a log whose writer takes a step now and then, whenever somebody looks at a file: it
/// writes entries and bodies, publishes, removes and reuses, between any two looks of the verifier.
struct Moving {
    disk: CrashStorage,
    writer: Mutex<Writer>,
}

struct Writer {
    log: Log,
    parts: Parts,
    dice: Dice,
    n: u64,
    /// One look in so many moves the writer.
    one_in: u64,
    /// So many steps are left to it: a verifier that reads a body for every entry would otherwise
    /// never catch up with one that writes one whenever it is read.
    steps: u64,
}

impl Moving {
    fn new(seed: u64) -> Moving {
        let (disk, (signer, opener)) = (CrashStorage::new(seed), simulation::keys());
        let (parts, _) = recover::open(
            simulation::settings(),
            Arc::new(disk.clone()),
            signer.clone(),
            Sealer::new(opener.recipient()),
            Arc::new(ManualClock::at(1_790_000_000_000_000_000)),
        )
        .expect("the log opens");
        let writer = Mutex::new(Writer {
            log: Log::unstarted(&parts),
            parts,
            dice: Dice(seed),
            n: 0,
            one_in: 1,
            steps: 0,
        });
        Moving { disk, writer }
    }

    fn step(&self) {
        let mut writer = self.writer.lock().expect("a writer");
        let one_in = writer.one_in;
        if writer.steps > 0 && writer.dice.one_in(one_in) {
            writer.steps -= 1;
            writer.step();
        }
    }

    /// Lets the writer take so many steps, one whenever it was looked at so many times.
    fn moves(&self, steps: u64, one_in: u64) {
        let mut writer = self.writer.lock().expect("a writer");
        (writer.steps, writer.one_in) = (steps, one_in);
    }

    fn verify(&self) -> Result<Proof, Damage> {
        let options = VerifyOptions {
            vkey: signed_by(self, simulation::dir(), &simulation::keys().0),
            threads: NonZeroUsize::new(1), // so that a seed is a history
            ..VerifyOptions::default()
        };
        verify_in(self, simulation::dir(), options)
    }
}

impl Writer {
    fn step(&mut self) {
        for _ in 0..self.dice.below(6) {
            let Some(Ok(reserved)) = poll_now(&mut Box::pin(self.log.reserve())) else {
                break;
            };
            self.n += 1;
            let bodies = body(Direction::Request, self.dice.below(3_000) as usize);
            // Queued at the first poll; nobody waits for it.
            let mut refusing = Box::pin(reserved.refuse(refusal(self.n), bodies));
            let _queued = poll_now(&mut refusing);
        }
        self.parts.sequencer.turn();
        if self.dice.one_in(2) {
            self.parts.publisher.publish().expect("published");
        }
        self.parts.storekeeper.supply().expect("a spare");
    }
}

impl Storage for Moving {
    fn files(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.step();
        let files = self.disk.files(dir);
        self.step();
        files
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.step();
        self.disk.open(path)
    }

    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        unreachable!("a verifier only reads")
    }

    fn lock(&self, _: &Path) -> io::Result<Box<dyn std::any::Any + Send + Sync>> {
        unreachable!("a verifier only reads")
    }

    fn create(&self, _: &Path) -> io::Result<Box<dyn File>> {
        unreachable!("a verifier only reads")
    }

    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        unreachable!("a verifier only reads")
    }

    fn remove(&self, _: &Path) -> io::Result<()> {
        unreachable!("a verifier only reads")
    }

    fn remove_dir(&self, _: &Path) -> io::Result<()> {
        unreachable!("a verifier only reads")
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        unreachable!("a verifier only reads")
    }

    fn sync_files(&self, _: &Path, _: &[PathBuf]) -> io::Result<()> {
        unreachable!("a verifier only reads")
    }
}

#[test]
fn a_log_verifies_whatever_its_writer_does_meanwhile() {
    let runtime = simulation::runtime();
    let _within = runtime.enter();
    let mut published = 0;
    for seed in 0..24 {
        let moving = Moving::new(seed);
        for round in 0..8 {
            moving.moves(20, 1 + seed % 7);
            let proof = moving.verify();
            let proof =
                proof.unwrap_or_else(|damage| panic!("seed {seed}, round {round}: {damage}"));
            assert_eq!(proof.strays, Vec::<PathBuf>::new(), "seed {seed}");
            published += proof.published;
        }
        moving.moves(0, 1);
        let at_rest = moving.verify().expect("it verifies at rest");
        assert!(at_rest.published > 100, "the writer wrote: {at_rest:?}");
    }
    assert!(published > 0);
}

#[test]
fn damage_is_found_whatever_the_writer_does_meanwhile() {
    let runtime = simulation::runtime();
    let _within = runtime.enter();
    for seed in 0..12 {
        let moving = Moving::new(seed);
        moving.moves(200, 1);
        (0..200).for_each(|_| moving.step());
        let Proof { published, .. } = moving.verify().expect("it verifies");
        assert!(published > 256, "a full tile: {published}");
        for path in ["tile/0/000", "tile/entries/000", "content/00000000"] {
            moving.moves(20, 1 + seed % 7);
            let path = simulation::dir().join(path);
            let file = moving.disk.open(&path).expect("a file");
            let (mut byte, at) = ([0], 100 + seed);
            file.read_exact_at(&mut byte, at).expect("a byte");
            file.write_all_at(&[byte[0] ^ 1], at).expect("written");
            let damage = moving.verify().expect_err("a flipped byte");
            assert_eq!(damage.file, path, "seed {seed}: {damage}");
            file.write_all_at(&byte, at).expect("written");
        }
        // The partial tile that the checkpoint stands on: removed for good, not by the writer.
        moving.moves(0, 1);
        let Proof { published, .. } = moving.verify().expect("it verifies");
        if let Some(needed) = partials(published).first() {
            let needed = simulation::dir().join(needed.path());
            moving.disk.remove(&needed).expect("removed");
            let damage = moving.verify().expect_err("a missing tile");
            assert_eq!((damage.file, damage.fault), (needed, DamageKind::Missing));
        }
    }
}

/// The same with threads and a real disk, where nobody decides who comes first.
#[tokio::test]
async fn a_log_verifies_over_and_over_while_it_publishes() {
    let mut bench = Bench::new();
    bench.settings.checkpoint_every = std::time::Duration::from_millis(1);
    let log = bench.open();
    let mut writers = tokio::task::JoinSet::new();
    writers.spawn({
        let log = log.clone();
        async move {
            for n in 0.. {
                let Ok(reserved) = log.reserve().await else {
                    return;
                };
                let bodies = body(Direction::Request, 2_000);
                if reserved.refuse(refusal(n), bodies).await.is_err() {
                    return;
                }
            }
        }
    });
    for _ in 0..30 {
        let (dir, key) = (bench.dir(), bench.vkey());
        let verified = tokio::task::spawn_blocking(move || {
            let options = VerifyOptions {
                vkey: key,
                ..VerifyOptions::default()
            };
            verify(&dir, options)
        });
        let proof = verified.await.expect("no panic");
        assert_eq!(proof.map(|proof| proof.strays), Ok(Vec::new()));
    }
    log.close().await;
    writers.join_all().await;
    bench.verify();
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
    let opened = crate::open_body(&bench.dir(), &bench.opener, req, &stored.body[0]);
    assert_eq!(
        opened.expect("it opens").texts,
        body(Direction::Request, 100)[0].texts
    );
}

/// Whoever can write to the disk can put anything under the name of a file.
#[tokio::test]
async fn what_is_no_file_or_has_no_end_is_refused_at_once() {
    let bench = closed_log().await;
    let pipe = |path: &Path| {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.expect("mkfifo").success());
    };
    let endless = |path: &Path| {
        let file = fs::File::create(path).expect("a file");
        file.set_len(1 << 42).expect("a file with a hole");
    };
    let files = [
        "checkpoint",
        "tile/0/000",
        "tile/entries/000",
        "content/00000000",
    ];
    let keyring = fs::read_dir(bench.dir().join(KEYRING)).expect("keys");
    let keyring = keyring.map(|entry| entry.expect("a key").path());
    let paths: Vec<_> = files
        .iter()
        .map(|file| bench.dir().join(file))
        .chain(keyring)
        .collect();
    for path in paths {
        let kept = fs::read(&path).expect("the file");
        for put in [&pipe as &dyn Fn(&Path), &endless] {
            fs::remove_file(&path).expect("removed");
            put(&path);
            let damage = bench.try_verify().expect_err("no log");
            assert_eq!(damage.file, path, "{damage}");
        }
        fs::remove_file(&path).expect("removed");
        fs::write(&path, kept).expect("put back");
        bench.verify();
    }
}

#[tokio::test]
async fn a_name_cannot_speak_to_the_terminal() {
    let bench = closed_log().await;
    fs::write(bench.dir().join("content/\u{1b}]0;owned\u{7}\u{202e}x"), "").expect("a file");
    let told = bench.verify().to_string();
    assert!(
        told.contains(r"content/\u{1b}]0;owned\u{7}\u{202e}x"),
        "{told}"
    );
    assert!(!told.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{told}");
}
