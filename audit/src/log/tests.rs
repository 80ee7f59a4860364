use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::time::Duration;

use super::*;
use crate::entry::{Direction, Omitted};
use crate::fixtures::{Bench, body, check, intent, name, outcome, refusal, request, until};
use crate::storage::{CrashStorage, Fault, Faults};

async fn begin(log: &Log, n: u64) -> Result<Pending, Unavailable> {
    let (receipt, pending) = log.reserve().await?.intent(intent(n), Vec::new()).await?;
    assert_eq!(receipt.index, pending.intent());
    Ok(pending)
}

fn statuses(bench: &Bench) -> Vec<OutcomeStatus> {
    let outcomes = bench
        .entries()
        .into_iter()
        .filter_map(|stored| match stored.entry {
            Entry::Outcome(outcome) => Some(outcome.status),
            _ => None,
        });
    outcomes.collect()
}

#[tokio::test]
async fn what_is_recorded_is_found_and_verifies() {
    let bench = Bench::new();
    let log = bench.open();
    for n in 0..150 {
        let reserved = log.reserve().await.expect("a place");
        let (_receipt, pending) = reserved
            .intent(intent(n), body(Direction::Request, 40))
            .await
            .expect("durable");
        let _receipt = pending
            .outcome(outcome(n), body(Direction::Response, 50))
            .await
            .expect("durable");
        let _receipt = log
            .reserve()
            .await
            .expect("a place")
            .refuse(refusal(n), Vec::new())
            .await
            .expect("durable");
    }
    let status = log.status();
    assert_eq!(
        (status.tree_size, status.open_intents, status.places),
        (452, 0, 0)
    );
    assert!(status.flushes >= 450 && status.mean_flush > Duration::ZERO && !status.is_degraded());
    log.close().await;
    assert_eq!(log.reserve().await.err(), Some(Unavailable::Closed));
    let proof = bench.verify();
    assert_eq!(
        (
            proof.intents,
            proof.open_intents,
            proof.bodies,
            proof.refusals
        ),
        (150, 0, 300, (150, 0))
    );
    assert_eq!(
        (proof.size, proof.published, proof.boots),
        (453, 453, (1, 0))
    );
}

#[tokio::test]
async fn a_log_goes_on_where_it_was_closed() {
    let bench = Bench::new();
    for life in 0..3 {
        let (log, recovery) = bench.try_open(bench.disk()).expect("the log opens");
        assert_eq!((recovery.size, recovery.clean), (life * 5, true));
        let pending = begin(&log, life).await.expect("durable");
        let _receipt = pending
            .outcome(outcome(life), Vec::new())
            .await
            .expect("durable");
        log.close_blocking();
    }
    assert_eq!(bench.verify().boots, (3, 0));
}

#[tokio::test]
async fn whoever_vanishes_leaves_exactly_one_outcome() {
    let bench = Bench::new();
    vanish(&bench).await;
    let outcomes = bench.verify().outcomes;
    assert_eq!(outcomes.get(&OutcomeStatus::Abandoned), Some(&3));
    assert_eq!(outcomes.get(&OutcomeStatus::Completed), Some(&1));
    assert_eq!(outcomes.get(&OutcomeStatus::ClientGone), Some(&1));
    assert_eq!(
        bench.count("req.late"),
        1,
        "nobody waited for the outcome of 3"
    );
}

/// The test of the test before: without the duty to pair, it fails.
#[tokio::test]
async fn without_pairing_whoever_vanishes_leaves_nothing() {
    let mut bench = Bench::new();
    bench.settings.broken = Some(Broken::Pairing);
    vanish(&bench).await;
    let outcomes = bench.verify().outcomes;
    assert_eq!(outcomes.get(&OutcomeStatus::Abandoned), None);
}

