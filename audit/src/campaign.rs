//! The fault campaign: each operation that the log asks of its disk, hit by each fault, one at a time; what
//! the caller of that moment saw, and what the log says afterwards. FAULTS.md has the table.
//!
//! Operations are not listed here but counted: whatever a phase of a request's life asks of the disk is
//! hit, so a step that is added to the write path is in the campaign from then on.
//!
//! In every cell it must hold that
//! - whoever got a receipt finds that entry, with that hash, at that place;
//! - whoever was told that an outcome is not recorded finds no outcome that says otherwise, or a
//!   `req.late` that takes it back;
//! - each intent has exactly one outcome, and the log verifies;
//! - once the disk works again, so does the log; after a crash, once it was opened again.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::archive::entries_in;
use crate::clock::ManualClock;
use crate::desk::Phase as LogPhase;
use crate::entry::{Direction, Entry, OutcomeStatus, StoredEntry, parse};
use crate::fixtures::{body, intent, outcome, request, signed_by};
use crate::log::{Log, Pending, Receipt, Unavailable};
use crate::merkle::leaf_hash;
use crate::recover::{self, Parts};
use crate::seal::Sealer;
use crate::settings::Settings;
use crate::simulation::{dir, keys, poll_now, settings};
use crate::storage::{CrashStorage, Storage};
use crate::verify::{VerifyOptions, verify_in};

mod saboteur;

use saboteur::{Fault, Saboteur};

/// A moment in the life of the log, and who waits then.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Moment {
    Intent,
    Outcome,
    NewSegment,
    Spare,
    Publish,
    Epoch,
    Close,
}

impl Moment {
    const ALL: [Moment; 7] = [
        Moment::Intent,
        Moment::Outcome,
        Moment::NewSegment,
        Moment::Spare,
        Moment::Publish,
        Moment::Epoch,
        Moment::Close,
    ];

    fn as_str(self) -> &'static str {
        match self {
            Moment::Intent => "an intent is recorded",
            Moment::Outcome => "its outcome is recorded",
            Moment::NewSegment => "an outcome is recorded, in a new segment",
            Moment::Spare => "a spare segment is made",
            Moment::Publish => "entries are published, and the segment before is given back",
            Moment::Epoch => "a new epoch key begins",
            Moment::Close => "the log is closed",
        }
    }
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Seen {
    caller: String,
    log: String,
}

/// A log whose threads take their turns when told to, on a disk that a saboteur holds.
struct Rig {
    disk: CrashStorage,
    saboteur: Arc<Saboteur>,
    log: Log,
    parts: Parts,
    /// What was acknowledged.
    receipts: BTreeMap<u64, [u8; 32]>,
}

type Waiting<T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send>>;

/// Longer than a turn on a busy machine, and far shorter than a stall.
const TIMEOUT: Duration = Duration::from_millis(150);

fn campaign_settings() -> Settings {
    Settings {
        commit_timeout: TIMEOUT,
        ..settings()
    }
}

fn open(disk: Arc<dyn Storage>) -> Parts {
    let (signer, opener) = keys();
    let sealer = Sealer::new(opener.recipient());
    let clock = Arc::new(ManualClock::at(1_790_000_000_000_000_000));
    let opened = recover::open(campaign_settings(), disk, signer.clone(), sealer, clock);
    opened.expect("the log opens").0
}

impl Rig {
    fn new() -> Rig {
        let disk = CrashStorage::new(7);
        let saboteur = Saboteur::of(disk.clone());
        let parts = open(Arc::new(Arc::clone(&saboteur)));
        Rig {
            log: Log::unstarted(&parts),
            disk,
            saboteur,
            parts,
            receipts: BTreeMap::new(),
        }
    }

