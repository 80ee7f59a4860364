//! The guides, followed to the letter: every command block is run in an empty folder, and must print what the guide says.

use std::process::Command;

use crate::portcullis::BINARY;
use crate::repository;

#[test]
fn the_admin_guide_prints_what_it_says() {
    let output = Command::new("python3")
        .current_dir(repository())
        .args(["scripts/guide.py", "docs/admin-guide.md", BINARY])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complaints}");
    println!("{said}");
}
