//! What is done with a log afterwards: recovered after a kill, verified, proved from.

use std::any::Any;
use std::io::{self, BufRead, BufReader, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use audit::{
    DiskStorage, EntryIndex, File, Log, Origin, Sealer, Settings, Signer, Storage, SystemClock,
    VerifyOptions, leaf_hash, node_hash,
};
use clap::Parser;
use tokio::task::JoinSet;

use super::entries::{intent, outcome, request};
use super::{Bench, recipients};
use crate::Failed;
use crate::figures::Percentiles;
use crate::process::Process;

/// What reading costs.
pub(super) struct Reading {
    /// Entries in the log.
    pub(super) entries: u64,
    pub(super) bytes_each: f64,
    /// Entries that recovery found beyond the last checkpoint, and how long opening took.
    pub(super) tail: u64,
    pub(super) recovery: Duration,
    /// Leaves a second: hashed into their tree by one thread; verified in full by one, and by one for each core.
    pub(super) hashed: f64,
    pub(super) verified: f64,
    pub(super) verified_by_all: f64,
    /// Inclusion proofs, in milliseconds, and the longest of them in hashes.
    pub(super) proof: Percentiles,
    pub(super) proof_hashes: usize,
}

/// Fills a log until it is killed
#[derive(Parser)]
pub(crate) struct Fill {
    dir: PathBuf,
    key: PathBuf,
    entries: u64,
}

const ORIGIN: &str = "gw1.agency.example/audit";
/// In flight while the tail is filled.
const CALLERS: u64 = 2_048;

/// Leaves a tail, and measures.
pub(super) async fn measure(entries: u64, folder: &Path) -> Result<Reading, Failed> {
    let (dir, key) = (folder.join("tail"), folder.join("tail.key"));
    let signer = Signer::create(Origin::new(ORIGIN).ok_or("origin")?, &key)?;
    crate::progress("filling a tail");
    leave_tail(&dir, &key, entries)?;
    let bench = Bench {
        dir,
        origin: signer.origin().clone(),
        recipients: recipients()?,
        signer,
    };
    crate::progress("recovering it");
    let (tail, recovery) = recover(&bench).await?;
    crate::progress("verifying");
    let (hashed, bytes_each) = hash_all(&bench)?;
    let verified = verify(&bench, NonZeroUsize::new(1))?;
    let verified_by_all = verify(&bench, None)?;
    let size = bench.verify()?.size;
    let (proof, proof_hashes) = prove(&bench, size)?;
    Ok(Reading {
        entries: size,
        bytes_each,
        tail,
        recovery,
        hashed,
        verified,
        verified_by_all,
        proof,
        proof_hashes,
    })
}

/// A process fills the log and is killed.
fn leave_tail(dir: &Path, key: &Path, entries: u64) -> Result<(), Failed> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("audit-fill").arg(dir).arg(key);
    command.arg(entries.to_string()).stdout(Stdio::piped());
    let mut process = Process::start(&mut command)?;
    let said = process.child().stdout.take().ok_or("no pipe")?;
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line)?;
    match line.trim() {
        "filled" => Ok(()), // killed as it is dropped
        _ => Err("the process that fills the log ended early".into()),
    }
}

