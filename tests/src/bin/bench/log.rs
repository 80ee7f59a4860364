//! `make bench-audit`: the log alone, without a gateway around it.
//!
//! - **Writing**: as many callers as asked for, in a closed loop on one thread, each with an intent, then its outcome,
//!   then the next request. Cells are interleaved over the rounds; figures are medians of the rounds. Every log that
//!   was written is verified afterwards.
//! - **Another strategy**, on the same disk in the same rounds: a file for each tile, flushed and renamed, as logs
//!   without a write-ahead log do it. It is flattered: all callers are in one batch, and nothing is signed.
//! - **Flushes**: what the log counts, against what the kernel counts of its writing thread.
//! - **Reading**: a tail that was never published, left by a killed process, is recovered; then the log is verified,
//!   by its hashes alone and in full, and proofs are made.
//!
//! What it cannot show: callers and log share the machine's cores, and the disk's cache may not outlive its power.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use audit::{
    Clock as _, DiskStorage, Log, Origin, Recipient, Recipients, Sealer, Settings, Signer,
    SystemClock, VerifyKey,
};
use clap::Parser;

use crate::bare::{self, Flushes};
use crate::proof::{self, Whose};
use crate::{Failed, Output, seconds};

mod entries;
mod files;
mod load;
mod reading;
mod report;

use load::Round;
use reading::Reading;
pub(crate) use reading::{Fill, fill};

/// How to measure the log.
#[derive(Parser, Clone)]
pub(crate) struct Arguments {
    /// A smoke run: every cell once, for a moment. Its figures mean nothing
    #[arg(long)]
    quick: bool,
    /// Rounds over all cells
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Measured seconds of each cell in each round
    #[arg(long, default_value_t = 3.0, value_parser = seconds)]
    seconds: f64,
    /// Callers at a time
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64, 256, 1024])]
    in_flight: Vec<usize>,
    /// Bytes of body that each entry has
    #[arg(long, default_value_t = 0)]
    body_bytes: usize,
    /// Entries of the tail that is recovered, verified and proved
    #[arg(long, default_value_t = 1_000_000)]
    tail: u64,
    /// Where the logs are; a folder of its own is made there, and removed
    #[arg(long, value_name = "DIR")]
    disk: Option<PathBuf>,
    /// For people, or one JSON document with every round
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
    /// The tables for a document, ready to paste
    #[arg(long, conflicts_with = "output")]
    markdown: bool,
}

/// Everything that was measured.
struct Measured {
    arguments: Arguments,
    bare: Flushes,
    cells: Vec<Cell>,
    /// The log's count, the kernel's, and by whom that was counted; or why it was not.
    calls: Result<(u64, u64, &'static str), String>,
    reading: Reading,
}

/// So many callers, with every round of both strategies.
struct Cell {
    in_flight: usize,
    log: Vec<Round>,
    files: Vec<Round>,
}

impl Arguments {
    fn rounds(&self) -> u32 {
        if self.quick { 1 } else { self.rounds }
    }

    fn time(&self) -> Duration {
        match self.quick {
            true => Duration::from_millis(60),
            false => Duration::from_secs_f64(self.seconds),
        }
    }

    fn tail(&self) -> u64 {
        if self.quick { 3_000 } else { self.tail }
    }
}

/// Measures and prints.
pub(crate) async fn measure(arguments: Arguments) -> Result<(), Failed> {
    let below = arguments
        .disk
        .clone()
        .unwrap_or_else(|| ::tests::repository().join("target"));
    let folder = tempfile::Builder::new()
        .prefix("portcullis-bench-audit-")
        .tempdir_in(&below)
        .map_err(|error| format!("cannot work in {}: {error}", below.display()))?;
    let measured = all(arguments, folder.path()).await?;
    let text = match measured.arguments.output {
        Output::Human if measured.arguments.markdown => report::markdown(&measured),
        Output::Human => report::human(&measured),
        Output::Json => format!("{:#}\n", report::json(&measured)),
    };
    crate::say(&text);
    Ok(())
}

async fn all(arguments: Arguments, folder: &Path) -> Result<Measured, Failed> {
    let bare = bare::flushes(folder)?;
    let mut cells: Vec<Cell> = arguments.in_flight.iter().map(|&n| Cell::of(n)).collect();
    for round in 1..=arguments.rounds() {
        for cell in &mut cells {
            crate::progress(&format!("round {round}: {} in flight", cell.in_flight));
            cell.round(&arguments, folder).await?;
        }
    }
    crate::progress("counting system calls");
    let calls = calls(&arguments, folder)
        .await
        .map_err(|error| error.to_string());
    let reading = reading::measure(arguments.tail(), folder).await?;
    Ok(Measured {
        arguments,
        bare,
        cells,
        calls,
        reading,
    })
}

impl Cell {
    fn of(in_flight: usize) -> Cell {
        Cell {
            in_flight,
            log: Vec::new(),
            files: Vec::new(),
        }
    }

