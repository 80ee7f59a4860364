use std::sync::Condvar;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::testing::{Keyword, TRIGGERS, far};
use crate::{DetectorInfo, Features};

/// Counts its calls, and waits in each until it is let go.
struct Gated {
    keyword: Keyword,
    open: (Mutex<bool>, Condvar),
    calls: AtomicUsize,
}

impl Classifier for Gated {
    fn info(&self) -> &DetectorInfo {
        self.keyword.info()
    }
    fn labels(&self) -> &[String] {
        self.keyword.labels()
    }
    fn score(&self, batch: &[Features]) -> Result<Vec<Vec<f32>>, ClassifierError> {
        let (open, opened) = &self.open;
        let open = open.lock().unwrap_or_else(PoisonError::into_inner);
        drop(opened.wait_while(open, |open| !*open));
        self.calls.fetch_add(1, Ordering::SeqCst);
        self.keyword.score(batch)
    }
}

fn keyword() -> Arc<dyn Classifier> {
    Arc::new(Keyword::named("fake", &["attack", "harm"]))
}

fn windows(texts: &[&str]) -> Vec<Passage> {
    texts.iter().map(|text| Passage::whole(text)).collect()
}

#[tokio::test]
async fn windows_are_scored_in_order() {
    let pool = Pool::start(2, 4).expect("threads");
    let texts = windows(&["plain words", TRIGGERS[0], TRIGGERS[1]]);
    let scored = pool.score(&keyword(), texts, far()).await.expect("scores");
    assert_eq!(scored.scores, [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once_and_abandoned_jobs_are_skipped() {
    let gated = Arc::new(Gated {
        keyword: Keyword::named("fake", &["attack", "harm"]),
        open: (Mutex::new(false), Condvar::new()),
        calls: AtomicUsize::new(0),
    });
    let classifier: Arc<dyn Classifier> = gated.clone();
    let pool = Pool::start(1, 2).expect("a thread");
    let soon = || Instant::now() + Duration::from_millis(50);
    // One job is in the thread's hands and two wait, all soon abandoned; the next finds no place.
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        outcomes.push(pool.score(&classifier, windows(&["x"]), soon()).await);
    }
    let expected = [
        Undecided::Deadline,
        Undecided::Deadline,
        Undecided::Deadline,
        Undecided::QueueFull,
    ];
    assert_eq!(outcomes, expected.map(Err));
    *gated.open.0.lock().expect("the gate") = true;
    gated.open.1.notify_all();
    while pool.score(&classifier, windows(&["x"]), far()).await == Err(Undecided::QueueFull) {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        gated.calls.load(Ordering::SeqCst),
        2,
        "the two that nobody awaited were not run"
    );
}

#[tokio::test]
async fn a_panic_costs_one_job_and_no_thread() {
    struct Panics(Keyword);
    impl Classifier for Panics {
        fn info(&self) -> &DetectorInfo {
            self.0.info()
        }
        fn labels(&self) -> &[String] {
            self.0.labels()
        }
        fn score(&self, _: &[Features]) -> Result<Vec<Vec<f32>>, ClassifierError> {
            panic!("on purpose")
        }
    }
    let pool = Pool::start(1, 4).expect("a thread");
    let panics: Arc<dyn Classifier> = Arc::new(Panics(Keyword::named("fake", &["attack", "harm"])));
    let failed = pool.score(&panics, windows(&["x"]), far()).await;
    assert_eq!(failed, Err(Undecided::Classifier("it panicked".to_owned())));
    assert!(pool.score(&keyword(), windows(&["x"]), far()).await.is_ok());
}
