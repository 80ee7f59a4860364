use std::collections::BTreeSet;

use super::*;
use crate::clock::ManualClock;
use crate::entry::{
    Boot, Entry, Envelope, Nothing, OutcomeStatus, Payload, StoredEntry, Tag, compose, parse,
};
use crate::fixtures::{Bench, body, intent, outcome, until};
use crate::log::Pending;
use crate::merkle::Frontier;
use crate::seal::Recipients;
use crate::tail::DamageKind;
use crate::verify::{VerifyOptions, verify};
use crate::wal::{Batch, Header};

const NOVEMBER: u64 = 1_795_665_600_000_000_000;
const DAY: u64 = 86_400_000_000_000;

struct Months {
    bench: Bench,
    clock: Arc<ManualClock>,
}

impl Months {
    fn new() -> Months {
        Months {
            bench: Bench::new(),
            clock: Arc::new(ManualClock::at(NOVEMBER)),
        }
    }

    fn root(&self) -> PathBuf {
        self.bench.dir()
    }

    fn key(&self) -> PathBuf {
        self.bench.beside("log.key")
    }

    fn parts(&self, root: PathBuf, key: PathBuf) -> ShardSettings {
        ShardSettings {
            settings: Settings {
                dir: root,
                ..self.bench.settings.clone()
            },
            signing_key: key,
            storage: self.bench.disk(),
            sealer: Sealer::new(crate::fixtures::recipients()),
            clock: Arc::clone(&self.clock) as Arc<dyn Clock>,
            drain_max: Duration::from_secs(60),
        }
    }

    fn open(&self) -> Shards {
        let opened = Shards::open(self.parts(self.root(), self.key()));
        opened.expect("the log opens").0
    }

    fn december(&self) {
        self.clock.set(NOVEMBER + 20 * DAY);
    }

    fn shard(&self, month: &str) -> PathBuf {
        self.root().join(month)
    }

    fn vkey(&self, month: &str) -> VerifyKey {
        let text = fs::read_to_string(self.root().join(format!("{month}.vkey")));
        VerifyKey::parse(&text.expect("a key")).expect("a key")
    }

    fn verify(&self, vkey: Option<&VerifyKey>) -> Result<Chain, Damage> {
        verify_all(&self.root(), vkey)
    }
}

fn verify_all(root: &Path, vkey: Option<&VerifyKey>) -> Result<Chain, Damage> {
    let options = ChainOptions {
        vkey: vkey.cloned(),
        ..ChainOptions::default()
    };
    verify_shards(root, options)
}

fn entries(dir: &Path) -> Vec<StoredEntry> {
    let entries = crate::entries(dir).expect("a log");
    entries
        .map(|entry| parse(&entry.expect("an entry").1).expect("an entry"))
        .collect()
}

fn kinds(dir: &Path) -> Vec<&'static str> {
    entries(dir)
        .iter()
        .map(|stored| stored.entry.kind())
        .collect()
}

