//! The log under `vectors/log`, made once by this crate (`PORTCULLIS_WRITE_VECTORS=FOLDER`
//! makes another): what it holds stays readable, by us and by a verifier that shares no code with us.

use std::path::PathBuf;
use std::process::Command;

use crate::checkpoint::VerifyKey;
use crate::entry::Direction;
use crate::fixtures::{Bench, intent, outcome, refusal};
use crate::seal::Body;
use crate::verify::{VerifyOptions, verify};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors")
}

fn second_verifier(log: &std::path::Path, key: &str) -> String {
    let output = Command::new("python3")
        .arg(folder().join("verify.py"))
        .arg(log)
        .arg(key)
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

/// A log with full tiles on two levels' edge, fresh from this code.
#[tokio::test]
async fn the_second_verifier_agrees_about_a_new_log() {
    let (bench, keep) = (Bench::new(), std::env::var_os("PORTCULLIS_WRITE_VECTORS"));
    let requests = if keep.is_some() { 3 } else { 100 };
    for life in 0..2 {
        let log = bench.open();
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
        log.close().await;
    }
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
