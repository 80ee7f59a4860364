//! `portcullis keys …`
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use audit::Clock as _;
use clap::Subcommand;
use gateway::Config;
use jiff::{SignedDuration, Timestamp};

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make a key, store its hash, and print the key once
    New {
        /// The configuration file
        #[arg(long, env = "PORTCULLIS_CONFIG", default_value = "portcullis.toml")]
        config: PathBuf,
        /// Whom it stands for, as identities.toml names it, such as svc:benefits-app
        principal: String,
        /// Days until it expires
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=366))]
        days: i64,
    },
}

pub(crate) fn run(verb: Verb) -> ExitCode {
    let Verb::New {
        config,
        principal,
        days,
    } = verb;
    let config = match Config::load(&config) {
        Ok(config) => config,
        Err(problems) => return super::bad_files(&problems),
    };
    if !principal.starts_with("svc:") {
        eprintln!(
            "error: `{principal}` is no service: people and machines prove themselves with what they hold, not with a key"
        );
        return ExitCode::from(78);
    }
    let known = policy::Policy::load(&config.policy_dir)
        .map(|loaded| loaded.policy.subject(&principal).is_some());
    match known {
        Ok(true) => {}
        Ok(false) => {
            eprintln!(
                "error: identities.toml knows no principal `{principal}`: a key for it would open nothing"
            );
            return ExitCode::from(78);
        }
        Err(problems) => {
            return super::bad_files(&problems.into_iter().map(Into::into).collect::<Vec<_>>());
        }
    }
    let nanoseconds = i128::from(audit::SystemClock.now());
    let now = Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH);
    match gateway::keys::mint(
        &config.identity,
        &principal,
        SignedDuration::from_hours(24 * days),
        now,
    ) {
        Ok((record, key)) => {
            println!("{key}");
            eprintln!(
                "{} for {principal}, expires {}; it is not stored and cannot be shown again",
                record.id, record.expires
            );
            ExitCode::SUCCESS
        }
        Err(problem) => super::unavailable(&problem.render(false)),
    }
}
