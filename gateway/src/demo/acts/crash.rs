//! Act 2: a real gateway is killed while it answers, and what its clients were told is compared with its log.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use gateway::{Config, Gateway, Seams};
use jiff::SignedDuration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::demo::beat::{Beat, Needs, Surprise, Told, Took, Verdict, holds, same};
use crate::demo::child::Served;
use crate::demo::client::Client;
use crate::demo::files::{self, Behind, Setup};
use crate::demo::record::{self, Record};
use crate::demo::rig::{LOOPBACK, Rig, question, streamed};

pub(super) const KILLED: Beat = Beat {
    says: "A second gateway, `portcullis serve`, is killed under load (kill -9).",
    needs: Needs::AnyModel,
    play: |rig| Box::pin(a_killed_gateway_recovers(rig)),
};

/// Clients that ask one request after the other. Every second one asks for a slow stream.
const CLIENTS: usize = 64;

/// The kill comes once so many answers are complete, or at the latest after this time.
const ANSWERS_WANTED: usize = 200;
const LOAD_AT_MOST: Duration = Duration::from_secs(4);

/// Room for that many reservations and their bodies, and still quickly made.
const SEGMENT_BYTES: u64 = 2 << 20;

async fn a_killed_gateway_recovers(rig: &mut Rig) -> Result<Told, Surprise> {
    let folder = rig.folder.join("killed");
    let key = files::write(&Setup {
        folder: &folder,
        data: &[LOOPBACK],
        admin: LOOPBACK,
        // Its answers are planted whatever is behind the tour: this is about the log.
        backend: &Behind::Script,
        runtime: &rig.runtime,
        segment_bytes: Some(SEGMENT_BYTES),
        key_lifetime: SignedDuration::from_hours(1),
    })
    .map_err(|e| Surprise::failed("writing the files", e))?;
    let child = Served::start(&folder.join(files::CONFIG)).await?;
    let client = Client::new(child.address, &folder.join("certs/ca.pem"), &rig.tasks);
    let client = client.map_err(|e| Surprise::failed("reading the CA", e))?;
    let Load {
        in_flight,
        complete,
    } = load_and_kill(child, &client, &key).await?;
    holds(
        "answers before the kill",
        !complete.is_empty(),
        complete.len(),
    )?;
    holds("requests in flight at the kill", in_flight > 0, in_flight)?;

    let recovery = reopen(&folder).await?;
    holds("a log that was not closed", !recovery.clean, recovery)?;
    let log = folder.join("log");
    let verified = audit::verify(&log, audit::VerifyOptions::default());
    verified.map_err(|damage| {
        Surprise::new(
            "the log after the kill",
            "that it verifies",
            damage.to_string(),
        )
    })?;
    let records = record::all(&log)?;
    let crashed = check_story(&records, &complete)?;
    same(
        "the intents that recovery closed",
        crashed,
        recovery.open_intents,
    )?;
    Ok(Told {
        verdict: Verdict::Recovered,
        what: vec![
            format!(
                "{in_flight} requests in flight, {} answers arrived before:",
                complete.len()
            ),
            "each has its entries, in order; one outcome per intent;".to_owned(),
            format!("{crashed} intents without an end were closed: unknown_crash"),
        ],
        not_proved: vec![
            "that a flush reaches the disk: what was written outlives a".to_owned(),
            "kill. The tests simulate losing power.".to_owned(),
        ],
        place: vec![format!(
            "{} entries in order, the log verifies",
            records.len()
        )],
        time: format!("recovered in {}", Took(recovery.took)),
    })
}

/// What the clients saw.
struct Load {
    /// Requests without an answer at the kill.
    in_flight: usize,
    /// The request ids of complete answers.
    complete: Vec<String>,
}

/// Puts the child under load, kills it in the middle, and collects what the clients saw.
async fn load_and_kill(mut child: Served, client: &Client, key: &str) -> Result<Load, Surprise> {
    let (in_flight, answers) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut clients = JoinSet::new();
    for nth in 0..CLIENTS {
        let body = if nth % 2 == 0 {
            question("Good morning!")
        } else {
            streamed("Be slow.")
        };
        let (client, key) = (client.clone(), key.to_owned());
        let (in_flight, answers) = (in_flight.clone(), answers.clone());
        clients.spawn(async move {
            let mut complete = Vec::new();
            let Ok(mut connection) = client.connect().await else {
                return complete;
            };
            loop {
                in_flight.fetch_add(1, Ordering::AcqRel);
                let reply = connection.ask(&key, &body).await;
                match reply {
                    Ok(reply) if reply.status == 200 && reply.is_complete() => {
                        complete.push(reply.id().to_owned())
                    }
                    // The child is gone; what was in flight stays counted.
                    _ => return complete,
                }
                answers.fetch_add(1, Ordering::AcqRel);
                in_flight.fetch_sub(1, Ordering::AcqRel);
            }
        });
    }
    let enough = async {
        let begun = Instant::now();
        while answers.load(Ordering::Acquire) < ANSWERS_WANTED && begun.elapsed() < LOAD_AT_MOST {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        () = enough => {}
        () = child.read_log() => {}
    }
    let at_the_kill = in_flight.load(Ordering::Acquire);
    child.kill().await?;
    let complete = clients.join_all().await.concat();
    Ok(Load {
        in_flight: at_the_kill,
        complete,
    })
}

/// Opens the log as the next start would, in this process, and closes it in order.
async fn reopen(folder: &Path) -> Result<audit::Recovery, Surprise> {
    let config = Config::load(&folder.join(files::CONFIG))
        .map_err(|problems| Surprise::failed("reading the configuration", problems.len()))?;
    let running = Gateway::start(config, Seams::default()).await;
    let running = running.map_err(|e| Surprise::failed("starting again", e))?;
    let recovery = running.recovery;
    running.shutdown().await;
    Ok(recovery)
}

/// Every intent has one outcome after it, every complete answer has both; how many ended with the crash.
fn check_story(records: &[Record], complete: &[String]) -> Result<u64, Surprise> {
    let mut intents: BTreeMap<&str, u64> = BTreeMap::new();
    let mut outcomes: BTreeMap<&str, &Record> = BTreeMap::new();
    for record in records {
        let id = record.text("/req");
        match record.kind() {
            "req.intent" => {
                intents.insert(id, record.index);
            }
            "req.outcome" => {
                let earlier = intents.get(id).copied();
                holds(
                    "an intent before its outcome",
                    earlier.is_some() && earlier == record.number("/intent"),
                    &record.entry,
                )?;
                holds(
                    "one outcome for each intent",
                    outcomes.insert(id, record).is_none(),
                    &record.entry,
                )?;
            }
            _ => {}
        }
    }
    same(
        "outcomes, as many as intents",
        outcomes.len(),
        intents.len(),
    )?;
    for id in complete {
        let status = outcomes
            .get(id.as_str())
            .map(|outcome| outcome.text("/status"));
        same(
            "the outcome of an answer that a client has",
            status,
            Some("completed"),
        )?;
    }
    let crashed = outcomes
        .values()
        .filter(|outcome| outcome.text("/status") == "unknown_crash");
    Ok(crashed.count() as u64)
}
