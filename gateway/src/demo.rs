//! `portcullis demo`: a tour of real HTTPS requests through a gateway of its own, in this process, on loopback.
//!
//! Everything is made on the spot in one folder: a CA, certificates, keys, the demo policies, a log. Each beat asks
//! as an application would, and compares the bytes that came back *and* the entries in the log with what must be; it
//! then says what happened, where, and how long that took just now. The first surprise ends the tour with `EXPECTED`
//! and `GOT`, the entries, and exit code 1.
//!
//! This module belongs to the binary, not to the library: only here are the faulty storage, the hanging classifier
//! and the tap at the model put in, and `serve` has no way to ask for them.
//!
//! ```text
//! beat    the shape of the tour          acts    the beats themselves   <- what a newcomer sees
//! rig     what beats play on             client  HTTPS, every byte      record  the log's entries
//! files   the set-up, also for --eject   bundle  policies and model, inside the binary
//! seams   what only a demo may put in    child   a real `serve` to kill
//! show    80 columns                     next    lines to copy
//! ```
//!
//! What it cannot show: that a flush reached the disk (a kill leaves the page cache alive), and that detectors catch
//! what they were not shown here.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Args;
use gateway::StartError;
use gateway::config::GuardrailsConfig;
use gateway::problem::Problem;
use uuid::Uuid;

use crate::cli::signals::Stop;
use beat::{Needs, Surprise};
use client::ClientError;
use files::{Behind, MODEL, SetupError};
use rig::Rig;
use show::Show;

mod acts;
mod beat;
mod bundle;
mod child;
mod client;
mod files;
mod next;
mod record;
mod rig;
mod seams;
mod show;

/// What `portcullis demo` is told.
#[derive(Args)]
pub(crate) struct Options {
    /// Play the tour and exit, even on a terminal
    #[arg(long)]
    once: bool,
    /// A new folder for keys, policies and the log, kept afterwards [default: a temporary one]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// An OpenAI-compatible server to put behind the gateway, such as http://127.0.0.1:11434/v1
    #[arg(long, value_name = "URL", value_parser = next::server)]
    backend: Option<http::Uri>,
    /// Write the same set-up as files for `portcullis serve` to this new folder, and exit
    #[arg(long, value_name = "DIR", conflicts_with_all = ["once", "dir"])]
    eject: Option<PathBuf>,
}

