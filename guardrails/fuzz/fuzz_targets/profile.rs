//! The profile loader: any text loads or is refused with problems that lie inside it.
#![no_main]

use guardrails::{Engine, ProfileFile, Settings};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let file = ProfileFile {
        path: "fuzz.toml".into(),
        text: text.to_owned(),
    };
    let Err(problems) = Engine::load(Settings {
        profiles: vec![file],
        ..Settings::default()
    }) else {
        return;
    };
    assert!(!problems.is_empty());
    for problem in problems {
        assert!(
            problem.line >= 1 && problem.column >= 1 && problem.span.end <= text.len(),
            "{problem}"
        );
    }
});