    /// Lets the sequencer write while the caller waits: on a thread of its own, so that a disk that does
    /// not answer holds nobody but it.
    async fn written<T: Send>(&mut self, mut waiting: Waiting<T>) -> Result<T, Unavailable> {
        assert!(poll_now(&mut waiting).is_none(), "nothing is written yet");
        let (saboteur, sequencer) = (Arc::clone(&self.saboteur), &mut self.parts.sequencer);
        std::thread::scope(|scope| {
            scope.spawn(|| sequencer.turn());
            let answer = runtime().block_on(waiting);
            saboteur.release();
            answer
        })
    }

    fn keep(&mut self, receipt: &Receipt) {
        self.receipts.insert(receipt.index.0, receipt.leaf);
    }

    async fn intend(&mut self, n: u64) -> Result<Pending, Unavailable> {
        let reserved = self.log.reserve().await?;
        let bodies = body(Direction::Request, 300);
        let waiting: Waiting<_> = Box::pin(reserved.intent(intent(n), bodies));
        let (receipt, duty) = self.written(waiting).await?;
        self.keep(&receipt);
        Ok(duty)
    }

    async fn end(&mut self, duty: Pending, n: u64, bytes: usize) -> Result<(), Unavailable> {
        let bodies = body(Direction::Response, bytes);
        let waiting: Waiting<_> = Box::pin(duty.outcome(outcome(n), bodies));
        let receipt = self.written(waiting).await?;
        self.keep(&receipt);
        Ok(())
    }

    /// Everything that the log does of itself, until it has nothing to do.
    fn settle(&mut self) {
        for _ in 0..4 {
            self.parts.sequencer.probe_now();
            self.parts.sequencer.turn();
            drop(self.parts.storekeeper.supply());
            drop(self.parts.publisher.publish());
        }
    }

    /// Closes the log, whose threads run to their end. What is left is the disk, and what was acknowledged.
    fn shut(self) -> (CrashStorage, BTreeMap<u64, [u8; 32]>) {
        self.log.shut();
        let Parts {
            sequencer,
            publisher,
            shared,
            ..
        } = self.parts;
        sequencer.run();
        assert_eq!(shared.desk().phase, LogPhase::Written);
        publisher.run();
        drop(self.log);
        drop(shared.take_all());
        (self.disk, self.receipts)
    }
}

/// Plays the moment with a fault at its `at`th operation; none if it has no such operation.
async fn play(moment: Moment, at: u64, fault: Fault) -> Option<(String, Seen)> {
    let mut rig = Rig::new();
    let mut duty = None;
    if moment != Moment::Intent {
        duty = Some(rig.intend(1).await.expect("durable"));
    }
    if moment == Moment::NewSegment {
        // Half a segment is used up by another; the outcome's body does not fit into the rest.
        let other = rig.intend(2).await.expect("durable");
        rig.end(other, 2, 12_000).await.expect("durable");
    }
    if matches!(moment, Moment::Publish | Moment::Close) {
        // Two segments: the older one can be given back.
        let other = rig.intend(2).await.expect("durable");
        rig.end(other, 2, 12_000).await.expect("durable");
        rig.end(duty.take().expect("an intent"), 1, 14_000)
            .await
            .expect("durable");
    }
    if moment == Moment::Spare {
        rig.saboteur.forget_spares(&rig.parts);
    }
    rig.saboteur.arm(at, fault);
    let caller = match moment {
        Moment::Intent => told(rig.intend(1).await.map(|pending| duty = Some(pending))),
        Moment::Outcome => told(rig.end(duty.take()?, 1, 300).await),
        Moment::NewSegment => told(rig.end(duty.take()?, 1, 14_000).await),
        Moment::Spare => {
            drop(rig.parts.storekeeper.supply());
            nobody()
        }
        Moment::Publish => {
            drop(rig.parts.publisher.publish());
            nobody()
        }
        Moment::Epoch => {
            rig.parts.publisher.next_epoch();
            nobody()
        }
        Moment::Close => return close(rig, fault),
    };
    let label = rig.saboteur.hit()?;
    let caller = match (fault, caller.as_str()) {
        (Fault::Crash, "recorded" | "nobody waits")
        | (Fault::Error | Fault::Short | Fault::Stall, _) => caller,
        (Fault::Crash, _) => String::from("is told nothing"),
    };
    let log = match fault {
        Fault::Crash => crashed(rig, duty),
        _ => went_on(rig, duty).await,
    };
    Some((label, Seen { caller, log }))
}

