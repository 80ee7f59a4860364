use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::checkpoint::Origin;
use crate::clock::SystemClock;
use crate::entry::{Direction, RefusalKind};
use crate::fixtures::{self, intent, outcome, refusal, request};
use crate::seal::Opener;
use crate::storage::{CrashStorage, DiskStorage, Fault, Faults, FaultyStorage};
use crate::verify::{Proof, VerifyOptions, verify_in};
use crate::{Entries, entries};

struct Bench {
    folder: tempfile::TempDir,
    signer: Signer,
    opener: Opener,
}

impl Bench {
    fn new() -> Bench {
        Bench {
            folder: tempfile::tempdir().expect("a temporary folder"),
            signer: Signer::generate(fixtures::origin()).expect("a key"),
            opener: Opener::generate().expect("a key"),
        }
    }

    fn settings(&self) -> Settings {
        Settings {
            queue_max: 64,
            segment_bytes: 256 * 1024,
            checkpoint_every: Duration::from_millis(20),
            ..Settings::new(self.folder.path().join("audit"), fixtures::origin())
        }
    }

    fn disk(&self) -> Arc<dyn Storage> {
        Arc::new(DiskStorage::new(&self.settings().dir).expect("a folder"))
    }

    fn open(&self) -> (Log, Recovery) {
        self.open_on(self.settings(), self.disk())
    }

    fn open_on(&self, settings: Settings, storage: Arc<dyn Storage>) -> (Log, Recovery) {
        let sealer = Sealer::new(self.opener.recipient());
        Log::open(
            settings,
            storage,
            self.signer.clone(),
            sealer,
            Arc::new(SystemClock),
        )
        .expect("the log opens")
    }

    fn verify(&self) -> Proof {
        let options = VerifyOptions {
            vkey: Some(self.signer.verify_key()),
            ..VerifyOptions::default()
        };
        verify_in(&*self.disk(), &self.settings().dir, options)
            .unwrap_or_else(|damage| panic!("{damage}"))
    }
}

#[tokio::test]
async fn what_is_recorded_is_found_and_verifies() {
    let bench = Bench::new();
    let (log, recovery) = bench.open();
    assert_eq!((recovery.size, recovery.clean), (0, true));
    for n in 0..600 {
        let reserved = log.reserve().await.expect("a place");
        let body = Body {
            direction: Direction::Request,
            plaintext: b"how many roads".to_vec(),
        };
        let (receipt, pending) = reserved
            .intent(intent(n), vec![body])
            .await
            .expect("durable");
        assert_eq!(receipt.index, pending.intent());
        let body = Body {
            direction: Direction::Response,
            plaintext: b"42".to_vec(),
        };
        let _receipt = pending
            .outcome(outcome(n), vec![body])
            .await
            .expect("durable");
    }
    log.close().await;
    let proof = bench.verify();
    assert_eq!(
        (proof.intents, proof.open_intents, proof.bodies),
        (600, 0, 1200)
    );
    assert_eq!(proof.size, proof.published);
    println!("{proof}");
}
