//! `portcullis audit drill`: do old bodies still open?
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use audit::{Clock as _, Drawn};
use clap::Args;
use jiff::Timestamp;

use super::officer::Officer;
use crate::cli::{bad_files, unavailable};

/// Open bodies drawn at random, to see that old ones still open: for one who holds a key that opens them
///
/// Exits with 1 if one does not, or if there is none. Run it from time to time, with each officer's key and with the
/// one to recover with.
#[derive(Args)]
pub(crate) struct Options {
    /// The log's folder, or a shard's, or a copy
    dir: PathBuf,
    #[command(flatten)]
    officer: Officer,
    /// How many, over all shards
    #[arg(long, default_value_t = 10, value_name = "N")]
    count: usize,
    /// Writes how it went, for a collector of text files to alarm on
    #[arg(long, value_name = "FILE")]
    metrics: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    let opener = match options.officer.opener() {
        Ok(opener) => opener,
        Err(problem) => return bad_files(&[problem]),
    };
    let drawn = draw(options, &opener);
    let failed = match &drawn {
        Ok(drawn) => drawn.iter().filter(|drawn| drawn.opened.is_err()).count(),
        Err(_) => 0,
    };
    let all = drawn.as_ref().map_or(0, Vec::len);
    let well = drawn.is_ok() && all > 0 && failed == 0;
    if let Some(file) = &options.metrics
        && let Err(error) = std::fs::write(file, metrics(all, failed, well))
    {
        return unavailable(&format!("{}: {error}", file.display()));
    }
    match drawn {
        Ok(drawn) => {
            drawn.iter().for_each(tell);
            conclude(&options.dir, all, failed)
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(1)
        }
    }
}

/// Draws from every shard, as many from each.
fn draw(options: &Options, opener: &audit::Opener) -> Result<Vec<Drawn>, String> {
    let shards = super::shards(&options.dir)?;
    let each = options.count.div_ceil(shards.len().max(1));
    let mut drawn = Vec::new();
    for shard in shards {
        drawn.extend(audit::drill(&shard, opener, each).map_err(|error| error.to_string())?);
    }
    Ok(drawn)
}

fn tell(drawn: &Drawn) {
    let Drawn {
        entry,
        ts,
        direction,
        epoch,
        opened,
    } = drawn;
    let written = i64::try_from(ts / 1_000_000_000).unwrap_or(i64::MAX);
    let written =
        Timestamp::from_second(written).map_or_else(|_| ts.to_string(), |at| at.to_string());
    let of = format!(
        "entry {entry} of {written}, {}, epoch {epoch}",
        direction.as_str()
    );
    match opened {
        Ok(bytes) => println!("{of}: opens, {bytes} bytes, as the entry commits to"),
        Err(error) => eprintln!("{of}: does not open: {error}"),
    }
}

fn conclude(dir: &Path, all: usize, failed: usize) -> ExitCode {
    match (all, failed) {
        (0, _) => {
            eprintln!("no entry with a body was met in {}", dir.display());
            ExitCode::from(1)
        }
        (_, 0) => {
            println!("all {all} open");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!(
                "{failed} of {all} do not open. Try the key to recover with: if it opens them, seal the keys again \
                 (`portcullis audit rewrap`); if not, look for copies of keyring/ and content/"
            );
            ExitCode::from(1)
        }
    }
}

fn metrics(all: usize, failed: usize, well: bool) -> String {
    let now = audit::SystemClock.now() / 1_000_000_000;
    let well = u8::from(well);
    format!(
        "# HELP portcullis_audit_drill_ok 1 if the last drill drew bodies and all of them opened\n\
         # TYPE portcullis_audit_drill_ok gauge\n\
         portcullis_audit_drill_ok {well}\n\
         # HELP portcullis_audit_drill_bodies Sealed bodies that the last drill drew\n\
         # TYPE portcullis_audit_drill_bodies gauge\n\
         portcullis_audit_drill_bodies {all}\n\
         # HELP portcullis_audit_drill_failed Of those, how many did not open\n\
         # TYPE portcullis_audit_drill_failed gauge\n\
         portcullis_audit_drill_failed {failed}\n\
         # HELP portcullis_audit_drill_time_seconds When that was\n\
         # TYPE portcullis_audit_drill_time_seconds gauge\n\
         portcullis_audit_drill_time_seconds {now}\n"
    )
}
