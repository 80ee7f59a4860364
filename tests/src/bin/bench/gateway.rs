//! `portcullis serve` as its operator would run it: a folder of files, a process, an admin port.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ::tests::repository;
use audit::Clock as _;
use gateway::config::IdentityConfig;
use gateway::problem::Problem;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::plan::{Guards, Medium};
use crate::process::Process;
use crate::{Failed, Options, client, script};

/// The folders of a run: everything on the disk, the logs of some in memory. Removed when dropped.
pub(crate) struct Site {
    disk: TempDir,
    memory: TempDir,
    executable: PathBuf,
    /// The API key that the gateways know.
    pub(crate) key: String,
}

/// A running gateway.
pub(crate) struct Gateway {
    /// Its process.
    pub(crate) process: Process,
    /// Where it speaks TLS.
    pub(crate) address: SocketAddr,
    /// Where it is ready to be asked for metrics.
    admin: SocketAddr,
}

/// What the gateway has counted since it started.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counters {
    /// Flushes of the log.
    pub(crate) flushes: f64,
    /// Time spent in them, in seconds.
    pub(crate) flush_seconds: f64,
    /// Entries in the log.
    pub(crate) entries: f64,
}

/// A principal of the demo policies that may use the script's model.
const PRINCIPAL: &str = "svc:benefits-app";

/// A tmpfs on every Linux.
const MEMORY: &str = "/dev/shm";

/// To start, models included, on a busy machine.
const START_MAX: Duration = Duration::from_secs(60);

impl Site {
    /// Makes the folders, certificates and a key.
    pub(crate) fn new(options: &Options) -> Result<Site, Failed> {
        let executable = match &options.gateway {
            Some(file) => file.clone(),
            None => std::env::current_exe()?.with_file_name("portcullis"),
        };
        if !executable.is_file() {
            return Err(format!(
                "{} is not there: `make bench` builds it first",
                executable.display()
            )
            .into());
        }
        let below = options
            .disk
            .clone()
            .unwrap_or_else(|| repository().join("target"));
        let folder = |below: &Path| {
            tempfile::Builder::new()
                .prefix("portcullis-bench-")
                .tempdir_in(below)
        };
        let unusable = |below: &Path, error| format!("cannot work in {}: {error}", below.display());
        let disk = folder(&below).map_err(|error| unusable(&below, error))?;
        let memory =
            folder(Path::new(MEMORY)).map_err(|error| unusable(Path::new(MEMORY), error))?;
        gateway::certs::dev(&disk.path().join("certs"), &[])?;
        let key = mint(disk.path())?;
        Ok(Site {
            disk,
            memory,
            executable,
            key,
        })
    }

    /// The folder of certificates.
    pub(crate) fn certs(&self) -> PathBuf {
        self.disk.path().join("certs")
    }

    /// The folder on this medium.
    pub(crate) fn folder(&self, medium: Medium) -> &Path {
        match medium {
            Medium::Disk => self.disk.path(),
            Medium::Memory => self.memory.path(),
        }
    }
}

fn mint(folder: &Path) -> Result<String, Failed> {
    let identity = IdentityConfig {
        keys: folder.join("keys.toml"),
        hash_secret: folder.join("keys.secret"),
    };
    let now = Timestamp::from_nanosecond(audit::SystemClock.now().into())?;
    let wanted = gateway::keys::Wanted::new(PRINCIPAL, SignedDuration::from_hours(24));
    let minted = gateway::keys::mint(&identity, wanted, now);
    let (_, key) = minted.map_err(|problem: Problem| problem.render(false))?;
    Ok(key)
}

impl Gateway {
    /// Writes its folder, starts it, and waits until it serves.
    pub(crate) async fn start(
        site: &Site,
        guards: Guards,
        medium: Medium,
        upstream: SocketAddr,
    ) -> Result<Gateway, Failed> {
        let name = format!(
            "{}-{}",
            guards.name().replace([' ', '+'], "-"),
            medium.name()
        );
        let folder = site.disk.path().join(&name);
        copy(&repository().join("policies"), &folder.join("policies"))?;
        let profiles = folder.join("policies/baseline/guardrails.toml");
        fs::write(&profiles, edited(&fs::read_to_string(&profiles)?, guards)?)?;
        let config = folder.join("portcullis.toml");
        fs::write(
            &config,
            config_text(
                guards,
                &site.folder(medium).join(name).join("log"),
                upstream,
            ),
        )?;
        let log = folder.join("stderr");
        let mut command = Command::new(&site.executable);
        command.arg("serve").arg("--config").arg(&config);
        // Settings of whoever runs the bench are not what is measured.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PORTCULLIS_") {
                command.env_remove(name);
            }
        }
        let process = Process::start(command.stdin(Stdio::null()).stderr(fs::File::create(&log)?))?;
        ready(process, &log).await
    }

    /// What it has counted.
    pub(crate) async fn counters(&self) -> Result<Counters, Failed> {
        let text = client::get(self.admin, "/metrics").await?;
        let value = |name: &str| {
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            let value = line.and_then(|value| value.trim().parse::<f64>().ok());
            value.ok_or_else(|| format!("the gateway's metrics hold no number {name}"))
        };
        let flushes = value("portcullis_audit_flushes")?;
        Ok(Counters {
            flushes,
            flush_seconds: flushes * value("portcullis_audit_flush_mean_seconds")?,
            entries: value("portcullis_audit_tree_size")?,
        })
    }
}

