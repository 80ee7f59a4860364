//! No record, no release: what cannot be written down does not happen, and the log says afterwards what it missed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use audit::{DiskStorage, Fault, FaultyStorage, Storage};
use serde_json::json;
use tests::gateway_under_test::{CHAT, babble, question};
use tests::{AuditLog, FakeLlama, Reply, Script, TestGateway, Witness, beside, until, within};

const ME: &str = "svc:benefits-app";

/// Long enough to be sure that nothing comes.
const MOMENT: Duration = Duration::from_millis(150);

const BROKEN: [Fault; 3] = [Fault::WriteError, Fault::ShortWrite, Fault::SyncError];

fn assert_unavailable(reply: &Reply) {
    assert_eq!(
        (reply.status(), reply.code().as_str()),
        (503, "audit_unavailable"),
        "{}",
        reply.text()
    );
    assert!(
        reply.header("retry-after").parse::<u64>().is_ok(),
        "{:?}",
        reply.headers()
    );
    assert_eq!(reply.json()["error"]["type"], "server_error");
}

async fn works_again(gateway: &TestGateway) {
    until("writing to work again", || {
        !gateway.log_status().is_degraded()
    })
    .await;
}

/// Nothing lost, nothing invented: each answer has its intent and its completed outcome; of the rest nothing says so.
fn assert_told_truly(log: &AuditLog, replies: &[Reply]) {
    log.check();
    let completed: BTreeSet<String> = log
        .of_type("req.outcome")
        .iter()
        .filter(|outcome| outcome["status"] == "completed")
        .map(|outcome| outcome["req"].as_str().unwrap().to_owned())
        .collect();
    let answered = |reply: &&Reply| reply.status() == 200 && reply.finish(0) == "stop";
    let told: BTreeSet<String> = replies
        .iter()
        .filter(answered)
        .map(|r| r.header("x-request-id").to_owned())
        .collect();
    let late: BTreeSet<String> = log
        .of_type("req.late")
        .iter()
        .map(|entry| entry["req"].as_str().unwrap().to_owned())
        .collect();
    let not_completed: Vec<_> = told.difference(&completed).collect();
    assert!(
        not_completed.is_empty(),
        "answered, and the log does not say so: {not_completed:?}"
    );
    for id in completed.difference(&told) {
        assert!(
            late.contains(id),
            "the log says completed, and the client got no end: {id}"
        );
    }
}

#[tokio::test]
async fn nothing_is_asked_that_cannot_be_written_down() {
    for fault in BROKEN {
        let llama = FakeLlama::replying("never while broken").start().await;
        let (gateway, faults) = TestGateway::new().backend(&llama).failing_on_command();
        let gateway = gateway.start().await;
        assert_eq!(gateway.admin_get("/readyz").await.0, 200);
        faults.set(fault);
        let mut replies = vec![
            gateway.chat(ME, "hello").await,
            gateway.chat_streamed(ME, "hello").await,
        ];
        replies.push(gateway.post(None, CHAT, "{}").await);
        replies.push(
            gateway
                .post(Some(gateway.key(ME)), "/v1/nothing", "{}")
                .await,
        );
        let client = gateway.client();
        let list = client.request(http::Method::GET, "/v1/models", Some(gateway.key(ME)), "");
        replies.push(gateway.send(&client, list).await);
        replies.iter().for_each(assert_unavailable);
        assert_eq!(
            llama.requests_seen(),
            0,
            "{fault:?}: nothing reached the model"
        );
        assert_eq!(
            gateway.admin_get("/readyz").await,
            (503, "the audit log cannot be written\n".to_owned())
        );
        assert!(
            gateway
                .admin_get("/metrics")
                .await
                .1
                .contains("portcullis_audit_degraded 1")
        );
        faults.clear();
        works_again(&gateway).await;
        replies.push(gateway.chat(ME, "hello").await);
        assert_eq!(replies.last().unwrap().status(), 200, "{fault:?}");
        assert_eq!(gateway.admin_get("/readyz").await.0, 200);
        let log = gateway.stop().await;
        assert_told_truly(&log, &replies);
        let restored = log.of_type("audit.restored");
        assert_eq!(restored.len(), 1, "{fault:?}: {restored:#?}");
        assert_eq!(restored[0]["reason"], "failed");
        assert!(
            restored[0]["refused"].as_u64() >= Some(1),
            "it says how many were refused: {restored:#?}"
        );
    }
}