/// What that process does.
pub(crate) async fn fill(fill: Fill) -> Result<(), Failed> {
    let signer = Signer::load(Origin::new(ORIGIN).ok_or("origin")?, &fill.key)?;
    let settings = Settings {
        segment_bytes: 32 * 1024 * 1024, // 64 of the usual size do not hold a million
        ..Settings::new(fill.dir.clone(), signer.origin().clone())
    };
    let (log, _) = Log::open(
        settings,
        Arc::new(Unpublished(DiskStorage::new(&fill.dir)?)),
        signer,
        Sealer::new(recipients()?),
        Arc::new(SystemClock),
    )?;
    let mut tasks = JoinSet::new();
    for caller in 0..CALLERS {
        let (log, most) = (log.clone(), fill.entries);
        tasks.spawn(async move {
            for n in 0.. {
                if log.status().tree_size >= most {
                    break;
                }
                let req = request(caller, n);
                let reserved = log.reserve().await?;
                let (_receipt, pending) = reserved.intent(intent(req)?, Vec::new()).await?;
                let _receipt = pending.outcome(outcome(req)?, Vec::new()).await?;
            }
            Ok::<(), Failed>(())
        });
    }
    while let Some(task) = tasks.join_next().await {
        task??;
    }
    crate::say("filled\n");
    io::stdout().flush()?;
    std::future::pending().await
}

async fn recover(bench: &Bench) -> Result<(u64, Duration), Failed> {
    let settings = Settings::new(bench.dir.clone(), bench.origin.clone());
    let begun = Instant::now();
    let (log, found) = Log::open(
        settings,
        Arc::new(DiskStorage::new(&bench.dir)?),
        bench.signer.clone(),
        Sealer::new(bench.recipients.clone()),
        Arc::new(SystemClock),
    )?;
    let took = begun.elapsed();
    log.close().await;
    Ok((found.size - found.published, took))
}

/// Reads every entry and hashes it into the tree; leaves a second, and bytes of an entry.
fn hash_all(bench: &Bench) -> Result<(f64, f64), Failed> {
    let begun = Instant::now();
    let (mut size, mut bytes, mut subtrees) = (0_u64, 0, Vec::<[u8; 32]>::new());
    for entry in audit::entries(&bench.dir)? {
        let (_, leaf) = entry?;
        let mut hash = leaf_hash(&leaf);
        for _ in 0..size.trailing_ones() {
            if let Some(left) = subtrees.pop() {
                hash = node_hash(&left, &hash);
            }
        }
        subtrees.push(hash);
        size += 1;
        bytes += leaf.len();
    }
    let root = subtrees
        .into_iter()
        .rev()
        .reduce(|right, left| node_hash(&left, &right));
    let rate = size as f64 / begun.elapsed().as_secs_f64();
    match root == Some(bench.verify()?.root.0) {
        true => Ok((rate, bytes as f64 / size as f64)),
        false => Err("the entries do not make the tree that verifies".into()),
    }
}

/// Leaves a second.
fn verify(bench: &Bench, threads: Option<NonZeroUsize>) -> Result<f64, Failed> {
    let begun = Instant::now();
    let options = VerifyOptions {
        vkey: Some(bench.key()),
        threads,
        ..VerifyOptions::default()
    };
    let proof = audit::verify(&bench.dir, options)?;
    Ok(proof.size as f64 / begun.elapsed().as_secs_f64())
}

fn prove(bench: &Bench, size: u64) -> Result<(Percentiles, usize), Failed> {
    let (mut times, mut longest) = (Vec::new(), 0);
    for n in 0..1_000_u64 {
        let index = EntryIndex(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) % size);
        let begun = Instant::now();
        let proof = audit::prove_inclusion(&bench.dir, index, size)?;
        times.push(begun.elapsed());
        longest = longest.max(proof.len());
    }
    Ok((Percentiles::of(times), longest))
}

/// A disk on which nothing can be published: the tail grows.
struct Unpublished(DiskStorage);

impl Storage for Unpublished {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.0.create_dir_all(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.0.lock(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        match path.components().any(|part| part.as_os_str() == "tile") {
            true => Err(io::Error::other("tiles are not wanted")),
            false => self.0.create(path),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        self.0.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.remove_dir(dir)
    }

    fn files(&self, dir: &Path) -> io::Result<Vec<PathBuf>> {
        self.0.files(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.sync_dir(dir)
    }

    fn sync_files(&self, root: &Path, files: &[PathBuf]) -> io::Result<()> {
        self.0.sync_files(root, files)
    }
}
