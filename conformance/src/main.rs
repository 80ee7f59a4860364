//! `conformance`: what a gateway that judges text must not let through, tried from outside.

use std::io::{IsTerminal, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use clap::Parser;
use conformance::{Case, Model, Report, Suite, Target, Trouble};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Tries known gaps on a gateway that speaks OpenAI's or Anthropic's protocol.
///
/// The suite is the gateway's client and the model server behind it. Configure the gateway with an OpenAI-compatible
/// backend at the address of --model-listen, with a model named as --model, and with a rule that refuses or masks the
/// forbidden text in prompts and in answers. Then nothing of what the cases hide may come through, whatever the gateway
/// makes of it.
///
/// Exit status: 0 if everything was held, 1 if something leaked, 2 if it cannot be tested.
#[derive(Parser)]
#[command(name = "conformance", max_term_width = 100)]
struct Arguments {
    /// The base URL that clients of the gateway are given, such as https://localhost:8443/v1
    #[arg(long, required_unless_present = "list")]
    url: Option<String>,
    /// Certificates of the authorities that vouch for the gateway (PEM); without it, those of the system
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The caller's API key; without it, the environment's CONFORMANCE_KEY
    #[arg(
        long,
        env = "CONFORMANCE_KEY",
        hide_env_values = true,
        default_value = ""
    )]
    key: String,
    /// The model to ask for
    #[arg(long, default_value = "llama-3.3-70b")]
    model: String,
    /// Where the suite's model server listens
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    model_listen: SocketAddr,
    /// What the gateway's rules refuse or mask, both ways; 12 to 64 letters and digits
    #[arg(long, value_name = "TEXT", default_value = "AKIAIOSFODNN7EXAMPLE", value_parser = forbidden)]
    forbidden: String,
    /// A command that breaks the gateway's guard, for the case that needs it
    #[arg(long, value_name = "COMMAND", requires = "mend")]
    break_guard: Option<String>,
    /// A command that mends the guard again
    #[arg(
        long = "mend-guard",
        value_name = "COMMAND",
        requires = "break_guard",
        id = "mend"
    )]
    mend_guard: Option<String>,
    /// Only cases whose names hold this; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Print the cases, and end
    #[arg(long)]
    list: bool,
    /// Print every result as JSON
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            // Nothing is left to do if the terminal is gone.
            let _ = writeln!(std::io::stderr(), "conformance: {error}");
            ExitCode::from(2)
        }
    }
}

/// Whether everything was held.
async fn run(arguments: &Arguments) -> Result<bool, Box<dyn std::error::Error>> {
    let mut out = std::io::stdout();
    let named = |case: &Case| {
        let only = &arguments.only;
        only.is_empty() || only.iter().any(|name| case.name.contains(name.as_str()))
    };
    let cases: Vec<Case> = conformance::all().into_iter().filter(named).collect();
    if cases.is_empty() {
        return Err(format!(
            "no case is named like {}; --list shows them",
            arguments.only.join(" or ")
        )
        .into());
    }
    if arguments.list {
        for case in cases {
            writeln!(
                out,
                "{}\n    {}\n    seen: {}",
                case.name, case.gap, case.seen
            )?;
        }
        return Ok(true);
    }
    let url = arguments.url.as_deref().unwrap_or_default();
    let mut target = Target::new(url, arguments.ca.as_deref())?
        .asking(&arguments.key, &arguments.model)
        .forbidding(&arguments.forbidden);
    if let (Some(break_guard), Some(mend_guard)) = (&arguments.break_guard, &arguments.mend_guard) {
        target = target.breaking_by(commands(break_guard.clone(), mend_guard.clone()));
    }
    let model = Model::listen(arguments.model_listen)
        .await
        .map_err(|e| format!("cannot listen at {}: {e}", arguments.model_listen))?;
    let behind = model.base_url();
    let suite = Suite::begin(target, model)
        .await
        .map_err(|e| format!("{e}\n(the model server of the suite listens at {behind})"))?;
    let report = tried(&suite, &cases).await;
    match arguments.json {
        true => writeln!(out, "{:#}", report.json())?,
        false => writeln!(out, "{report}")?,
    }
    Ok(report.leaks() == 0)
}

async fn tried(suite: &Suite, cases: &[Case]) -> Report {
    let bar = ProgressBar::new(cases.len() as u64);
    if !std::io::stderr().is_terminal() {
        bar.set_draw_target(ProgressDrawTarget::hidden());
    }
    if let Ok(style) = ProgressStyle::with_template("{pos}/{len} {msg} {elapsed}") {
        bar.set_style(style);
    }
    let mut report = Report::default();
    for case in cases {
        let mut probes = 0;
        let ran = suite
            .run(case, |_| {
                probes += 1;
                bar.set_message(format!("{} ({probes})", case.name));
            })
            .await;
        report.add(case, ran);
        bar.inc(1);
    }
    bar.finish_and_clear();
    report
}

fn commands(break_guard: String, mend_guard: String) -> Trouble {
    Arc::new(move |broken| {
        let command = if broken { &break_guard } else { &mend_guard };
        let status = Command::new("sh").args(["-c", command]).status()?;
        match status.success() {
            true => Ok(()),
            false => Err(std::io::Error::other(format!(
                "`{command}` ended with {status}"
            ))),
        }
    })
}

/// A text that every place takes, and that has enough letters to be recognised by half.
fn forbidden(text: &str) -> Result<String, String> {
    let fits = (12..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric());
    match fits {
        true => Ok(text.to_owned()),
        false => Err("must be 12 to 64 ASCII letters and digits".to_owned()),
    }
}
