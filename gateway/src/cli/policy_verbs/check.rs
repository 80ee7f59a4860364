//! `portcullis policy check`: every mistake of every file at once.
#![expect(clippy::print_stdout, reason = "a command line talks to its terminal")]

use std::process::ExitCode;

use clap::Args;
use gateway::load;
use policy::Policy;
use serde_json::json;

use super::Common;
use crate::cli::Output;

/// Read every file of a bundle and report all mistakes at once, each with its place and what to write instead
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let common = &options.common;
    match (common.output, Policy::load(&common.dir)) {
        (Output::Json, Ok(loaded)) => {
            let warnings = load::policy_warnings(&loaded);
            let policy = loaded.policy;
            let said = json!({
                "ok": true,
                "id": policy.id(),
                "revision": policy.revision(),
                "digest": policy.digest(),
                "rules": policy.rule_count(),
                "principals": policy.principals().count(),
                "problems": super::as_json(&warnings),
            });
            println!("{said}");
            ExitCode::SUCCESS
        }
        (Output::Human, Ok(loaded)) => {
            let warnings = load::policy_warnings(&loaded);
            crate::cli::report(&warnings);
            let policy = loaded.policy;
            println!(
                "ok: {} revision {}, {} rules, {} principals, digest {}",
                policy.id(),
                policy.revision(),
                policy.rule_count(),
                policy.principals().count(),
                policy.short_digest()
            );
            ExitCode::SUCCESS
        }
        // Told in the same words as by every other verb.
        (_, Err(_)) => common.load().err().unwrap_or(ExitCode::from(78)),
    }
}