#[tokio::test]
async fn an_answer_whose_outcome_cannot_be_written_down_has_no_end() {
    for (fault, stream) in BROKEN
        .into_iter()
        .flat_map(|fault| [(fault, false), (fault, true)])
    {
        let (gateway, faults) = TestGateway::new().failing_on_command();
        let switch = faults.clone();
        let llama = FakeLlama::scripted(Script::depending(move |_| {
            switch.set(fault);
            Script::saying(["early words ", "and then the last"])
        }));
        let llama = llama.start().await;
        let gateway = gateway.backend(&llama).start().await;
        let mut body = question("hello");
        body["stream"] = stream.into();
        let reply = gateway.ask(ME, &body).await;
        let told = reply.text();
        assert!(
            !told.contains("last") && !told.contains("[DONE]"),
            "{fault:?}: {told}"
        );
        match stream {
            true => {
                let last = reply.events().pop().unwrap();
                assert_eq!(
                    (reply.status(), &last["error"]["code"]),
                    (200, &json!("audit_unavailable")),
                    "{fault:?}: {told}"
                );
                assert!(reply.complete, "said, not cut");
            }
            false => assert_unavailable(&reply),
        }
        let id = reply.header("x-request-id").to_owned();
        faults.clear();
        works_again(&gateway).await;
        let log = gateway.stop().await;
        assert_told_truly(&log, &[reply]);
        let about = log.about(&id);
        assert_eq!(about.len(), 2, "{about:#?}");
        assert_eq!(
            about[1]["status"], "audit_unavailable",
            "{fault:?}: the reserved outcome says so"
        );
        let restored = log.of_type("audit.restored");
        assert_eq!(
            (restored.len(), &restored[0]["owed"]),
            (1, &json!(1)),
            "{fault:?}: {restored:#?}"
        );
    }
}

#[tokio::test]
async fn a_refusal_that_cannot_be_written_down_becomes_that_reason() {
    let (gateway, faults) = TestGateway::new().failing_on_command();
    let gateway = gateway.start().await;
    let key = gateway.key(ME).to_owned();
    let (hidden, blocked) = (
        json!({ "model": "llama-4-maverick", "messages": [{ "role": "user", "content": "hi" }] })
            .to_string(),
        question("hidden \u{202e}txet").to_string(),
    );
    let cases: [(Option<&str>, &str, &str); 6] = [
        (None, CHAT, "{}"),
        (Some("pc_nobody"), CHAT, "{}"),
        (Some(&key), "/v1/nothing", "{}"),
        (Some(&key), CHAT, "{"),
        (Some(&key), CHAT, &hidden),
        (Some(&key), CHAT, &blocked),
    ];
    let mut ids = Vec::new();
    for (key, path, body) in cases {
        // The log does not know yet that the disk fails: this refusal is what it learns it by.
        faults.set(Fault::SyncError);
        let reply = gateway.post(key, path, body).await;
        assert_unavailable(&reply);
        ids.push(reply.header("x-request-id").to_owned());
        faults.clear();
        works_again(&gateway).await;
    }
    let log = gateway.stop().await;
    log.check();
    let told = ids
        .iter()
        .filter(|id| log.about(id).iter().any(|entry| entry["http"] != 503));
    assert_eq!(told.count(), 0, "no entry says that it was told: {ids:?}");
}

#[tokio::test]
async fn a_full_disk_refuses_and_loses_nothing() {
    let llama = FakeLlama::replying("fine").start().await;
    let (gateway, faults) = TestGateway::new().backend(&llama).failing_on_command();
    let gateway = gateway.start().await;
    faults.set(Fault::NoSpace);
    let mut replies = Vec::new();
    for n in 0..200 {
        replies.push(gateway.chat(ME, &babble(20_000, n)).await);
        if replies.last().unwrap().status() != 200 {
            break;
        }
    }
    let answered = replies.len() - 1;
    assert!(answered >= 3, "what had been set aside is used: {answered}");
    assert_unavailable(replies.last().unwrap());
    assert_eq!(
        llama.requests_seen(),
        answered,
        "the refused one never reached the model"
    );
    until("the log to say so", || gateway.log_status().is_degraded()).await;
    assert_eq!(gateway.admin_get("/readyz").await.0, 503);
    faults.clear();
    works_again(&gateway).await;
    replies.push(gateway.chat(ME, &babble(20_000, 999)).await);
    assert_eq!(replies.last().unwrap().status(), 200);
    let log = gateway.stop().await;
    assert_told_truly(&log, &replies);
    let restored = log.of_type("audit.restored");
    assert_eq!(restored.last().unwrap()["reason"], "full", "{restored:#?}");
}

