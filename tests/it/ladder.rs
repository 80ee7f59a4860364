//! The roll-out of a rule, as officers and operators see it: in entries, in metrics, and in what is due. And how masks
//! name what they hide.

use serde_json::{Value, json};
use tests::gateway_under_test::question;
use tests::{FakeLlama, TestGateway, is_by};

const ME: &str = "svc:benefits-app";
const SSN: &str = "078-05-1120";
const MASK: &str = "[REDACTED:us_ssn]";

fn hits(entry: &Value, detector: &str) -> Vec<Value> {
    let checks = entry["checks"].as_array().unwrap();
    let check = checks.iter().find(|check| is_by(check, detector)).unwrap();
    check["hits"].as_array().cloned().unwrap_or_default()
}

/// The rule that masks personal data, on another rung.
fn on_rung(rung: &str) -> impl FnOnce(&mut String) + use<> {
    let to = format!(
        "do = \"redact\", rung = \"{rung}\", owner = \"privacy office\", review = 2031-12-31, why"
    );
    move |text| *text = text.replacen("do = \"redact\", why", &to, 1)
}

#[tokio::test]
async fn a_rule_that_does_not_enforce_yet_changes_nothing_and_tells_what_it_would_do() {
    for (rung, action, decision) in [("observe", "allow", "allow"), ("warn", "flag", "flag")] {
        let llama = FakeLlama::replying("fine").start().await;
        let gateway = TestGateway::new().backend(&llama);
        let gateway = gateway.guardrails(on_rung(rung)).start().await;
        let reply = gateway.chat(ME, &format!("It is {SSN}.")).await;
        assert_eq!(
            (reply.status(), reply.header("x-portcullis-decision")),
            (200, decision)
        );
        assert!(llama.requests().last().unwrap().to_string().contains(SSN));
        let id = reply.header("x-request-id").to_owned();
        let (_, metrics) = gateway.admin_get("/metrics").await;
        let line = format!(
            "portcullis_guardrail_rule_matches_total{{profile=\"civ-standard\",rule=\"CS-10\",stage=\"prompt\",\
             action=\"{action}\",written=\"redact\"}} 1"
        );
        assert!(metrics.contains(&line), "{metrics}");
        let log = gateway.stop().await;
        log.check();
        let intent = &log.about(&id)[0];
        assert_eq!(
            hits(intent, "pii"),
            [
                json!({ "path": "messages[0].content", "label": "us_ssn", "rule": "CS-10", "score": 10_000,
                     "threshold": 10_000, "action": action, "would": "redact", "n": 1 })
            ]
        );
    }
}

