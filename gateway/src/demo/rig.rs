//! Everything a beat plays on: the running gateway with the demo's seams in it, a client in front, and the folder.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use audit::{DiskStorage, Faults, FaultyStorage, State, Status};
use gateway::tasks::Tasks;
use gateway::{Config, Gateway, Running, Seams};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::NotStarted;
use super::beat::{Surprise, holds, same};
use super::client::{Begun, Client, Connection, Reply};
use super::files::{self, Behind, MODEL, Setup};
use super::record::{self, Record};
use super::seams::{Hang, Tap};

/// A judgement that takes longer has not decided. The classifier takes microseconds; the tour waits for this once.
const GUARD_TIMEOUT: Duration = Duration::from_secs(1);

/// Small, so that a full disk shows after a dozen requests rather than thousands.
const SEGMENT_BYTES: u64 = 512 << 10;

/// The key dies with the demo, or soon after.
const KEY_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// How often the rig looks whether something has come about.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// An ephemeral port on loopback.
pub(super) const LOOPBACK: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// What beats play on.
pub(super) struct Rig {
    pub(super) folder: PathBuf,
    /// The ONNX Runtime library.
    pub(super) runtime: PathBuf,
    pub(super) behind: Behind,
    pub(super) running: Running,
    /// The application's API key.
    pub(super) key: String,
    /// The fault layer below the log.
    pub(super) faults: Faults,
    /// The switch on the classifiers.
    pub(super) hang: Hang,
    /// What reaches the model.
    pub(super) tap: Tap,
    /// How long the gateway took to start.
    pub(super) started_in: Duration,
    /// Background work of the demo's clients.
    pub(super) tasks: Tasks,
    /// What an earlier beat left for a later one: the entry to damage.
    pub(super) to_damage: Option<Record>,
    client: Client,
    connection: Option<Connection>,
    last_request: String,
}

impl Rig {
    /// Writes the files and starts the gateway.
    pub(super) async fn start(
        folder: &Path,
        behind: Behind,
        runtime: PathBuf,
    ) -> Result<Rig, NotStarted> {
        let begun = Instant::now();
        let key = files::write(&Setup {
            folder,
            data: &[LOOPBACK],
            admin: LOOPBACK,
            backend: &behind,
            runtime: &runtime,
            segment_bytes: Some(SEGMENT_BYTES),
            key_lifetime: KEY_LIFETIME,
        })?;
        let config = Config::load(&folder.join(files::CONFIG)).map_err(NotStarted::Files)?;
        let disk = DiskStorage::new(&config.audit.dir).map_err(NotStarted::Disk)?;
        let (storage, faults) = FaultyStorage::new(Arc::new(disk));
        let (hang, tap) = (Hang::default(), Tap::default());
        let seams = Seams {
            storage: Some(Arc::new(storage)),
            classifier: Some(hang.wrap()),
            upstream: Some(tap.wrap()),
            guard_timeout: GUARD_TIMEOUT,
            ..Seams::default()
        };
        let running = Gateway::start(config, seams).await?;
        let address = running.addresses.first().copied().unwrap_or(LOOPBACK);
        let tasks = Tasks::default();
        let client = Client::new(address, &folder.join("certs/ca.pem"), &tasks)?;
        let connection = Some(client.connect().await?);
        Ok(Rig {
            folder: folder.to_owned(),
            runtime,
            behind,
            running,
            key,
            faults,
            hang,
            tap,
            started_in: begun.elapsed(),
            tasks,
            to_damage: None,
            client,
            connection,
            last_request: String::new(),
        })
    }

    /// Asks, and expects a whole answer.
    pub(super) async fn answered(&mut self, body: &Value) -> Result<Reply, Surprise> {
        let reply = self.ask(body).await?;
        same("the status", reply.status, 200)?;
        holds("an answer to its end", reply.is_complete(), reply.body())?;
        Ok(reply)
    }

    /// Asks, and expects to be refused without the model hearing of it.
    pub(super) async fn refused(
        &mut self,
        body: &Value,
        status: u16,
        code: &str,
    ) -> Result<Reply, Surprise> {
        let heard = self.tap.requests();
        let reply = self.ask(body).await?;
        same("the status", reply.status, status)?;
        same("the error code", reply.code(), code)?;
        same("requests at the model", self.tap.requests() - heard, 0)?;
        Ok(reply)
    }

    /// Posts a chat completion request, and reads the whole answer.
    pub(super) async fn ask(&mut self, body: &Value) -> Result<Reply, Surprise> {
        let begun = self.begin(body).await?;
        begun.finish().await.map_err(broken)
    }

    /// Posts a chat completion request, and returns when its answer begins.
    pub(super) async fn begin(&mut self, body: &Value) -> Result<Begun, Surprise> {
        let key = self.key.clone();
        let begun = self.open().await?.begin(&key, body).await.map_err(broken)?;
        begun.id().clone_into(&mut self.last_request);
        Ok(begun)
    }

    /// The models that the application is shown.
    pub(super) async fn models(&mut self) -> Result<Reply, Surprise> {
        let key = self.key.clone();
        self.open().await?.models(&key).await.map_err(broken)
    }

    /// An open connection, the one from before if it still is.
    async fn open(&mut self) -> Result<&mut Connection, Surprise> {
        if !self.connection.as_ref().is_some_and(Connection::is_open) {
            self.connection = None;
        }
        if self.connection.is_none() {
            self.connection = Some(self.client.connect().await.map_err(broken)?);
        }
        self.connection
            .as_mut()
            .ok_or_else(|| Surprise::failed("connecting", "no connection"))
    }

    /// The entries about the last request that was sent.
    pub(super) fn last_entries(&self) -> Vec<Record> {
        record::about(&self.log(), &self.last_request).unwrap_or_default()
    }

    /// The log's folder.
    pub(super) fn log(&self) -> PathBuf {
        self.running.gateway.audit.dir()
    }

    /// How long the log has waited for its disk, all in all.
    pub(super) fn disk_time(&self) -> Duration {
        let Status {
            mean_flush,
            flushes,
            ..
        } = self.status();
        mean_flush * u32::try_from(flushes).unwrap_or(u32::MAX)
    }

    /// How the log is doing.
    pub(super) fn status(&self) -> Status {
        self.running.gateway.audit.status()
    }

    /// Waits until the log is as it should be; how long that took.
    pub(super) async fn until(
        &self,
        what: &str,
        so: impl Fn(&Status) -> bool,
    ) -> Result<Duration, Surprise> {
        const PATIENCE: Duration = Duration::from_secs(10);
        let begun = Instant::now();
        loop {
            let status = self.status();
            if so(&status) {
                return Ok(begun.elapsed());
            }
            if begun.elapsed() > PATIENCE || status.state == State::Closed {
                return Err(Surprise::new("the log", what, format!("{status:?}")));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Stops the gateway in order. Whatever hangs is let go first.
    pub(super) async fn stop(self) {
        self.faults.clear();
        self.hang.set(false);
        drop(self.connection);
        self.running.shutdown().await;
    }
}

/// A question to the model that the application may use.
pub(super) fn question(text: &str) -> Value {
    json!({ "model": MODEL, "messages": [{ "role": "user", "content": text }] })
}

/// The same, streamed.
pub(super) fn streamed(text: &str) -> Value {
    let mut body = question(text);
    if let Value::Object(fields) = &mut body {
        fields.insert("stream".to_owned(), true.into());
    }
    body
}

fn broken(error: super::client::ClientError) -> Surprise {
    Surprise::failed("asking", error)
}
