//! The log under `vectors/log`, made once by this crate (`PORTCULLIS_WRITE_VECTORS=FOLDER`
//! makes another): what it holds stays readable, by us and by tools that share no code with us.
//!
//! Its first life sealed to the recovery recipient alone; then that life's key was sealed again, to
//! all of `vectors/keys`. Sealing draws random numbers, so another log has other bytes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::checkpoint::VerifyKey;
use crate::entry::{Direction, parse};
use crate::fixtures::{self, Bench, HOLDERS, Holder, intent, outcome, refusal};
use crate::rewrap::rewrap;
use crate::seal::Body;
use crate::verify::{VerifyOptions, verify};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn python(script: &Path, arguments: &[&Path]) -> String {
    let output = Command::new("python3")
        .arg("-B")
        .arg(script)
        .args(arguments)
        .output();
    let output = output.expect("python3 runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

fn second_verifier(log: &Path, key: &str) -> String {
    let script = folder().with_file_name("verifier").join("verify.py");
    python(&script, &[Path::new("log"), log, Path::new(key)])
}

#[test]
fn the_log_of_the_specification_verifies() {
    let key = std::fs::read_to_string(folder().join("vkey")).expect("a key");
    let options = VerifyOptions {
        vkey: Some(VerifyKey::parse(&key).expect("a key")),
        ..VerifyOptions::default()
    };
    let proof = verify(&folder().join("log"), options).unwrap_or_else(|damage| panic!("{damage}"));
    let expected = std::fs::read_to_string(folder().join("root")).expect("a root");
    assert_eq!(
        (proof.root.to_string(), proof.strays),
        (expected.trim().to_owned(), Vec::new())
    );
    let said = second_verifier(&folder().join("log"), key.trim());
    assert!(said.contains(expected.trim()), "{said}");
}

/// By us, and by hand: with Python, `openssl` and FORMAT.md.
#[test]
fn the_bodies_of_the_specification_open_for_each_recipient() {
    let log = folder().join("log");
    let with_bodies = crate::entries(&log)
        .expect("a log")
        .map(|entry| entry.expect("an entry"))
        .map(|(index, leaf)| (index, parse(&leaf).expect("an entry")))
        .filter(|(_, stored)| !stored.body.is_empty());
    let mut opened = 0;
    for (index, stored) in with_bodies {
        let req = stored.entry.request().expect("a request");
        for holder in HOLDERS {
            for body in &stored.body {
                let text = crate::open_body(&log, &fixtures::opener(holder), req, body);
                assert_eq!(text.expect("it opens").as_slice(), b"how many roads");
                opened += 1;
            }
        }
        let holder = HOLDERS[opened % HOLDERS.len()];
        let [key, certificate] = holder.files();
        let index = index.to_string();
        let by_hand = python(
            &folder().join("open.py"),
            &[&log, Path::new(&index), &certificate, &key],
        );
        assert!(
            by_hand.ends_with(": how many roads\n"),
            "{holder:?}: {by_hand}"
        );
    }
    assert_eq!(opened, 36, "twelve bodies, three recipients");
}

/// A log with full tiles on two levels' edge, fresh from this code.
#[tokio::test]
async fn the_second_verifier_agrees_about_a_new_log() {
    let (bench, keep) = (Bench::new(), std::env::var_os("PORTCULLIS_WRITE_VECTORS"));
    let requests = if keep.is_some() { 3 } else { 100 };
    for life in 0..2 {
        let recovery = fixtures::opener(Holder::Recovery);
        let log = match life {
            0 => bench.open_to(recovery.recipient().into()),
            _ => {
                rewrap(&bench.dir(), &recovery, &fixtures::recipients()).expect("sealed again");
                bench.open()
            }
        };
        for n in 0..requests {
            let body = |direction| {
                vec![Body {
                    direction,
                    plaintext: b"how many roads".to_vec(),
                }]
            };
            let reserved = log.reserve().await.expect("a place");
            let (_receipt, duty) = reserved
                .intent(intent(life * 1_000 + n), body(Direction::Request))
                .await
                .expect("durable");
            let _receipt = duty
                .outcome(outcome(n), body(Direction::Response))
                .await
                .expect("durable");
            let reserved = log.reserve().await.expect("a place");
            let _receipt = reserved
                .refuse(refusal(n), Vec::new())
                .await
                .expect("durable");
        }
        tokio::time::sleep(Duration::from_millis(300)).await; // the publisher looks around
        log.close().await;
    }
    assert_eq!(bench.count("key.rewrap"), 1);
    let said = second_verifier(&bench.dir(), &bench.signer.verify_key().to_string());
    assert!(said.contains(&bench.verify().root.to_string()), "{said}");
    if let Some(to) = keep.map(PathBuf::from) {
        let write =
            |name, text: String| std::fs::write(to.join(name), text + "\n").expect("written");
        write("vkey", bench.signer.verify_key().to_string());
        write("root", bench.verify().root.to_string());
        std::fs::rename(bench.dir(), to.join("log")).expect("moved");
    }
}
