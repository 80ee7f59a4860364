//! What an admin reads on the terminal: every mistake of every file at once, each with its place; and the help.

use std::path::Path;
use std::process::Output;

use insta::assert_snapshot;

use crate::portcullis::{Folder, command};
use crate::repository;

/// Exit codes.
const USAGE: i32 = 2;
const BAD_FILES: i32 = 78;

const CONFIG: &str = "portcullis.toml";
const RULES: &str = "policies/tenants/demo-benefits/rules.csv";
const IDENTITIES: &str = "policies/identities.toml";
const GUARDRAILS: &str = "policies/baseline/guardrails.toml";

#[test]
fn a_good_folder_is_good() {
    let folder = Folder::new();
    let said = folder.succeeds(&["check"]);
    let (digest, rest) = said
        .strip_prefix("ok: policy ")
        .unwrap()
        .split_once(',')
        .unwrap();
    assert_eq!((digest.len(), rest), (12, " 2 models\n"));
}

#[test]
fn every_mistake_of_every_file_is_told_at_once() {
    let folder = Folder::new();
    folder.replace(CONFIG, "zone =", "header_timeout = 5\nzone =");
    folder.replace(CONFIG, "backend = \"llama\"", "backend = \"lama\"");
    let runtime = format!(
        "runtime = {:?}",
        repository().join(".portcullis/onnxruntime/libonnxruntime.so")
    );
    folder.replace(
        CONFIG,
        &runtime,
        "runtime = \"lib/libonnxruntime.so\"\nthreads = 0",
    );
    folder.replace(
        RULES,
        "benefits.draft|benefits.summarise, CUI:PRVCY",
        "benefits.drafts, CUI:PRIVACY",
    );
    folder.replace(IDENTITIES, "assurance = \"aal2\"", "assurance = \"aal9\"");
    folder.replace(IDENTITIES, "clearance = \"U\"", "clearence = \"U\"");
    folder.replace(GUARDRAILS, "do = \"redact\"", "do = \"redcat\"");
    folder.replace(GUARDRAILS, "secret@1", "secrets@1");
    // A key that is in order, and another's.
    folder.succeeds(&["certs", "dev", "--dir", "other"]);
    std::fs::copy(
        folder.path().join("other/server.key"),
        folder.path().join("certs/server.key"),
    )
    .unwrap();
    assert_snapshot!("every_mistake", told(&folder.run(&["check"]), BAD_FILES));
}

#[test]
fn what_only_several_files_together_show_is_told() {
    let folder = Folder::new();
    folder.replace(CONFIG, "zone = \"demo\"", "zone = \"demos\"");
    folder.replace(
        CONFIG,
        "name = \"llama-4-maverick\"",
        "name = \"llama-4-scout\"",
    );
    folder.replace(RULES, "*, civ-strict, allow", "*, civ-stern, allow");
    folder.replace(
        "policies/bundle.toml",
        "\"civ-strict\"]",
        "\"civ-strict\", \"civ-stern\"]",
    );
    assert_snapshot!("several_files", told(&folder.run(&["check"]), BAD_FILES));
}

#[test]
fn files_that_are_not_there_are_told() {
    let folder = Folder::new();
    for file in [
        "certs/server.key",
        "certs/officer.pem",
        "keys.toml",
        RULES,
        GUARDRAILS,
    ] {
        std::fs::remove_file(folder.path().join(file)).unwrap();
    }
    assert_snapshot!("missing_files", told(&folder.run(&["check"]), BAD_FILES));
    std::fs::remove_file(folder.path().join(CONFIG)).unwrap();
    assert_snapshot!("missing_config", told(&folder.run(&["check"]), BAD_FILES));
}

#[test]
fn serve_with_a_bad_file_starts_nothing() {
    let folder = Folder::new();
    folder.replace(IDENTITIES, "assurance = \"aal2\"", "assurance = \"aal9\"");
    let before = files(folder.path());
    let told = told(&folder.run(&["serve"]), BAD_FILES);
    assert!(
        told.ends_with("1 error found; nothing was started\n"),
        "{told}"
    );
    assert_eq!(files(folder.path()), before, "no log, no key");
}

#[test]
fn a_key_for_nobody_is_not_made() {
    let folder = Folder::new();
    let keys = std::fs::read(folder.path().join("keys.toml")).unwrap();
    let output = folder.run(&["keys", "new", "svc:benefit-app"]);
    assert_snapshot!("key_for_nobody", told(&output, BAD_FILES));
    assert_eq!(
        std::fs::read(folder.path().join("keys.toml")).unwrap(),
        keys
    );
}

#[test]
fn usage_is_told() {
    let here = repository();
    let run = |arguments: &[&str]| told(&command(&here, arguments).output().unwrap(), USAGE);
    let all = [
        run(&[]),
        run(&["serv"]),
        run(&["serve", "--confg", "x"]),
        run(&["keys", "new"]),
        run(&["keys", "new", "--days", "0", "svc:benefits-app"]),
        run(&["certs", "dev", "--client", "app"]),
    ];
    assert_snapshot!("usage", all.join("\n----\n"));
}

#[test]
fn the_help_of_every_verb() {
    let mut pages = Vec::new();
    let mut verbs = vec![Vec::new()];
    while let Some(verb) = verbs.pop() {
        let mut arguments: Vec<&str> = verb.iter().map(String::as_str).collect();
        arguments.push("--help");
        let output = command(&repository(), &arguments).output().unwrap();
        assert!(output.status.success());
        let page = String::from_utf8(output.stdout).unwrap();
        let below = subcommands(&page).into_iter().rev();
        verbs.extend(below.map(|name| [verb.clone(), vec![name]].concat()));
        pages.push(format!("$ portcullis {}\n{page}", arguments.join(" ")));
    }
    assert_snapshot!("help", pages.join("\n"));
}

/// The verbs that a page of help lists.
fn subcommands(page: &str) -> Vec<String> {
    let listed = page.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    // The name stands two spaces in; what goes on about it, further.
    let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    names
        .filter(|name| !name.is_empty() && *name != "help")
        .map(str::to_owned)
        .collect()
}

/// What was printed for the person at the terminal, without this machine's paths.
#[track_caller]
fn told(output: &Output, code: i32) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        (output.status.code(), output.stdout.as_slice()),
        (Some(code), &b""[..]),
        "{told}"
    );
    told.replace(repository().to_str().unwrap(), "[repository]")
}

/// Every file below, in order.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found.sort();
    found
}