/// Waits until the gateway's own log says where it listens.
async fn ready(mut process: Process, log: &Path) -> Result<Gateway, Failed> {
    let started = Instant::now();
    loop {
        let text = fs::read_to_string(log)?;
        let said = |message: &str| text.lines().find_map(|line| address(line, message));
        if let (Some(address), Some(admin)) =
            (said("serving model traffic"), said("serving /livez"))
        {
            return Ok(Gateway {
                process,
                address,
                admin,
            });
        }
        if process.has_ended() || started.elapsed() > START_MAX {
            return Err(format!("the gateway does not start:\n{text}").into());
        }
        sleep(Duration::from_millis(10)).await;
    }
}

/// The address in a line of the log whose message begins so.
fn address(line: &str, message: &str) -> Option<SocketAddr> {
    let line: Value = serde_json::from_str(line).ok()?;
    let fields = line.get("fields")?;
    let said = fields.get("message")?.as_str()?.starts_with(message);
    said.then(|| fields.get("address")?.as_str()?.parse().ok())?
}

/// The profiles with what `guards` leaves of their rules.
fn edited(profiles: &str, guards: Guards) -> Result<String, Failed> {
    if guards == Guards::Classifier {
        return Ok(profiles.to_owned());
    }
    let mut file: toml::Table = profiles.parse()?;
    let all = file
        .get_mut("profile")
        .and_then(toml::Value::as_table_mut)
        .ok_or("there are no profiles")?;
    for (_, profile) in all {
        let rules = profile
            .get_mut("rule")
            .and_then(toml::Value::as_array_mut)
            .ok_or("a profile has no rules")?;
        match guards {
            Guards::Off => *rules = vec![toml::Value::Table(IDLE_RULE.parse()?)],
            Guards::Patterns | Guards::Classifier => rules.retain(|rule| !asks_a_classifier(rule)),
        }
        if let (Guards::Off, Some(profile)) = (guards, profile.as_table_mut()) {
            let unread = ["prompt", "response", "tool-arguments"];
            profile.insert("unread".to_owned(), unread.to_vec().into());
        }
    }
    Ok(file.to_string())
}

/// A profile must have a rule. This one reads what tools said, and in the script no tool says anything.
const IDLE_RULE: &str = r#"
    id = "OFF"
    detector = "unicode@1"
    on = ["tool-result"]
    do = "flag"
    why = "guards off: no text of the bench is read"
"#;

/// Everything but these is a classifier, named as its model's folder.
const DETERMINISTIC: [&str; 5] = ["secret", "pii", "pattern", "unicode", "marking"];

fn asks_a_classifier(rule: &toml::Value) -> bool {
    let detector = rule
        .get("detector")
        .and_then(toml::Value::as_str)
        .unwrap_or_default();
    let name = detector.split_once('@').map_or(detector, |(name, _)| name);
    !DETERMINISTIC.contains(&name)
}

fn config_text(guards: Guards, log: &Path, upstream: SocketAddr) -> String {
    let models = match guards {
        Guards::Off | Guards::Patterns => String::new(),
        Guards::Classifier => format!(
            "[guardrails]\nmodels = {:?}\nruntime = {:?}\n",
            repository().join("models"),
            repository().join(".portcullis/onnxruntime/libonnxruntime.so"),
        ),
    };
    let model = script::MODEL;
    format!(
        r#"version = 1
mode = "development"

[listener]
bind = ["127.0.0.1:0"]
zone = "demo"
certificate = "../certs/server.pem"
key = "../certs/server.key"

[admin]
bind = "127.0.0.1:0"

[identity]
keys = "../keys.toml"
hash_secret = "../keys.secret"

[policy]
dir = "policies"

{models}
[audit]
dir = {log:?}
origin = "bench.demo.example/audit"
signing_key = "log.key"
officers = ["../certs/officer.pem"]
recovery = "../certs/recovery.pem"

[[backend]]
name = "llama"
kind = "openai"
base_url = "http://{upstream}/v1"

[[model]]
name = "{model}"
backend = "llama"
"#
    )
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