/// Closing takes the threads' turns itself, and ends them.
fn close(rig: Rig, fault: Fault) -> Option<(String, Seen)> {
    let saboteur = Arc::clone(&rig.saboteur);
    let (disk, receipts) = rig.shut();
    let label = saboteur.hit()?;
    if fault == Fault::Crash {
        disk.crash();
    }
    let log = after(&disk, &receipts);
    Some((
        label,
        Seen {
            caller: nobody(),
            log,
        },
    ))
}

fn told(answer: Result<(), Unavailable>) -> String {
    match answer {
        Ok(()) => String::from("recorded"),
        Err(why) => format!("`{why:?}`"),
    }
}

fn nobody() -> String {
    String::from("nobody waits")
}

/// The power went: what the next opening finds.
fn crashed(rig: Rig, duty: Option<Pending>) -> String {
    let Rig {
        disk,
        log,
        parts,
        receipts,
        ..
    } = rig;
    let shared = Arc::clone(&parts.shared);
    drop((duty, log, parts));
    drop(shared.take_all());
    drop(shared);
    disk.crash();
    after(&disk, &receipts)
}

/// The disk works again: the log must, too, and end in order.
async fn went_on(mut rig: Rig, duty: Option<Pending>) -> String {
    rig.saboteur.release();
    drop(duty); // the gateway gives up on what it was told is not recorded
    rig.settle();
    let next = rig.intend(9).await.expect("it serves again");
    rig.end(next, 9, 300).await.expect("durable");
    rig.settle();
    let (disk, receipts) = rig.shut();
    after(&disk, &receipts)
}

/// Opens the log anew, and tells what it says of the first request; or panics, if it says what is not true.
fn after(disk: &CrashStorage, receipts: &BTreeMap<u64, [u8; 32]>) -> String {
    let parts = open(Arc::new(disk.clone()));
    let options = VerifyOptions {
        vkey: signed_by(disk, dir(), &keys().0),
        ..VerifyOptions::default()
    };
    let proof = verify_in(disk, dir(), options).unwrap_or_else(|damage| panic!("{damage}"));
    assert_eq!(proof.open_intents, 0, "each intent has its outcome");
    let mut entries = Vec::new();
    for entry in entries_in(Box::new(disk.clone()), dir()).expect("a log") {
        let (index, leaf) = entry.expect("an entry");
        if let Some(hash) = receipts.get(&index.0) {
            assert_eq!(
                *hash,
                leaf_hash(&leaf),
                "entry {index} was acknowledged as another"
            );
        }
        entries.push(parse(&leaf).expect("an entry"));
    }
    let found = entries.len() as u64;
    assert!(
        receipts.keys().all(|index| *index < found),
        "what was acknowledged is there"
    );
    let shared = Arc::clone(&parts.shared);
    drop(parts);
    drop(shared.take_all());
    story(&entries)
}

/// What the log says of the first request, and of itself.
fn story(entries: &[StoredEntry]) -> String {
    let mut said = Vec::new();
    for StoredEntry { entry, omitted, .. } in entries {
        match entry {
            Entry::Intent(intent) if intent.req == request(1) => said.push(String::from("intent")),
            Entry::Outcome(outcome) if outcome.req == request(1) => {
                let without = if omitted.is_empty() {
                    ""
                } else {
                    ", without its body"
                };
                said.push(format!("{}{without}", outcome.status.as_str()));
            }
            Entry::Late(late) if late.req == request(1) => {
                said.push(String::from("taken back (`req.late`)"))
            }
            Entry::Degraded(degraded) => said.push(format!("degraded: {}", degraded.reason)),
            Entry::Restored(_) => said.push(String::from("restored")),
            _ => {}
        }
    }
    match said.is_empty() {
        true => String::from("nothing of it"),
        false => said.join(", "),
    }
}