/// Whether the Python verifier, which shares no line with this code, agrees; and what it says.
fn second_verifier(root: &Path, vkey: &VerifyKey) -> (bool, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("verifier/verify.py");
    let output = std::process::Command::new("python3")
        .args([
            "-B".as_ref(),
            script.as_os_str(),
            "shards".as_ref(),
            root.as_os_str(),
        ])
        .arg(vkey.to_string())
        .output()
        .expect("python3 runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.success(), said)
}

async fn begin(shards: &Shards, n: u64) -> Pending {
    let reserved = shards.reserve().await.expect("a place");
    let bodies = body(crate::Direction::Request, 200);
    let (_receipt, duty) = reserved.intent(intent(n), bodies).await.expect("durable");
    duty
}

async fn end(duty: Pending, n: u64) {
    let _receipt = duty.outcome(outcome(n), Vec::new()).await.expect("durable");
}

/// Two months, with a request in flight from one into the other.
async fn two_months(months: &Months) -> VerifyKey {
    let shards = months.open();
    let loaded = Event::PolicyLoad(crate::PolicyLoad {
        bundle: crate::fixtures::name("demo"),
        digest: Digest([7; 32]),
        rules: 3,
    });
    shards.preface(vec![loaded]).await.expect("durable");
    let first_key = shards.verify_key();
    end(begin(&shards, 1).await, 1).await;
    let on_its_way = begin(&shards, 2).await;
    months.december();
    until("December has begun", || shards.dir().ends_with("2026-12")).await;
    end(begin(&shards, 3).await, 3).await;
    assert_eq!(shards.status().open_intents, 1, "the one on its way");
    assert!(months.bench.beside("log.2026-11.key").exists());
    end(on_its_way, 2).await;
    let told = || kinds(&months.shard("2026-12")).contains(&"shard.closed");
    until("November is told of", told).await;
    shards.close().await;
    first_key
}

#[tokio::test]
async fn a_month_goes_over_into_the_next_without_losing_a_request() {
    let months = Months::new();
    let first_key = two_months(&months).await;
    let november = kinds(&months.shard("2026-11"));
    assert_eq!(november.last(), Some(&"shutdown"));
    assert_eq!(
        november
            .iter()
            .filter(|kind| **kind == "req.outcome")
            .count(),
        2
    );
    assert!(november.contains(&"shard.next"));
    let december = kinds(&months.shard("2026-12"));
    assert_eq!(december.first(), Some(&"boot"));
    assert!(
        december.contains(&"policy.load"),
        "each shard says what is in force"
    );
    assert_eq!(
        december
            .iter()
            .filter(|kind| **kind == "req.outcome")
            .count(),
        1
    );
    assert!(
        !months.bench.beside("log.2026-11.key").exists(),
        "nobody signs another November"
    );
    assert!(months.bench.beside("log.2026-12.key").exists());

    assert_eq!(first_key, months.vkey("2026-11"));
    let chain = months.verify(Some(&first_key)).expect("it verifies");
    let link = |link: &Link| (link.closed, link.vouched, link.proof.signature_checked);
    let links: Vec<_> = chain.links.iter().map(link).collect();
    assert_eq!(
        links,
        [(true, true, true), (true, false, true)],
        "one key leads to the next"
    );
    // From the newest key alone: the signature is the new shard's, and it vouches for the old one's content.
    let chain = months
        .verify(Some(&months.vkey("2026-12")))
        .expect("it verifies");
    let links: Vec<_> = chain.links.iter().map(link).collect();
    assert_eq!(links, [(true, true, false), (true, false, true)]);
    for (verifies, from) in [(true, "2026-11"), (true, "2026-12")] {
        assert_eq!(
            second_verifier(&months.root(), &months.vkey(from)).0,
            verifies
        );
    }
    let stranger = Signer::generate(Origin::new("gw9.agency.example/audit").expect("an origin"));
    let stranger = stranger.expect("a key").verify_key();
    let refused = months.verify(Some(&stranger)).expect_err("nobody's key");
    assert!(
        refused.to_string().contains("gw9.agency.example"),
        "{refused}"
    );
}

#[tokio::test]
async fn a_machine_that_was_off_at_the_turn_of_the_month_announces_it_all_the_same() {
    let months = Months::new();
    let shards = months.open();
    end(begin(&shards, 1).await, 1).await;
    shards.close().await;
    months.december();
    let shards = months.open();
    assert!(shards.dir().ends_with("2026-12"));
    end(begin(&shards, 2).await, 2).await;
    shards.close().await;
    let chain = months
        .verify(Some(&months.vkey("2026-11")))
        .expect("it verifies");
    assert!(chain.links[0].vouched && chain.links[1].proof.signature_checked);
    assert_eq!(
        chain.links[0].proof.boots.0, 2,
        "opened once more, to say what follows"
    );
    // A clock that goes back begins nothing.
    months.clock.set(NOVEMBER);
    let shards = months.open();
    assert!(shards.dir().ends_with("2026-12"));
    shards.close().await;
}

/// A copy of everything, as a crash would leave it.
fn copy(from: &Path, to: &Path) {
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .args([from, to])
        .status();
    assert!(copied.expect("cp").success());
}

#[tokio::test]
async fn a_crash_while_a_shard_ends_is_put_right_by_the_next_opening() {
    let months = Months::new();
    let shards = months.open();
    let on_its_way = begin(&shards, 1).await;
    months.december();
    until("December has begun", || shards.dir().ends_with("2026-12")).await;
    end(begin(&shards, 2).await, 2).await;
    let crashed = months.bench.beside("crashed");
    copy(&months.root(), &crashed);
    for month in ["2026-11", "2026-12"] {
        copy(
            &months.bench.beside(&format!("log.{month}.key")),
            &months.bench.beside(&format!("crashed.{month}.key")),
        );
    }
    end(on_its_way, 1).await;
    shards.close().await;

    let (shards, recovery) =
        Shards::open(months.parts(crashed.clone(), months.bench.beside("crashed.key")))
            .expect("it opens");
    assert!(!recovery.clean);
    shards.close().await;
    let statuses: Vec<_> = entries(&crashed.join("2026-11"))
        .into_iter()
        .filter_map(|stored| match stored.entry {
            Entry::Outcome(outcome) => Some(outcome.status),
            _ => None,
        })
        .collect();
    assert_eq!(statuses, [OutcomeStatus::UnknownCrash]);
    let chain = verify_all(&crashed, Some(&months.vkey("2026-11")));
    let chain = chain.expect("it verifies");
    assert!(chain.links[0].closed && chain.links[0].vouched);
    assert!(!months.bench.beside("crashed.2026-11.key").exists());
}

#[tokio::test]
async fn an_older_shard_that_was_rolled_back_or_rewritten_is_seen_by_the_next() {
    let months = Months::new();
    let shards = months.open();
    end(begin(&shards, 1).await, 1).await;
    until("it is signed", || {
        shards.status().checkpoint_size == shards.status().tree_size
    })
    .await;
    let (older, key) = (
        months.bench.beside("older"),
        months.bench.beside("older.2026-11.key"),
    );
    copy(&months.shard("2026-11"), &older);
    copy(&months.bench.beside("log.2026-11.key"), &key);
    end(begin(&shards, 2).await, 2).await;
    months.december();
    until("December has begun", || shards.dir().ends_with("2026-12")).await;
    until("November is told of", || {
        kinds(&months.shard("2026-12")).contains(&"shard.closed")
    })
    .await;
    shards.close().await;
    months.verify(None).expect("it verifies");
    // Put back as it was, and closed in order with the key of then: a shard that verifies alone.
    fs::remove_dir_all(months.shard("2026-11")).expect("removed");
    copy(&older, &months.shard("2026-11"));
    let signer = Signer::load(months.vkey("2026-11").origin().clone(), &key).expect("the key");
    let settings = Settings {
        dir: months.shard("2026-11"),
        origin: signer.origin().clone(),
        ..months.bench.settings.clone()
    };
    let sealer = Sealer::new(Recipients::from(months.bench.opener.recipient()));
    let clock = Arc::clone(&months.clock) as Arc<dyn Clock>;
    let (log, _) =
        Log::open(settings, months.bench.disk(), signer, sealer, clock).expect("it opens");
    for n in 10..20 {
        let reserved = log.reserve().await.expect("a place");
        let _receipt = reserved
            .refuse(crate::fixtures::refusal(n), Vec::new())
            .await
            .expect("durable");
    }
    log.close().await;
    let options = VerifyOptions {
        vkey: Some(months.vkey("2026-11")),
        ..VerifyOptions::default()
    };
    verify(&months.shard("2026-11"), options).expect("alone, it verifies");
    for key in [
        None,
        Some(months.vkey("2026-11")),
        Some(months.vkey("2026-12")),
    ] {
        let damage = months
            .verify(key.as_ref())
            .expect_err("December knows better");
        assert!(matches!(damage.fault, DamageKind::Story(_)), "{damage}");
        // Without what November had announced, its key leads nowhere; else December says what is wrong.
        let asked = key
            .as_ref()
            .map(|key| key.origin().as_str().ends_with("11"));
        let month = if asked == Some(true) {
            "2026-11"
        } else {
            "2026-12"
        };
        assert_eq!(damage.file, months.shard(month));
    }
    let (verifies, said) = second_verifier(&months.root(), &months.vkey("2026-11"));
    assert!(
        !verifies && said.contains("2026-12: the shard before it announced none"),
        "{said}"
    );
}

#[tokio::test]
async fn a_shard_that_the_schedule_destroyed_is_said_to_be_missing() {
    let months = Months::new();
    two_months(&months).await;
    fs::remove_dir_all(months.shard("2026-11")).expect("destroyed");
    let chain = months
        .verify(Some(&months.vkey("2026-12")))
        .expect("it verifies");
    let missing = chain.links[0].missing.as_ref().expect("a quote");
    assert_eq!(missing.origin.as_str(), "gw1.agency.example/audit/2026-11");
    assert!(
        chain
            .to_string()
            .contains("it goes on from gw1.agency.example/audit/2026-11")
    );
}

#[tokio::test]
async fn keys_of_closed_shards_are_sealed_again_in_the_open_one() {
    let months = Months::new();
    two_months(&months).await;
    let [recovery, officer] = [
        crate::fixtures::Holder::Recovery,
        crate::fixtures::Holder::Rsa,
    ]
    .map(|holder| crate::fixtures::opener(holder).recipient());
    let next = || Recipients::new(recovery.clone(), [officer.clone()]).expect("different ones");
    let leaves = crate::fixtures::opener(crate::fixtures::Holder::P256);
    let done = crate::rewrap(&months.root(), &leaves, &next()).expect("sealed");
    assert_eq!((done.sealed, done.unopened), (2, Vec::new()));
    let mut parts = months.parts(months.root(), months.key());
    parts.sealer = Sealer::new(next());
    let (shards, _) = Shards::open(parts).expect("it opens");
    let announced = || {
        kinds(&months.shard("2026-12"))
            .iter()
            .filter(|kind| **kind == "key.rewrap")
            .count()
    };
    until("both are announced", || announced() == 2).await;
    shards.close().await;
    months
        .verify(Some(&months.vkey("2026-11")))
        .expect("it verifies");
    // November's own file is lost: the one in December opens what was said then.
    let november = months.shard("2026-11");
    fs::remove_dir_all(november.join("keyring")).expect("removed");
    let stored = entries(&november)
        .into_iter()
        .find(|stored| !stored.body.is_empty())
        .expect("a body");
    let req = stored.entry.request().expect("a request");
    let officer = crate::fixtures::opener(crate::fixtures::Holder::Rsa);
    crate::open_body(&november, &officer, req, &stored.body[0]).expect("it opens");
}

#[test]
fn a_folder_that_is_a_log_itself_is_refused() {
    let months = Months::new();
    fs::create_dir_all(months.root().join("wal")).expect("a folder");
    let refused = Shards::open(months.parts(months.root(), months.key())).err();
    assert!(matches!(refused, Some(OpenError::Unsharded)), "{refused:?}");
    let names: BTreeSet<_> = fs::read_dir(months.root())
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(names, BTreeSet::from(["wal".into()]), "nothing was touched");
}

/// What whoever has the disk, and no key, adds to a closed log: entries that nobody signed.
fn invent(dir: &Path, entries: Vec<Entry>) {
    let wal = crate::storekeeper::WAL;
    let end = fs::read_dir(dir.join(wal))
        .expect("a log")
        .next()
        .expect("its end");
    let end = end.expect("its end").path();
    let (header, _) = Header::parse(&fs::read(&end).expect("a header")).expect("a header");
    let mut tree = Frontier::default();
    for entry in crate::entries(dir).expect("a log") {
        tree.push(crate::leaf_hash(&entry.expect("an entry").1));
    }
    let header = Header {
        nonce: 1,
        clean: false,
        ..header
    };
    let mut batch = Batch::begin(1, 0, header.to_bytes());
    for (n, entry) in (0..).zip(entries) {
        let envelope = Envelope {
            ts: NOVEMBER,
            boot: Tag([9; 8]),
            n,
            body: &[],
            omitted: &[],
        };
        let payload = Payload::fit(entry, usize::MAX).expect("an entry");
        let leaf = compose(&payload, &envelope);
        batch.entry(tree.size(), &leaf);
        tree.push(crate::leaf_hash(&leaf));
    }
    batch.commit(tree.size(), &tree.root(), NOVEMBER);
    fs::write(end, batch.bytes()).expect("written");
}

/// A December that somebody else signs, going on from the true November.
async fn forged_december(months: &Months, stranger: &Signer) {
    let quote = ShardSettings::checkpoint(
        &months.parts(months.root(), months.key()),
        Month::of(NOVEMBER),
    );
    let settings = Settings {
        dir: months.shard("2026-12"),
        origin: stranger.origin().clone(),
        previous: quote
            .expect("a checkpoint")
            .map(|checkpoint| checkpoint.quote()),
        ..months.bench.settings.clone()
    };
    let sealer = Sealer::new(Recipients::from(months.bench.opener.recipient()));
    let clock = Arc::clone(&months.clock) as Arc<dyn Clock>;
    let opened = Log::open(
        settings,
        months.bench.disk(),
        stranger.clone(),
        sealer,
        clock,
    );
    opened.expect("it opens").0.close().await;
}

#[tokio::test]
async fn nobody_without_the_key_names_the_next_shard() {
    let months = Months::new();
    let shards = months.open();
    end(begin(&shards, 1).await, 1).await;
    shards.close().await;
    let november = months.vkey("2026-11");
    let name = Origin::new("gw1.agency.example/audit/2026-12").expect("an origin");
    let stranger = Signer::generate(name).expect("a key");
    forged_december(&months, &stranger).await;
    // Nothing in November names a next shard.
    let damage = months
        .verify(Some(&november))
        .expect_err("nobody announced it");
    assert!(damage.to_string().contains("announces no key"), "{damage}");
    // Nor do entries that nobody signed.
    let size = entries(&months.shard("2026-11")).len() as u64;
    let boot = Boot {
        origin: november.origin().name().clone(),
        format: 1,
        found: size,
        clean: true,
        torn_bytes: 0,
        open: 0,
        previous: None,
    };
    let next = ShardNext {
        origin: stranger.origin().name().clone(),
        key: Digest(stranger.verify_key().bytes()),
    };
    let invented = vec![
        Entry::Boot(boot),
        Entry::Event(Event::ShardNext(next)),
        Entry::Shutdown(Nothing {}),
    ];
    invent(&months.shard("2026-11"), invented);
    let alone = VerifyOptions {
        vkey: Some(november.clone()),
        ..VerifyOptions::default()
    };
    let proof = verify(&months.shard("2026-11"), alone).expect("unsigned, and told as such");
    assert_eq!((proof.size - proof.published, &proof.kin.next), (3, &None));
    let damage = months
        .verify(Some(&november))
        .expect_err("nobody signed it");
    assert!(damage.to_string().contains("announces no key"), "{damage}");
    let (verifies, said) = second_verifier(&months.root(), &november);
    assert!(!verifies && said.contains("announced none"), "{said}");
}

/// A kept checkpoint is of one shard; the others are verified all the same.
#[tokio::test]
async fn a_kept_checkpoint_is_held_against_its_shard_and_the_rest_is_checked() {
    let months = Months::new();
    two_months(&months).await;
    let kept = fs::read_to_string(months.shard("2026-11").join("checkpoint")).expect("a note");
    let kept = Checkpoint::read(&kept).expect("a checkpoint");
    let verify = |since: Checkpoint| {
        let options = ChainOptions {
            since: Some(since),
            ..ChainOptions::default()
        };
        verify_shards(&months.root(), options)
    };
    let chain = verify(kept.clone()).expect("it verifies");
    let since: Vec<_> = chain.links.iter().map(|link| link.proof.since).collect();
    assert_eq!(since, [Some(kept.size), None]);
    let other = Checkpoint {
        root: Digest([1; 32]),
        ..kept.clone()
    };
    verify(other).expect_err("another history");
    let entries = months.shard("2026-12").join("tile/entries");
    let bundle = fs::read_dir(&entries)
        .expect("entries")
        .next()
        .expect("a bundle");
    let bundle = fs::read_dir(bundle.expect("a folder").path())
        .expect("a folder")
        .next();
    let bundle = bundle.expect("a bundle").expect("a bundle").path();
    let mut bytes = fs::read(&bundle).expect("a bundle");
    bytes[40] ^= 1;
    fs::write(&bundle, bytes).expect("written");
    verify(kept).expect_err("December is damaged");
}

/// A verifier that is as slow as the log is long meets a shard that ends meanwhile.
#[tokio::test]
async fn a_shard_that_ends_while_it_is_verified_is_verified_again_with_its_key() {
    let months = Months::new();
    let shards = months.open();
    let on_its_way = begin(&shards, 1).await;
    months.december();
    until("December has begun", || shards.dir().ends_with("2026-12")).await;
    let november = months.shard("2026-11");
    let published = || {
        let note = fs::read_to_string(november.join("checkpoint"));
        let size = note.map(|note| Checkpoint::read(&note).expect("a checkpoint").size);
        size.ok() == Some(entries(&november).len() as u64)
    };
    until("all of November is published", published).await;
    let unended = months.bench.beside("unended");
    copy(&november, &unended);
    for n in 2..130 {
        end(begin(&shards, n).await, n).await; // a full tile, after which a verifier says how far it is
    }
    end(on_its_way, 1).await;
    let told = || kinds(&months.shard("2026-12")).contains(&"shard.closed");
    until("November is told of", told).await;
    shards.close().await;
    let (ended, forged) = (months.bench.beside("ended"), months.bench.beside("forged"));
    copy(&november, &ended);
    copy(&november, &forged);
    let note = fs::read_to_string(forged.join("checkpoint")).expect("a note");
    let signed = note.trim_end().trim_end_matches('=');
    let other = match signed[..signed.len() - 7].ends_with('A') {
        true => "B",
        false => "A",
    };
    let at = signed.len() - 8; // within the signature
    let damaged = format!("{}{other}{}", &note[..at], &note[at + 1..]);
    fs::write(forged.join("checkpoint"), damaged).expect("written");

    let verify = |then: &Path| {
        fs::remove_dir_all(&november).expect("removed");
        copy(&unended, &november);
        let mut told = |dir: &Path, _, _| {
            if dir.ends_with("2026-12") {
                fs::remove_dir_all(&november).expect("removed");
                copy(then, &november);
            }
        };
        let options = ChainOptions {
            vkey: Some(months.vkey("2026-11")),
            progress: Some(&mut told),
            ..ChainOptions::default()
        };
        verify_shards(&months.root(), options)
    };
    let chain = verify(&ended).expect("it verifies");
    let link = |link: &Link| (link.closed, link.vouched, link.proof.signature_checked);
    let links: Vec<_> = chain.links.iter().map(link).collect();
    assert_eq!(links, [(true, true, true), (true, false, true)]);
    verify(&forged).expect_err("its key never signed this");
}
