//! `portcullis audit …`

use std::process::ExitCode;

use clap::Subcommand;

mod drill;
mod prove;
mod rewrap;
mod status;
mod verify;

#[derive(Subcommand)]
pub(crate) enum Verb {
    Status(status::Options),
    Verify(verify::Options),
    Prove(prove::Options),
    Rewrap(rewrap::Options),
    Drill(drill::Options),
}

pub(crate) fn run(verb: Verb) -> ExitCode {
    match verb {
        Verb::Status(options) => status::run(&options),
        Verb::Verify(options) => verify::run(options),
        Verb::Prove(options) => prove::run(options),
        Verb::Rewrap(options) => rewrap::run(&options),
        Verb::Drill(options) => drill::run(&options),
    }
}
