//! A disk that is full: no record, no answer; and nothing that was acknowledged is lost.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use serde_json::{Value, json};

use crate::client::Reply;
use crate::llama::FakeLlama;
use crate::namespace::{Own, entered};
use crate::portcullis::{Folder, Serving};
use crate::within;

/// Questions asked while the disk is full.
const REFUSALS: usize = 8;

/// What is put on the disk first, and removed to make room.
const BALLAST_BYTES: usize = 1 << 20;

#[tokio::test]
async fn a_full_disk_stops_the_answers_and_loses_nothing() {
    if !entered(
        "full_disk::a_full_disk_stops_the_answers_and_loses_nothing",
        Own::Mounts,
    ) {
        return;
    }
    let llama = FakeLlama::replying("Nine to five.").start().await;
    let folder = Folder::new();
    let disk = Disk::mount(&folder.path().join("log"));
    let ballast = disk.path.join("ballast");
    std::fs::write(&ballast, vec![0x5a; BALLAST_BYTES]).unwrap();
    let demo = "kind = \"demo\"";
    let upstream = format!("kind = \"openai\"\nbase_url = \"{}\"", llama.base_url());
    folder.replace("portcullis.toml", demo, &upstream);
    folder.replace(
        "portcullis.toml",
        "[audit]\n",
        "[audit]\nsegment_bytes = 262144\n",
    );
    let serving = folder.serve().await;
    let questions = Questions::default();

    let mut asked = questions.until_refused(&serving).await;
    for _ in 0..REFUSALS {
        asked.push(questions.ask(&serving).await);
        assert!(asked.last().unwrap().is_refused(), "still full");
    }
    let full = serving.admin_get("/readyz").await;
    assert_eq!(full, (503, "the audit log cannot be written\n".to_owned()));

    std::fs::remove_file(&ballast).unwrap();
    within("room to be noticed", async {
        loop {
            asked.push(questions.ask(&serving).await);
            if !asked.last().unwrap().is_refused() {
                return;
            }
        }
    })
    .await;
    assert_eq!(serving.admin_get("/readyz").await.0, 200);
    serving.stop().await;
    folder.succeeds(&["audit", "verify", "log"]);
    check(&folder, &llama, &asked);
}

/// What the clients were told, what the model was asked and what the log says are the same story.
fn check(folder: &Folder, llama: &FakeLlama, asked: &[Asked]) {
    let log = folder.log();
    let seen: Vec<String> = llama.requests().iter().map(Value::to_string).collect();
    let (refused, answered): (Vec<_>, Vec<_>) = asked.iter().partition(|asked| asked.is_refused());
    println!(
        "full disk: {} answered, {} refused",
        answered.len(),
        refused.len()
    );
    for Asked { marker, id, .. } in &refused {
        assert!(
            !seen.iter().any(|body| body.contains(marker)),
            "{marker} was refused, and asked"
        );
        assert_eq!(
            log.about(id),
            Vec::<&Value>::new(),
            "{marker} could not be recorded"
        );
    }
    for Asked { marker, id, .. } in &answered {
        assert_eq!(
            seen.iter().filter(|body| body.contains(marker)).count(),
            1,
            "{marker}"
        );
        let told: Vec<_> = log
            .about(id)
            .iter()
            .map(|entry| entry["status"].clone())
            .collect();
        assert_eq!(
            told,
            [Value::Null, "completed".into()],
            "{marker}: intent and outcome"
        );
    }
    let acknowledged: BTreeSet<_> = answered.iter().map(|asked| asked.id.clone()).collect();
    let of_requests = log
        .entries
        .iter()
        .filter_map(|entry| Some(entry["req"].as_str()?.to_owned()));
    assert_eq!(
        of_requests.collect::<BTreeSet<_>>(),
        acknowledged,
        "nothing lost, nothing invented"
    );
    let restored = log.of_type("audit.restored");
    assert!(!restored.is_empty());
    let counted: u64 = restored
        .iter()
        .filter_map(|entry| entry["refused"].as_u64())
        .sum();
    assert_eq!(
        counted,
        refused.len() as u64,
        "the log says how many it had to refuse"
    );
}

/// Asks numbered questions.
#[derive(Default)]
struct Questions(AtomicUsize);

/// One question, and what became of it.
struct Asked {
    /// Text that is in this question and no other.
    marker: String,
    id: String,
    reply: Reply,
}

impl Questions {
    async fn ask(&self, serving: &Serving) -> Asked {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let marker = format!("question {number}.");
        // Long enough that a few hundred fill the disk.
        let text = format!("{marker} {}", "When does the office open? ".repeat(300));
        let mut body =
            json!({ "model": "llama-3.3-70b", "messages": [{ "role": "user", "content": text }] });
        body["stream"] = (number.is_multiple_of(2)).into();
        let client = serving.client();
        let path = "/v1/chat/completions";
        let request = client.request(Method::POST, path, Some(serving.key()), &body.to_string());
        let reply = client.send(request).await;
        let id = reply.header("x-request-id").to_owned();
        Asked { marker, id, reply }
    }

    /// Four clients ask at once, until each has been refused.
    async fn until_refused(&self, serving: &Serving) -> Vec<Asked> {
        let client = || async {
            let mut asked = vec![self.ask(serving).await];
            while !asked.last().unwrap().is_refused() {
                asked.push(self.ask(serving).await);
            }
            asked
        };
        let (a, b, c, d) = tokio::join!(client(), client(), client(), client());
        [a, b, c, d].into_iter().flatten().collect()
    }
}

impl Asked {
    /// Whether it was refused for want of a record. Anything else must be a whole answer.
    fn is_refused(&self) -> bool {
        let reply = &self.reply;
        if reply.status() == 503 {
            assert_eq!(reply.code(), "audit_unavailable");
            assert!(!reply.header("retry-after").is_empty());
            return true;
        }
        assert_eq!(
            (reply.status(), reply.content().as_str()),
            (200, "Nine to five."),
            "{}",
            reply.text()
        );
        assert!(reply.complete);
        false
    }
}

/// A file system of 4 MiB.
struct Disk {
    path: PathBuf,
}

impl Disk {
    fn mount(at: &Path) -> Disk {
        std::fs::create_dir_all(at).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=4m", "tmpfs"])
            .arg(at);
        let output = mount.output().unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Disk {
            path: at.to_owned(),
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}
