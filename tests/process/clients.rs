//! Clients that people really use: the README followed to the letter, and the official packages of OpenAI and Anthropic.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::log::Log;
use crate::namespace::{Own, entered};
use crate::portcullis::{BINARY, Folder};
use crate::repository;

/// What the demo backend says to most.
const HELLO: &str = "Hello from the Portcullis demo.";

#[test]
fn the_readme_works_word_by_word() {
    // Its ports are what it says, so it needs a network where they are free.
    if !entered("clients::the_readme_works_word_by_word", Own::Network) {
        return;
    }
    loopback_up();
    let readme = std::fs::read_to_string(repository().join("README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ["policies", "models", ".portcullis"] {
        symlink(repository().join(name), folder.path().join(name)).unwrap();
    }
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("portcullis.toml", &block(&readme, "portcullis.toml"));
    write("client.py", &block(&readme, "python"));
    let certs = readme
        .lines()
        .find(|line| line.starts_with("portcullis certs dev"))
        .unwrap();
    let python = python();
    let script = [
        "set -e",
        certs,
        "echo === commands",
        &block(&readme, "commands"),
        "echo; echo === python",
        &format!("{} client.py", python.display()),
        "echo === stop",
        &block(&readme, "stop"),
    ];
    let output = bash(folder.path(), &script.join("\n"));
    let (said, complained) = texts(&output);
    assert!(output.status.success(), "{said}\n{complained}");
    let parts: Vec<&str> = said.split("=== ").collect();
    assert_eq!(parts.len(), 4, "{said}");
    assert!(parts[1].contains("ok: policy"), "check: {said}");
    assert!(
        parts[1].contains(&format!("\"content\":\"{HELLO}")),
        "curl: {said}"
    );
    assert!(
        parts[2].starts_with(&format!("python\n{HELLO}")),
        "python: {said}"
    );
    assert!(
        parts[3].contains("2 intents have 2 outcomes"),
        "verify: {said}"
    );
}

#[test]
fn the_conformance_suite_is_run_as_its_page_says() {
    // Its ports are what it says, so it needs a network where they are free.
    if !entered(
        "clients::the_conformance_suite_is_run_as_its_page_says",
        Own::Network,
    ) {
        return;
    }
    loopback_up();
    let page = std::fs::read_to_string(repository().join("docs/conformance.md")).unwrap();
    // Each case has a test of its own; here a few will do.
    let script =
        block(&page, "conformance").replace("conformance --url", "conformance --only again --url");
    assert!(script.contains("--only again"));
    let folder = tempfile::tempdir().unwrap();
    for name in ["policies", "models", ".portcullis"] {
        symlink(repository().join(name), folder.path().join(name)).unwrap();
    }
    let output = bash(folder.path(), &format!("set -e\n{script}\nwait"));
    let (said, complained) = texts(&output);
    assert!(output.status.success(), "{said}\n{complained}");
    assert!(
        said.contains("holds  asked-again     33 kept back\n"),
        "{said}"
    );
    assert!(
        said.contains("holds  answered-again  24 kept back\n"),
        "{said}"
    );
    assert!(
        said.ends_with("2 cases, 57 probes: 0 leaked, 0 untested\n"),
        "{said}"
    );
}

#[tokio::test]
async fn the_openai_package_notices_nothing_but_clear_answers() {
    package("openai_client.py", OPENAI).await;
}

#[tokio::test]
async fn the_anthropic_package_notices_nothing_but_clear_answers() {
    package("anthropic_client.py", ANTHROPIC).await;
}

/// Runs a client of `tests/python` against a gateway, and looks up in the log what it did.
async fn package(script: &str, expected: &[(&str, usize, &[&str])]) {
    let folder = Folder::new();
    std::fs::write(folder.path().join("key"), &folder.key).unwrap();
    let serving = folder.serve().await;
    let mut client = tokio::process::Command::new(python());
    client.arg(repository().join("tests/python").join(script));
    client
        .arg(format!("https://{}/v1", serving.address))
        .args(["certs/ca.pem", "key"]);
    let output = client.current_dir(folder.path()).output().await.unwrap();
    let (said, complained) = texts(&output);
    assert!(output.status.success(), "{complained}");
    serving.stop().await;
    let log = folder.log();
    let requests: BTreeMap<String, Vec<String>> = serde_json::from_str(&said).expect("JSON");
    assert_eq!(requests.len(), expected.len(), "{requests:?}");
    for (name, times, entries) in expected {
        let ids = requests
            .get(*name)
            .unwrap_or_else(|| panic!("no {name} in {said}"));
        assert_eq!(
            ids.len(),
            *times,
            "requests of {name}: a refusal is not retried, a fault is"
        );
        for id in ids {
            assert_eq!(told(&log, id), *entries, "{name}");
        }
    }
}

/// Of each case of `openai_client.py`: how many requests it takes, and what the log says of each.
const OPENAI: &[(&str, usize, &[&str])] = &[
    ("plain", 1, &["req.intent", "completed"]),
    ("streamed", 1, &["req.intent", "completed"]),
    ("tools", 2, &["req.intent", "completed"]),
    ("tools_streamed", 1, &["req.intent", "completed"]),
    ("models", 1, &["req.served"]),
    ("one_model", 1, &["req.served"]),
    ("no_such_model", 1, &["model_not_found"]),
    ("completion", 1, &["req.intent", "completed"]),
    ("completion_streamed", 1, &["req.intent", "completed"]),
    ("completion_redacted", 1, &["req.intent", "completed"]),
    ("response", 1, &["req.intent", "completed"]),
    ("response_streamed", 1, &["req.intent", "completed"]),
    ("response_tools", 2, &["req.intent", "completed"]),
    ("response_redacted", 1, &["req.intent", "completed"]),
    ("response_blocked", 1, &["req.intent", "blocked"]),
    (
        "response_fails_mid_stream",
        1,
        &["req.intent", "upstream_incomplete"],
    ),
    ("response_remembers_nothing", 1, &["unsupported_parameter"]),
    ("embeddings", 1, &["req.intent", "completed"]),
    ("embeddings_blocked", 1, &["content_filter"]),
    ("moderations", 1, &["req.served"]),
    ("moderated", 2, &["req.intent", "completed"]),
    ("moderated_stream", 1, &["req.intent", "completed"]),
    ("moderated_strictly", 1, &["content_filter"]),
    ("denied", 1, &["access_denied"]),
    ("denied_streamed", 1, &["access_denied"]),
    ("unknown_model", 1, &["model_not_found"]),
    ("stranger", 1, &["invalid_api_key"]),
    ("bad_request", 1, &["invalid_value"]),
    ("blocked_prompt", 1, &["content_filter"]),
    ("redacted_prompt", 1, &["req.intent", "completed"]),
    ("redacted_answer", 1, &["req.intent", "completed"]),
    ("redacted_stream", 1, &["req.intent", "completed"]),
    ("blocked_stream", 1, &["req.intent", "blocked"]),
    ("blocked_answer", 1, &["req.intent", "blocked"]),
    ("upstream_down", 3, &["req.intent", "upstream_error"]),
    (
        "upstream_fails_mid_stream",
        1,
        &["req.intent", "upstream_incomplete"],
    ),
];

/// The same of `anthropic_client.py`.
const ANTHROPIC: &[(&str, usize, &[&str])] = &[
    ("plain", 1, &["req.intent", "completed"]),
    ("streamed", 1, &["req.intent", "completed"]),
    ("tools", 2, &["req.intent", "completed"]),
    ("tools_streamed", 1, &["req.intent", "completed"]),
    ("counted", 1, &["req.intent", "completed"]),
    ("denied", 1, &["access_denied"]),
    ("unknown_model", 1, &["model_not_found"]),
    ("stranger", 1, &["invalid_api_key"]),
    ("bad_request", 1, &["invalid_value"]),
    ("blocked_prompt", 1, &["content_filter"]),
    ("redacted_prompt", 1, &["req.intent", "completed"]),
    ("redacted_stream", 1, &["req.intent", "completed"]),
    ("blocked_stream", 1, &["req.intent", "blocked"]),
    ("blocked_answer", 1, &["req.intent", "blocked"]),
    (
        "upstream_fails_mid_stream",
        1,
        &["req.intent", "upstream_incomplete"],
    ),
];

/// The entries of a request, each in the one word that matters: the status of an outcome, the code of a refusal.
fn told<'l>(log: &'l Log, id: &str) -> Vec<&'l str> {
    let entries = log.about(id).into_iter();
    let word = |entry: &'l serde_json::Value| {
        let words = [&entry["status"], &entry["code"], &entry["type"]];
        words
            .into_iter()
            .find_map(serde_json::Value::as_str)
            .unwrap()
    };
    entries.map(word).collect()
}

