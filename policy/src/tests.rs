//! Behaviour of the whole crate: the demo bundle, casbin's traps, laws, seeded mistakes.

use std::path::{Path, PathBuf};

use proptest::test_runner::Config;

mod cases;
mod certificates;
mod decisions;
mod demo;
mod duties;
mod explain;
mod files;
mod laws;
mod lints;
mod mistakes;
mod reach;
pub(crate) mod seeded;
mod sources;
pub(crate) mod support;
mod traps;

/// Cases per property: 20,000, or 1,000,000 with `PORTCULLIS_SOAK=1`. The count is printed.
pub(crate) fn cases() -> Config {
    cases_of(1)
}

/// Cases per property, each of which makes `decisions` decisions.
pub(crate) fn cases_of(decisions: u32) -> Config {
    let soak = std::env::var("PORTCULLIS_SOAK").is_ok_and(|value| value == "1");
    let config = Config::with_cases(if soak { 1_000_000_u32 } else { 20_000 }.div_ceil(decisions));
    println!("{} cases, {decisions} decisions each", config.cases);
    // A failing seed is printed; a found mistake becomes a named test.
    Config {
        failure_persistence: None,
        ..config
    }
}

/// The folder of the demo bundle.
pub(crate) fn demo_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies")
}
