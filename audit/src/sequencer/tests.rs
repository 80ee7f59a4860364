use super::*;
use crate::fixtures::Bench;
use crate::recover;
use crate::seal::Sealer;
use crate::storage::{Fault, FaultyStorage};

/// Who comes while a batch is flushed waits for those whom it acknowledges (see `Sequencer::turn`).
#[test]
fn a_turn_writes_one_batch() {
    let bench = Bench::new();
    let (storage, faults) = FaultyStorage::new(bench.disk());
    let (mut parts, _) = recover::open(
        bench.settings.clone(),
        Arc::new(storage),
        bench.signer.clone(),
        Sealer::new(bench.opener.recipient()),
        Arc::new(crate::SystemClock),
    )
    .expect("the log opens");
    let shared = Arc::clone(&parts.shared);
    let waiting = || shared.desk().queue.len();
    shared.queue_own(Entry::Heartbeat(Nothing {}));
    faults.set(Fault::Hang);
    std::thread::scope(|scope| {
        scope.spawn(|| parts.sequencer.turn());
        while shared.busy_for().is_zero() {
            std::thread::yield_now();
        }
        shared.queue_own(Entry::Heartbeat(Nothing {}));
        faults.clear();
    });
    assert_eq!(waiting(), 1, "the turn ended with its batch");
    parts.sequencer.turn();
    assert_eq!(waiting(), 0);
}
