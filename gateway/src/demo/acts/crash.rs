//! Act 2: a real gateway is killed while it answers, and what its clients were told is compared with its log.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use gateway::{Config, Gateway, Seams};
use jiff::SignedDuration;
use serde_json::Value;
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
    let key = write_files(rig, &folder)?;
    let child = Served::start(&folder.join(files::CONFIG)).await?;
    let client = Client::new(child.address, &folder.join("certs/ca.pem"), &rig.tasks);
    let client = client.map_err(|e| Surprise::failed("reading the CA", e))?;
    let (in_flight, complete) = load_and_kill(child, &client, &key).await?;
    let answers = complete.len();
    holds("answers before the kill", answers > 0, answers)?;
    holds("requests in flight at the kill", in_flight > 0, in_flight)?;

    let recovery = reopen(&folder).await?;
    holds("a log that was not closed", !recovery.clean, recovery)?;
    let shards = audit::shards(&folder.join("log"));
    let log = shards.ok().and_then(|mut shards| shards.pop());
    let log = log.ok_or_else(|| Surprise::failed("reading the log's folder", "no shard"))?;
    if let Err(damage) = audit::verify(&log, audit::VerifyOptions::default()) {
        return Err(Surprise::new(
            "the log after the kill",
            "that it verifies",
            damage.to_string(),
        ));
    }
    let records = record::all(&log)?;
    let crashed = check_story(&records, &complete)?;
    same(
        "the intents that recovery closed",
        crashed,
        recovery.open_intents,
    )?;
    let (entries, took) = (records.len(), Took(recovery.took));
    let what = format!("{in_flight} requests in flight, {answers} answers arrived before:");
    Ok(Told::new(Verdict::Recovered, what)
        .and("each has its entries, in order; one outcome per intent;")
        .and(format!(
            "{crashed} intents without an end were closed: unknown_crash"
        ))
        .not_proved("that a flush reaches the disk: what was written outlives a")
        .not_proved("kill. The tests simulate losing power.")
        .at(format!("{entries} entries in order, the log verifies"))
        .timed(format!("recovered in {took}")))
}

/// The child's own files; its key.
fn write_files(rig: &Rig, folder: &Path) -> Result<String, Surprise> {
    let setup = Setup {
        folder,
        data: &[LOOPBACK],
        admin: LOOPBACK,
        // The script, whatever is behind the tour: this is about the log.
        backend: &Behind::Script,
        runtime: &rig.runtime,
        segment_bytes: Some(SEGMENT_BYTES),
        key_lifetime: SignedDuration::from_hours(1),
    };
    files::write(&setup).map_err(|e| Surprise::failed("writing the files", e))
}

/// Puts the child under load and kills it in the middle: how many requests were in flight then, and the request ids
/// of all complete answers.
async fn load_and_kill(
    mut child: Served,
    client: &Client,
    key: &str,
) -> Result<(usize, Vec<String>), Surprise> {
    let counts = Arc::new(Counts::default());
    let mut clients = JoinSet::new();
    for nth in 0..CLIENTS {
        let body = match nth % 2 {
            0 => question("Good morning!"),
            _ => streamed("Be slow."),
        };
        clients.spawn(ask_until_killed(
            client.clone(),
            key.to_owned(),
            body,
            counts.clone(),
        ));
    }
    tokio::select! {
        () = counts.enough() => {}
        () = child.read_log() => {}
    }
    counts.killed.store(true, Ordering::Release);
    let in_flight = counts.in_flight.load(Ordering::Acquire);
    child.kill().await?;
    let complete: Result<Vec<_>, _> = clients.join_all().await.into_iter().collect();
    Ok((in_flight, complete?.concat()))
}

/// What the clients have come to.
#[derive(Default)]
struct Counts {
    in_flight: AtomicUsize,
    answers: AtomicUsize,
    killed: AtomicBool,
}

impl Counts {
    /// Resolves when there has been enough load.
    async fn enough(&self) {
        let begun = Instant::now();
        while self.answers.load(Ordering::Acquire) < ANSWERS_WANTED
            && begun.elapsed() < LOAD_AT_MOST
        {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

/// Asks one request after the other; the request ids of the answers that came to their end.
async fn ask_until_killed(
    client: Client,
    key: String,
    body: Value,
    counts: Arc<Counts>,
) -> Result<Vec<String>, Surprise> {
    let broken = |error| Surprise::failed("asking", error);
    let mut connection = client.connect().await.map_err(broken)?;
    let mut complete = Vec::new();
    loop {
        counts.in_flight.fetch_add(1, Ordering::AcqRel);
        match connection.ask(&key, &body).await {
            Ok(reply) => {
                same("the status", reply.status, 200)?;
                holds("an answer to its end", reply.is_complete(), reply.body())?;
                complete.push(reply.id().to_owned());
            }
            // What was in flight stays counted.
            Err(_) if counts.killed.load(Ordering::Acquire) => return Ok(complete),
            Err(error) => return Err(broken(error)),
        }
        counts.answers.fetch_add(1, Ordering::AcqRel);
        counts.in_flight.fetch_sub(1, Ordering::AcqRel);
    }
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