#[tokio::test]
async fn what_enforces_says_what_it_did_and_nothing_of_what_it_would() {
    let llama = FakeLlama::replying("fine").start().await;
    let gateway = TestGateway::new().backend(&llama).start().await;
    let reply = gateway.chat(ME, &format!("{SSN} or {SSN}")).await;
    let id = reply.header("x-request-id").to_owned();
    let (_, metrics) = gateway.admin_get("/metrics").await;
    for line in [
        "portcullis_guardrail_judged_total{profile=\"civ-standard\",stage=\"prompt\"} 1",
        "portcullis_guardrail_judged_total{profile=\"civ-standard\",stage=\"answer\"} 1",
        "portcullis_guardrail_duration_seconds_count{detector=\"pii@1\",stage=\"prompt\"} 1",
        "portcullis_guardrail_duration_seconds_count{detector=\"fast-guard@1\",stage=\"prompt\"} 1",
        "portcullis_guardrail_read_bytes_total{detector=\"pii@1\",stage=\"answer\"} 4",
        "portcullis_guardrail_rule_budget_ratio{profile=\"civ-standard\",rule=\"CS-14\"} 0.001",
        "rule=\"CS-10\",stage=\"prompt\",action=\"redact\",written=\"redact\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    // Each that is documented is there.
    let docs = std::fs::read_to_string(tests::repository().join("docs/guardrails.md")).unwrap();
    let rows = docs
        .lines()
        .filter_map(|line| line.strip_prefix("| `portcullis_"));
    let names: Vec<&str> = rows.filter_map(|row| row.split('{').next()).collect();
    assert_eq!(names.len(), 5);
    for name in names {
        assert!(metrics.contains(&format!("\nportcullis_{name}")), "{name}");
    }
    // What did not run has no time: no rule asks the classifier about answers.
    assert!(!metrics.contains("detector=\"fast-guard@1\",stage=\"answer\""));
    let log = gateway.stop().await;
    let hit = &hits(&log.about(&id)[0], "pii")[0];
    assert_eq!((&hit["n"], hit.get("would")), (&json!(2), None));
}

#[tokio::test]
async fn a_rule_that_was_to_be_looked_at_is_told_of() {
    let due = |text: &mut String| {
        on_rung("warn")(text);
        *text = text.replacen("review = 2031-12-31", "review = 2026-01-31", 1);
    };
    let gateway = TestGateway::new().guardrails(due).start().await;
    let warnings = gateway
        .gateway()
        .rules
        .load()
        .warnings_at(jiff::Timestamp::from_second(1_790_000_000).unwrap());
    let [warning] = &warnings[..] else {
        panic!("{warnings:?}");
    };
    assert!(warning.file.ends_with("baseline/guardrails.toml"));
    assert_eq!(
        warning.message,
        "a look at rule `CS-10` by privacy office was due on 2026-01-31"
    );
    // It is the admin's business, not the callers'.
    assert_eq!(gateway.chat(ME, "hello").await.status(), 200);
}

fn named(text: &mut String) {
    *text = text.replace(
        "do = \"redact\", why",
        "do = \"redact\", mask = \"keyed-hash\", why",
    );
}

#[tokio::test]
async fn equal_values_are_named_alike_in_prompts_answers_and_streams() {
    let llama = FakeLlama::replying(&format!("You said {SSN}, not 219-09-9999."))
        .start()
        .await;
    let key = |text: &mut String| text.push_str("0123456789abcdef0123456789ABCDEF");
    let gateway = TestGateway::new()
        .backend(&llama)
        .guardrails(named)
        .file("redaction.key", key)
        .setting("guardrails", "redaction_key = \"redaction.key\"")
        .start()
        .await;
    let mut masks = Vec::new();
    for stream in [false, true] {
        let mut body = question("I am 078 05 1120.");
        body["stream"] = stream.into();
        let reply = gateway.ask(ME, &body).await;
        assert_eq!(reply.status(), 200, "{}", reply.text());
        let sent = llama.requests().last().unwrap()["messages"][0]["content"].clone();
        let sent = sent.as_str().unwrap().to_owned();
        let mask = sent
            .strip_prefix("I am ")
            .and_then(|rest| rest.strip_suffix('.'));
        let mask = mask.unwrap().to_owned();
        assert!(
            mask.starts_with("[REDACTED:us_ssn:") && mask.len() == MASK.len() + 13,
            "{mask}"
        );
        let answer = reply.content();
        assert!(
            answer.starts_with(&format!("You said {mask}, not [REDACTED:us_ssn:")),
            "{answer}"
        );
        assert_eq!(
            answer.matches(&mask).count(),
            1,
            "another number has another name"
        );
        masks.push(mask);
    }
    assert_eq!(masks[0], masks[1]);
    let log = gateway.stop().await;
    log.check();
    assert!(!log.raw_text().contains(SSN) && !log.raw_text().contains(&masks[0]));
}

#[tokio::test]
async fn without_a_usable_key_no_mask_can_name_anything() {
    for (file, told) in [
        (None, "there is no key to hash with"),
        (Some("short"), "the redaction key is not 32 bytes long"),
        (
            Some("00000000000000000000000000000000"),
            "the redaction key is one byte again and again",
        ),
    ] {
        let mut gateway = TestGateway::new().guardrails(named);
        if let Some(bytes) = file {
            gateway = gateway
                .file("redaction.key", move |text| text.push_str(bytes))
                .setting("guardrails", "redaction_key = \"redaction.key\"");
        }
        let problems = gateway.try_start().await.err().unwrap();
        assert!(problems.contains(told), "{problems}");
    }
}