/// What must hold of every cell beyond what [`after`] has seen to.
fn is_true(moment: Moment, Seen { caller, log }: &Seen) -> bool {
    let completed = log.contains(OutcomeStatus::Completed.as_str());
    match moment {
        Moment::Outcome | Moment::NewSegment if caller == "recorded" => completed,
        // Not released, so not said to be; but for one that a crash left whole on the disk, of which nobody
        // was told anything.
        Moment::Outcome | Moment::NewSegment => {
            !completed || log.contains("taken back") || caller == "is told nothing"
        }
        _ => true,
    }
}

#[test]
fn every_operation_is_hit_by_every_fault() {
    let runtime = runtime();
    let _within = runtime.enter();
    let mut table: BTreeMap<(Moment, usize, String), BTreeMap<Fault, Vec<Seen>>> = BTreeMap::new();
    for moment in Moment::ALL {
        let mut labels: Vec<String> = Vec::new();
        for at in 0.. {
            let mut hit = false;
            for fault in Fault::ALL {
                let played = at_once(play(moment, at, fault));
                let Some((label, seen)) = played else {
                    continue;
                };
                hit = true;
                assert!(
                    is_true(moment, &seen),
                    "{moment:?}, {label}, {fault:?}: {seen:?}"
                );
                let place = match labels.iter().position(|known| *known == label) {
                    Some(place) => place,
                    None => {
                        labels.push(label.clone());
                        labels.len() - 1
                    }
                };
                let row = table.entry((moment, place, label)).or_default();
                let cell = row.entry(fault).or_default();
                if !cell.contains(&seen) {
                    cell.push(seen);
                }
            }
            if !hit {
                assert!(at > 0, "{moment:?} asks something of the disk");
                break;
            }
        }
    }
    documented(&markdown(&table));
}

/// One, with real time: whoever waits for a disk that stalls, waits.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = Builder::new_current_thread();
        builder.enable_time().build().expect("a runtime")
    })
}

/// The parts of a cell wait for nothing but the saboteur: no runtime drives them from outside.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = Box::pin(future);
    poll_now(&mut future).expect("it waits for nobody")
}

fn markdown(table: &BTreeMap<(Moment, usize, String), BTreeMap<Fault, Vec<Seen>>>) -> String {
    let mut text = String::new();
    let mut last = None;
    for ((moment, _, label), row) in table {
        if last != Some(moment) {
            last = Some(moment);
            text.push_str(&format!("\n### While {}\n\n", moment.as_str()));
            text.push_str(
                "| what was hit | by | the caller | the log, afterwards |\n|---|---|---|---|\n",
            );
        }
        let mut alike: Vec<(&Seen, Vec<&str>)> = Vec::new();
        for (fault, cells) in row {
            for seen in cells {
                match alike.iter_mut().find(|(same, _)| *same == seen) {
                    Some((_, faults)) => faults.push(fault.as_str()),
                    None => alike.push((seen, vec![fault.as_str()])),
                }
            }
        }
        for (Seen { caller, log }, faults) in alike {
            let faults = faults.join(", ");
            text.push_str(&format!("| {label} | {faults} | {caller} | {log} |\n"));
        }
    }
    text
}

/// The table in FAULTS.md is this one.
fn documented(table: &str) {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("FAULTS.md");
    let text = std::fs::read_to_string(&file).expect("FAULTS.md");
    let (begin, end) = ("<!-- table: src/campaign.rs -->\n", "<!-- end -->");
    let (before, rest) = text.split_once(begin).expect("its beginning");
    let (written, after) = rest.split_once(end).expect("its end");
    if std::env::var_os("PORTCULLIS_WRITE_TABLE").is_some() {
        std::fs::write(&file, format!("{before}{begin}{table}\n{end}{after}")).expect("written");
        return;
    }
    assert!(
        written.trim() == table.trim(),
        "PORTCULLIS_WRITE_TABLE=1 writes it; it should be:\n{table}"
    );
}
