//! `portcullis audit …`
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Re-derive everything in a log, and name the first thing that is not as it was written
    Verify {
        /// The log's folder
        dir: PathBuf,
        /// The log's public key, as `serve` prints it at start: `origin+hash+base64`; keep it elsewhere than the log.
        /// Without it, nothing is proved about who signed the checkpoint
        #[arg(long, value_name = "VKEY", value_parser = verify_key)]
        key: Option<audit::VerifyKey>,
    },
}

pub(crate) fn run(verb: Verb) -> ExitCode {
    let Verb::Verify { dir, key } = verb;
    let options = audit::VerifyOptions {
        vkey: key,
        ..audit::VerifyOptions::default()
    };
    match audit::verify(&dir, options) {
        Ok(proof) => {
            println!("{proof}");
            ExitCode::SUCCESS
        }
        Err(damage) => {
            eprintln!("{damage}");
            ExitCode::from(1)
        }
    }
}

fn verify_key(text: &str) -> Result<audit::VerifyKey, String> {
    audit::VerifyKey::parse(text).map_err(|error| error.to_string())
}
