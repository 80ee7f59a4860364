//! The crash simulator: seeded histories of callers, faults and power cuts, against the real log on
//! a disk that forgets what was not flushed.
//!
//! The log's threads are not started; the simulator takes their turns, in an order that the seed
//! decides, so a history can be run again. After every crash the log is opened anew and must hold:
//!
//! - every entry that was acknowledged, at its index, with its leaf hash;
//! - every tree that a checkpoint was ever seen to sign;
//! - exactly one outcome for every intent, and numbers without a gap: `verify` says so.
//!
//! **The tests of the test**: on a disk whose syncs lie, and where intents are not paired with outcomes,
//! the simulator must find something wrong.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use crate::archive::entries_in;
use crate::checkpoint::{Checkpoint, Signer};
use crate::clock::ManualClock;
use crate::document::Body;
use crate::entry::{Digest, Direction, Event, LibraryLoad};
use crate::fixtures::{self, intent, name, outcome, refusal, signed_by};
use crate::log::{Log, Pending, Receipt, Reservation, Unavailable};
use crate::merkle::{Frontier, Hash, leaf_hash};
use crate::recover::{self, OpenError, Parts};
use crate::seal::{Opener, Sealer};
use crate::settings::{Broken, Settings};
use crate::storage::{CrashStorage, Fault, Faults, FaultyStorage, Storage};
use crate::verify::{VerifyOptions, verify_in};

/// How many histories `cargo test` runs, and how many with `PORTCULLIS_SOAK=1`.
const HISTORIES: u64 = 2_000;
const HISTORIES_SOAK: u64 = 100_000;

#[test]
fn no_crash_loses_what_was_acknowledged() {
    play_all(0);
}

/// The other half, for the other core.
#[test]
fn no_crash_loses_what_was_acknowledged_either() {
    play_all(1);
}

/// Plays every second history, from `first`.
fn play_all(first: u64) {
    let soak = std::env::var_os("PORTCULLIS_SOAK").is_some();
    let histories = if soak { HISTORIES_SOAK } else { HISTORIES };
    let mut sum = Tally::default();
    for seed in (first..histories).step_by(2) {
        match History::new(seed).play() {
            Ok(tally) => sum.add(&tally),
            Err(wrong) => panic!("seed {seed}: {wrong}"),
        }
    }
    println!(
        "{} histories, seeds {first}, {}, …: {sum:?}",
        histories / 2,
        first + 2
    );
    let busy = sum.crashes > histories / 2 && sum.acknowledged > 5 * histories;
    assert!(busy, "the histories do something: {sum:?}");
    let trouble = sum.failed_writes > 0 && sum.torn > 0 && sum.unknown > 0;
    assert!(trouble, "and meet trouble: {sum:?}");
}

#[test]
fn a_disk_that_lies_about_flushing_is_found_out() {
    let lying = |seed| History {
        lying: true,
        ..History::new(seed)
    };
    let found = (0..200).filter(|seed| lying(*seed).play().is_err()).count();
    assert!(
        found > 150,
        "without flushes the simulator must fail; it did in {found} of 200 histories"
    );
}

#[test]
fn intents_without_a_pair_are_found_out() {
    let unpaired = |seed| History {
        broken: Some(Broken::Pairing),
        ..History::new(seed)
    };
    let found = (0..100).filter(|seed| unpaired(*seed).play().is_err());
    let found = found.count();
    assert!(
        found > 50,
        "where nobody pairs, the simulator must fail; it did in {found} of 100 histories"
    );
}

/// What happened, to know that something did.
#[derive(Default, Debug)]
struct Tally {
    crashes: u64,
    acknowledged: u64,
    failed_writes: u64,
    torn: u64,
    unknown: u64,
    clean_ends: u64,
    checkpoints: u64,
    refused: u64,
}

impl Tally {
    fn add(&mut self, other: &Tally) {
        self.crashes += other.crashes;
        self.acknowledged += other.acknowledged;
        self.failed_writes += other.failed_writes;
        self.torn += other.torn;
        self.unknown += other.unknown;
        self.clean_ends += other.clean_ends;
        self.checkpoints += other.checkpoints;
        self.refused += other.refused;
    }
}

struct History {
    dice: Dice,
    lying: bool,
    broken: Option<Broken>,
    disk: CrashStorage,
    clock: Arc<ManualClock>,
    /// What was acknowledged, and which trees were signed.
    acknowledged: BTreeMap<u64, Hash>,
    signed: BTreeMap<u64, Hash>,
    last_note: Vec<u8>,
    requests: u64,
    tally: Tally,
}

