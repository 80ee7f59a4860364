//! Closed-loop load: every connection asks again as soon as its answer is complete.
//!
//! Connections and handshakes come first, then a warm-up, then the measured time. What a cell costs is read by a probe
//! at both ends of the measured time, under full load, so that requests cut off at one end are made up for at the
//! other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::Failed;
use crate::client::{Sample, Target};

/// How long a cell runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// Before it is measured.
    pub(crate) warm_up: Duration,
    /// While it is.
    pub(crate) measured: Duration,
}

/// What was measured.
pub(crate) struct Load<P> {
    /// Exchanges that ended within the measured time.
    pub(crate) samples: Vec<Sample>,
    /// How long that was.
    pub(crate) elapsed: Duration,
    /// What the probe read at its start.
    pub(crate) before: P,
    /// What the probe read at its end.
    pub(crate) after: P,
}

/// A connection that takes longer than this to answer, or all of them to connect, will not.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks `target` over `connections` connections at once.
///
/// # Errors
/// Any exchange that did not end as it should, or a probe that failed.
pub(crate) async fn run<P>(
    target: Target,
    connections: usize,
    timing: Timing,
    probe: impl AsyncFn() -> Result<P, Failed>,
) -> Result<Load<P>, Failed> {
    let shared = Arc::new(Shared {
        target,
        phase: AtomicU8::new(WARMING),
        ready: 0.into(),
        measured: 0.into(),
    });
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        clients.spawn(shared.clone().client());
    }
    shared
        .wait(&mut clients, || {
            shared.ready.load(Ordering::Relaxed) == connections
        })
        .await?;
    sleep(timing.warm_up).await;
    let before = probe().await?;
    let started = Instant::now();
    shared.phase.store(MEASURING, Ordering::Relaxed);
    sleep(timing.measured).await;
    // A slow machine may need longer for the first.
    shared
        .wait(&mut clients, || shared.measured.load(Ordering::Relaxed) > 0)
        .await?;
    let elapsed = started.elapsed();
    shared.phase.store(STOPPING, Ordering::Relaxed);
    let after = probe().await?;
    let mut samples = Vec::new();
    while let Some(client) = timeout(PATIENCE, clients.join_next()).await? {
        samples.append(&mut client??);
    }
    Ok(Load {
        samples,
        elapsed,
        before,
        after,
    })
}

const WARMING: u8 = 0;
const MEASURING: u8 = 1;
const STOPPING: u8 = 2;

struct Shared {
    target: Target,
    phase: AtomicU8,
    ready: AtomicUsize,
    measured: AtomicUsize,
}

impl Shared {
    async fn client(self: Arc<Self>) -> Result<Vec<Sample>, Failed> {
        let mut connection = self.target.connect().await?;
        self.ready.fetch_add(1, Ordering::Relaxed);
        let mut samples = Vec::new();
        while self.phase.load(Ordering::Relaxed) != STOPPING {
            let sample = connection.exchange(&self.target).await?;
            if self.phase.load(Ordering::Relaxed) == MEASURING {
                samples.push(sample);
                self.measured.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(samples)
    }

    /// Waits for something that the clients bring about. None of them may end before it is asked to.
    async fn wait(
        &self,
        clients: &mut JoinSet<Result<Vec<Sample>, Failed>>,
        reached: impl Fn() -> bool,
    ) -> Result<(), Failed> {
        let started = Instant::now();
        while !reached() {
            if let Some(ended) = clients.try_join_next() {
                ended??;
            }
            if started.elapsed() > PATIENCE {
                return Err(
                    format!("no answer from {} within {PATIENCE:?}", self.target.address).into(),
                );
            }
            sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}
