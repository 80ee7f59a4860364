//! Another bundle while the gateway serves: it takes over whole, or nothing changes and everybody is told.

use gateway::reload::Reloaded;
use tests::gateway_under_test::{CHAT, question};
use tests::{FakeLlama, TestGateway};

const RULES: &str = "policies/tenants/demo-benefits/rules.csv";
const TESTS: &str = "policies/tenants/demo-benefits/tests.toml";
const BUNDLE: &str = "policies/bundle.toml";

async fn reload(gateway: &TestGateway) -> Reloaded {
    gateway.gateway().clone().reload().await
}

/// Forbids the application what it does by default, and takes the tests away that expect it.
fn forbid_chats(gateway: &TestGateway) {
    gateway.replace(
        RULES,
        "benefits.draft|benefits.summarise",
        "benefits.summarise",
    );
    std::fs::remove_file(gateway.file(TESTS)).unwrap();
    gateway.replace(BUNDLE, "coverage_floor = 90", "coverage_floor = 0");
}

#[tokio::test]
async fn a_changed_rule_decides_the_next_request_and_is_in_the_log_before_it() {
    let llama = FakeLlama::replying("yes").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let before = gateway.chat("svc:benefits-app", "hello").await;
    assert_eq!(before.status(), 200);
    forbid_chats(&gateway);
    assert_eq!(reload(&gateway).await, Reloaded::Swapped);
    let after = gateway.chat("svc:benefits-app", "hello").await;
    assert_eq!(after.status(), 403);
    assert_ne!(
        before.header("x-portcullis-policy"),
        after.header("x-portcullis-policy")
    );
    let id = after.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    let kinds: Vec<_> = log.entries();
    let at = |wanted: &dyn Fn(&serde_json::Value) -> bool| kinds.iter().rposition(wanted).unwrap();
    let loaded = at(&|entry| entry["type"] == "policy.load");
    let refused = at(&|entry| entry["req"] == id.as_str());
    assert!(loaded < refused);
    assert!(
        kinds[loaded]["digest"]
            .as_str()
            .unwrap()
            .contains(after.header("x-portcullis-policy"))
    );
}

#[tokio::test]
async fn a_bad_bundle_changes_nothing_and_everybody_is_told() {
    let gateway = TestGateway::new().start().await;
    let good = gateway.chat("svc:benefits-app", "hello").await;
    gateway.replace(RULES, "benefits.draft|benefits.summarise", "benefits.darft");
    assert_eq!(reload(&gateway).await, Reloaded::Rejected);
    let same = gateway.chat("svc:benefits-app", "hello").await;
    assert_eq!(same.status(), 200);
    assert_eq!(
        good.header("x-portcullis-policy"),
        same.header("x-portcullis-policy")
    );
    let (_, metrics) = gateway.admin_get("/metrics").await;
    assert!(
        metrics.contains("portcullis_policy_rejected 1"),
        "{metrics}"
    );
    assert!(metrics.contains("portcullis_policy_reloads_total{result=\"failure\"} 1"));
    let failure = gateway.gateway().reloads.state().failure.unwrap();
    assert_eq!(failure.problems.len(), 1);
    assert!(
        failure.problems[0]
            .file
            .ends_with("tenants/demo-benefits/rules.csv")
    );
    assert_eq!(
        (failure.problems[0].line, failure.problems[0].column),
        (5, 92)
    );
    // Mended: what is in force is what the files say, and the alarm ends.
    gateway.replace(RULES, "benefits.darft", "benefits.draft|benefits.summarise");
    assert_eq!(reload(&gateway).await, Reloaded::Unchanged);
    assert!(gateway.gateway().reloads.state().failure.is_none());
    let (_, metrics) = gateway.admin_get("/metrics").await;
    assert!(
        metrics.contains("portcullis_policy_rejected 0"),
        "{metrics}"
    );
    let log = gateway.stop().await;
    log.check();
    let rejected = log.of_type("policy.rejected");
    assert_eq!(rejected.len(), 1);
    assert_eq!(rejected[0]["problems"], 1);
}

