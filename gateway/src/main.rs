//! The `portcullis` binary: flags, logging, run until signalled.

use std::process::ExitCode;

mod cli;
mod demo;

fn main() -> ExitCode {
    cli::run()
}
