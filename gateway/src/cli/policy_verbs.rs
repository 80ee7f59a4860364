//! `portcullis policy …`: what an admin asks of a folder of policy files, without a gateway.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

use std::path::PathBuf;
use std::process::ExitCode;

use audit::Clock as _;
use clap::{Args, Subcommand};
use gateway::problem::{Problem, Severity};
use jiff::Timestamp;
use policy::{Assurance, Claims, Evidence, Label, Policy, Subject, UnixTime};
use serde_json::{Value, json};

use super::Output;

mod can;
mod check;
mod explain;
mod status;
mod test;

#[derive(Subcommand)]
pub(crate) enum Verb {
    Check(check::Options),
    Test(test::Options),
    Explain(explain::Options),
    Can(can::CanOptions),
    Who(can::WhoOptions),
    Status(status::Options),
}

pub(crate) fn run(verb: Verb) -> ExitCode {
    match verb {
        Verb::Check(options) => check::run(&options),
        Verb::Test(options) => test::run(&options),
        Verb::Explain(options) => explain::run(&options),
        Verb::Can(options) => can::can(&options),
        Verb::Who(options) => can::who(&options),
        Verb::Status(options) => status::run(&options),
    }
}

/// What every verb takes.
#[derive(Args)]
struct Common {
    /// The folder of policy files
    #[arg(
        long,
        value_name = "DIR",
        env = "PORTCULLIS_POLICY__DIR",
        default_value = "policies"
    )]
    dir: PathBuf,
    /// For people or for programs
    #[arg(long, value_enum, default_value_t = Output::Human)]
    output: Output,
}

impl Common {
    /// The bundle; warnings go to the terminal.
    ///
    /// # Errors
    /// The exit code, once every problem has been told.
    fn load(&self) -> Result<Policy, ExitCode> {
        match Policy::load(&self.dir) {
            Ok(loaded) => {
                let warnings = gateway::load::policy_warnings(&loaded);
                if self.output == Output::Human {
                    super::report(&warnings);
                }
                Ok(loaded.policy)
            }
            Err(problems) => {
                let problems: Vec<Problem> = problems.into_iter().map(Into::into).collect();
                if self.output == Output::Json {
                    println!("{}", json!({ "ok": false, "problems": as_json(&problems) }));
                    return Err(ExitCode::from(78));
                }
                super::report(&problems);
                eprintln!("{}", tally(&problems));
                Err(ExitCode::from(78))
            }
        }
    }
}

/// Under which circumstances somebody asks.
#[derive(Args)]
struct Circumstances {
    /// At most this assurance, as a weaker credential would give: aal1, aal2 or aal3
    #[arg(long, value_name = "LEVEL")]
    aal: Option<Assurance>,
    /// The moment, such as 2026-11-23T15:00:00Z; now, if not given
    #[arg(long, value_name = "TIME")]
    at: Option<Timestamp>,
    /// A claim of the token with which they come, such as clearance=S; may be given several times
    #[arg(long = "claim", value_name = "NAME=TEXT", value_parser = claim)]
    claims: Vec<(String, String)>,
}

impl Circumstances {
    fn at(&self) -> UnixTime {
        let now = || i64::try_from(audit::SystemClock.now() / 1_000_000_000).unwrap_or(i64::MAX);
        UnixTime(self.at.map_or_else(now, Timestamp::as_second))
    }

    /// The principal as it would be under these circumstances.
    ///
    /// # Errors
    /// The exit code, once it has been told that nobody is called that, or why nothing is known of them.
    fn subject(&self, policy: &Policy, principal: &str) -> Result<Subject, ExitCode> {
        if !policy.knows(principal) {
            let near = gateway::problem::nearest(principal, policy.principals());
            let hint = near.map(|near| format!(" (did you mean `{near}`?)"));
            return Err(no_such("identities.toml names no", principal, hint));
        }
        let subject = with_claims(policy, principal, self.at(), &self.claims);
        let Some(subject) = subject else {
            let hint = ": no source puts them into a tenant; give the claim with `--claim`";
            return Err(no_such(
                "nobody knows the tenant of",
                principal,
                Some(hint.into()),
            ));
        };
        Ok(self.capped(subject))
    }

    fn capped(&self, subject: Subject) -> Subject {
        match self.aal {
            Some(cap) => subject.with_assurance(cap),
            None => subject,
        }
    }
}

/// Somebody who comes with these claims, in a token of the issuer that their name bears.
fn with_claims(
    policy: &Policy,
    principal: &str,
    at: UnixTime,
    claims: &[(String, String)],
) -> Option<Subject> {
    let get = |wanted: &str| {
        let found = claims.iter().find(|(name, _)| name == wanted);
        found.map(|(_, text)| text.clone())
    };
    let issuer = principal
        .strip_prefix("oidc:")
        .and_then(|rest| rest.split(':').next());
    let claims = issuer.map(|issuer| Claims { issuer, get: &get });
    policy.subject(principal, &Evidence { at, claims })
}

/// A claim on the command line.
fn claim(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("write NAME=TEXT, as in clearance=S")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn no_such(what: &str, name: &str, hint: Option<String>) -> ExitCode {
    eprintln!("error: {what} `{name}`{}", hint.unwrap_or_default());
    ExitCode::from(2)
}

/// `2 errors, 1 warning`.
fn tally(problems: &[Problem]) -> String {
    let count = |severity, word: &str| {
        let found = problems.iter().filter(|p| p.severity == severity).count();
        format!("{found} {word}{}", if found == 1 { "" } else { "s" })
    };
    format!(
        "{}, {}",
        count(Severity::Error, "error"),
        count(Severity::Warning, "warning")
    )
}

fn as_json(problems: &[Problem]) -> Value {
    problems.iter().map(Problem::to_json).collect()
}

fn rule_json(rule: &policy::RuleRef) -> Value {
    json!({ "id": rule.id(), "file": rule.file().display().to_string(), "line": rule.line() })
}

/// A label on the command line.
fn label(text: &str) -> Result<Label, String> {
    text.parse().map_err(|e: policy::LabelError| {
        format!("{e}; write LEVEL or LEVEL:TAG+TAG, as in CUI:PRVCY")
    })
}
