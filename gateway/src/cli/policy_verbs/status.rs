//! `portcullis policy status`: which bundle a running gateway has in force, and whether it is the one on the disk.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use policy::Policy;
use serde_json::Value;

use super::Common;
use crate::cli::Output;

/// Ask a running gateway which policy is in force, since when, and why the files on the disk are not, if they are not.
/// Exit code 1 if they are not
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    common: Common,
    /// The address of its admin listener
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9443")]
    admin: SocketAddr,
    /// A file with a token of a trusted issuer, for somebody who has a duty
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_ADMIN_TOKEN_FILE")]
    token: PathBuf,
}

/// A status is some KiB; a list of problems some more.
const ANSWER_BYTES_MAX: u64 = 16 << 20;

pub(crate) fn run(options: &Options) -> ExitCode {
    let status = match ask(options) {
        Ok(status) => status,
        Err(why) => {
            eprintln!("error: {why}");
            return ExitCode::from(69);
        }
    };
    let here = Policy::load(&options.common.dir).ok();
    let here = here.as_ref().map(|loaded| loaded.policy.digest());
    let in_force = status.get("digest").and_then(Value::as_str);
    let same = here.is_some() && here == in_force;
    let rejected = status.get("rejected_at").is_some_and(Value::is_string);
    match options.common.output {
        Output::Json => println!("{status}"),
        Output::Human => print!("{}", human(options, &status, here)),
    }
    match same && !rejected {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(1),
    }
}

fn human(options: &Options, status: &Value, here: Option<&str>) -> String {
    let mut text = String::new();
    let word = |key: &str| word_of(status, key);
    let mut line = |name: &str, value: String| {
        // Writing into a string does not fail.
        let _ = writeln!(text, "{name:<10} {value}");
    };
    let short = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
    line(
        "in force",
        format!(
            "{} revision {}, {} rules, digest {}, since {}",
            word("id"),
            word("revision"),
            word("rules"),
            short(&word("digest")),
            word("in_force_since")
        ),
    );
    let has = |key: &str| status.get(key).is_some_and(Value::is_string);
    if has("expires") {
        line("expires", word("expires"));
    }
    let dir = options.common.dir.display();
    line(
        "on disk",
        match here {
            Some(digest) if word("digest") == digest => format!("{dir} is the same"),
            Some(digest) => format!("{dir} is another, digest {}", short(digest)),
            None => format!("{dir} has mistakes: `portcullis policy check` shows them"),
        },
    );
    if has("rejected_at") {
        line("rejected", format!("at {}:", word("rejected_at")));
        let problems = status.get("problems").and_then(Value::as_array);
        for problem in problems.into_iter().flatten() {
            let field = |key: &str| word_of(problem, key);
            let hint = problem.get("hint").and_then(Value::as_str);
            let hint = hint.map(|hint| format!(" ({hint})"));
            let _ = writeln!(
                text,
                "  {}:{}:{}: {}: {}{}",
                field("file"),
                field("line"),
                field("column"),
                field("severity"),
                field("message"),
                hint.unwrap_or_default()
            );
        }
    }
    text
}

/// A member as a person reads it; nothing if it is not there.
fn word_of(object: &Value, key: &str) -> String {
    match object.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// One GET of `/policy`. The listener is on loopback and speaks HTTP/1.1.
fn ask(options: &Options) -> Result<Value, String> {
    let admin = options.admin;
    let file = &options.token;
    let token = std::fs::read_to_string(file)
        .map_err(|e| format!("{}: cannot be read: {e}", file.display()))?;
    let token = token.trim();
    if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(format!("{}: holds no token", file.display()));
    }
    let unreachable = |e: std::io::Error| format!("no gateway answers at {admin}: {e}");
    let wait = Some(Duration::from_secs(5));
    let mut stream =
        TcpStream::connect_timeout(&admin, Duration::from_secs(5)).map_err(unreachable)?;
    stream.set_read_timeout(wait).map_err(unreachable)?;
    stream.set_write_timeout(wait).map_err(unreachable)?;
    let request =
        format!("GET /policy HTTP/1.0\r\nhost: {admin}\r\nauthorization: Bearer {token}\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(unreachable)?;
    let mut answer = String::new();
    stream
        .take(ANSWER_BYTES_MAX)
        .read_to_string(&mut answer)
        .map_err(unreachable)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| format!("{admin} does not speak HTTP"))?;
    match head.split(' ').nth(1) {
        Some("200") => serde_json::from_str(body).map_err(|e| format!("{admin}: {e}")),
        Some(status) => Err(format!("{admin} says {status}: {}", body.trim())),
        None => Err(format!("{admin} does not speak HTTP")),
    }
}