#[tokio::test]
async fn a_bundle_that_fails_its_own_tests_is_not_put_in_force() {
    let gateway = TestGateway::new().start().await;
    // Well-formed, and wider than its authors say: the large model without a hardware key.
    gateway.replace(
        RULES,
        "demo|opennet, aal3, *, civ-strict",
        "demo|opennet, aal2, *, civ-strict",
    );
    assert_eq!(reload(&gateway).await, Reloaded::Rejected);
    let failure = gateway.gateway().reloads.state().failure.unwrap();
    let told = &failure.problems[0].message;
    assert!(
        told.contains("\"the large model needs a hardware key\" expects deny (assurance)"),
        "{told}"
    );
    let body = serde_json::json!({ "model": "llama-4-maverick", "messages": [{ "role": "user", "content": "hello" }] });
    assert_eq!(gateway.ask("svc:benefits-app", &body).await.status(), 403);
    gateway.stop().await.check();
}

#[tokio::test]
async fn a_request_in_flight_ends_under_the_rules_it_began_with() {
    let llama = FakeLlama::replying("one two three").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let digest = gateway.gateway().rules.load().policy.digest().to_owned();
    let body = {
        let mut body = question("hello");
        body["stream"] = true.into();
        body
    };
    let mut live = gateway.open("svc:benefits-app", &body).await;
    forbid_chats(&gateway);
    assert_eq!(reload(&gateway).await, Reloaded::Swapped);
    while live.more().await {}
    let reply = live.so_far();
    assert_eq!(reply.status(), 200);
    assert!(digest.starts_with(reply.header("x-portcullis-policy")));
    let id = reply.header("x-request-id").to_owned();
    let log = gateway.stop().await;
    log.check();
    let entries = log.about(&id);
    assert_eq!(entries[0]["policy"]["digest"], digest.as_str());
    assert_eq!(entries[1]["status"], "completed", "{}", entries[1]);
}

#[tokio::test]
async fn a_key_that_is_taken_away_opens_nothing_even_if_the_bundle_is_bad() {
    let gateway = TestGateway::new().start().await;
    assert_eq!(
        gateway.chat("svc:benefits-app", "hello").await.status(),
        200
    );
    gateway.replace("keys.toml", "svc:benefits-app", "svc:nobody");
    gateway.replace(RULES, "aal2", "aal9");
    assert_eq!(reload(&gateway).await, Reloaded::Rejected);
    assert_eq!(
        gateway.chat("svc:benefits-app", "hello").await.status(),
        401
    );
    gateway.stop().await.check();
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_come_into_force() {
    let (builder, faults) = TestGateway::new().failing_on_command();
    let gateway = builder.start().await;
    let digest = gateway.gateway().rules.load().policy.digest().to_owned();
    forbid_chats(&gateway);
    faults.set(audit::Fault::WriteError);
    assert_eq!(reload(&gateway).await, Reloaded::Rejected);
    assert_eq!(gateway.gateway().rules.load().policy.digest(), digest);
    faults.clear();
}

#[tokio::test]
async fn files_that_change_and_then_hold_still_are_loaded_without_asking() {
    let gateway = TestGateway::new()
        .setting("policy", "watch_s = 1")
        .start()
        .await;
    let before = gateway.gateway().rules.load().policy.digest().to_owned();
    forbid_chats(&gateway);
    let changed = async {
        while gateway.gateway().rules.load().policy.digest() == before {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), changed)
        .await
        .expect("the change is noticed");
    let reply = gateway
        .post(
            Some(gateway.key("svc:benefits-app")),
            CHAT,
            &question("hello").to_string(),
        )
        .await;
    assert_eq!(reply.status(), 403);
    gateway.stop().await.check();
}
