//! An officer leaves: keys that were sealed to one are sealed to the next, and the log says so.

use std::path::Path;
use std::process::Command;

use http::Method;
use serde_json::json;

use crate::portcullis::Folder;
use crate::within;

#[tokio::test]
async fn what_was_sealed_to_one_officer_is_sealed_again_to_the_next() {
    let folder = Folder::new();
    folder.serve().await.stop().await;
    folder.succeeds(&["certs", "dev", "--dir", "next"]);
    folder.replace("portcullis.toml", "certs/officer.pem", "next/officer.pem");
    let by_officer = [
        ["--key", "certs/officer.key"],
        ["--certificate", "certs/officer.pem"],
        ["--to", "next/officer.pem"],
        ["--recovery", "certs/recovery.pem"],
    ];
    let rewrap = [&["audit", "rewrap", "log"], by_officer.as_flattened()].concat();
    let said = folder.succeeds(&rewrap);
    assert!(said.starts_with("1 epoch keys were sealed again"), "{said}");

    let serving = folder.serve().await;
    within("the gateway to take the file in", async {
        // Its name first, then the entry that announces it.
        while waiting(&folder.shard()) || !announced(&folder.shard()) {
            serving.admin_get("/livez").await;
        }
    })
    .await;
    serving.stop().await;
    let log = folder.log();
    let [rewrapped] = log.of_type("key.rewrap")[..] else {
        panic!("one entry: {:?}", log.entries);
    };
    let text = |key: &str| rewrapped[key].as_str().unwrap();
    let name = format!("{}.{}", text("epoch"), &text("keyring")[..16]);
    let file = folder.shard().join("keyring").join(name);
    let opens = |certs: &str| opens(folder.path(), &file, certs);
    assert!(opens("next") && !opens("certs"));
    let again = folder.succeeds(&rewrap_by_next(&rewrap));
    assert!(again.starts_with("0 epoch keys"), "{again}");
}

/// The key in the safe opens what was said years ago: or it is found out today that it does not.
#[tokio::test]
async fn a_drill_opens_old_bodies_and_says_what_does_not_open() {
    let folder = Folder::new();
    let serving = folder.serve().await;
    let client = serving.client();
    let messages = json!([{ "role": "user", "content": "Hello" }]);
    let body = json!({ "model": "llama-3.3-70b", "messages": messages }).to_string();
    let (path, key) = ("/v1/chat/completions", Some(serving.key()));
    let reply = client
        .send(client.request(Method::POST, path, key, &body))
        .await;
    assert_eq!(reply.status(), 200, "{}", reply.text());
    serving.stop().await;
    let drill = |key: &'static str, certificate: &'static str| {
        let files = [
            "--key",
            key,
            "--certificate",
            certificate,
            "--metrics",
            "drill.prom",
        ];
        [&["audit", "drill", "log"], &files[..]].concat()
    };
    let said = folder.succeeds(&drill("certs/recovery.key", "certs/recovery.pem"));
    assert!(said.ends_with("all 2 open\n"), "{said}");
    let metrics = std::fs::read_to_string(folder.path().join("drill.prom")).unwrap();
    assert!(
        metrics.contains("\nportcullis_audit_drill_bodies 2\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\nportcullis_audit_drill_failed 0\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("\nportcullis_audit_drill_ok 1\n"),
        "{metrics}"
    );

    folder.succeeds(&["certs", "dev", "--dir", "next"]);
    let output = folder.run(&drill("next/officer.key", "next/officer.pem"));
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.contains("does not open: not sealed to this recipient"),
        "{said}"
    );
    let metrics = std::fs::read_to_string(folder.path().join("drill.prom")).unwrap();
    assert!(
        metrics.contains("\nportcullis_audit_drill_failed 2\n"),
        "{metrics}"
    );
}

fn rewrap_by_next<'a>(rewrap: &[&'a str]) -> Vec<&'a str> {
    let next = |word: &&'a str| match *word {
        "certs/officer.key" => "next/officer.key",
        "certs/officer.pem" => "next/officer.pem",
        word => word,
    };
    rewrap.iter().map(next).collect()
}

fn waiting(shard: &Path) -> bool {
    let mut files = std::fs::read_dir(shard.join("keyring")).unwrap();
    files.any(|file| {
        file.unwrap()
            .path()
            .extension()
            .is_some_and(|end| end == "new")
    })
}

fn announced(shard: &Path) -> bool {
    let mut entries = audit::entries(shard).unwrap();
    entries.any(|entry| entry.unwrap().1.starts_with(br#"{"type":"key.rewrap""#))
}

/// Whether the officer of these certificates opens the file, with a tool that is not ours.
fn opens(folder: &Path, keyring: &Path, certs: &str) -> bool {
    let output = Command::new("openssl")
        .current_dir(folder)
        .args(["cms", "-decrypt", "-inform", "DER", "-in"])
        .arg(keyring)
        .args(["-recip", &format!("{certs}/officer.pem")])
        .args(["-inkey", &format!("{certs}/officer.key")])
        .output();
    output.unwrap().status.success()
}
