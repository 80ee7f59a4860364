//! The command, as people run it. Where no gateway is, everything leaks: its own model server answers itself.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that goes wrong should stop"
)]

use std::net::TcpListener;
use std::process::{Command, Output};

fn conformance(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_conformance"));
    let output: Output = command
        .args(arguments)
        .env_remove("CONFORMANCE_KEY")
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// An address where nobody listens.
fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn unguarded(more: &[&str]) -> (Option<i32>, String, String) {
    let address = free();
    let url = format!("http://{address}/v1");
    let arguments = [&["--url", &url, "--model-listen", &address], more].concat();
    conformance(&arguments)
}

#[test]
fn what_leaks_is_told_with_its_place_and_ends_with_one() {
    let (code, said, complained) =
        unguarded(&["--only", "refusals-that-echo", "--only", "a-guard"]);
    assert_eq!((code, complained.as_str()), (Some(1), ""), "{said}");
    assert!(
        said.starts_with("LEAKS  refusals-that-echo  8 LEAKED\n"),
        "{said}"
    );
    assert!(
        said.contains("/v1/chat/completions, streamed: the text: it came back: "),
        "{said}"
    );
    assert!(
        said.contains("?      a-guard-that-fails  11 untested\n"),
        "{said}"
    );
    assert!(
        said.ends_with("\n2 cases, 19 probes: 8 leaked, 11 untested\n"),
        "{said}"
    );
}

#[test]
fn a_command_breaks_the_guard_and_another_mends_it() {
    let folder = std::env::temp_dir().join(format!("conformance-{}", std::process::id()));
    let (broken, mended) = (
        format!("echo b >> {}", folder.display()),
        format!("echo m >> {}", folder.display()),
    );
    let arguments = [
        "--only",
        "a-guard",
        "--break-guard",
        &broken,
        "--mend-guard",
        &mended,
    ];
    let (code, said, _) = unguarded(&arguments);
    let told = std::fs::read_to_string(&folder).unwrap();
    std::fs::remove_file(&folder).unwrap();
    assert_eq!((code, told), (Some(1), "b\nm\n".repeat(11)), "{said}");
    let (code, said, _) = unguarded(&[
        "--only",
        "a-guard",
        "--break-guard",
        "exit 3",
        "--mend-guard",
        "true",
    ]);
    assert_eq!(code, Some(0));
    assert!(
        said.contains("untested: the guard cannot be broken: `exit 3` ended with exit status: 3"),
        "{said}"
    );
}

#[test]
fn programs_get_every_result_as_json() {
    let (code, said, _) = unguarded(&["--only", "answers-unscanned", "--json"]);
    let report: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, report["leaks"].as_u64()), (Some(1), Some(8)));
    let probes = report["cases"][0]["probes"].as_array().unwrap();
    assert_eq!(probes.len(), 8);
    assert_eq!(probes[0]["outcome"], "leaked");
}

#[test]
fn what_cannot_be_tested_is_no_result() {
    let (address, nobody) = (free(), free());
    let ask = |url: &str| conformance(&["--url", url, "--model-listen", &address]);
    let (code, said, complained) = ask(&format!("http://{nobody}/v1"));
    assert_eq!((code, said.as_str()), (Some(2), ""));
    assert!(complained.contains("Connection refused"), "{complained}");
    assert!(complained.contains(&format!(
        "the model server of the suite listens at http://{address}/v1"
    )));
    assert!(
        ask("localhost:1/v1")
            .2
            .contains("neither an http:// nor an https:// URL")
    );
    let (code, _, complained) =
        conformance(&["--url", "https://localhost:1/v1", "--ca", "/nowhere.pem"]);
    assert_eq!(code, Some(2));
    assert!(complained.contains("/nowhere.pem"), "{complained}");
    let (code, _, complained) = unguarded(&["--only", "no-such-case"]);
    assert_eq!(code, Some(2));
    assert!(
        complained.contains("no case is named like no-such-case"),
        "{complained}"
    );
    assert_eq!(unguarded(&["--forbidden", "short"]).0, Some(2));
}

#[test]
fn the_cases_are_listed_with_where_they_were_seen() {
    let (code, said, _) = conformance(&["--list", "--only", "tool-results"]);
    assert_eq!(code, Some(0));
    assert_eq!(
        said,
        "tool-results\n    what tools and documents said is not scanned\n    seen: litellm#41265\n"
    );
}
