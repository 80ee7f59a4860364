use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
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
        // Of several windows, not one may be of this word.
        let poison = ngrams::features(POISON);
        match batch {
            [_, _, ..] if batch.contains(&poison) => panic!("on purpose"),
            [only] if *only == poison => Err(ClassifierError {
                message: "poisoned".to_owned(),
            }),
            _ => self.keyword.score(batch),
        }
    }
}

const POISON: &str = "zzpoison";

impl Gated {
    fn shut() -> Arc<Gated> {
        Arc::new(Gated {
            keyword: Keyword::named("fake", &["attack", "harm"]),
            open: (Mutex::new(false), Condvar::new()),
            calls: AtomicUsize::new(0),
        })
    }

    fn let_go(&self) {
        *self.open.0.lock().expect("the gate") = true;
        self.open.1.notify_all();
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
    let gated = Gated::shut();
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
    gated.let_go();
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

/// Asks for all of these while the only thread is kept busy, and then lets it go. What each was told, and how many calls
/// that took.
async fn piled_up(
    asked: &[(&Arc<dyn Classifier>, Vec<&str>)],
    gated: &Gated,
) -> (Vec<Answer>, usize) {
    let pool = Pool::start(1, 100).expect("a thread");
    let mut calls = Vec::new();
    for (classifier, texts) in asked {
        let mut call = Box::pin(pool.score(classifier, windows(texts), far()));
        // Once polled, it is queued.
        assert!(
            tokio::time::timeout(Duration::ZERO, &mut call)
                .await
                .is_err()
        );
        calls.push(call);
        if calls.len() == 1 {
            while !pool.queue.is_empty() {
                tokio::task::yield_now().await;
            }
        }
    }
    gated.let_go();
    let mut told = Vec::new();
    for call in calls {
        told.push(call.await.map(|scored| scored.scores));
    }
    (told, gated.calls.load(Ordering::SeqCst))
}

type Answer = Result<Vec<Vec<f32>>, Undecided>;

#[tokio::test]
async fn what_has_piled_up_is_scored_in_one_call() {
    let gated = Gated::shut();
    let classifier: Arc<dyn Classifier> = gated.clone();
    let other = keyword();
    let many = vec!["plain"; BATCH_MAX - 2];
    let (told, calls) = piled_up(
        &[
            (&classifier, vec!["first"]),
            (&classifier, vec![TRIGGERS[0]]),
            (&other, vec![TRIGGERS[1]]),
            (&classifier, vec!["plain", TRIGGERS[1]]),
            // With the three before there is no room for so many.
            (&classifier, many.clone()),
            (&classifier, vec![TRIGGERS[0]]),
        ],
        &gated,
    )
    .await;
    let (attack, harm, nothing) = (vec![1.0, 0.0], vec![0.0, 1.0], vec![0.0, 0.0]);
    let expected = [
        vec![nothing.clone()],
        vec![attack.clone()],
        vec![harm.clone()],
        vec![nothing.clone(), harm],
        vec![nothing; many.len()],
        vec![attack],
    ];
    assert_eq!(told, expected.map(Ok));
    assert_eq!(
        calls, 3,
        "the first, then the small ones together, then the long one"
    );
}

#[tokio::test]
async fn what_poisons_a_batch_costs_the_others_nothing() {
    let gated = Gated::shut();
    let classifier: Arc<dyn Classifier> = gated.clone();
    let (told, calls) = piled_up(
        &[
            (&classifier, vec!["first"]),
            (&classifier, vec![TRIGGERS[0]]),
            (&classifier, vec![POISON]),
            (&classifier, vec!["plain"]),
        ],
        &gated,
    )
    .await;
    assert_eq!(told[1], Ok(vec![vec![1.0, 0.0]]));
    assert_eq!(told[2], Err(Undecided::Classifier("poisoned".to_owned())));
    assert_eq!(told[3], Ok(vec![vec![0.0, 0.0]]));
    assert_eq!(
        calls, 5,
        "the first, all together in vain, then each by itself"
    );
}
