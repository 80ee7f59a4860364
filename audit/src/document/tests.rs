use std::time::Duration;

use crate::document::{Body, Document, Original, Text};
use crate::entry::{BodyRef, Direction, Name, RequestId, StoredEntry};
use crate::fixtures::{Bench, intent, name, noise, outcome, text};
use crate::log::Log;
use crate::merkle::sha256;
use crate::seal::Unopened;
use crate::storage::Fault;
use crate::{BodyError, open_body};

fn said(whose: &str, texts: &[String]) -> Body<'static> {
    let at = |n| format!("messages[{n}].content");
    let texts = (0..).zip(texts).map(|(n, said)| text(&at(n), said));
    Body {
        whose: Some(name(whose)),
        ..Body::new(Direction::Request, texts.collect())
    }
}

async fn ask(log: &Log, n: u64, body: Body<'_>) {
    let reserved = log.reserve().await.expect("a place");
    let (_receipt, duty) = reserved
        .intent(intent(n), vec![body])
        .await
        .expect("durable");
    let _receipt = duty.outcome(outcome(n), Vec::new()).await.expect("durable");
}

/// The bodies of a log, each with its request, in the order of the entries.
fn bodies(bench: &Bench) -> Vec<(RequestId, BodyRef)> {
    let bodies = |stored: StoredEntry| {
        let req = stored.entry.request();
        stored
            .body
            .into_iter()
            .filter_map(move |body| Some((req?, body)))
    };
    bench.entries().into_iter().flat_map(bodies).collect()
}

fn open(bench: &Bench, (req, body): &(RequestId, BodyRef)) -> Result<Document, BodyError> {
    open_body(&bench.dir(), &bench.opener, *req, body)
}

fn texts(document: Document) -> Vec<String> {
    document
        .texts
        .into_iter()
        .map(|text| text.text.into_owned())
        .collect()
}

#[tokio::test]
async fn a_conversation_costs_its_messages_once() {
    let bench = Bench::new();
    let log = bench.open();
    let messages: Vec<String> = (0..40).map(|n| noise_of(n, 1_000)).collect();
    for turn in 1..=messages.len() {
        ask(&log, turn as u64, said("agency", &messages[..turn])).await;
    }
    log.close().await;
    bench.verify();
    let bodies = bodies(&bench);
    for (turn, body) in bodies.iter().enumerate() {
        let document = open(&bench, body).expect("it opens");
        assert_eq!(texts(document), &messages[..=turn]);
    }
    let sealed: u64 = bodies.iter().map(|(_, body)| body.len).sum();
    assert!(
        sealed < 40 * 2_000,
        "{sealed} bytes for 40 messages of 1,000"
    );
}

#[tokio::test]
async fn principals_and_epochs_share_nothing() {
    let bench = Bench::new();
    let said = |whose| said(whose, &[noise_of(1, 1_000)]);
    let log = bench.open();
    for (n, whose) in [(1, "a"), (2, "a"), (3, "b"), (4, "b")] {
        ask(&log, n, said(whose)).await;
    }
    let nobody = Body {
        whose: None,
        ..said("a")
    };
    ask(&log, 5, nobody).await;
    log.close().await;
    let log = bench.open(); // another life is another epoch
    ask(&log, 6, said("a")).await;
    log.close().await;
    let bodies = bodies(&bench);
    let whole: Vec<bool> = bodies.iter().map(|(_, body)| body.len > 800).collect();
    assert_eq!(whole, [true, false, true, false, true, true]);
    for body in &bodies {
        assert_eq!(
            texts(open(&bench, body).expect("it opens")),
            [noise_of(1, 1_000)]
        );
    }
}

/// What did not become durable is nothing to refer to.
#[tokio::test]
async fn a_failed_entry_teaches_nothing() {
    let bench = Bench::new();
    let (log, faults) = bench.open_faulty();
    faults.set(Fault::WriteError);
    let reserved = log.reserve().await.expect("a place");
    let failed = reserved
        .intent(intent(1), vec![said("a", &[noise_of(1, 1_000)])])
        .await;
    failed.expect_err("the disk fails");
    faults.clear();
    while log.status().is_degraded() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ask(&log, 2, said("a", &[noise_of(1, 1_000)])).await;
    log.close().await;
    for body in &bodies(&bench) {
        assert_eq!(
            texts(open(&bench, body).expect("it opens")),
            [noise_of(1, 1_000)]
        );
    }
}

#[tokio::test]
async fn what_was_masked_is_committed_to_and_kept_only_if_asked() {
    let bench = Bench::new();
    let log = bench.open();
    let was = || vec![text("messages[0].content", "call 555-0100")];
    for (n, original) in [(1, Original::Committed(was())), (2, Original::Kept(was()))] {
        let masked = Body {
            original: Some(original),
            ..said("a", &[String::from("call [phone]")])
        };
        ask(&log, n, masked).await;
    }
    log.close().await;
    let bodies = bodies(&bench);
    let originals: Vec<_> = bodies
        .iter()
        .map(|body| open(&bench, body).expect("it opens").original)
        .collect();
    assert_eq!(originals, [Vec::<Text<'_>>::new(), was()]);
    let list = serde_json::to_vec(&was()).expect("json");
    for (_, body) in &bodies {
        // The salt is sealed: without it nobody can try texts against the entry.
        assert_ne!(body.original.expect("a commitment").0, sha256(&[&list]));
    }
}

#[tokio::test]
async fn a_reference_to_what_is_not_there_is_said() {
    let bench = Bench::new();
    let log = bench.open();
    for n in 1..=2 {
        ask(&log, n, said("a", &[noise_of(1, 1_000)])).await;
    }
    log.close().await;
    let [whole, refers] = <[_; 2]>::try_from(bodies(&bench)).expect("two bodies");
    open(&bench, &refers).expect("it opens");
    let path = bench.dir().join(crate::content::volume_path(whole.1.vol));
    let mut volume = std::fs::read(&path).expect("a volume");
    volume[whole.1.at as usize + 100] ^= 1;
    std::fs::write(&path, volume).expect("written");
    let refused = open(&bench, &refers);
    assert!(
        matches!(refused, Err(BodyError::Unopened(Unopened::Altered))),
        "{refused:?}"
    );
}

fn noise_of(seed: u64, bytes: usize) -> String {
    format!("{seed}: {}", noise(bytes))
}

/// Names that could be confused are told apart: `a` + `b\nc` is not `a\nb` + `c`.
#[test]
fn a_principal_is_not_a_part_of_the_text() {
    let known = super::Known::new().expect("random numbers");
    let long = "x".repeat(100);
    let address = |whose: &str, text: &str| known.address(Name::new(whose).as_ref(), text);
    assert_ne!(address("a", &format!("b{long}")), address("ab", &long));
    assert_eq!(address("a", &long), address("a", &long));
    assert_eq!(address("a", "short"), None);
}