type Waiting<T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>>>>;

/// Someone on the other side of the log.
enum Caller {
    Reserved(Reservation),
    Refusing(Waiting<Receipt>),
    Intending(Waiting<(Receipt, Pending)>, u64),
    Answering(Pending, u64),
    Ending(Waiting<Receipt>),
}

/// One life of the log, between an opening and a crash. Its callers go first: what they leave is queued.
struct Life {
    callers: Vec<Caller>,
    log: Log,
    parts: Parts,
    faults: Faults,
}

impl History {
    fn new(seed: u64) -> History {
        History {
            dice: Dice(seed.wrapping_mul(0x2545_f491_4f6c_dd1d)),
            lying: false,
            broken: None,
            disk: CrashStorage::new(seed),
            clock: Arc::new(ManualClock::at(1_790_000_000_000_000_000)),
            acknowledged: BTreeMap::new(),
            signed: BTreeMap::new(),
            last_note: Vec::new(),
            requests: 0,
            tally: Tally::default(),
        }
    }

    fn play(mut self) -> Result<Tally, String> {
        let runtime = runtime();
        let _within = runtime.enter();
        for _ in 0..1 + self.dice.below(4) {
            self.live()?;
            self.disk.crash();
            self.tally.crashes += 1;
            self.examine()?;
        }
        self.tally.acknowledged = self.acknowledged.len() as u64;
        self.tally.checkpoints = self.signed.len() as u64;
        Ok(self.tally)
    }

    /// Lives until the power fails, or the log is closed, or it has been long enough.
    fn live(&mut self) -> Result<(), String> {
        if self.dice.one_in(3) {
            self.disk.cut_power_after(self.dice.below(400));
        }
        let mut life = match self.open() {
            Ok(life) => life,
            Err(_) if self.disk.is_dead() => return Ok(()),
            Err(error) => return Err(format!("does not open: {error}")),
        };
        if self.dice.one_in(16) {
            self.fill_up(&mut life);
        }
        for _ in 0..self.dice.below(250) {
            if self.disk.is_dead() {
                break;
            }
            self.step(&mut life);
            self.watch();
        }
        let (shared, ended) = (
            Arc::clone(&life.parts.shared),
            Arc::downgrade(&life.parts.shared),
        );
        if self.dice.one_in(5) {
            self.close(life);
        } else {
            self.disk.cut_power_after(0);
            drop(life);
        }
        // A queued job holds a place, and that the desk with its queue. Without a sequencer that
        // shuts the log somebody else must break the circle, or every life stays in memory.
        drop(shared.take_all());
        drop(shared);
        match ended.strong_count() {
            0 => Ok(()),
            held => Err(format!("{held} still hold the memory of a life that ended")),
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            broken: self.broken,
            ..settings()
        }
    }

    fn open(&self) -> Result<Life, OpenError> {
        let (signer, opener) = keys();
        let (storage, faults) = FaultyStorage::new(Arc::new(self.disk.clone()));
        if self.lying {
            faults.set(Fault::LyingSync);
        }
        let sealer = Sealer::new(opener.recipient());
        let clock = Arc::clone(&self.clock) as Arc<dyn crate::Clock>;
        let (parts, _) = recover::open(
            self.settings(),
            Arc::new(storage),
            signer.clone(),
            sealer,
            clock,
        )?;
        Ok(Life {
            log: Log::unstarted(&parts),
            parts,
            callers: Vec::new(),
            faults,
        })
    }

    /// Brings the tree to where its first tile is full, or nearly.
    fn fill_up(&mut self, life: &mut Life) {
        let size = 250 + self.dice.below(10);
        while life.log.status().tree_size < size
            && !self.disk.is_dead()
            && !life.log.status().is_degraded()
        {
            for _ in 0..6 {
                self.newcomer(life);
                self.advance(life);
            }
            life.parts.sequencer.turn();
            life.callers.clear();
            drop((
                life.parts.publisher.publish(),
                life.parts.storekeeper.supply(),
            ));
        }
    }

