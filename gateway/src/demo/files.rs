//! The demo's set-up as files: the same for the tour, for the child that is killed, and for `--eject`.
//!
//! ```text
//! portcullis.toml  policies/  models/  certs/  keys.toml  keys.secret  log.key  log/
//! ```

use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use audit::Clock as _;
use gateway::certs::CertsError;
use gateway::config::IdentityConfig;
use gateway::keys::Wanted;
use gateway::problem::Problem;
use jiff::{SignedDuration, Timestamp};

use super::bundle;

/// The application as which the tour asks.
pub(super) const PRINCIPAL: &str = "svc:benefits-app";

/// The model that the application may use, the one it only sees, and the one it does not see.
pub(super) const MODEL: &str = "llama-3.3-70b";
pub(super) const DENIED_MODEL: &str = "llama-4-maverick";
const HIDDEN_MODEL: &str = "llama-guard-internal";

/// The name in the log's checkpoints.
const ORIGIN: &str = "demo.portcullis.example/audit";

/// The configuration file's name in the folder.
pub(super) const CONFIG: &str = "portcullis.toml";

/// What the files are to say.
pub(super) struct Setup<'a> {
    pub(super) folder: &'a Path,
    pub(super) data: &'a [SocketAddr],
    pub(super) admin: SocketAddr,
    pub(super) backend: &'a Behind,
    /// The ONNX Runtime library, an absolute path.
    pub(super) runtime: &'a Path,
    /// Bytes of one write-ahead segment; none for the default.
    pub(super) segment_bytes: Option<u64>,
    pub(super) key_lifetime: SignedDuration,
}

/// What answers behind the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Behind {
    /// The built-in script.
    Script,
    /// An OpenAI-compatible server, and the name of a model there.
    Server { base_url: http::Uri, model: String },
}

/// Why the files could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum SetupError {
    #[error("{path} is not empty: name a new folder")]
    NotEmpty { path: PathBuf },
    #[error("cannot write {path}: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Certs(#[from] CertsError),
    #[error("{}", .0.render(false))]
    Key(Problem),
}

/// Writes all of it, and returns the application's key, which is stored nowhere.
pub(super) fn write(setup: &Setup<'_>) -> Result<String, SetupError> {
    let folder = setup.folder;
    let failed = |path: &Path, source| SetupError::Write {
        path: path.to_owned(),
        source,
    };
    make_folder(folder)?;
    bundle::write(folder).map_err(|e| failed(folder, e))?;
    let clients = [("benefits-app", "spiffe://demo.example/benefits-app")];
    gateway::certs::dev(&folder.join("certs"), &clients)?;
    let file = folder.join(CONFIG);
    std::fs::write(&file, config_text(setup)).map_err(|e| failed(&file, e))?;
    let identity = IdentityConfig {
        keys: folder.join("keys.toml"),
        hash_secret: folder.join("keys.secret"),
    };
    let wanted = Wanted::new(PRINCIPAL, setup.key_lifetime);
    let minted = gateway::keys::mint(&identity, wanted, now());
    let (_, key) = minted.map_err(SetupError::Key)?;
    Ok(key)
}

/// Makes the folder, for its owner alone. One that is already there must be empty.
fn make_folder(folder: &Path) -> Result<(), SetupError> {
    let failed = |source| SetupError::Write {
        path: folder.to_owned(),
        source,
    };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    let mut entries = std::fs::read_dir(folder).map_err(failed)?;
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(SetupError::NotEmpty {
            path: folder.to_owned(),
        }),
    }
}

fn now() -> Timestamp {
    let nanoseconds = i128::from(audit::SystemClock.now());
    Timestamp::from_nanosecond(nanoseconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn config_text(setup: &Setup<'_>) -> String {
    let bind: Vec<_> = setup.data.iter().map(|a| format!("\"{a}\"")).collect();
    let segments = setup.segment_bytes.map_or_else(String::new, |bytes| {
        format!("segment_bytes = {bytes} # small, so that the tour can fill it\n")
    });
    let mut text = format!(
        r#"# Written by `portcullis demo`. Paths are relative to this file's folder.
version = 1
mode = "development" # production refuses the demo backend
contact = "help@demo.example"

[listener]
bind = [{bind}]
zone = "demo"
certificate = "certs/server.pem"
key = "certs/server.key"
client_ca = "certs/ca.pem"
client_certificates = "optional"

[admin]
bind = "{admin}"

[identity]
keys = "keys.toml"
hash_secret = "keys.secret"

[policy]
dir = "policies"

[guardrails]
models = "models"
runtime = {runtime}

[audit]
dir = "log"
origin = "{ORIGIN}"
signing_key = "log.key"
officers = ["certs/officer.pem"]
recovery = "certs/recovery.pem"
{segments}
[[backend]]
name = "llama"
{backend}"#,
        bind = bind.join(", "),
        admin = setup.admin,
        runtime = quoted(&setup.runtime.display().to_string()),
        backend = backend_text(setup.backend),
    );
    let upstream_name = match setup.backend {
        Behind::Script => String::new(),
        Behind::Server { model, .. } => format!("upstream_name = {}\n", quoted(model)),
    };
    for model in [MODEL, DENIED_MODEL, HIDDEN_MODEL] {
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "\n[[model]]\nname = \"{model}\"\nbackend = \"llama\"\n{upstream_name}"
        );
    }
    text
}

fn backend_text(backend: &Behind) -> String {
    match backend {
        Behind::Script => "kind = \"demo\" # a script, not a model\n".to_owned(),
        Behind::Server { base_url, .. } => {
            format!("kind = \"openai\"\nbase_url = \"{base_url}\"\n")
        }
    }
}

/// A TOML string of anything.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests;