#[tokio::test]
async fn while_the_disk_hangs_the_model_hears_nothing() {
    let llama = FakeLlama::replying("fine").start().await;
    let (gateway, faults) = TestGateway::new().backend(&llama).failing_on_command();
    let gateway = Arc::new(
        gateway
            .setting("audit", "commit_timeout_ms = 60000")
            .start()
            .await,
    );
    faults.set(Fault::Hang);
    let asking = gateway.clone();
    let mut reply = beside(async move { asking.chat(ME, "hello").await });
    until("the request to reach the log", || {
        gateway.log_status().places > 0
    })
    .await;
    assert!(tokio::time::timeout(MOMENT, &mut reply).await.is_err());
    assert_eq!(llama.requests_seen(), 0, "the intent is not durable");
    faults.clear();
    assert_eq!(within("the answer", reply).await.unwrap().status(), 200);
    assert_eq!(llama.requests_seen(), 1);
    Arc::into_inner(gateway).unwrap().stop().await.check();
}

#[tokio::test]
async fn a_client_that_leaves_while_its_intent_is_written_is_never_asked_for() {
    let llama = FakeLlama::replying("never").start().await;
    let (gateway, faults) = TestGateway::new().backend(&llama).failing_on_command();
    let gateway = gateway
        .setting("audit", "commit_timeout_ms = 60000")
        .start()
        .await;
    faults.set(Fault::Hang);
    tokio::select! {
        _ = gateway.chat(ME, "hello") => panic!("nothing can be answered"),
        () = until("the request to reach the log", || gateway.log_status().places > 0) => {}
    }
    // Until the gateway has noticed: with the request goes its place in flight.
    until("the gateway to notice", || gateway.in_flight() == 0).await;
    faults.clear();
    until("its place to be given back", || {
        gateway.log_status().places == 0
    })
    .await;
    assert_eq!(llama.requests_seen(), 0);
    let log = gateway.stop().await;
    log.check();
    for outcome in log.of_type("req.outcome") {
        assert!(
            ["abandoned", "client_gone"].contains(&outcome["status"].as_str().unwrap()),
            "{outcome}"
        );
    }
}

#[tokio::test]
async fn a_disk_that_does_not_answer_in_time_refuses_and_is_made_good() {
    let llama = FakeLlama::replying("fine").start().await;
    let (gateway, faults) = TestGateway::new().backend(&llama).failing_on_command();
    let gateway = gateway
        .setting("audit", "commit_timeout_ms = 250")
        .start()
        .await;
    faults.set(Fault::Hang);
    let mut replies = vec![
        gateway.chat(ME, "hello").await,
        gateway.chat(ME, "hello").await,
    ];
    replies.iter().for_each(assert_unavailable);
    assert_eq!(llama.requests_seen(), 0);
    assert_eq!(gateway.admin_get("/readyz").await.0, 503);
    faults.clear();
    works_again(&gateway).await;
    replies.push(gateway.chat(ME, "hello").await);
    assert_eq!((replies[2].status(), llama.requests_seen()), (200, 1));
    let log = gateway.stop().await;
    assert_told_truly(&log, &replies);
}

#[tokio::test]
async fn a_slow_disk_is_only_slow() {
    let llama = FakeLlama::replying("fine").start().await;
    let (gateway, faults) = TestGateway::new().backend(&llama).failing_on_command();
    let gateway = gateway.start().await;
    faults.set(Fault::Slow(Duration::from_millis(30)));
    let replies = vec![
        gateway.chat(ME, "hello").await,
        gateway.chat_streamed(ME, "hello").await,
    ];
    assert!(replies.iter().all(|reply| reply.status() == 200));
    assert_eq!(gateway.admin_get("/readyz").await.0, 200);
    let log = gateway.stop().await;
    assert_told_truly(&log, &replies);
}

