//! A check that cannot decide refuses: nothing is sent or released, and what did not run is not listed as passed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use guardrails::{Classifier, ClassifierError, DetectorInfo, Features, Measured, WindowSize};
use serde_json::{Value, json};
use tests::gateway_under_test::question;
use tests::llama::{delta, sse_chunk, stop, stream_end, stream_head};
use tests::{
    AuditLog, FakeLlama, Reply, Script, TestGateway, TestGatewayBuilder, detectors, is_by, until,
};

const ME: &str = "svc:benefits-app";

/// How a classifier goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    Fails,
    Panics,
    Hangs,
    NotANumber,
    Negative,
    MoreThanAll,
    TooFewWindows,
    TooManyWindows,
    TooFewLabels,
    Nothing,
}

const TROUBLES: [Trouble; 10] = [
    Trouble::Fails,
    Trouble::Panics,
    Trouble::Hangs,
    Trouble::NotANumber,
    Trouble::Negative,
    Trouble::MoreThanAll,
    Trouble::TooFewWindows,
    Trouble::TooManyWindows,
    Trouble::TooFewLabels,
    Trouble::Nothing,
];

/// The real classifier, until there is trouble.
struct Troubled {
    real: Arc<dyn Classifier>,
    trouble: Arc<Mutex<Option<Trouble>>>,
}

/// Says what goes wrong from now on.
#[derive(Clone, Default)]
pub(crate) struct Switch(Arc<Mutex<Option<Trouble>>>);

impl Switch {
    pub(crate) fn set(&self, trouble: Option<Trouble>) {
        *self.0.lock().unwrap() = trouble;
    }

    pub(crate) fn on(&self, gateway: TestGatewayBuilder) -> TestGatewayBuilder {
        let trouble = self.0.clone();
        let wrap = move |real| {
            Arc::new(Troubled {
                real,
                trouble: trouble.clone(),
            }) as Arc<dyn Classifier>
        };
        gateway
            .classifier(Arc::new(wrap))
            .guard_timeout(Duration::from_millis(500))
    }
}

impl Classifier for Troubled {
    fn info(&self) -> &DetectorInfo {
        self.real.info()
    }

    fn labels(&self) -> &[String] {
        self.real.labels()
    }

    fn windows(&self) -> WindowSize {
        self.real.windows()
    }

    fn measured(&self) -> &[Measured] {
        self.real.measured()
    }

    fn score(&self, batch: &[Features]) -> Result<Vec<Vec<f32>>, ClassifierError> {
        let trouble = *self.trouble.lock().unwrap();
        let labels = self.labels().len();
        let all = |score: f32| Ok(vec![vec![score; labels]; batch.len()]);
        match trouble {
            None => self.real.score(batch),
            Some(Trouble::Fails) => Err(ClassifierError {
                message: "out of order".to_owned(),
            }),
            Some(Trouble::Panics) => panic!("a classifier panics on purpose"),
            Some(Trouble::Hangs) => {
                while *self.trouble.lock().unwrap() == Some(Trouble::Hangs) {
                    std::thread::sleep(Duration::from_millis(2));
                }
                self.real.score(batch)
            }
            Some(Trouble::NotANumber) => all(f32::NAN),
            Some(Trouble::Negative) => all(-0.5),
            Some(Trouble::MoreThanAll) => all(1.5),
            Some(Trouble::TooFewWindows) => {
                Ok(vec![vec![0.0; labels]; batch.len().saturating_sub(1)])
            }
            Some(Trouble::TooManyWindows) => Ok(vec![vec![0.0; labels]; batch.len() + 1]),
            Some(Trouble::TooFewLabels) => Ok(vec![vec![0.0; labels - 1]; batch.len()]),
            Some(Trouble::Nothing) => Ok(Vec::new()),
        }
    }
}

