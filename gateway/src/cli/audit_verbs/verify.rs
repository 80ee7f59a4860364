//! `portcullis audit verify`: the whole log, re-derived.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

/// Re-derive everything in a log, shard by shard, and name the first thing that is not as it was written
#[derive(Args)]
pub(crate) struct Options {
    /// The log's folder, or a shard's
    dir: PathBuf,
    /// The public key of a shard, as `serve` prints it at start: `origin+hash+base64`; keep it elsewhere than the log.
    /// That shard and all after it must be signed by it, and by the keys that follow from it. Without it, nothing is
    /// proved about who signed
    #[arg(long, value_name = "VKEY", value_parser = verify_key)]
    key: Option<audit::VerifyKey>,
    /// A copy of the log's `checkpoint` file that was kept elsewhere: the log must begin with what it stands for, and
    /// everything after is checked like the rest
    #[arg(long, value_name = "CHECKPOINT")]
    since: Option<PathBuf>,
}

pub(crate) fn run(options: Options) -> ExitCode {
    let Options { dir, key, since } = options;
    let since = match since.map(|file| kept(&file, key.as_ref())).transpose() {
        Ok(since) => since,
        Err(problem) => {
            eprintln!("{problem}");
            return ExitCode::from(2);
        }
    };
    let bar = ProgressBar::new(0).with_style(style()); // on a terminal; on a pipe it stays silent
    let verified = all(&dir, key, since, &bar);
    bar.finish_and_clear();
    match verified {
        Ok(proved) => {
            println!("{proved}");
            ExitCode::SUCCESS
        }
        Err(damage) => {
            eprintln!("{damage}");
            ExitCode::from(1)
        }
    }
}

/// All shards, and that each goes on from the one before.
fn all(
    dir: &Path,
    vkey: Option<audit::VerifyKey>,
    since: Option<audit::Checkpoint>,
    bar: &ProgressBar,
) -> Result<String, audit::Damage> {
    let mut progress = |shard: &Path, done, all| {
        bar.set_message(shard.file_name().unwrap_or_default().display().to_string());
        bar.set_length(all);
        bar.set_position(done);
    };
    let options = audit::ChainOptions {
        vkey,
        since,
        progress: Some(&mut progress),
    };
    let chain = audit::verify_shards(dir, options)?;
    Ok(match chain.links.as_slice() {
        [only] if only.missing.is_none() && chain.begins.is_none() => only.proof.to_string(),
        _ => chain.to_string(),
    })
}

/// A checkpoint that was kept. With a key it must be signed by it, too.
fn kept(file: &Path, key: Option<&audit::VerifyKey>) -> Result<audit::Checkpoint, String> {
    let note =
        std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let checkpoint = match key {
        Some(key) => audit::Checkpoint::open(&note, key),
        None => audit::Checkpoint::read(&note),
    };
    checkpoint.map_err(|error| format!("{}: {error}", file.display()))
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template(
        "{msg} {wide_bar} {human_pos} of {human_len} entries, {per_sec}, {eta} left",
    )
    .unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn verify_key(text: &str) -> Result<audit::VerifyKey, String> {
    audit::VerifyKey::parse(text).map_err(|error| error.to_string())
}
