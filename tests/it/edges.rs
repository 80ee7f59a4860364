//! The dependency edges: the four leaves do not know each other, casbin stays in `policy`, the ONNX binding in
//! `guardrails`, and no second crypto provider creeps in. `deny.toml` says what is banned; here it is enforced.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use tests::repository;

const LEAVES: [&str; 4] = ["audit", "backends", "guardrails", "policy"];

/// Package name -> names of what it depends on, outside of tests, as features and platform have it.
fn edges() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--package=gateway",
            "--edges=no-dev",
            "--prefix=depth",
            "--format= {p}",
        ])
        .current_dir(repository())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut above: Vec<String> = Vec::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        // A depth, a name, a version, and what does not matter here. A parent comes before its children.
        let mut words = line.split(' ');
        let depth: usize = words.next().unwrap().parse().unwrap();
        let name = words.next().unwrap().to_owned();
        edges.entry(name.clone()).or_default();
        above.truncate(depth);
        if let Some(parent) = above.last() {
            edges.get_mut(parent).unwrap().insert(name.clone());
        }
        above.push(name);
    }
    edges
}

/// Everything that the product pulls in.
fn product(edges: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut next = vec!["gateway".to_owned()];
    while let Some(name) = next.pop() {
        if reached.insert(name.clone()) {
            next.extend(edges[&name].iter().cloned());
        }
    }
    reached
}

#[test]
fn the_leaves_do_not_know_each_other() {
    let edges = edges();
    for leaf in LEAVES {
        for other in LEAVES
            .iter()
            .chain(&["gateway", "tests"])
            .filter(|other| **other != leaf)
        {
            assert!(!edges[leaf].contains(*other), "{leaf} depends on {other}");
        }
    }
}

#[test]
fn what_deny_toml_bans_is_not_there() {
    let edges = edges();
    let product = product(&edges);
    let text = std::fs::read_to_string(repository().join("deny.toml")).unwrap();
    let rules: toml::Table = text.parse().unwrap();
    let bans = rules["bans"]["deny"].as_array().unwrap();
    assert!(bans.len() >= 8, "the rules were read");
    for ban in bans {
        let banned = ban["crate"].as_str().unwrap();
        let allowed: Vec<_> = ban
            .get("wrappers")
            .and_then(toml::Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(toml::Value::as_str)
            .collect();
        let users = edges
            .iter()
            .filter(|(name, to)| product.contains(*name) && to.contains(banned));
        for (user, _) in users {
            assert!(
                allowed.contains(&user.as_str()),
                "{user} depends on {banned}: {}",
                ban["reason"]
            );
        }
    }
}
