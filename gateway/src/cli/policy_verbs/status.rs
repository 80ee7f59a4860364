//! `portcullis policy status`: which bundle a running gateway has in force, and whether it is the one on the disk.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line talks to its terminal"
)]

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use gateway::problem::Problem;
use gateway::tls;
use policy::Policy;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, StreamOwned};
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
    #[arg(
        long,
        value_name = "FILE",
        env = "PORTCULLIS_ADMIN_TOKEN_FILE",
        required_unless_present = "cert"
    )]
    token: Option<PathBuf>,
    /// Speak TLS, and trust the authorities in this file
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Show this client certificate, with its chain, in PEM
    #[arg(long, value_name = "FILE", requires_all = ["key", "ca"])]
    cert: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// The name in the gateway's certificate; the address, if not given
    #[arg(long, value_name = "NAME", requires = "ca")]
    server_name: Option<String>,
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
    }
    for list in ["problems", "warnings"] {
        let problems = status.get(list).and_then(Value::as_array);
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

/// One GET of `/policy`, in HTTP/1.0, so that the answer ends with the connection.
fn ask(options: &Options) -> Result<Value, String> {
    let admin = options.admin;
    let token = match &options.token {
        Some(file) => format!("authorization: Bearer {}\r\n", token(file)?),
        None => String::new(),
    };
    let unreachable = |e: std::io::Error| format!("no gateway answers at {admin}: {e}");
    let wait = Some(Duration::from_secs(5));
    let stream = TcpStream::connect_timeout(&admin, Duration::from_secs(5)).map_err(unreachable)?;
    stream.set_read_timeout(wait).map_err(unreachable)?;
    stream.set_write_timeout(wait).map_err(unreachable)?;
    let request = format!("GET /policy HTTP/1.0\r\nhost: {admin}\r\n{token}\r\n");
    let answer = match handshake(options)? {
        Some(tls) => exchange(StreamOwned::new(tls, stream), &request),
        None => exchange(stream, &request),
    };
    let answer = answer.map_err(unreachable)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| format!("{admin} does not speak HTTP"))?;
    match head.split(' ').nth(1) {
        Some("200") => serde_json::from_str(body).map_err(|e| format!("{admin}: {e}")),
        Some(status) => Err(format!("{admin} says {status}: {}", body.trim())),
        None => Err(format!("{admin} does not speak HTTP")),
    }
}

fn token(file: &Path) -> Result<String, String> {
    let token = std::fs::read_to_string(file)
        .map_err(|e| format!("{}: cannot be read: {e}", file.display()))?;
    let token = token.trim();
    match !token.is_empty() && token.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(token.to_owned()),
        false => Err(format!("{}: holds no token", file.display())),
    }
}

fn exchange(mut stream: impl Read + Write, request: &str) -> std::io::Result<String> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = String::new();
    stream.take(ANSWER_BYTES_MAX).read_to_string(&mut answer)?;
    Ok(answer)
}

/// A TLS connection that has not begun; `None` if the listener is to be asked without.
fn handshake(options: &Options) -> Result<Option<ClientConnection>, String> {
    let Some(ca) = &options.ca else {
        return Ok(None);
    };
    let told = |file: &Path, e: &dyn std::fmt::Display| format!("{}: {e}", file.display());
    let said = |problem: Problem| told(&problem.file, &problem.message);
    let roots = tls::roots(ca).map_err(said)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots);
    let config = match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => {
            let chain = tls::certificates(cert).map_err(said)?;
            let secret = PrivateKeyDer::from_pem_file(key).map_err(|e| told(key, &e))?;
            let config = builder.with_client_auth_cert(chain, secret);
            config.map_err(|e| told(cert, &e))?
        }
        _ => builder.with_no_client_auth(),
    };
    let name = match &options.server_name {
        Some(name) => ServerName::try_from(name.clone()).map_err(|e| format!("{name}: {e}"))?,
        None => ServerName::IpAddress(options.admin.ip().into()),
    };
    let connection = ClientConnection::new(Arc::new(config), name).map_err(|e| e.to_string())?;
    Ok(Some(connection))
}