#[tokio::test]
async fn faults_that_come_and_go_under_load_lose_and_invent_nothing() {
    let llama = FakeLlama::replying("some words for everybody")
        .start()
        .await;
    let (gateway, faults) = TestGateway::new().backend(&llama).failing_on_command();
    let gateway = Arc::new(gateway.start().await);
    let replies: Arc<Mutex<Vec<Reply>>> = Arc::default();
    let over = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..8)
        .map(|number| {
            let (gateway, replies, over) = (gateway.clone(), replies.clone(), over.clone());
            beside(async move {
                // Each asks once more after the last fault.
                for round in 0.. {
                    let last = over.load(Ordering::SeqCst);
                    let reply = match (number + round) % 2 {
                        0 => gateway.chat(ME, "hello").await,
                        _ => gateway.chat_streamed(ME, "hello").await,
                    };
                    replies.lock().unwrap().push(reply);
                    if last {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            })
        })
        .collect();
    for (round, fault) in BROKEN.into_iter().cycle().take(9).enumerate() {
        tokio::time::sleep(Duration::from_millis(15)).await;
        faults.set_once_after(round as u64, 2, fault);
        tokio::time::sleep(Duration::from_millis(15)).await;
        faults.clear();
        works_again(&gateway).await;
    }
    over.store(true, Ordering::SeqCst);
    for client in clients {
        within("a client", client).await.unwrap();
    }
    let replies = Arc::into_inner(replies).unwrap().into_inner().unwrap();
    let failed = replies.iter().filter(|reply| reply.status() == 503).count();
    assert!(
        failed > 0 && replies.len() >= failed + 8,
        "{failed} of {} failed",
        replies.len()
    );
    let log = Arc::into_inner(gateway).unwrap().stop().await;
    assert_told_truly(&log, &replies);
}

/// A gateway over a storage that says what is durable; and how often the model was asked before its intent was.
async fn asked_too_early(lying: bool) -> (usize, TestGateway, Witness, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let witness = Witness::of(Arc::new(DiskStorage::new(folder.path()).unwrap()));
    // A lie about syncing comes between the log and the disk: the disk never hears of the sync.
    let (faulty, faults) = FaultyStorage::new(Arc::new(witness.clone()));
    let storage: Arc<dyn Storage> = Arc::new(faulty);
    let (early, seen) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let (counted, durable) = (early.clone(), witness.clone());
    let llama = FakeLlama::scripted(Script::depending(move |_| {
        let seen = seen.fetch_add(1, Ordering::SeqCst) + 1;
        if durable.requests_with("req.intent").len() < seen {
            counted.fetch_add(1, Ordering::SeqCst);
        }
        Script::saying(["fine"])
    }));
    let llama = llama.start().await;
    let gateway = TestGateway::new()
        .backend(&llama)
        .storage(storage)
        .log_dir(folder.path())
        .start()
        .await;
    if lying {
        faults.set(Fault::LyingSync);
    }
    for round in 0..6 {
        let reply = match round % 2 {
            0 => gateway.chat(ME, "hello").await,
            _ => gateway.chat_streamed(ME, "hello").await,
        };
        assert_eq!(reply.status(), 200, "{}", reply.text());
    }
    assert_eq!(llama.requests_seen(), 6);
    (early.load(Ordering::SeqCst), gateway, witness, folder)
}

#[tokio::test]
async fn an_intent_is_durable_before_the_model_sees_a_byte() {
    let (early, gateway, _, _folder) = asked_too_early(false).await;
    assert_eq!(early, 0);
    gateway.stop().await.check();
}

/// The test of the test before: with the flush taken out, it fails.
#[tokio::test]
async fn without_its_flush_the_intent_would_be_too_late() {
    let (early, _gateway, _, _folder) = asked_too_early(true).await;
    assert!(
        early > 0,
        "the witness does not notice that nothing is flushed"
    );
}

#[tokio::test]
async fn a_refusal_is_durable_before_it_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let witness = Witness::of(Arc::new(DiskStorage::new(folder.path()).unwrap()));
    let gateway = TestGateway::new()
        .storage(Arc::new(witness.clone()))
        .log_dir(folder.path())
        .start()
        .await;
    let key = gateway.key(ME).to_owned();
    let blocked = question("hidden \u{202e}txet").to_string();
    let cases: [(Option<&str>, &str, &str); 5] = [
        (None, CHAT, "{}"),
        (Some("pc_nobody"), CHAT, "{}"),
        (Some(&key), "/v1/nothing", "{}"),
        (Some(&key), CHAT, "{"),
        (Some(&key), CHAT, &blocked),
    ];
    for (key, path, body) in cases {
        let reply = gateway.post(key, path, body).await;
        let id = reply.header("x-request-id");
        assert!(
            (400..500).contains(&reply.status()) && witness.requests_with("req.deny").contains(id),
            "{}",
            reply.text()
        );
    }
    let client = gateway.client();
    let list = client.request(http::Method::GET, "/v1/models", Some(&key), "");
    let reply = gateway.send(&client, list).await;
    assert!(
        witness
            .requests_with("req.served")
            .contains(reply.header("x-request-id"))
    );
    gateway.stop().await.check();
}

/// What is in force is in the log before the first request, and can be looked up by its digest.
#[tokio::test]
async fn a_log_begins_with_what_is_in_force() {
    let gateway = TestGateway::new().start().await;
    gateway.chat(ME, "hello").await;
    let log = gateway.stop().await;
    log.check();
    let entries = log.entries();
    let kinds: Vec<_> = entries
        .iter()
        .map(|entry| entry["type"].as_str().unwrap())
        .collect();
    let first_request = kinds
        .iter()
        .position(|kind| kind.starts_with("req."))
        .unwrap();
    for kind in [
        "boot",
        "key.epoch",
        "start",
        "library.load",
        "policy.load",
        "guard.load",
    ] {
        assert!(kinds[..first_request].contains(&kind), "{kind}: {kinds:?}");
    }
    let [start] = &log.of_type("start")[..] else {
        panic!()
    };
    let config = std::fs::read(log.certs().with_file_name("portcullis.toml")).unwrap();
    assert_eq!(start["config"], audit::Digest::of(&config).to_string());
}
