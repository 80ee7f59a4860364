//! Bundles on disk, and the digest.

use std::{fs, path::Path};

use proptest::prelude::*;

use super::{cases, demo_dir, support::*};
use crate::Policy;

/// A copy of the demo bundle that a test may change.
fn copy() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    copy_into(&demo_dir(), dir.path());
    dir
}

fn copy_into(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            fs::create_dir(&target).expect("a new folder");
            copy_into(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

#[test]
fn a_problem_names_the_file_as_it_was_given() {
    let dir = copy();
    fs::write(
        dir.path().join("tenants/demo-contracts/roles.csv"),
        "g, x\n",
    )
    .expect("written");
    let problems = Policy::load(dir.path()).expect_err("a mistake");
    let expected = dir.path().join("tenants/demo-contracts/roles.csv");
    assert!(
        problems
            .iter()
            .any(|problem| problem.file == expected && problem.line == 1)
    );
}

#[test]
fn dot_names_are_skipped_and_links_followed() {
    let dir = copy();
    let digest = Policy::load(dir.path())
        .expect("it loads")
        .policy
        .digest()
        .to_owned();
    fs::create_dir(dir.path().join("..data")).expect("a dot folder");
    fs::rename(
        dir.path().join("bundle.toml"),
        dir.path().join("..data/bundle.toml"),
    )
    .expect("moved");
    std::os::unix::fs::symlink("..data/bundle.toml", dir.path().join("bundle.toml"))
        .expect("a link");
    fs::write(dir.path().join(".rules.csv.swp"), "junk").expect("written");
    assert_eq!(
        Policy::load(dir.path()).expect("it loads").policy.digest(),
        digest
    );
}

#[test]
fn what_is_not_read_is_an_error() {
    for stray in [
        "rules.csv",
        "tenants/demo-contracts/rule.csv",
        "tenants/rules.csv",
        "baseline/roles.csv",
    ] {
        let dir = copy();
        fs::write(dir.path().join(stray), "").expect("written");
        let problems = lines(&Policy::load(dir.path()).expect_err("a stray file"));
        assert!(
            problems.contains(&format!("{stray}:1:1: error: a bundle has no such file")),
            "{problems}"
        );
    }
}

#[test]
fn a_folder_that_is_none_or_too_deep_is_an_error() {
    assert!(Policy::load(Path::new("/no/such/folder")).is_err());
    let dir = copy();
    fs::create_dir_all(dir.path().join("tenants/demo-contracts/deep/deeper")).expect("folders");
    assert!(lines(&Policy::load(dir.path()).expect_err("too deep")).contains("too deep"));
}

#[test]
fn guardrail_files_are_handed_on_as_digested() {
    let bundle = Bundle::small()
        .with("tenants/t-o/guardrails.toml", "a")
        .with("baseline/guardrails.toml", "b");
    let policy = bundle.policy();
    let files: Vec<_> = policy
        .guardrail_files()
        .map(|(path, text)| (path.to_str(), text))
        .collect();
    assert_eq!(
        files,
        [
            (Some("baseline/guardrails.toml"), "b"),
            (Some("tenants/t-o/guardrails.toml"), "a")
        ]
    );
}

#[test]
fn the_digest_is_of_names_and_contents() {
    let digest = |bundle: &Bundle| bundle.policy().digest().to_owned();
    let small = digest(&Bundle::small());
    assert_eq!(small, digest(&Bundle::small()));
    assert_ne!(
        small,
        digest(&Bundle::small().adding("tenants/t-o/rules.csv", "# why\n"))
    );
    assert_ne!(
        small,
        digest(&Bundle::small().with("tenants/t-o/guardrails.toml", ""))
    );
    let readme = |path: &str| digest(&Bundle::small().with(path, "text"));
    assert_ne!(readme("README.md"), readme("baseline/README.md"));
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn any_text_in_any_file_is_read_without_a_panic(
        path in prop::sample::select(&["bundle.toml", "attributes.toml", "purposes.toml", "authorities.toml", "identities.toml", "tenants/t-o/roles.csv"][..]),
        text in "[a-z0-9\\[\\]{}\"'.=_:#,*/\\- \t\r\n\u{0}é€]{0,80}",
        at_end in any::<bool>(),
    ) {
        let bundle = Bundle::small();
        let bundle = if at_end { bundle.adding(path, &text) } else { bundle.with(path, text) };
        if let Err(problems) = bundle.load() {
            prop_assert!(problems.iter().all(|problem| problem.line > 0 && problem.column > 0));
        }
    }
}
