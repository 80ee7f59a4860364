//! What real clients sent, sent again: the recordings that `make test-clients CLIENT_ARGS=--record` makes. A client that
//! cannot be installed here still has its requests read as on the day when it could.

use std::collections::BTreeMap;
use std::path::PathBuf;

use http::Method;
use serde_json::Value;
use tests::{TestGateway, repository};

const ME: &str = "svc:benefits-app";

#[tokio::test]
async fn what_real_clients_sent_is_answered_as_it_was() {
    let mut told = String::new();
    let recordings = recordings();
    assert!(recordings.len() >= 10, "{recordings:?}");
    for recording in recordings {
        let client = recording
            .file_stem()
            .unwrap()
            .to_string_lossy()
            .into_owned();
        let gateway = TestGateway::new()
            .file("policies/tenants/demo-benefits/rules.csv", for_agents)
            .file("policies/tenants/demo-benefits/tests.toml", for_agents)
            .start()
            .await;
        let text = std::fs::read_to_string(&recording).unwrap();
        // Per path and status: how often, and what is never forwarded.
        let mut seen: BTreeMap<(String, u16, String), usize> = BTreeMap::new();
        for line in text.lines() {
            let recorded: Value = serde_json::from_str(line).unwrap();
            let path = recorded["path"].as_str().unwrap();
            let body = recorded
                .get("body")
                .map(Value::to_string)
                .unwrap_or_default();
            let method = match recorded["method"].as_str().unwrap() {
                "GET" => Method::GET,
                _ => Method::POST,
            };
            let connection = gateway.client();
            let request = connection.request(method, path, Some(gateway.key(ME)), &body);
            let reply = gateway.send(&connection, request).await;
            assert_eq!(
                Some(u64::from(reply.status())),
                recorded["status"].as_u64(),
                "{client}: {line}: {}",
                reply.text()
            );
            let dropped = reply.header("x-portcullis-dropped").to_owned();
            *seen
                .entry((path.to_owned(), reply.status(), dropped))
                .or_default() += 1;
        }
        gateway.stop().await.check();
        for ((path, status, dropped), times) in seen {
            told += &format!("{client}: {times} x {path}: {status}, dropped: {dropped}\n");
        }
    }
    insta::assert_snapshot!(told);
}

/// As in `scripts/test-clients.sh`: what agents tell their model reads like an attack to the first classifier.
fn for_agents(text: &mut String) {
    *text = text.replace("civ-standard", "civ-agent");
}

fn recordings() -> Vec<PathBuf> {
    let folder = repository().join("tests/clients/recorded");
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}
