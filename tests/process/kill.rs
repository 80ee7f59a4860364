//! kill -9 under load: what a client saw is in the log, and every intent has exactly one outcome.
//!
//! A kill leaves the page cache alone, so this shows order and recovery; that flushing matters is what the crash
//! simulator of the `audit` crate shows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::sync::Notify;

use crate::client::Client;
use crate::portcullis::Folder;
use crate::within;

/// Clients that ask without pause.
const CLIENTS: usize = 32;

/// Kills of one folder. Reading its whole log takes longer with every one.
const CYCLES: u64 = 50;

/// A gateway is killed when its clients have seen this many whole answers, or up to this many more.
const ANSWERS_MIN: u64 = 4;
const ANSWERS_SPREAD: u64 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_saw_survives_kill_9() {
    let rounds = if std::env::var_os("PORTCULLIS_SOAK").is_some() {
        20
    } else {
        1
    };
    let seed = match std::env::var("PORTCULLIS_SEED") {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => audit::Clock::now(&audit::SystemClock),
    };
    println!("PORTCULLIS_SEED={seed}: {rounds} rounds of {CYCLES} kills");
    let mut dice = Dice(seed);
    for round in 0..rounds {
        let started = Instant::now();
        let folder = Folder::new();
        let mut seen = Vec::new();
        for _ in 0..CYCLES {
            seen.extend(killed_under_load(&folder, &mut dice).await);
        }
        folder.serve().await.stop().await;
        folder.succeeds(&["audit", "verify", "log"]);
        let tally = check(&folder, &seen);
        println!("round {round}: {tally}, {:?}", started.elapsed());
    }
}

/// One life of the gateway: started, loaded, killed. What its clients saw.
async fn killed_under_load(folder: &Folder, dice: &mut Dice) -> Vec<Seen> {
    let serving = folder.serve().await;
    let load = Arc::new(Load {
        answers: (ANSWERS_MIN + dice.roll(ANSWERS_SPREAD)) as usize,
        ..Load::default()
    });
    let clients: Vec<_> = (0..CLIENTS)
        .map(|number| {
            beside(ask_until_dead(
                serving.client(),
                serving.key().to_owned(),
                number,
                load.clone(),
            ))
        })
        .collect();
    within("answers", load.enough.notified()).await;
    serving.kill().await;
    for client in clients {
        within("a client to notice", client).await.unwrap();
    }
    // As it lies there: intents without an outcome are no damage, and nothing else may be odd.
    let left = audit::verify_shards(&folder.path().join("log"), audit::ChainOptions::default());
    left.unwrap_or_else(|damage| panic!("what the kill left does not verify: {damage}"));
    std::mem::take(&mut *load.seen.lock().unwrap())
}

/// What the clients of one life share.
#[derive(Default)]
struct Load {
    /// Whole answers after which it is enough.
    answers: usize,
    whole: AtomicUsize,
    enough: Notify,
    seen: Mutex<Vec<Seen>>,
}

/// An answer as a client saw it.
#[derive(Clone)]
struct Seen {
    id: String,
    status: u16,
    /// Whether all of it came, its end mark included.
    whole: bool,
}

/// Asks one question after the other on one connection, until it breaks.
async fn ask_until_dead(client: Client, key: String, number: usize, load: Arc<Load>) {
    let Ok(stream) = client.connect().await else {
        return;
    };
    let Ok((mut sender, connection)) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await
    else {
        return;
    };
    let connection = beside(async move { drop(connection.await) });
    for turn in number.. {
        if ask(&mut sender, question(&client, &key, turn), &load)
            .await
            .is_none()
        {
            break;
        }
    }
    connection.abort();
}

/// `None` once the gateway is dead.
async fn ask(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
    load: &Load,
) -> Option<()> {
    sender.ready().await.ok()?;
    let response = sender.send_request(request).await.ok()?;
    let mut seen = Seen {
        id: response.headers()["x-request-id"]
            .to_str()
            .unwrap()
            .to_owned(),
        status: response.status().as_u16(),
        whole: false,
    };
    let streamed = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .starts_with("text/event-stream");
    let mut body = response.into_body();
    let mut read = Vec::new();
    let ended = loop {
        match body.frame().await {
            Some(Ok(frame)) => read.extend(frame.into_data().into_iter().flatten()),
            Some(Err(_)) => break false,
            None => break true,
        }
    };
    seen.whole = ended && (!streamed || read.ends_with(b"data: [DONE]\n\n"));
    let whole = seen.whole;
    load.seen.lock().unwrap().push(seen);
    if whole && load.whole.fetch_add(1, Ordering::Relaxed) + 1 >= load.answers {
        load.enough.notify_one();
    }
    ended.then_some(())
}

/// Plain and streamed ones, long ones to be killed in, and some that are denied.
fn question(client: &Client, key: &str, turn: usize) -> Request<Full<Bytes>> {
    let (text, model) = match turn % 8 {
        0 => ("slow, please", "llama-3.3-70b"),
        1 => ("hello", "llama-4-maverick"),
        2 | 3 => ("say something in unicode", "llama-3.3-70b"),
        _ => ("hello", "llama-3.3-70b"),
    };
    let body = json!({
        "model": model, "stream": turn.is_multiple_of(2), "messages": [{ "role": "user", "content": text }],
    });
    client.request(
        Method::POST,
        "/v1/chat/completions",
        Some(key),
        &body.to_string(),
    )
}

/// The log against what the clients saw.
fn check(folder: &Folder, seen: &[Seen]) -> String {
    let log = folder.log();
    let mut told: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in &log.entries {
        let text = |key: &str| entry[key].as_str().map(str::to_owned);
        if let (Some(id), Some(kind)) = (text("req"), text("type")) {
            told.entry(id)
                .or_default()
                .push(text("status").unwrap_or(kind));
        }
    }
    for Seen { id, status, whole } in seen {
        let story: Vec<_> = told
            .get(id)
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
        match (status, whole) {
            (200, true) => assert_eq!(story, ["req.intent", "completed"], "{id}"),
            // Its status was sent, so its intent was durable; how it ended is known, or known to be unknown.
            (200, false) => assert_eq!(
                (story.len(), story[0]),
                (2, "req.intent"),
                "{id}: {story:?}"
            ),
            (403, _) => assert_eq!(story, ["req.deny"], "{id}"),
            other => panic!("{id}: {other:?}"),
        }
    }
    let (whole, cut): (Vec<_>, Vec<_>) = seen.iter().partition(|seen| seen.whole);
    let crashed = told
        .values()
        .flatten()
        .filter(|told| *told == "unknown_crash")
        .count();
    assert!(
        crashed > 0,
        "no kill came while a model was being asked: this shows nothing"
    );
    let boots = log.of_type("boot").len() as u64;
    assert_eq!(boots, CYCLES + 1);
    format!(
        "{} answers seen whole, {} cut short, {} requests in the log, {crashed} of them open at a kill",
        whole.len(),
        cut.len(),
        told.len()
    )
}

/// Repeatable chance (splitmix64).
struct Dice(u64);

impl Dice {
    /// From 0 to `sides` - 1.
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ (bits >> 31)) % sides
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "ends with the gateway that it asks"
)]
fn beside<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> tokio::task::JoinHandle<T> {
    tokio::spawn(future)
}
