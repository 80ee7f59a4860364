//! Tests that start the real `portcullis` binary: what only a process of its own can show. It is killed, its disk
//! fills, it is asked to stop, and the README is followed to the letter.
//!
//! The harness's client and model server are compiled in from `tests/src`: this binary belongs to the
//! gateway's package, which hands it the built executable, and the gateway cannot depend on a harness that depends on
//! the gateway.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::large_futures,
    reason = "a test that goes wrong should stop, and may say how far it got"
)]

use std::time::Duration;

mod check;
mod clients;
mod full_disk;
mod guide;
mod kill;
mod log;
mod namespace;
mod officers;
mod portcullis;
mod signals;

#[path = "../src/client.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the harness offers more than these tests need"
)]
mod client;
#[path = "../src/llama.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the harness offers more than these tests need"
)]
mod llama;

/// Waits for something that must come; fails the test, saying what for, if it does not come in thirty seconds.
async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(30), future).await;
    waited.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// The root of the repository.
fn repository() -> std::path::PathBuf {
    let gateway = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    gateway.parent().unwrap().to_owned()
}