/// The classifier also judges answers.
fn judging_answers(text: &mut String) {
    let rule = "  { id = \"CS-99\", covers = \"RU-13\", detector = \"fast-guard@1\", labels = [\"prompt_attack\"], \
                on = [\"response\"], at = 0.99, do = \"block\", rung = \"enforce\", owner = \"t\", review = 2099-01-01, budget = 1, why = \"a test\" },\n";
    let first = text
        .find("  { id = \"CS-10\"")
        .expect("the first rule of civ-standard");
    text.insert_str(first, rule);
}

fn assert_undecided(reply: &Reply, how: &str) {
    let told = (reply.status(), reply.code());
    assert_eq!(
        told,
        (503, "guardrail_unavailable".to_owned()),
        "{how}: {}",
        reply.text()
    );
    assert_eq!(reply.json()["error"]["type"], "server_error", "{how}");
    assert!(
        reply.header("retry-after").parse::<u64>().is_ok(),
        "{how}: {:?}",
        reply.headers()
    );
    assert!(
        !reply.text().contains("out of order"),
        "{how}: not in the classifier's words"
    );
}

fn fast_guard(checks: &Value) -> Option<&Value> {
    checks
        .as_array()
        .unwrap()
        .iter()
        .find(|check| is_by(check, "fast-guard"))
}

#[tokio::test]
async fn a_classifier_in_trouble_refuses_and_is_not_listed_as_passed() {
    let llama = FakeLlama::replying("fine").start().await;
    let switch = Switch::default();
    let gateway = switch.on(TestGateway::new().backend(&llama)).start().await;
    let mut ids = Vec::new();
    for trouble in TROUBLES {
        switch.set(Some(trouble));
        for stream in [false, true] {
            let mut body = question("hello");
            body["stream"] = stream.into();
            let reply = gateway.ask(ME, &body).await;
            assert_undecided(&reply, &format!("{trouble:?}"));
            ids.push((trouble, reply.header("x-request-id").to_owned()));
        }
        assert_eq!(
            llama.requests_seen(),
            0,
            "{trouble:?}: nothing reaches the model"
        );
        switch.set(None);
    }
    assert_eq!(
        gateway.chat(ME, "hello").await.status(),
        200,
        "it works when the trouble is over"
    );
    let log = gateway.stop().await;
    log.check();
    for (trouble, id) in ids {
        let about = log.about(&id);
        assert_eq!(about.len(), 1, "{trouble:?}: {about:#?}");
        assert_eq!(
            (&about[0]["type"], &about[0]["stage"]),
            (&json!("req.undecided"), &json!("screen")),
            "{trouble:?}"
        );
        assert_eq!(
            (&about[0]["http"], &about[0]["code"]),
            (&json!(503), &json!("guardrail_unavailable"))
        );
        assert!(
            fast_guard(&about[0]["checks"]).is_none(),
            "{trouble:?}: it is not listed as having run: {:#}",
            about[0]
        );
        let listed = about[0]["checks"].as_array().unwrap();
        let ran: Vec<&str> = listed.iter().flat_map(detectors).collect();
        for detector in ["pii", "secret", "unicode"] {
            assert!(ran.contains(&detector), "{trouble:?}: it ran: {ran:?}");
        }
    }
}

/// A gateway whose classifier gets into this trouble as soon as the model is asked.
async fn trouble_with_the_answer(trouble: Trouble, stream: bool) -> (Reply, AuditLog) {
    let switch = Switch::default();
    let later = switch.clone();
    let llama = FakeLlama::scripted(Script::depending(move |_| {
        later.set(Some(trouble));
        Script::saying(["An answer ", "that nobody ", "could judge."])
    }));
    let llama = llama.start().await;
    let gateway = switch
        .on(TestGateway::new()
            .backend(&llama)
            .guardrails(judging_answers))
        .start()
        .await;
    let mut body = question("hello");
    body["stream"] = stream.into();
    let reply = gateway.ask(ME, &body).await;
    switch.set(None);
    (reply, gateway.stop().await)
}

