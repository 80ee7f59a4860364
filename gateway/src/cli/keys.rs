//! `portcullis keys …`
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use audit::Clock as _;
use clap::{Args, Subcommand};
use gateway::Config;
use gateway::keys::{self, Record, Wanted};
use gateway::problem::Problem;
use jiff::{SignedDuration, Timestamp};
use policy::{Evidence, Policy, UnixTime};
use serde_json::json;

use super::Output;

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make a key, store its hash, and print the key once
    New {
        #[command(flatten)]
        files: Files,
        /// Whom it stands for, as identities.toml names it, such as svc:benefits-app
        principal: String,
        /// Days until it expires
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=366))]
        days: i64,
        /// Who answers for it
        #[arg(long)]
        owner: Option<String>,
    },
    /// List the keys, without the keys: whom they stand for, and until when
    List {
        #[command(flatten)]
        files: Files,
        /// For people or for programs
        #[arg(long, value_enum, default_value_t = Output::Human)]
        output: Output,
    },
    /// Take a key back: it is refused from then on, and stays in the list
    Revoke {
        #[command(flatten)]
        files: Files,
        /// The key's id, such as key-7f3a91c2
        id: String,
    },
    /// Make the successor of a key, and print it once; the old one goes on for a while
    Rotate {
        #[command(flatten)]
        files: Files,
        /// The old key's id, such as key-7f3a91c2
        id: String,
        /// Days until the new one expires
        #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=366))]
        days: i64,
        /// Hours that the old one goes on, at most
        #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(i64).range(0..=720))]
        overlap_hours: i64,
    },
}

/// Where the keys are.
#[derive(Args)]
pub(crate) struct Files {
    /// The configuration file
    #[arg(long, env = "PORTCULLIS_CONFIG", default_value = "portcullis.toml")]
    config: PathBuf,
}

pub(crate) fn run(verb: Verb) -> ExitCode {
    let (Verb::New { files, .. }
    | Verb::List { files, .. }
    | Verb::Revoke { files, .. }
    | Verb::Rotate { files, .. }) = &verb;
    let config = match Config::load(&files.config) {
        Ok(config) => config,
        Err(problems) => return super::bad_files(&problems),
    };
    let done = match verb {
        Verb::New {
            principal,
            days,
            owner,
            ..
        } => return new(&config, &principal, days, owner),
        Verb::List { output, .. } => return list(&config, output),
        Verb::Revoke { id, .. } => keys::revoke(&config.identity, &id, now()).map(|record| {
            println!("{id} of {} is revoked", record.principal);
            eprintln!("{}", when(&config));
        }),
        Verb::Rotate {
            id,
            days,
            overlap_hours,
            ..
        } => {
            let lifetime = SignedDuration::from_hours(24 * days);
            let overlap = SignedDuration::from_hours(overlap_hours);
            let made = keys::rotate(&config.identity, &id, lifetime, overlap, now());
            made.map(|(record, key)| {
                show(&record, &key);
                eprintln!("{id} goes on for {overlap_hours} hours at most");
            })
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => failed(&problem),
    }
}

fn new(config: &Config, principal: &str, days: i64, owner: Option<String>) -> ExitCode {
    if !principal.starts_with("svc:") {
        eprintln!(
            "error: `{principal}` is no service: people and machines prove themselves with what they hold, not with a key"
        );
        return ExitCode::from(78);
    }
    let policy = match Policy::load(&config.policy_dir) {
        Ok(loaded) => loaded.policy,
        Err(problems) => {
            return super::bad_files(&problems.into_iter().map(Into::into).collect::<Vec<_>>());
        }
    };
    let evidence = Evidence::at(UnixTime(now().as_second()));
    let Some(subject) = policy.subject(principal, &evidence) else {
        let near = gateway::problem::nearest(principal, policy.principals());
        let hint = near.map(|near| format!(" (did you mean `{near}`?)"));
        eprintln!(
            "error: identities.toml knows no principal `{principal}`: a key for it would open nothing{}",
            hint.unwrap_or_default()
        );
        return ExitCode::from(78);
    };
    let wanted = Wanted {
        principal: principal.to_owned(),
        tenant: Some(subject.tenant().to_owned()),
        owner,
        lifetime: SignedDuration::from_hours(24 * days),
    };
    match keys::mint(&config.identity, wanted, now()) {
        Ok((record, key)) => {
            show(&record, &key);
            ExitCode::SUCCESS
        }
        Err(problem) => failed(&problem),
    }
}

/// The key on stdout, alone; what there is to say of it on stderr.
fn show(record: &Record, key: &str) {
    println!("{key}");
    eprintln!(
        "{} for {}, expires {}; it is not stored and cannot be shown again",
        record.id, record.principal, record.expires
    );
}

fn list(config: &Config, output: Output) -> ExitCode {
    let records = match keys::list(&config.identity) {
        Ok(records) => records,
        Err(problem) => return failed(&problem),
    };
    let now = now();
    if output == Output::Json {
        let key = |record: &Record| {
            json!({
                "id": record.id,
                "principal": record.principal,
                "tenant": record.tenant,
                "owner": record.owner,
                "created": record.created.to_string(),
                "expires": record.expires.to_string(),
                "revoked": record.revoked.map(|at| at.to_string()),
                "state": state(record, now),
            })
        };
        println!(
            "{}",
            json!({ "keys": records.iter().map(key).collect::<Vec<_>>() })
        );
        return ExitCode::SUCCESS;
    }
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    let mut rows = vec![
        [
            "id",
            "principal",
            "tenant",
            "owner",
            "created",
            "expires",
            "state",
        ]
        .map(str::to_owned),
    ];
    rows.extend(records.iter().map(|record| {
        [
            record.id.clone(),
            record.principal.clone(),
            record.tenant.clone().unwrap_or_else(|| "-".to_owned()),
            record.owner.clone().unwrap_or_else(|| "-".to_owned()),
            day(record.created),
            day(record.expires),
            state(record, now).to_owned(),
        ]
    }));
    let mut widths = [0; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.len().max(*width);
        }
    }
    for row in &rows {
        let cells = row.iter().zip(widths);
        let line: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        println!("{}", line.join("  ").trim_end());
    }
    ExitCode::SUCCESS
}

fn state(record: &Record, now: Timestamp) -> &'static str {
    if record.revoked.is_some() {
        "revoked"
    } else if now < record.expires {
        "valid"
    } else {
        "expired"
    }
}

/// When a gateway that runs takes notice.
fn when(config: &Config) -> String {
    match config.policy_watch {
        Some(every) => format!(
            "a gateway that runs notices within {} seconds, or at once on SIGHUP",
            2 * every.as_secs()
        ),
        None => "a gateway that runs notices on SIGHUP".to_owned(),
    }
}

fn failed(problem: &Problem) -> ExitCode {
    super::unavailable(&problem.render(false))
}

fn now() -> Timestamp {
    let nanoseconds = i128::from(audit::SystemClock.now());
    Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}