/// Why there is no tour.
#[derive(Debug, thiserror::Error)]
enum NotStarted {
    #[error(transparent)]
    Setup(#[from] SetupError),
    #[error("{} problems in the files", .0.len())]
    Files(Vec<Problem>),
    #[error("the log's folder cannot be made: {0}")]
    Disk(io::Error),
    #[error(transparent)]
    Start(#[from] StartError),
    #[error("the gateway does not answer its own demo: {0}")]
    Client(#[from] ClientError),
    #[error("the backend does not say which models it has: {0}")]
    Backend(ClientError),
    #[error("cannot start threads: {0}")]
    Threads(io::Error),
}

/// Plays the tour, or writes the set-up.
pub(crate) fn run(options: Options) -> ExitCode {
    let show = Show::stdout();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    let outcome = match runtime {
        Ok(runtime) => runtime.block_on(begin(&show, options)),
        Err(error) => Err(NotStarted::Threads(error)),
    };
    match outcome {
        Ok(code) => code,
        Err(NotStarted::Files(problems) | NotStarted::Start(StartError::Files(problems))) => {
            crate::cli::bad_files(&problems)
        }
        Err(error @ NotStarted::Setup(SetupError::NotEmpty { .. })) => {
            let _ = crate::cli::unavailable(&error.to_string());
            ExitCode::from(USAGE)
        }
        Err(error) => crate::cli::unavailable(&error.to_string()),
    }
}

async fn begin(show: &Show, options: Options) -> Result<ExitCode, NotStarted> {
    let library = library()?;
    let behind = match options.backend {
        None => Behind::Script,
        Some(base_url) => next::first_model(base_url).await?,
    };
    if let Some(folder) = options.eject {
        let folder = std::path::absolute(&folder).unwrap_or(folder);
        next::eject(show, &folder, &behind, &library)?;
        return Ok(ExitCode::SUCCESS);
    }
    let stays = !options.once && show.is_terminal();
    let folder = Folder::new(options.dir);
    let ending = play_and_stay(show, &folder, behind, library, stays).await;
    if let Ok(Ending::Surprised) = ending {
        show.line(&format!(
            "\n  Everything is left in {}",
            folder.path.display()
        ));
        return Ok(ExitCode::FAILURE);
    }
    folder.remove();
    Ok(match ending? {
        Ending::Played => ExitCode::SUCCESS,
        Ending::Surprised => ExitCode::FAILURE,
        Ending::Interrupted => ExitCode::from(INTERRUPTED),
    })
}

/// The command line asked for something that cannot be.
const USAGE: u8 = 2;

/// What shells report for a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    Played,
    Surprised,
    Interrupted,
}

async fn play_and_stay(
    show: &Show,
    folder: &Folder,
    behind: Behind,
    library: PathBuf,
    stays: bool,
) -> Result<Ending, NotStarted> {
    let begun = Instant::now();
    let mut rig = Rig::start(&folder.path, behind, library).await?;
    introduce(show, &rig, folder);
    let mut stop = Stop::watch();
    let played = tokio::select! {
        played = play(show, &mut rig) => Some(played),
        () = stop.requested() => None,
    };
    let ending = match played {
        None => Ending::Interrupted,
        Some(Err(surprise)) => {
            show.surprised(&surprise, &rig.last_entries());
            Ending::Surprised
        }
        Some(Ok(())) => {
            next::closing(show, begun.elapsed());
            if stays {
                next::invite(show, &rig);
                stop.requested().await;
            }
            Ending::Played
        }
    };
    rig.stop().await;
    Ok(ending)
}

/// Plays every act.
async fn play(show: &Show, rig: &mut Rig) -> Result<(), Surprise> {
    let mut number = 0;
    for (nth, act) in (1..).zip(acts::ACTS) {
        show.act(nth, act.title);
        for beat in act.beats {
            number += 1;
            show.begins(number, beat.says);
            if beat.needs == Needs::PlantedAnswer && rig.behind != Behind::Script {
                show.skipped("only the demo script gives such an answer on demand");
                continue;
            }
            show.told(&(beat.play)(rig).await?);
        }
    }
    Ok(())
}

fn introduce(show: &Show, rig: &Rig, folder: &Folder) {
    show.banner(&[
        "Throw-away keys, a script for a model, faults on a switch.",
        "No real data in here. `portcullis serve` has none of these parts.",
    ]);
    let gateway = &rig.running.gateway;
    let rules = gateway.rules.load();
    let policy = &rules.policy;
    let model = match &rig.behind {
        Behind::Script => format!("{MODEL}, played by a script"),
        Behind::Server { base_url, model } => format!("{MODEL}, which is {model} at {base_url}"),
    };
    let address = rig
        .running
        .addresses
        .first()
        .copied()
        .unwrap_or(rig::LOOPBACK);
    let kept = if folder.is_temporary {
        ", gone at the end (--dir keeps one)"
    } else {
        ""
    };
    show.facts(&[
        ("data", format!("https://{address}, a CA of its own")),
        (
            "admin",
            format!("http://{}, /livez /readyz /metrics", rig.running.admin),
        ),
        (
            "policy",
            format!("{}, {} rules", policy.short_digest(), policy.rule_count()),
        ),
        ("guards", detectors(rig)),
        ("model", model),
        ("folder", format!("{}{kept}", folder.path.display())),
        ("ready", format!("in {}", beat::Took(rig.started_in))),
    ]);
}

fn detectors(rig: &Rig) -> String {
    let rules = rig.running.gateway.rules.load();
    let detectors = rules.guardrails.detectors().iter();
    let names: Vec<_> = detectors.map(|d| d.name.as_str()).collect();
    names.join(", ")
}

/// Where the demo writes.
struct Folder {
    path: PathBuf,
    is_temporary: bool,
}

impl Folder {
    fn new(named: Option<PathBuf>) -> Folder {
        match named {
            Some(path) => Folder {
                path: std::path::absolute(&path).unwrap_or(path),
                is_temporary: false,
            },
            None => {
                let mut random = [0; 16];
                // The name need not be secret: the folder is made for its owner alone, and must be empty.
                let _ = aws_lc_rs::rand::fill(&mut random);
                let id = Uuid::from_bytes(random).simple().to_string();
                let name = format!("portcullis-demo-{}", id.get(..8).unwrap_or(&id));
                Folder {
                    path: std::env::temp_dir().join(name),
                    is_temporary: true,
                }
            }
        }
    }

    /// Removes a temporary folder with all that is in it.
    fn remove(&self) {
        if self.is_temporary
            && let Err(error) = std::fs::remove_dir_all(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(folder = %self.path.display(), %error, "the demo's folder stays");
        }
    }
}

/// The ONNX Runtime library, where the gateway itself would find it.
fn library() -> Result<PathBuf, NotStarted> {
    let nothing_named = GuardrailsConfig {
        models_dir: None,
        runtime: None,
        runtime_sha256: None,
        redaction_key: None,
        threads: 1,
        queue_max: 1,
    };
    let found = gateway::runtime::library(&nothing_named);
    found
        .map(|library| library.path)
        .map_err(|problem| NotStarted::Files(vec![problem]))
}
