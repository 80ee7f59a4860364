//! `portcullis audit rewrap`: the officers have changed.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use audit::Clock as _;
use clap::Args;
use gateway::problem::Problem;

use super::officer::Officer;
use crate::cli::{bad_files, unavailable};

/// Seal every epoch key again, when the officers have changed: for one who holds a key that opens them
#[derive(Args)]
pub(crate) struct Options {
    /// The log's folder, or a shard's, or a copy: `keyring/*.new` is then to be brought to the gateway, which announces it
    dir: PathBuf,
    #[command(flatten)]
    officer: Officer,
    /// The certificate of an officer from now on; once for each
    #[arg(long, value_name = "FILE", required = true)]
    to: Vec<PathBuf>,
    /// The certificate to recover with from now on
    #[arg(long, value_name = "FILE")]
    recovery: PathBuf,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let (opener, recipients) = match options.read() {
        Ok(read) => read,
        Err(problem) => return bad_files(&[problem]),
    };
    match audit::rewrap(&options.dir, &opener, &recipients) {
        Ok(done) => told(&done),
        Err(audit::RewrapError::Damage(damage)) => {
            eprintln!("{damage}");
            ExitCode::from(1)
        }
        Err(error) => unavailable(&error.to_string()),
    }
}

impl Options {
    fn read(&self) -> Result<(audit::Opener, audit::Recipients), Problem> {
        fn problem<E: Display>(file: &Path) -> impl Fn(E) -> Problem {
            move |error| Problem::about(file, error.to_string())
        }
        let opener = self.officer.opener()?;
        let now = audit::SystemClock.now();
        let read = |file: &PathBuf| audit::Recipient::load(file, now).map_err(problem(file));
        let officers = self.to.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let recipients = audit::Recipients::new(read(&self.recovery)?, officers);
        Ok((opener, recipients.map_err(problem(&self.recovery))?))
    }
}

fn told(done: &audit::Rewrapped) -> ExitCode {
    println!(
        "{} epoch keys were sealed again; the gateway announces them while it runs\n\
         {} are sealed to these recipients already",
        done.sealed, done.already
    );
    for epoch in &done.unopened {
        eprintln!("epoch {epoch}: no file of it is as announced and opens with this key");
    }
    match done.unopened.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(1),
    }
}