    /// One step of somebody.
    fn step(&mut self, life: &mut Life) {
        match self.dice.below(16) {
            0..=3 => self.newcomer(life),
            4..=7 => self.advance(life),
            8..=11 => life.parts.sequencer.turn(),
            12 => drop(life.parts.publisher.publish()),
            13 => drop(life.parts.storekeeper.supply()),
            14 => {
                life.parts.sequencer.probe_now();
                life.parts.sequencer.turn();
            }
            _ if self.dice.one_in(4) => self.trouble(life),
            _ => {}
        }
    }

    fn newcomer(&mut self, life: &mut Life) {
        match poll_now(&mut Box::pin(life.log.reserve())) {
            Some(Ok(reserved)) => life.callers.push(Caller::Reserved(reserved)),
            _ => self.tally.refused += 1,
        }
    }

    /// One of the callers does the next thing, or gives up.
    fn advance(&mut self, life: &mut Life) {
        if life.callers.is_empty() {
            return;
        }
        let at = self.dice.below(life.callers.len() as u64) as usize;
        let caller = life.callers.swap_remove(at);
        if self.dice.one_in(12) {
            return; // dropped, wherever it was
        }
        let next = match caller {
            Caller::Reserved(reserved) => self.begin(life, reserved),
            Caller::Answering(pending, n) => self.end(pending, n),
            Caller::Refusing(mut waiting) => match poll_now(&mut waiting) {
                None => Some(Caller::Refusing(waiting)),
                Some(answer) => self.acknowledge(answer),
            },
            Caller::Intending(mut waiting, n) => match poll_now(&mut waiting) {
                None => Some(Caller::Intending(waiting, n)),
                Some(answer) => answer.ok().map(|(receipt, pending)| {
                    self.acknowledge(Ok(receipt));
                    Caller::Answering(pending, n)
                }),
            },
            Caller::Ending(mut waiting) => match poll_now(&mut waiting) {
                None => Some(Caller::Ending(waiting)),
                Some(answer) => self.acknowledge(answer),
            },
        };
        life.callers.extend(next);
    }

    fn begin(&mut self, life: &Life, reserved: Reservation) -> Option<Caller> {
        self.requests += 1;
        let (n, bodies) = (self.requests, self.bodies(Direction::Request));
        let mut caller = match self.dice.below(8) {
            0 => Caller::Refusing(Box::pin(reserved.refuse(refusal(n), bodies))),
            1 => {
                let load = LibraryLoad {
                    library: name("onnxruntime"),
                    digest: Digest([1; 32]),
                };
                let log = life.log.clone();
                Caller::Refusing(Box::pin(async move {
                    log.record(Event::LibraryLoad(load)).await
                }))
            }
            _ => Caller::Intending(Box::pin(reserved.intent(intent(n), bodies)), n),
        };
        match &mut caller {
            Caller::Refusing(waiting) => poll_now(waiting).map_or(Some(()), |_| None)?,
            Caller::Intending(waiting, _) => poll_now(waiting).map_or(Some(()), |_| None)?,
            _ => {}
        }
        Some(caller)
    }

    fn end(&mut self, pending: Pending, n: u64) -> Option<Caller> {
        let bodies = self.bodies(Direction::Response);
        if self.dice.one_in(6) {
            pending.abandon(outcome(n), bodies);
            return None;
        }
        let mut waiting: Waiting<Receipt> = Box::pin(pending.outcome(outcome(n), bodies));
        match poll_now(&mut waiting) {
            None => Some(Caller::Ending(waiting)),
            Some(answer) => self.acknowledge(answer),
        }
    }

