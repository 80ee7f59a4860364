//! `portcullis audit prove`: what a stranger needs to believe one entry, or that nothing was taken back.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use audit::{Checkpoint, EntryIndex, RequestId};
use clap::Args;

/// Write the proof that an entry is in the log (C2SP tlog-proof), or that the log was only added to
#[derive(Args)]
pub(crate) struct Options {
    /// The log's folder, or a shard's
    dir: PathBuf,
    #[command(flatten)]
    what: What,
    /// Write `<index>.json`, the entry's exact bytes, and `<index>.tlog-proof` to this folder, instead of the proof to
    /// the terminal
    #[arg(long, value_name = "DIR", conflicts_with = "since")]
    out: Option<PathBuf>,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The entry at this index, of the newest shard unless another is named
    #[arg(long, value_name = "N")]
    index: Option<u64>,
    /// Every entry of this request, by the id in its `x-request-id` header; needs `--out`
    #[arg(long, value_name = "ID", value_parser = request, requires = "out")]
    request: Option<RequestId>,
    /// That the log still begins with what this saved checkpoint stands for: the body of a C2SP tlog-witness
    /// `add-checkpoint` request
    #[arg(long, value_name = "CHECKPOINT")]
    since: Option<PathBuf>,
}

pub(crate) fn run(options: Options) -> ExitCode {
    match prove(options) {
        Ok(said) => {
            print!("{said}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(1)
        }
    }
}

fn prove(options: Options) -> Result<String, String> {
    let Options { dir, what, out } = options;
    match (what.index, what.request, what.since) {
        (Some(index), _, _) => match (super::newest(&dir)?, out) {
            (dir, None) => {
                audit::inclusion_text(&dir, EntryIndex(index)).map_err(|e| e.to_string())
            }
            (dir, Some(out)) => packed(&dir, &out, |at, _| at.0 == index)?.ok_or_else(none),
        },
        (_, Some(request), _) => {
            let spelt = request.to_string();
            let out = out.unwrap_or_default();
            let of_request = |_, leaf: &[u8]| {
                let stored = audit::entry::parse(leaf).ok();
                let req = stored.and_then(|stored| stored.entry.request());
                req.is_some_and(|req| req.to_string() == spelt)
            };
            // All entries of a request are in one shard; the newest are asked for most.
            for shard in super::shards(&dir)?.iter().rev() {
                if let Some(said) = packed(shard, &out, of_request)? {
                    return Ok(said);
                }
            }
            Err(none())
        }
        (_, _, since) => {
            let file = since.unwrap_or_default();
            let note = std::fs::read_to_string(&file)
                .map_err(|e| format!("{} cannot be read: {e}", file.display()))?;
            let old = Checkpoint::read(&note).map_err(|e| format!("{}: {e}", file.display()))?;
            let dir = super::shard_of(&dir, &old)?;
            audit::consistency_text(&dir, &old).map_err(|e| e.to_string())
        }
    }
}

fn none() -> String {
    "the log has no such entry".to_owned()
}

/// Writes the entries that are `wanted`, with their proofs; says what it wrote, if there were any.
fn packed(
    dir: &Path,
    out: &Path,
    wanted: impl Fn(EntryIndex, &[u8]) -> bool,
) -> Result<Option<String>, String> {
    let failed = |e: &dyn std::fmt::Display| e.to_string();
    std::fs::create_dir_all(out).map_err(|e| format!("{}: {e}", out.display()))?;
    let mut said = String::new();
    for entry in audit::entries(dir).map_err(|e| failed(&e))? {
        let (index, leaf) = entry.map_err(|e| failed(&e))?;
        if !wanted(index, &leaf) {
            continue;
        }
        let proof = audit::inclusion_text(dir, index).map_err(|e| failed(&e))?;
        for (ending, bytes) in [("json", leaf.as_slice()), ("tlog-proof", proof.as_bytes())] {
            let file = out.join(format!("{index}.{ending}"));
            std::fs::write(&file, bytes).map_err(|e| format!("{}: {e}", file.display()))?;
            said.push_str(&format!("{}\n", file.display()));
        }
    }
    Ok((!said.is_empty()).then_some(said))
}

fn request(text: &str) -> Result<RequestId, String> {
    RequestId::parse(text)
        .ok_or_else(|| "a request id is a UUID, as the header x-request-id has it".to_owned())
}
