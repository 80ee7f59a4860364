//! SIGTERM: what runs may run on, the log is closed in order, and only then does the process end.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};

use crate::client::Live;
use crate::portcullis::{Folder, Serving};
use crate::within;

#[tokio::test]
async fn a_stream_in_flight_ends_well() {
    let folder = Folder::new();
    let mut serving = folder.serve().await;
    let mut stream = begin(&serving, "slow, please").await;
    assert!(stream.until("one").await, "the stream has begun");
    serving.signal("TERM");
    within("readyz to say so", async {
        while serving.admin_get("/readyz").await != (503, "draining\n".to_owned()) {}
    })
    .await;
    // `readyz` says so first, and the listener closes right after.
    within("nobody new to be let in", async {
        while serving.client().connect().await.is_ok() {}
    })
    .await;
    assert_eq!(serving.admin_get("/livez").await.0, 200);
    let reply = stream.rest().await;
    assert!(reply.done() && reply.complete, "{}", reply.text());
    assert_eq!(reply.content().split_whitespace().count(), 32);
    assert_eq!(serving.exit().await.code(), Some(0));
    let outcomes = closed_in_order(&folder);
    assert_eq!(outcomes[0]["req"], reply.header("x-request-id"));
    assert_eq!(outcomes[0]["status"], "completed");
}

#[tokio::test]
async fn one_that_comes_while_it_starts_is_obeyed_in_order() {
    let folder = Folder::new();
    let mut command = tokio::process::Command::from(folder.command(&["serve"]));
    let mut child = command.kill_on_drop(true).spawn().unwrap();
    within("the log to be opened", async {
        while !folder.path().join("log").exists() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let pid = child.id().expect("it runs").to_string();
    let sent = std::process::Command::new("kill")
        .args(["-TERM", &pid])
        .status();
    assert!(sent.unwrap().success());
    let status = within("serve to end", child.wait()).await.unwrap();
    assert_eq!(status.code(), Some(0), "{status}");
    assert!(closed_in_order(&folder).is_empty(), "nobody asked anything");
}

#[tokio::test]
async fn a_stream_without_end_is_cut_openly_and_recorded() {
    let folder = Folder::new();
    folder.replace(
        "portcullis.toml",
        "[listener]\n",
        "[listener]\ndrain_timeout_s = 1\n",
    );
    let mut serving = folder.serve().await;
    let mut stream = begin(&serving, "forever").await;
    assert!(stream.until("tick").await, "the stream has begun");
    serving.signal("INT");
    let reply = stream.rest().await;
    // No end mark, but an error event: clients raise it.
    assert!(!reply.done() && reply.complete, "{}", reply.text());
    let last = reply.events().pop().expect("events");
    assert_eq!(last["error"]["code"], "overloaded", "{last}");
    assert_eq!(serving.exit().await.code(), Some(0));
    let outcomes = closed_in_order(&folder);
    assert_eq!(outcomes[0]["req"], reply.header("x-request-id"));
    assert_eq!(outcomes[0]["status"], "shutdown");
}

async fn begin(serving: &Serving, text: &str) -> Live {
    let client = serving.client();
    let messages = json!([{ "role": "user", "content": text }]);
    let body = json!({ "model": "llama-3.3-70b", "messages": messages, "stream": true });
    let path = "/v1/chat/completions";
    let request = client.request(Method::POST, path, Some(serving.key()), &body.to_string());
    client.open(request).await
}

/// Every outcome of a log that verifies and whose last entry says that it was closed.
fn closed_in_order(folder: &Folder) -> Vec<Value> {
    let log = folder.log();
    assert_eq!(log.entries.last().expect("entries")["type"], "shutdown");
    log.of_type("req.outcome").into_iter().cloned().collect()
}