    fn bodies(&mut self, direction: Direction) -> Vec<Body<'static>> {
        let sizes = [0, 0, 1, 100, 3_000, 7_000];
        let bytes = sizes[self.dice.below(sizes.len() as u64) as usize];
        match bytes {
            0 => Vec::new(),
            _ => fixtures::body(direction, bytes),
        }
    }

    fn acknowledge(&mut self, answer: Result<Receipt, Unavailable>) -> Option<Caller> {
        match answer {
            Ok(receipt) => drop(self.acknowledged.insert(receipt.index.0, receipt.leaf)),
            Err(_) => self.tally.failed_writes += 1,
        }
        None
    }

    fn trouble(&mut self, life: &Life) {
        if self.lying {
            return;
        }
        let after = self.dice.below(6);
        let fault = match self.dice.below(5) {
            0 => return self.disk.fail_sync_after(after),
            1 => Fault::WriteError,
            2 => Fault::ShortWrite,
            3 => Fault::SyncError,
            _ => Fault::NoSpace,
        };
        let times = 1 + self.dice.below(4);
        life.faults.set_once_after(after, times, fault);
    }

    /// A stranger looks at the checkpoint, and remembers.
    fn watch(&mut self) {
        let note = self
            .disk
            .read(&dir().join("checkpoint"))
            .unwrap_or_default();
        if note == self.last_note {
            return;
        }
        let text = String::from_utf8_lossy(&note);
        if let Ok(checkpoint) = Checkpoint::open(&text, &keys().0.verify_key()) {
            self.signed.insert(checkpoint.size, checkpoint.root.0);
        }
        self.last_note = note;
    }

    fn close(&mut self, life: Life) {
        let Life {
            log,
            parts,
            callers,
            ..
        } = life;
        log.shut();
        drop(callers);
        parts.sequencer.run();
        parts.publisher.run();
        self.watch();
        self.tally.clean_ends += u64::from(!self.disk.is_dead());
    }

    /// After a crash: opens the log on a disk without faults, and looks at everything.
    fn examine(&mut self) -> Result<(), String> {
        let (signer, opener) = keys();
        let sealer = Sealer::new(opener.recipient());
        let clock = Arc::clone(&self.clock) as Arc<dyn crate::Clock>;
        let disk: Arc<dyn Storage> = Arc::new(self.disk.clone());
        let (parts, recovery) = recover::open(self.settings(), disk, signer.clone(), sealer, clock)
            .map_err(|error| format!("does not open after a crash: {error}"))?;
        self.tally.torn += u64::from(recovery.torn_bytes > 0);
        self.tally.unknown += recovery.open_intents;
        self.contents()?;
        let options = VerifyOptions {
            vkey: signed_by(&self.disk, dir(), signer),
            ..VerifyOptions::default()
        };
        let proof = verify_in(&self.disk, dir(), options)
            .map_err(|damage| format!("does not verify: {damage}"))?;
        drop(parts);
        match (proof.open_intents, proof.strays.as_slice()) {
            (0, _) => Ok(()),
            (open, _) => Err(format!("{open} intents have no outcome after recovery")),
        }
    }

    fn contents(&self) -> Result<(), String> {
        let (mut tree, mut promised) = (Frontier::default(), self.acknowledged.iter().peekable());
        let entries =
            entries_in(Box::new(self.disk.clone()), dir()).map_err(|damage| damage.to_string())?;
        for entry in entries {
            let (index, leaf) = entry.map_err(|damage| format!("cannot be read: {damage}"))?;
            let hash = leaf_hash(&leaf);
            if let Some((_, leaf)) = promised.next_if(|(promised, _)| **promised == index.0)
                && *leaf != hash
            {
                return Err(format!("entry {index} was acknowledged as another"));
            }
            tree.push(hash);
            if self
                .signed
                .get(&tree.size())
                .is_some_and(|root| *root != tree.root())
            {
                return Err(format!(
                    "a checkpoint at {} signed another tree",
                    tree.size()
                ));
            }
        }
        let signed = self.signed.keys().next_back().copied().unwrap_or(0);
        match (promised.next(), signed > tree.size()) {
            (None, false) => Ok(()),
            (Some((index, _)), _) => Err(format!("entry {index} was acknowledged and is lost")),
            (None, true) => Err(format!(
                "a checkpoint at {signed} was signed, the log ends at {}",
                tree.size()
            )),
        }
    }
}

pub(crate) fn poll_now<F: Future + ?Sized>(waiting: &mut Pin<Box<F>>) -> Option<F::Output> {
    match waiting
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(answer) => Some(answer),
        Poll::Pending => None,
    }
}

pub(crate) fn dir() -> &'static Path {
    static DIR: OnceLock<PathBuf> = OnceLock::new();
    DIR.get_or_init(|| PathBuf::from("/audit"))
}

pub(crate) fn settings() -> Settings {
    Settings {
        queue_max: 8,
        segment_bytes: 40 * 1024,
        ..Settings::new(dir().to_owned(), fixtures::origin())
    }
}

pub(crate) fn keys() -> &'static (Signer, Opener) {
    static KEYS: OnceLock<(Signer, Opener)> = OnceLock::new();
    KEYS.get_or_init(|| {
        (
            Signer::generate(fixtures::origin()).expect("a key"),
            fixtures::opener(fixtures::Holder::P256),
        )
    })
}

/// For the timers that the callers' futures hold; its clock stands still.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime")
}

/// SplitMix64.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }

    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }
}
