//! A look says what a check would, about running logs, closed ones and crashed ones.

use super::*;
use crate::fixtures::{Bench, intent};

fn now<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(work)
}

#[test]
fn a_running_log_shows_what_is_in_flight_and_a_closed_one_nothing() {
    let bench = Bench::new();
    let log = bench.open();
    let pending = now(async {
        let place = log.reserve().await.expect("a place");
        let (receipt, pending) = place
            .intent(intent(7), Vec::new())
            .await
            .expect("a receipt");
        drop(receipt);
        pending
    });
    let running = survey(&bench.dir()).expect("a look");
    assert_eq!(running.durable, log.status().tree_size);
    assert_eq!(
        running.open,
        BTreeMap::from([(pending.intent(), crate::fixtures::request(7))])
    );
    assert!(!running.closed && running.newest.is_some());
    drop(pending);
    now(log.close());
    let closed = survey(&bench.dir()).expect("a look");
    let proof = bench.verify();
    assert!(closed.closed && closed.open.is_empty());
    let size = closed.checkpoint.expect("published").size;
    assert_eq!((closed.durable, size), (proof.size, proof.size));
    let newest = closed.newest.expect("an entry");
    assert_eq!(
        (newest.entry.kind(), newest.ts),
        ("shutdown", proof.times.1)
    );
    assert!(
        closed
            .bytes
            .iter()
            .all(|(folder, bytes)| *bytes > 0 || *folder == CONTENT)
    );
}

#[test]
fn a_folder_that_holds_no_log_is_an_empty_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let empty = survey(folder.path()).expect("a look");
    assert!(empty.checkpoint.is_none() && empty.newest.is_none() && empty.durable == 0);
    assert!(survey(&folder.path().join("not-there")).is_err());
}