/// Callers vanish at every `await`.
async fn vanish(bench: &Bench) {
    let log = bench.open();
    drop(log.reserve().await.expect("a place"));
    drop(begin(&log, 1).await.expect("durable"));
    {
        let reserved = log.reserve().await.expect("a place");
        let mut waiting = pin!(reserved.intent(intent(2), Vec::new()));
        assert!(
            waiting
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    }
    {
        let mut waiting = pin!(
            begin(&log, 3)
                .await
                .expect("durable")
                .outcome(outcome(3), Vec::new())
        );
        assert!(
            waiting
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_pending()
        );
    }
    drop(
        begin(&log, 4)
            .await
            .expect("durable")
            .outcome(outcome(4), Vec::new()),
    );
    let gone = Outcome {
        status: OutcomeStatus::ClientGone,
        ..outcome(5)
    };
    begin(&log, 5)
        .await
        .expect("durable")
        .abandon(gone, body(Direction::Response, 9));
    until("nobody holds a place", || log.status().places == 0).await;
    log.close().await;
}

#[tokio::test]
async fn closing_gives_open_intents_their_outcome() {
    let bench = Bench::new();
    let log = bench.open();
    let pending = begin(&log, 1).await.expect("durable");
    log.close().await;
    assert_eq!(
        pending.outcome(outcome(1), Vec::new()).await,
        Err(Unavailable::Closed)
    );
    assert_eq!(statuses(&bench), [OutcomeStatus::Shutdown]);
    assert_eq!(bench.verify().open_intents, 0);
}

#[tokio::test]
async fn a_crash_gives_open_intents_their_outcome() {
    let bench = Bench::new();
    let log = bench.open();
    let pending = begin(&log, 1).await.expect("durable");
    let copy = bench.beside("copy");
    copy_folder(&bench.dir(), &copy); // as a kill -9 would leave it
    let _receipt = pending
        .outcome(outcome(1), Vec::new())
        .await
        .expect("durable");
    drop(log);
    std::fs::remove_dir_all(bench.dir()).expect("removed");
    std::fs::rename(copy, bench.dir()).expect("renamed");
    assert_eq!(
        bench.verify().open_intents,
        1,
        "the tail verifies before recovery"
    );
    let (log, recovery) = bench.try_open(bench.disk()).expect("the log opens");
    assert_eq!((recovery.clean, recovery.open_intents), (false, 1));
    log.close().await;
    assert_eq!(statuses(&bench), [OutcomeStatus::UnknownCrash]);
    assert_eq!(bench.verify().boots, (2, 1));
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        match entry.file_type().expect("a type").is_dir() {
            true => copy_folder(&entry.path(), &to.join(entry.file_name())),
            false => drop(std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied")),
        }
    }
}

#[tokio::test]
async fn there_are_as_many_places_as_there_are() {
    let bench = Bench::new();
    let log = bench.open();
    let mut held = Vec::new();
    let full = loop {
        match log.reserve().await {
            Ok(reserved) => held.push(reserved),
            Err(full) => break full,
        }
    };
    assert_eq!(
        full,
        if held.len() == 64 {
            Unavailable::Overloaded
        } else {
            Unavailable::Full
        }
    );
    held.clear();
    until("space is there again", || !log.status().is_degraded()).await;
    assert!(log.reserve().await.is_ok());
}

/// Fills the disk with intents, of which some are still owed their outcomes.
async fn fill(log: &Log) -> (u64, Vec<(u64, Pending)>) {
    let mut pending = Vec::new();
    let mut n = 0;
    // Bodies make it quick. Whoever has an intent is owed its outcome, however full the disk.
    while !log.status().is_degraded() {
        n += 1;
        let Ok(reserved) = log.reserve().await else {
            break;
        };
        match reserved
            .intent(intent(n), body(Direction::Request, 1_500))
            .await
        {
            Ok((_receipt, duty)) if pending.len() < 200 => pending.push((n, duty)),
            Ok((_receipt, duty)) => duty.abandon(outcome(n), Vec::new()),
            Err(why) => assert_eq!(why, Unavailable::Full),
        }
    }
    (n, pending)
}

/// The test of the test after: with nothing set aside for outcomes, a full disk breaks the log's word.
#[tokio::test]
async fn without_its_reservation_an_outcome_meets_a_full_disk() {
    let mut bench = Bench::new();
    bench.settings.broken = Some(Broken::Reservation);
    bench.settings.queue_max = 400;
    bench.settings.commit_timeout = Duration::from_millis(300);
    let (log, faults) = bench.open_faulty();
    faults.set(Fault::NoSpace);
    let (_, pending) = fill(&log).await;
    let mut broken = false;
    for (n, duty) in pending {
        if duty.outcome(outcome(n), Vec::new()).await.is_err() {
            broken = true;
            break;
        }
    }
    faults.clear();
    assert!(broken, "nobody misses what is not set aside");
}

#[tokio::test]
async fn a_full_disk_refuses_newcomers_and_keeps_its_word() {
    let mut bench = Bench::new();
    bench.settings.queue_max = 400;
    let (log, faults) = bench.open_faulty();
    faults.set(Fault::NoSpace);
    let (n, pending) = fill(&log).await;
    assert_eq!(log.reserve().await.err(), Some(Unavailable::Full));
    assert_eq!(log.status().state, State::Degraded(Reason::Full));
    for (n, duty) in pending {
        let _receipt = duty
            .outcome(outcome(n), body(Direction::Response, 30_000))
            .await
            .expect("its place was kept");
    }
    faults.clear();
    until("space is there again", || {
        log.status().state == State::Serving
    })
    .await;
    let refused = log.status().refused;
    let _pending = begin(&log, n + 1).await.expect("durable");
    log.close().await;
    let proof = bench.verify();
    assert!(proof.omitted > 0, "some of the large bodies had no space");
    assert_eq!(
        (bench.count("audit.degraded"), bench.count("audit.restored")),
        (1, 1)
    );
    let counted = bench
        .entries()
        .into_iter()
        .find_map(|stored| match stored.entry {
            Entry::Restored(restored) => Some(restored.refused),
            _ => None,
        });
    assert_eq!(counted, Some(refused));
}

/// A write that fails: nobody is told what is not true, and what is owed is written later.
async fn survives(fault: Fault) {
    let bench = Bench::new();
    let (log, faults) = bench.open_faulty();
    let duty = begin(&log, 1).await.expect("durable");
    let reserved = log.reserve().await.expect("a place");
    faults.set(fault);
    let (first, second) = tokio::join!(
        duty.outcome(outcome(1), Vec::new()),
        reserved.intent(intent(2), Vec::new())
    );
    assert_eq!(first, Err(Unavailable::Failed), "{fault:?}");
    assert_eq!(second.err(), Some(Unavailable::Failed), "{fault:?}");
    assert_eq!(log.status().state, State::Degraded(Reason::Failed));
    assert_eq!(log.reserve().await.err(), Some(Unavailable::Failed));
    faults.clear();
    until("it is written again", || {
        log.status().state == State::Serving
    })
    .await;
    let duty = begin(&log, 3).await.expect("durable");
    let _receipt = duty.outcome(outcome(3), Vec::new()).await.expect("durable");
    log.close().await;
    assert_eq!(
        statuses(&bench),
        [OutcomeStatus::AuditUnavailable, OutcomeStatus::Completed],
        "{fault:?}"
    );
    assert_eq!(
        (bench.count("audit.degraded"), bench.count("audit.restored")),
        (1, 1),
        "{fault:?}"
    );
    let proof = bench.verify();
    assert_eq!((proof.intents, proof.open_intents), (2, 0), "{fault:?}");
}

#[tokio::test]
async fn a_failed_write_is_survived() {
    survives(Fault::WriteError).await;
}

#[tokio::test]
async fn a_short_write_is_survived() {
    survives(Fault::ShortWrite).await;
}

#[tokio::test]
async fn a_failed_flush_is_survived() {
    survives(Fault::SyncError).await;
}

#[tokio::test]
async fn a_disk_that_hangs_makes_nobody_wait_for_ever() {
    let bench = Bench::new();
    let (log, faults) = bench.open_faulty();
    let duty = begin(&log, 1).await.expect("durable");
    faults.set(Fault::Hang);
    assert_eq!(begin(&log, 2).await.err(), Some(Unavailable::Stalled));
    assert_eq!(
        log.reserve().await.err(),
        Some(Unavailable::Stalled),
        "and newcomers do not wait at all"
    );
    assert!(log.status().alarm && log.status().is_degraded());
    // Queued behind the hanging flush: it is not on its way yet when its writer gives up.
    assert_eq!(
        duty.outcome(outcome(1), Vec::new()).await,
        Err(Unavailable::Stalled)
    );
    faults.clear();
    until("all is written", || {
        log.status().open_intents == 0 && log.status().places == 0
    })
    .await;
    log.close().await;
    let mut found = statuses(&bench);
    found.sort();
    assert_eq!(
        found,
        [OutcomeStatus::AuditUnavailable, OutcomeStatus::Abandoned]
    );
    assert_eq!(bench.count("audit.restored"), 1);
    assert_eq!(bench.verify().late, 0);
}

#[tokio::test]
async fn an_outcome_that_lands_too_late_says_so() {
    let bench = Bench::new();
    let (log, faults) = bench.open_faulty();
    let duty = begin(&log, 1).await.expect("durable");
    faults.set(Fault::Hang);
    assert_eq!(
        duty.outcome(outcome(1), Vec::new()).await,
        Err(Unavailable::Stalled)
    );
    faults.clear();
    until("all is written", || {
        log.status().places == 0 && log.status().queue_depth == 0
    })
    .await;
    log.close().await;
    assert_eq!(
        (statuses(&bench), bench.verify().late),
        (vec![OutcomeStatus::Completed], 1)
    );
}

#[tokio::test]
async fn a_refusal_that_lands_too_late_says_so() {
    let bench = Bench::new();
    let (log, faults) = bench.open_faulty();
    let reserved = log.reserve().await.expect("a place");
    faults.set(Fault::Hang);
    let refused = reserved.refuse(refusal(1), Vec::new()).await;
    assert_eq!(refused, Err(Unavailable::Stalled));
    faults.clear();
    until("all is written", || {
        log.status().places == 0 && log.status().queue_depth == 0
    })
    .await;
    log.close().await;
    assert_eq!((bench.count("req.deny"), bench.verify().late), (1, 1));
}

/// What the entry says of an end that was not released: neither the status, nor the finish, nor the
/// bytes that it would have had.
#[tokio::test]
async fn an_end_that_was_withheld_is_not_told_as_released() {
    let bench = Bench::new();
    let (log, faults) = bench.open_faulty();
    let (one, other) = (begin(&log, 1).await, begin(&log, 2).await);
    let (one, other) = (one.expect("durable"), other.expect("durable"));
    let withheld = Withheld {
        http: 503,
        released_bytes: 17,
    };
    faults.set(Fault::SyncError);
    let (one, other) = tokio::join!(
        one.outcome_or(outcome(1), withheld, Vec::new()),
        other.outcome_or(outcome(2), withheld, Vec::new()),
    );
    assert!(one.is_err() && other.is_err());
    faults.clear();
    until("all is written", || log.status().open_intents == 0).await;
    log.close().await;
    let told: Vec<_> = bench
        .entries()
        .into_iter()
        .filter_map(|stored| match stored.entry {
            Entry::Outcome(outcome) => Some(outcome),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 2);
    for outcome in told {
        assert_eq!(outcome.status, OutcomeStatus::AuditUnavailable);
        assert_eq!((outcome.http, outcome.released_bytes), (503, 17));
        assert!(outcome.finish.is_empty() && outcome.code.is_some());
    }
}

#[tokio::test]
async fn bodies_larger_than_a_segment_are_refused_or_left_out() {
    let bench = Bench::new();
    let log = bench.open();
    let reserved = log.reserve().await.expect("a place");
    let refused = reserved
        .intent(intent(1), body(Direction::Request, 300_000))
        .await;
    assert_eq!(refused.err(), Some(Unavailable::Full));
    let duty = begin(&log, 2).await.expect("durable");
    let _receipt = duty
        .outcome(outcome(2), body(Direction::Response, 300_000))
        .await
        .expect("durable");
    log.close().await;
    let omitted = bench
        .entries()
        .into_iter()
        .flat_map(|stored| stored.omitted);
    assert_eq!(
        omitted.collect::<Vec<_>>(),
        [Omitted {
            dir: Direction::Response,
            bytes: 300_002, // with its head, `{}`
        }]
    );
    assert_eq!(bench.verify().intents, 1);
}

/// The widest outcome without checks is within what every reservation holds for certain.
#[test]
fn the_smallest_form_of_an_outcome_always_fits() {
    let long = name(&"n".repeat(128));
    let widest = Outcome {
        status: OutcomeStatus::UpstreamIncomplete,
        http: u16::MAX,
        code: Some(long.clone()),
        finish: vec![long; 20],
        tokens: Some(crate::entry::Tokens {
            input: u64::MAX,
            output: u64::MAX,
            estimated: false,
        }),
        checks: vec![check(16); 40],
        ms_total: u32::MAX,
        ms_first_byte: Some(u32::MAX),
        released_bytes: u64::MAX,
        ..Outcome::bare(request(1), EntryIndex(u64::MAX), OutcomeStatus::Completed)
    };
    let payload = Payload::fit(Entry::Outcome(widest), OUTCOME_ROOM).expect("it fits");
    let omitted = vec![
        Omitted {
            dir: Direction::Response,
            bytes: u64::MAX
        };
        BODIES_MAX
    ];
    let job = Job::new(payload, Vec::new(), omitted, None, Then::Nobody);
    assert!(job.cost <= OUTCOME_COST, "{}", job.cost);
    let late = crate::entry::Late {
        req: request(1),
        outcome: EntryIndex(u64::MAX),
    };
    let late = Job::own(Entry::Late(late)).expect("a job");
    assert!(late.cost <= LATE_BYTES, "{}", late.cost);
}

#[tokio::test]
async fn one_log_one_opener() {
    let bench = Bench::new();
    let log = bench.open();
    assert!(matches!(
        bench.try_open(bench.disk()),
        Err(OpenError::InUse)
    ));
    drop(log);
    assert!(bench.try_open(bench.disk()).is_ok());
}

#[tokio::test]
async fn a_log_that_was_rolled_back_does_not_open() {
    let bench = Bench::new();
    let run = async |n| {
        let log = bench.open();
        drop(begin(&log, n).await.expect("durable"));
        log.close().await;
    };
    run(1).await;
    let old = bench.beside("old");
    copy_folder(&bench.dir(), &old);
    run(2).await;
    // The write-ahead log of an older copy under a newer checkpoint, and none at all.
    std::fs::remove_dir_all(bench.dir().join("wal")).expect("removed");
    copy_folder(&old.join("wal"), &bench.dir().join("wal"));
    let opened = bench.try_open(bench.disk());
    assert!(
        matches!(
            opened,
            Err(OpenError::RolledBack {
                published: 10,
                found: 5
            })
        ),
        "{opened:?}"
    );
    std::fs::remove_dir_all(bench.dir().join("wal")).expect("removed");
    let opened = bench.try_open(bench.disk());
    assert!(
        matches!(opened, Err(OpenError::RolledBack { published: 10, .. })),
        "{opened:?}"
    );
}

/// What is left of a log must not be taken for a new one: it would be written over.
#[tokio::test]
async fn remains_of_a_log_are_not_a_new_log() {
    let bench = Bench::new();
    let log = bench.open();
    let duty = begin(&log, 1).await.expect("durable");
    let _receipt = duty
        .outcome(outcome(1), body(Direction::Response, 99))
        .await
        .expect("durable");
    log.close().await;
    let whole = bench.beside("whole");
    copy_folder(&bench.dir(), &whole);
    let all = ["tile", "content", "keyring"];
    for kept in [
        &all[..],
        &["tile"],
        &["content"],
        &["keyring"],
        &["wal", "tile"],
    ] {
        std::fs::remove_dir_all(bench.dir()).expect("removed");
        for folder in kept {
            copy_folder(&whole.join(folder), &bench.dir().join(folder));
        }
        let files = || bench.disk().files(&bench.dir()).expect("a folder");
        let before = files();
        let refused = bench
            .try_open(bench.disk())
            .expect_err("not a log")
            .to_string();
        for folder in kept.iter().filter(|folder| **folder != "wal") {
            assert!(refused.contains(&format!("in {folder}/")), "{refused}");
        }
        let missing = match kept.contains(&"wal") {
            false => "neither a checkpoint nor a write-ahead log",
            true => "no checkpoint, and the write-ahead log begins after the first entry",
        };
        assert!(refused.contains(missing), "{refused}");
        assert!(refused.contains("put back the missing files"), "{refused}");
        let mut after = files();
        after.retain(|path| !path.ends_with("lock"));
        assert_eq!(after, before, "nothing was touched");
        assert!(bench.try_verify().is_err(), "nor does it verify: {kept:?}");
    }
}

#[tokio::test]
async fn a_log_of_another_origin_is_not_written_over() {
    let mut bench = Bench::new();
    drop(bench.open());
    std::fs::remove_file(bench.dir().join("checkpoint")).expect("removed");
    let other = crate::Origin::new("gw2.agency.example/audit").expect("an origin");
    bench.signer = Signer::generate(other.clone()).expect("a key");
    bench.settings.origin = other;
    let refused = bench
        .try_open(bench.disk())
        .expect_err("another's")
        .to_string();
    assert!(refused.contains("of another origin"), "{refused}");
}

/// A first opening that the power ended, at whatever moment, leaves a folder that opens.
#[test]
fn a_first_opening_can_be_cut_short_anywhere() {
    for seed in 0..300 {
        let (mut bench, disk) = (Bench::new(), CrashStorage::new(seed));
        bench.settings.dir = "/audit".into();
        disk.cut_power_after(seed / 4);
        drop(bench.try_open(Arc::new(disk.clone())));
        disk.crash();
        let opened = bench.try_open(Arc::new(disk.clone()));
        assert!(opened.is_ok(), "seed {seed}: {opened:?}");
    }
}

#[tokio::test]
async fn another_key_does_not_open_the_log() {
    let mut bench = Bench::new();
    bench.open().close().await;
    bench.signer = Signer::generate(crate::fixtures::origin()).expect("a key");
    let opened = bench.try_open(bench.disk());
    assert!(matches!(opened, Err(OpenError::Damaged(_))), "{opened:?}");
}

/// The real threads under load, and a power cut at any moment: what was acknowledged is there.
#[tokio::test]
async fn threads_lose_nothing_when_the_power_goes() {
    for seed in 0..25 {
        let (mut bench, disk) = (Bench::new(), CrashStorage::new(seed));
        bench.settings.dir = "/audit".into();
        let (log, _) = bench
            .try_open(Arc::new(disk.clone()))
            .expect("the log opens");
        disk.cut_power_after(20 + seed * 7);
        let acknowledged = load(&log).await;
        drop(log);
        disk.crash();
        let (log, recovery) = bench
            .try_open(Arc::new(disk.clone()))
            .expect("the log opens");
        drop(log);
        let entries = crate::archive::entries_in(Box::new(disk), &bench.dir()).expect("a log");
        let entries: Vec<_> = entries
            .map(|entry| crate::leaf_hash(&entry.expect("an entry").1))
            .collect();
        for (index, leaf) in &acknowledged {
            assert_eq!(
                entries.get(*index as usize),
                Some(leaf),
                "seed {seed}, {recovery:?}"
            );
        }
    }
}

/// Eight callers until the log says no.
async fn load(log: &Log) -> Vec<(u64, [u8; 32])> {
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..8 {
        let log = log.clone();
        callers.spawn(async move {
            let mut acknowledged = Vec::new();
            for n in 0.. {
                let Ok(reserved) = log.reserve().await else {
                    break;
                };
                let Ok((receipt, duty)) = reserved
                    .intent(intent(caller * 1_000 + n), body(Direction::Request, 99))
                    .await
                else {
                    break;
                };
                acknowledged.push((receipt.index.0, receipt.leaf));
                let Ok(receipt) = duty.outcome(outcome(n), Vec::new()).await else {
                    break;
                };
                acknowledged.push((receipt.index.0, receipt.leaf));
            }
            acknowledged
        });
    }
    callers.join_all().await.concat()
}

#[test]
fn the_faults_are_shared_by_their_clones() {
    let faults = Faults::default();
    faults.clone().set(Fault::Hang);
    faults.clear();
}

/// At 95 % of the disk no new request is taken, while those in flight end as they should.
#[tokio::test]
async fn a_disk_that_fills_up_is_climbed_step_by_step() {
    let bench = Bench::new();
    let (log, faults) = bench.open_faulty();
    let step = async |percent, space| {
        faults.set(Fault::Filling(percent));
        until("it has looked", || log.status().space == space).await;
        log.status()
    };
    assert_eq!(
        (step(74, Space::Plenty).await.alarm, log.status().state),
        (false, State::Serving)
    );
    assert!(!step(75, Space::Low).await.alarm);
    let status = step(90, Space::Short).await;
    assert_eq!((status.alarm, status.state), (true, State::Serving));
    let duty = begin(&log, 1).await.expect("durable");
    step(95, Space::Spent).await;
    assert_eq!(log.reserve().await.err(), Some(Unavailable::Full));
    let ended = duty
        .outcome(outcome(1), body(Direction::Response, 2_000))
        .await;
    let _receipt = ended.expect("what is in flight has its space");
    step(94, Space::Short).await;
    until("it serves again", || log.status().state == State::Serving).await;
    let duty = begin(&log, 2).await.expect("durable");
    let _receipt = duty.outcome(outcome(2), Vec::new()).await.expect("durable");
    log.close().await;
    let kinds: Vec<_> = bench
        .entries()
        .iter()
        .map(|stored| stored.entry.kind())
        .collect();
    let told: Vec<_> = kinds
        .iter()
        .filter(|kind| kind.starts_with("audit."))
        .collect();
    assert_eq!(told, [&"audit.degraded", &"audit.restored"]);
    assert_eq!(bench.verify().omitted, 0, "bodies too");
}
