//! Before and after the tour: a server behind it, the set-up as files, and lines to copy.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;

use super::NotStarted;
use super::beat::Took;
use super::client::{self, ClientError};
use super::files::{self, Behind, DENIED_MODEL, MODEL, Setup};
use super::rig::{LOOPBACK, Rig};
use super::show::Show;

/// Where the ejected configuration listens.
const EJECTED_PORT: u16 = 8443;
const EJECTED_ADMIN_PORT: u16 = 9443;

/// Long enough to try things out.
const EJECTED_KEY_LIFETIME: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Reads `--backend`.
pub(super) fn server(text: &str) -> Result<http::Uri, String> {
    const EXAMPLE: &str = "write a whole address such as http://127.0.0.1:11434/v1";
    let uri: http::Uri = text.trim_end_matches('/').parse().map_err(|_| EXAMPLE)?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http"), Some(_)) => Ok(uri),
        (Some("https"), _) => {
            Err("for https, use --eject and name the server's CA in the configuration".to_owned())
        }
        _ => Err(EXAMPLE.to_owned()),
    }
}

/// Asks the server which models it has, and takes the first.
pub(super) async fn first_model(base_url: http::Uri) -> Result<Behind, NotStarted> {
    let list = client::get_json(&base_url, "models").await;
    let list = list.map_err(NotStarted::Backend)?;
    let model = list.pointer("/data/0/id").and_then(Value::as_str);
    let model = model
        .ok_or(NotStarted::Backend(ClientError::Unreadable))?
        .to_owned();
    Ok(Behind::Server { base_url, model })
}

/// Writes the set-up for `serve`, and says how to go on.
pub(super) fn eject(
    show: &Show,
    folder: &Path,
    behind: &Behind,
    library: &Path,
) -> Result<(), NotStarted> {
    let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let key = files::write(&Setup {
        folder,
        data: &[loopback(EJECTED_PORT)],
        admin: loopback(EJECTED_ADMIN_PORT),
        backend: behind,
        runtime: library,
        segment_bytes: None,
        key_lifetime: EJECTED_KEY_LIFETIME,
    })?;
    let shown = folder.display();
    show.heading(&format!("Written to {shown}"));
    for (file, about) in EJECTED {
        show.line(&format!("  {file:<16} {about}"));
    }
    show.heading("Next");
    let config = folder.join(files::CONFIG);
    for verb in ["check", "serve"] {
        let command = format!("{} {verb} --config {}", this_program(), quoted(&config));
        show.copyable(&command);
    }
    show.heading("Then, in another shell");
    setting(show, folder, EJECTED_PORT, &key);
    curl(show, MODEL, "Hello!");
    show.line("");
    show.line(&format!(
        "  The key stands for {}, for 30 days. It is stored nowhere:",
        files::PRINCIPAL
    ));
    show.line("  keep it, or make another with `portcullis keys new`.");
    Ok(())
}

/// What `--eject` writes.
const EJECTED: [(&str, &str); 6] = [
    (
        files::CONFIG,
        "the configuration; production needs another backend",
    ),
    (
        "policies/",
        "who may do what, and what is looked for in texts",
    ),
    ("models/", "the classifier, with its card"),
    ("certs/", "a development CA: replace it"),
    ("keys.toml", "hashes of API keys, keyed by keys.secret"),
    (
        "log/",
        "made at the first start: a folder and a key a month",
    ),
];

/// The last lines of the tour.
pub(super) fn closing(show: &Show, took: Duration) {
    show.line("");
    show.line("");
    show.line(&format!(
        "  Every byte and every entry was as expected. The tour took {}.",
        Took(took)
    ));
}

/// Says how to ask the gateway that goes on serving.
pub(super) fn invite(show: &Show, rig: &Rig) {
    let address = rig.running.addresses.first().copied().unwrap_or(LOOPBACK);
    show.heading("Still serving, until Ctrl-C. In another shell:");
    setting(show, &rig.folder, address.port(), &rig.key);
    show.heading("answered");
    curl(show, MODEL, "Hello!");
    show.heading("denied");
    curl(show, DENIED_MODEL, "Hello!");
    show.heading("redacted: the script repeats what it was sent");
    curl(show, MODEL, "Please repeat: my SSN is 078-05-1120.");
    show.heading("the official Python package (pip install openai)");
    for line in PYTHON {
        show.copyable(line);
    }
    show.heading("the log, while it is being written");
    show.copyable(&format!(
        "{} audit verify {} \\",
        this_program(),
        quoted(&rig.log())
    ));
    show.copyable(&format!("  --key '{}'", rig.running.verify_key));
}

/// The SDK reads its address and key from the environment; TLS trusts the demo's CA alone.
const PYTHON: [&str; 8] = [
    "SSL_CERT_FILE=$CA python3 - <<'END'",
    "from openai import OpenAI",
    "for chunk in OpenAI().chat.completions.create(",
    "        model=\"llama-3.3-70b\", stream=True,",
    "        messages=[{\"role\": \"user\", \"content\": \"Hello!\"}]):",
    "    print(chunk.choices[0].delta.content or \"\", end=\"\", flush=True)",
    "print()",
    "END",
];

fn setting(show: &Show, folder: &Path, port: u16, key: &str) {
    show.copyable(&format!(
        "export CA={}",
        quoted(&folder.join("certs/ca.pem"))
    ));
    show.copyable(&format!(
        "export OPENAI_BASE_URL=https://127.0.0.1:{port}/v1"
    ));
    show.copyable(&format!("export OPENAI_API_KEY={key}"));
}

fn curl(show: &Show, model: &str, text: &str) {
    show.copyable("curl -sS --cacert \"$CA\" \"$OPENAI_BASE_URL/chat/completions\" \\");
    show.copyable("  -H \"Authorization: Bearer $OPENAI_API_KEY\" \\");
    show.copyable("  -H \"Content-Type: application/json\" \\");
    show.copyable(&format!(
        "  -d '{{\"model\":\"{model}\",\"messages\":[{{\"role\":\"user\","
    ));
    show.copyable(&format!("       \"content\":\"{text}\"}}]}}'; echo"));
}

/// How another shell finds this program: by its name, if this one did.
fn this_program() -> String {
    let called = std::env::args_os().next().map(PathBuf::from);
    match called {
        Some(called) if called.components().count() > 1 => {
            quoted(&std::env::current_exe().unwrap_or(called))
        }
        _ => env!("CARGO_BIN_NAME").to_owned(),
    }
}

/// A path that a shell reads as one word.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-".contains(&b);
    if path.bytes().all(plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests;