/// The code below `<!-- test: NAME -->`.
fn block(readme: &str, name: &str) -> String {
    let (_, after) = readme
        .split_once(&format!("<!-- test: {name} -->\n```"))
        .expect(name);
    let (_language, code) = after.split_once('\n').unwrap();
    code.split_once("\n```").unwrap().0.to_owned()
}

/// The interpreter with the packages of `tests/python/requirements.txt`.
fn python() -> PathBuf {
    let python = repository().join(".portcullis/venv/bin/python");
    assert!(
        python.exists(),
        "no {}: `make test` makes it",
        python.display()
    );
    python
}

/// Runs a script with the binary under test as `portcullis`.
fn bash(folder: &Path, script: &str) -> Output {
    let beside = Path::new(BINARY).parent().unwrap().display();
    let path = format!("{beside}:{}", std::env::var("PATH").unwrap());
    let mut bash = Command::new("bash");
    bash.args(["-c", script])
        .env("PATH", path)
        .current_dir(folder);
    bash.output().unwrap()
}

/// A new network namespace has a loopback, switched off.
fn loopback_up() {
    let program = "import fcntl, socket, struct\n\
                   SIOCSIFFLAGS, IFF_UP = 0x8914, 1\n\
                   fcntl.ioctl(socket.socket(), SIOCSIFFLAGS, struct.pack('16sh', b'lo', IFF_UP))";
    let output = Command::new(python())
        .args(["-c", program])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", texts(&output).1);
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}
