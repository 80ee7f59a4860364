//! `portcullis audit …`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;

mod drill;
mod officer;
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

/// The shards below a folder, oldest first; or the folder itself, if it is one.
fn shards(dir: &Path) -> Result<Vec<PathBuf>, String> {
    audit::shards(dir).map_err(|error| format!("{}: {error}", dir.display()))
}

/// The newest of them.
fn newest(dir: &Path) -> Result<PathBuf, String> {
    Ok(shards(dir)?.pop().unwrap_or_else(|| dir.to_owned()))
}

/// The one that a kept checkpoint is of.
fn shard_of(dir: &Path, kept: &audit::Checkpoint) -> Result<PathBuf, String> {
    let shards = shards(dir)?;
    if let [only] = shards.as_slice() {
        return Ok(only.clone());
    }
    let is_of = |shard: &&PathBuf| {
        let here = audit::survey(shard)
            .ok()
            .and_then(|survey| survey.checkpoint);
        here.is_some_and(|here| here.origin == kept.origin)
    };
    let found = shards.iter().find(is_of).cloned();
    found.ok_or_else(|| format!("{}: no shard is {}", dir.display(), kept.origin))
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
