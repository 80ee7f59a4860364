//! Tests that need a mount or a network of their own run themselves again inside a namespace.

use std::process::Command;

/// Set in the environment of a test that runs inside.
const INSIDE: &str = "PORTCULLIS_TEST_INSIDE";

/// What a test gets of its own.
#[derive(Clone, Copy)]
pub(crate) enum Own {
    /// Mounts: a file system that it mounts is seen by nobody else, and gone with it.
    Mounts,
    /// A network: nothing but a loopback, of which every port is free.
    Network,
}

/// Whether this test runs inside. If not, it is run again there, and must pass there; then nothing is left to do here.
/// `test` is its path, such as `full_disk::nothing_is_lost`. Fails, rather than skips, where there are no namespaces.
pub(crate) fn entered(test: &str, own: Own) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    // In a user namespace anybody may; where those are forbidden, root still may.
    let flags = match own {
        Own::Mounts => ["-Urm", "-m"],
        Own::Network => ["-Urn", "-n"],
    };
    let allowed = |flags: &str| {
        let tried = Command::new("unshare").args([flags, "true"]).output();
        tried.is_ok_and(|output| output.status.success())
    };
    let flags = flags.iter().find(|flags| allowed(flags));
    let flags =
        flags.expect("`unshare` can make a namespace: this test needs one, as root or as anybody");
    let output = Command::new("unshare")
        .arg(flags)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, "yes")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    let passed = output.status.success() && said.contains("1 passed");
    assert!(
        passed,
        "inside its namespace, {test} fails:\n{said}\n{complained}"
    );
    false
}
