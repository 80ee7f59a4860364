//! `portcullis demo`, as a newcomer meets it: the real binary, its text as a snapshot, its files for `serve`.
//!
//! The tour checks itself, bytes and entries; here it must only end well and read well. What differs from run to run
//! (ids, times, ports, digests, places in the log, counts of what ran into a fault) is redacted.
#![expect(clippy::unwrap_used, reason = "a test that goes wrong should stop")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use regex::Regex;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// The root of the repository: there the ONNX Runtime library is found.
fn repository() -> PathBuf {
    let gateway = Path::new(env!("CARGO_MANIFEST_DIR"));
    gateway.parent().unwrap().to_owned()
}

fn portcullis(arguments: &[&str]) -> Output {
    Command::new(BINARY)
        .args(arguments)
        .current_dir(repository())
        .output()
        .unwrap()
}

/// Runs it, and expects that all is well.
#[track_caller]
fn well(arguments: &[&str]) -> String {
    let output = portcullis(arguments);
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}");
    text
}

/// A folder that does not exist yet, in one that goes away. Its path is short: the tour shows it.
fn new_folder() -> (TempDir, String) {
    let parent = tempfile::tempdir_in("/tmp").unwrap();
    let folder = parent.path().join("demo").display().to_string();
    (parent, folder)
}

fn redacted(text: &str, folder: &str) -> String {
    let patterns = [
        (r"127\.0\.0\.1:[0-9]+", "127.0.0.1:PORT"),
        (r"\b[0-9a-f]{12}, ([0-9]+ rules)", "DIGEST, $1"),
        (r"pc_[A-Za-z0-9_-]{43}", "KEY"),
        (r"[0-9.]+ m?s\b", "TIME"),
        (r"(entry|byte) [0-9]+", "$1 N"),
        (r"entries [0-9]+ and [0-9]+", "entries N and N"),
        (r"entries/[0-9]+(\.p/[0-9]+)?", "entries/TILE"),
        (r"in [0-9]+ pieces", "in N pieces"),
        (
            r"\b[0-9]+ (before|answers|intents|entries|requests|sealed|refused)\b",
            "N $1",
        ),
        (r"the [0-9]+ bytes", "the N bytes"),
    ];
    let text = text.replace(folder, "FOLDER").replace(BINARY, "portcullis");
    patterns.iter().fold(text, |text, (pattern, instead)| {
        let pattern = Regex::new(pattern).unwrap();
        pattern.replace_all(&text, *instead).into_owned()
    })
}

#[test]
fn the_tour_ends_well_and_reads_well() {
    let (_parent, folder) = new_folder();
    let text = well(&["demo", "--once", "--dir", &folder]);
    assert!(!text.contains('\x1b'), "no colours where nobody sees them");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "wider than 80 columns: {line}");
    }
    insta::assert_snapshot!("tour", redacted(&text, &folder));
    let left = well(&["audit", "verify", &format!("{folder}/log")]);
    assert!(left.contains("entries"), "{left}");
}

/// Neither does the ONNX Runtime library: some of its builds keep a telemetry client's files there.
#[test]
fn without_a_terminal_it_exits_and_leaves_nothing_behind() {
    let empty = tempfile::tempdir_in("/tmp").unwrap();
    let output = Command::new(BINARY)
        .arg("demo")
        .env("TMPDIR", empty.path())
        .env("HOME", empty.path())
        .env_remove("XDG_CACHE_HOME")
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(output.status.success());
    let left: Vec<_> = std::fs::read_dir(empty.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_it_ejects_is_a_set_up_for_serve() {
    let (_parent, folder) = new_folder();
    let text = well(&["demo", "--eject", &folder]);
    insta::assert_snapshot!("eject", redacted(&text, &folder));
    let checked = well(&["check", "--config", &format!("{folder}/portcullis.toml")]);
    assert!(checked.starts_with("ok: "), "{checked}");
}

#[test]
fn a_folder_that_is_in_use_is_left_alone() {
    let (_parent, folder) = new_folder();
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(format!("{folder}/mine"), "precious").unwrap();
    for way in ["--dir", "--eject"] {
        let output = portcullis(&["demo", way, &folder]);
        assert_eq!(output.status.code(), Some(2));
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains("is not empty"), "{errors}");
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn a_real_server_can_stand_behind_it() {
    let server = serving(|streamed| if streamed { STREAM } else { WHOLE });
    let text = well(&[
        "demo",
        "--once",
        "--backend",
        &format!("http://{server}/v1"),
    ]);
    assert!(text.contains("which is llama-fake at http://"), "{text}");
    let skipped = text.matches("skipped    only the demo script gives such an answer on demand");
    assert_eq!(skipped.count(), 2, "{text}");
}

#[test]
fn a_surprise_shows_what_was_expected_and_the_entries_and_fails() {
    let server = serving(|_| "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nnonsense");
    let (_parent, folder) = new_folder();
    let url = format!("http://{server}/v1");
    let output = portcullis(&["demo", "--once", "--dir", &folder, "--backend", &url]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("EXPECTED   the status: 200"), "{text}");
    assert!(text.contains("GOT        502"), "{text}");
    assert!(text.contains("\"type\":\"req.intent\""), "{text}");
    assert!(
        text.contains(&format!("Everything is left in {folder}")),
        "{text}"
    );
}

/// An OpenAI-compatible server with one model, that answers every chat alike. Runs until the test ends.
fn serving(answer: fn(streamed: bool) -> &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A client that leaves early is not this server's business.
            let _ = serve(client, answer);
        }
    });
    address
}

fn serve(client: TcpStream, answer: fn(bool) -> &'static str) -> std::io::Result<()> {
    let mut reader = BufReader::new(client);
    let (mut head, mut length) = (String::new(), 0);
    while reader.read_line(&mut head)? > 2 {
        let last = head.lines().next_back().unwrap_or_default().to_lowercase();
        if let Some(value) = last.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body);
    let reply = match head.starts_with("GET /v1/models ") {
        true => MODELS,
        false => answer(body.contains("\"stream\":true")),
    };
    reader.into_inner().write_all(reply.as_bytes())
}

const MODELS: &str = concat!(
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n",
    r#"{"object":"list","data":[{"id":"llama-fake","object":"model"}]}"#,
);

const WHOLE: &str = concat!(
    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n",
    r#"{"id":"1","object":"chat.completion","created":1,"model":"llama-fake","choices":[{"index":0,"#,
    r#""message":{"role":"assistant","content":"Good day."},"finish_reason":"stop"}]}"#,
);

const STREAM: &str = concat!(
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n",
    r#"data: {"choices":[{"index":0,"delta":{"role":"assistant","content":"Good day. "}}]}"#,
    "\n\n",
    r#"data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#,
    "\n\ndata: [DONE]\n\n",
);
