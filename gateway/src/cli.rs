//! The command line. Exit codes: 0 ok, 1 a check failed, 2 usage, 69 something needed is not there, 78 bad
//! configuration or policy.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gateway::problem::{Problem, Severity};
use gateway::{Config, Gateway, Seams, StartError, load};
use tracing_subscriber::EnvFilter;

mod audit_verbs;
mod doctor;
mod keys;
mod policy_verbs;
pub(crate) mod signals;

use signals::{HangUp, Stop};

/// A policy-enforcing AI gateway: every prompt and every answer is decided, and every decision is recorded.
#[derive(Parser)]
#[command(name = "portcullis", version = env!("CARGO_PKG_VERSION"), propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Watch prompts travel through access rules, guardrails, a backend and a signed log
    Demo(crate::demo::Options),
    /// Serve: TLS listener, access rules, guardrails, backends, audit log
    Serve {
        /// The configuration file
        #[arg(long, env = "PORTCULLIS_CONFIG", default_value = "portcullis.toml")]
        config: PathBuf,
    },
    /// Check the configuration and every file it names, and report all problems at once
    Check {
        /// The configuration file
        #[arg(long, env = "PORTCULLIS_CONFIG", default_value = "portcullis.toml")]
        config: PathBuf,
    },
    /// The policy: check it, test it, ask it
    #[command(subcommand)]
    Policy(policy_verbs::Verb),
    /// API keys
    #[command(subcommand)]
    Keys(keys::Verb),
    /// Certificates
    #[command(subcommand)]
    Certs(CertsVerb),
    /// The audit log
    #[command(subcommand)]
    Audit(audit_verbs::Verb),
    Doctor(doctor::Options),
}

/// Whom a verb prints for.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Output {
    /// Text
    Human,
    /// One JSON object
    Json,
}

#[derive(Subcommand)]
enum CertsVerb {
    /// Make a throw-away CA, server, client, officer and recovery certificates for trying things out
    Dev {
        /// The folder to write them to
        #[arg(long, default_value = "certs")]
        dir: PathBuf,
        /// A client certificate to make: NAME=URI, where the policy maps the URI to a principal
        #[arg(long = "client", value_name = "NAME=URI", value_parser = client)]
        clients: Vec<(String, String)>,
    },
}

/// Parses the command line and does what it says.
pub(crate) fn run() -> ExitCode {
    match Cli::parse().verb {
        Verb::Demo(options) => crate::demo::run(options),
        Verb::Serve { config } => serve(&config),
        Verb::Check { config } => check(&config),
        Verb::Policy(verb) => policy_verbs::run(verb),
        Verb::Keys(verb) => keys::run(verb),
        Verb::Certs(CertsVerb::Dev { dir, clients }) => certs_dev(&dir, &clients),
        Verb::Audit(verb) => audit_verbs::run(verb),
        Verb::Doctor(options) => doctor::run(&options),
    }
}

fn serve(file: &std::path::Path) -> ExitCode {
    start_logging();
    let config = match Config::load(file) {
        Ok(config) => config,
        Err(problems) => return bad_files(&problems),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return unavailable(&format!("cannot start threads: {error}")),
    };
    runtime.block_on(async {
        // From the first: whoever is told that it serves may stop it at once, and it still ends in order.
        let (mut stop, mut hang_up) = (Stop::watch(), HangUp::watch());
        let running = match Gateway::start(config, Seams::default()).await {
            Ok(running) => running,
            Err(StartError::Files(problems)) => return bad_files(&problems),
            Err(error) => return unavailable(&error.to_string()),
        };
        report(&running.warnings);
        for address in &running.addresses {
            tracing::info!(%address, "serving model traffic over TLS");
        }
        tracing::info!(address = %running.admin, "serving /livez /readyz /metrics");
        tracing::info!(key = %running.verify_key, "keep this elsewhere: `portcullis audit verify --key` takes it");
        loop {
            tokio::select! {
                () = stop.requested() => break,
                () = hang_up.came() => {
                    tracing::info!("SIGHUP: loading the policy files again");
                    running.gateway.reloads.ask();
                }
            }
        }
        tracing::info!("draining");
        running.shutdown().await;
        ExitCode::SUCCESS
    })
}

fn check(file: &std::path::Path) -> ExitCode {
    let (config, mut problems) = Config::read(file);
    let loaded = match config.map(|config| load::load(&config, None)) {
        Some(Ok(loaded)) => Some(loaded),
        Some(Err(found)) => {
            problems.extend(found);
            None
        }
        None => None,
    };
    let Some(loaded) = loaded.filter(|_| problems.is_empty()) else {
        return bad_files(&problems);
    };
    report(&loaded.warnings);
    println!(
        "ok: policy {}, {} models",
        loaded.rules.policy.short_digest(),
        loaded.models.names().count()
    );
    ExitCode::SUCCESS
}

fn certs_dev(dir: &std::path::Path, clients: &[(String, String)]) -> ExitCode {
    let clients: Vec<_> = clients
        .iter()
        .map(|(name, uri)| (name.as_str(), uri.as_str()))
        .collect();
    match gateway::certs::dev(dir, &clients) {
        Ok(()) => {
            println!(
                "wrote a development CA, server, client, officer and recovery certificates to {}",
                dir.display()
            );
            ExitCode::SUCCESS
        }
        Err(error) => unavailable(&error.to_string()),
    }
}

fn client(text: &str) -> Result<(String, String), String> {
    let (name, uri) = text
        .split_once('=')
        .ok_or("write NAME=URI, such as app=spiffe://agency.example/app")?;
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    if plain {
        Ok((name.to_owned(), uri.to_owned()))
    } else {
        Err("the name may hold letters, digits and '-'".to_owned())
    }
}

/// People get text, pipes get JSON lines.
fn start_logging() {
    let filter =
        EnvFilter::try_from_env("PORTCULLIS_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let logger = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    if std::io::stderr().is_terminal() {
        logger
            .with_ansi(std::env::var_os("NO_COLOR").is_none())
            .init();
    } else {
        logger.json().init();
    }
}

pub(crate) fn report(problems: &[Problem]) {
    let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    for problem in problems {
        eprintln!("{}\n", problem.render(colour));
    }
}

pub(crate) fn bad_files(problems: &[Problem]) -> ExitCode {
    report(problems);
    let errors = problems
        .iter()
        .filter(|p| p.severity == Severity::Error)
        .count();
    eprintln!(
        "{errors} {} found; nothing was started",
        if errors == 1 { "error" } else { "errors" }
    );
    ExitCode::from(78)
}

pub(crate) fn unavailable(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::from(69)
}