    async fn round(&mut self, arguments: &Arguments, folder: &Path) -> Result<(), Failed> {
        let bench = Bench::new(&folder.join("log"))?;
        let (time, bytes) = (arguments.time(), arguments.body_bytes);
        let log = bench.open(Arc::new(DiskStorage::new(&bench.dir)?))?;
        self.log
            .push(load::run(&log, self.in_flight, time, bytes).await?);
        log.close().await;
        bench.verify()?;
        std::fs::remove_dir_all(&bench.dir)?;
        let dir = folder.join("files");
        self.files.push(files::run(&dir, self.in_flight, time)?);
        std::fs::remove_dir_all(&dir)?;
        Ok(())
    }
}

/// Flushes of the thread that writes, by the log's count and by the kernel's.
async fn calls(arguments: &Arguments, folder: &Path) -> Result<(u64, u64, &'static str), Failed> {
    let bench = Bench::new(&folder.join("counted"))?;
    let log = bench.open(Arc::new(DiskStorage::new(&bench.dir)?))?;
    let whose = Whose::Thread(thread_named("audit-sequencer").await?);
    let (file, time) = (folder.join("system-calls"), arguments.time());
    let in_flight = 64;
    let (calls, by, flushes) = proof::count(whose, time, &file, async || {
        let before = log.status().flushes;
        load::run(&log, in_flight, time, arguments.body_bytes).await?;
        Ok(log.status().flushes - before)
    })
    .await?;
    log.close().await;
    Ok((flushes, calls, by))
}

/// The thread of this process that has this name, cut to the 15 bytes that the kernel keeps. A new thread names itself.
async fn thread_named(name: &str) -> Result<u32, Failed> {
    for _ in 0..100 {
        for task in std::fs::read_dir("/proc/self/task")? {
            let task = task?;
            let found = std::fs::read_to_string(task.path().join("comm"))?;
            if name.get(..15).unwrap_or(name) == found.trim() {
                return Ok(task.file_name().to_string_lossy().parse()?);
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Err(format!("no thread is named {name}").into())
}

/// Throw-away recipients: nobody will open what is written here.
fn recipients() -> Result<Recipients, Failed> {
    let folder = tempfile::tempdir()?;
    gateway::certs::dev(folder.path(), &[])?;
    let now = SystemClock.now();
    let load = |name: &str| Recipient::load(&folder.path().join(name), now);
    Ok(Recipients::new(
        load("recovery.pem")?,
        [load("officer.pem")?],
    )?)
}

/// A folder for a log, and its keys.
struct Bench {
    dir: PathBuf,
    origin: Origin,
    signer: Signer,
    recipients: Recipients,
}

impl Bench {
    fn new(dir: &Path) -> Result<Bench, Failed> {
        let origin = Origin::new("gw1.agency.example/audit").ok_or("origin")?;
        Ok(Bench {
            dir: dir.to_owned(),
            signer: Signer::generate(origin.clone())?,
            recipients: recipients()?,
            origin,
        })
    }

    fn open(&self, storage: Arc<dyn audit::Storage>) -> Result<Log, Failed> {
        let settings = Settings::new(self.dir.clone(), self.origin.clone());
        let sealer = Sealer::new(self.recipients.clone());
        let clock = Arc::new(SystemClock);
        let (log, _) = Log::open(settings, storage, self.signer.clone(), sealer, clock)?;
        Ok(log)
    }

    fn key(&self) -> VerifyKey {
        self.signer.verify_key()
    }

    fn verify(&self) -> Result<audit::Proof, Failed> {
        let options = audit::VerifyOptions {
            vkey: Some(self.key()),
            ..audit::VerifyOptions::default()
        };
        Ok(audit::verify(&self.dir, options)?)
    }
}