#[tokio::test]
async fn an_answer_that_nobody_could_judge_is_not_released() {
    for trouble in [
        Trouble::Fails,
        Trouble::Panics,
        Trouble::Hangs,
        Trouble::NotANumber,
    ] {
        for stream in [false, true] {
            let (reply, log) = trouble_with_the_answer(trouble, stream).await;
            assert_undecided(&reply, &format!("{trouble:?}, stream: {stream}"));
            assert!(!reply.text().contains("answer"), "{}", reply.text());
            log.check();
            let about = log.about(reply.header("x-request-id"));
            assert_eq!(about.len(), 2, "{about:#?}");
            let said = (&about[1]["status"], &about[1]["http"], &about[1]["code"]);
            assert_eq!(
                said,
                (
                    &json!("guardrail_unavailable"),
                    &json!(503),
                    &json!("guardrail_unavailable")
                )
            );
            assert!(
                fast_guard(&about[0]["checks"]).is_some(),
                "it judged the prompt"
            );
            assert!(
                fast_guard(&about[1]["checks"]).is_none(),
                "{trouble:?}: and not the answer: {:#}",
                about[1]
            );
        }
    }
}

#[tokio::test]
async fn trouble_on_the_way_ends_a_stream_with_an_error_and_no_more_words() {
    let switch = Switch::default();
    let (hand, script) = Script::by_hand();
    let llama = FakeLlama::scripted(script).start().await;
    let gateway = switch
        .on(TestGateway::new()
            .backend(&llama)
            .guardrails(judging_answers))
        .start()
        .await;
    let mut body = question("hello");
    body["stream"] = true.into();
    let words = |what: &str| sse_chunk(&delta(&format!("{what} ").repeat(64)));
    let model = async {
        hand.gives(stream_head()).await;
        hand.gives(words("judged")).await;
    };
    let (mut live, ()) = tokio::join!(gateway.open(ME, &body), model);
    assert!(live.until("judged").await);
    switch.set(Some(Trouble::Fails));
    hand.gives(words("unjudged")).await;
    let (reply, ()) = tokio::join!(live.rest(), llama.was_left(1));
    let last = reply.events().pop().unwrap();
    assert_eq!(
        last["error"]["code"],
        "guardrail_unavailable",
        "{}",
        reply.text()
    );
    let told = reply.text();
    assert!(
        !told.contains("unjudged") && !told.contains("[DONE]") && reply.complete,
        "{told}"
    );
    drop((sse_chunk(&stop()), stream_end()));
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    let outcome = &log.about(&id)[1];
    assert_eq!(
        (&outcome["status"], &outcome["http"]),
        (&json!("guardrail_unavailable"), &json!(200))
    );
    assert!(
        fast_guard(&outcome["checks"]).is_some(),
        "it judged what was released: {outcome:#}"
    );
}

#[tokio::test]
async fn a_queue_that_is_full_refuses_at_once() {
    let llama = FakeLlama::replying("fine").start().await;
    let switch = Switch::default();
    let gateway = switch
        .on(TestGateway::new().backend(&llama))
        .setting("guardrails", "threads = 1\nqueue_max = 1");
    let gateway = Arc::new(gateway.guard_timeout(Duration::from_secs(20)).start().await);
    switch.set(Some(Trouble::Hangs));
    let refused = Arc::new(AtomicBool::new(false));
    let asking: Vec<_> = (0..4)
        .map(|_| {
            let (gateway, refused) = (gateway.clone(), refused.clone());
            tests::beside(async move {
                let reply = gateway.chat(ME, "hello").await;
                refused.fetch_or(reply.status() == 503, Ordering::SeqCst);
                reply
            })
        })
        .collect();
    until("a refusal while the others wait", || {
        refused.load(Ordering::SeqCst)
    })
    .await;
    assert_eq!(llama.requests_seen(), 0);
    switch.set(None);
    let mut statuses = Vec::new();
    for reply in asking {
        let reply = reply.await.unwrap();
        if reply.status() != 200 {
            assert_undecided(&reply, "queue full");
        }
        statuses.push(reply.status());
    }
    assert!(
        statuses.contains(&200),
        "those that had a place are answered: {statuses:?}"
    );
    Arc::into_inner(gateway).unwrap().stop().await.check();
}
