//! The log under `vectors/log`, made once by this crate (`PORTCULLIS_WRITE_VECTORS=FOLDER`
//! makes another): what it holds stays readable, by us and by tools that share no code with us.
//!
//! Its first life sealed to the recovery recipient alone; then that life's key was sealed again, to
//! all of `vectors/keys`. Sealing draws random numbers, so another log has other bytes.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::checkpoint::VerifyKey;
use crate::document::{Body, Original};
use crate::entry::{Direction, parse};
use crate::fixtures::{self, Bench, HOLDERS, Holder, intent, outcome, refusal, text};
use crate::rewrap::rewrap;
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
    let mut written = (0..2).flat_map(|_| (0..3).flat_map(|turn| [asked(turn), answered(turn)]));
    for (index, stored) in with_bodies {
        let req = stored.entry.request().expect("a request");
        let [body] = stored.body.as_slice() else {
            panic!("one body each");
        };
        let written = written.next().expect("as many as were written");
        for holder in HOLDERS {
            let document = crate::open_body(&log, &fixtures::opener(holder), req, body);
            assert_eq!(document.expect("it opens").texts, written.texts);
            let [key, certificate] = holder.files();
            let by_hand = python(
                &folder().join("open.py"),
                &[&log, Path::new(&index.to_string()), &certificate, &key],
            );
            let by_hand: serde_json::Value = serde_json::from_str(&by_hand).expect("json");
            let texts = serde_json::to_value(&written.texts).expect("json");
            assert_eq!(by_hand["texts"], texts, "{holder:?}");
            let masked = written.original.is_some();
            assert_eq!(
                (body.original.is_some(), by_hand["original"].is_array()),
                (masked, masked)
            );
            opened += 1;
        }
    }
    assert_eq!(opened, 36, "twelve bodies, three recipients");
}

const SAID: [&str; 3] = [
    "How many roads must a man walk down, before they call him a man? Answer with a number, please.",
    "Then how many seas must a white dove sail, before she sleeps in the sand? A number again.",
    "And how many times must the cannonballs fly, before they're forever banned? One more number.",
];
const ANSWER: &str =
    "Forty-two, as far as the literature goes; but the question is said to be still open.";

/// What went upstream at a turn of the conversation: all that was said before, too.
fn asked(turn: usize) -> Body<'static> {
    let mut texts = Vec::new();
    for (n, said) in SAID.iter().enumerate().take(turn + 1) {
        texts.push(text(&format!("messages[{}].content", 2 * n), said));
        if n < turn {
            texts.push(text(&format!("messages[{}].content", 2 * n + 1), ANSWER));
        }
    }
    Body {
        whose: Some(fixtures::name("agency/office/mission")),
        head: br#"{"model":"llama-3.3-70b"}"#.into(),
        ..Body::new(Direction::Request, texts)
    }
}

/// The last answer was masked on its way, and kept as it was.
fn answered(turn: usize) -> Body<'static> {
    let original = vec![text(
        "choices[0].content",
        "Forty-two, says Bob (555-0100).",
    )];
    Body {
        whose: Some(fixtures::name("agency/office/mission")),
        original: (turn == 2).then_some(Original::Kept(original)),
        ..Body::new(
            Direction::Response,
            vec![text("choices[0].content", ANSWER)],
        )
    }
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
            let turn = n as usize % SAID.len();
            let reserved = log.reserve().await.expect("a place");
            let (_receipt, duty) = reserved
                .intent(intent(life * 1_000 + n), vec![asked(turn)])
                .await
                .expect("durable");
            let _receipt = duty
                .outcome(outcome(n), vec![answered(turn)])
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
