//! A gateway in this process, on free ports, with the repository's own demo policies and models.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use audit::Storage;
use gateway::config::IdentityConfig;
use gateway::keys::Wanted;
use gateway::load::ClassifierWrap;
use gateway::{Config, Gateway, Running, Seams};
use http::Method;
use jiff::SignedDuration;
use serde_json::{Value, json};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{AuditLog, Client, FakeLlama, Live, Reply, repository, within};

/// The path of chat completions.
pub const CHAT: &str = "/v1/chat/completions";

/// The principals of the demo policies that tests speak as.
pub const PRINCIPALS: [&str; 4] = [
    "svc:benefits-app",
    "svc:contracts-app",
    "svc:audit-probe",
    "svc:suspended-app",
];

/// The file name and the URI of each client certificate.
pub const CERTIFICATES: [(&str, &str); 3] = [
    ("benefits-app", "spiffe://demo.example/benefits-app"),
    ("contracts-app", "spiffe://demo.example/contracts-app"),
    ("stranger", "spiffe://elsewhere.example/stranger"),
];

type Edit = Box<dyn FnOnce(&mut String)>;

/// A gateway that is being set up.
pub struct TestGatewayBuilder {
    backend: String,
    storage: Option<Arc<dyn Storage>>,
    classifier: Option<ClassifierWrap>,
    guard_timeout: Option<std::time::Duration>,
    config: Vec<Edit>,
    guardrails: Vec<Edit>,
    files: Vec<(&'static str, Edit)>,
    log_dir: Option<PathBuf>,
    log_folder: Option<Arc<tempfile::TempDir>>,
    faults: Option<audit::Faults>,
}

/// A running gateway.
pub struct TestGateway {
    /// First, so that a test that fails while its disk hangs can end.
    _faults: Unhang,
    running: Running,
    folder: Arc<tempfile::TempDir>,
    log_dir: PathBuf,
    log_folder: Option<Arc<tempfile::TempDir>>,
    keys: BTreeMap<String, String>,
    /// Every reply's request id, in order, for looking things up in the log.
    seen: Mutex<Vec<String>>,
}

/// Lets go of a disk that hangs when it is dropped.
struct Unhang(Option<audit::Faults>);

impl Drop for Unhang {
    fn drop(&mut self) {
        if let Some(faults) = &self.0 {
            faults.clear();
        }
    }
}

impl TestGateway {
    /// One with the demo backend, until another is named.
    #[expect(clippy::new_ret_no_self, reason = "reads as a sentence in tests")]
    pub fn new() -> TestGatewayBuilder {
        TestGatewayBuilder {
            backend: "kind = \"demo\"".to_owned(),
            storage: None,
            classifier: None,
            guard_timeout: None,
            config: Vec::new(),
            guardrails: Vec::new(),
            files: Vec::new(),
            log_dir: None,
            log_folder: None,
            faults: None,
        }
    }

    /// Asks the general model one question, as this principal.
    pub async fn chat(&self, principal: &str, text: &str) -> Reply {
        self.ask(principal, &question(text)).await
    }

    /// The same, streamed.
    pub async fn chat_streamed(&self, principal: &str, text: &str) -> Reply {
        let mut body = question(text);
        body["stream"] = true.into();
        self.ask(principal, &body).await
    }

    /// Posts a chat completion request, as this principal.
    pub async fn ask(&self, principal: &str, body: &Value) -> Reply {
        self.post(Some(self.key(principal)), CHAT, &body.to_string())
            .await
    }

    /// Posts anything anywhere.
    pub async fn post(&self, key: Option<&str>, path: &str, body: &str) -> Reply {
        let client = self.client();
        self.send(&client, client.request(Method::POST, path, key, body))
            .await
    }

    /// Sends any request with any client.
    pub async fn send(
        &self,
        client: &Client,
        request: http::Request<http_body_util::Full<bytes::Bytes>>,
    ) -> Reply {
        let reply = client.send(request).await;
        self.seen
            .lock()
            .unwrap()
            .push(reply.header("x-request-id").to_owned());
        reply
    }

    /// Begins a streamed question of this principal, and hands over the answer as it comes.
    pub async fn open(&self, principal: &str, body: &Value) -> Live {
        let client = self.client();
        let key = Some(self.key(principal));
        let request = client.request(Method::POST, CHAT, key, &body.to_string());
        client.open(request).await
    }

    /// Gets something from the admin listener: status and body.
    pub async fn admin_get(&self, path: &str) -> (u16, String) {
        self.admin_ask("GET", path, None).await
    }

    /// A request to the admin listener, with a token.
    pub async fn admin_ask(&self, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
        let mut stream = tokio::net::TcpStream::connect(self.admin()).await.unwrap();
        let token = token.map(|token| format!("authorization: Bearer {token}\r\n"));
        let token = token.unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\n{token}content-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        within("the admin listener", stream.read_to_end(&mut read))
            .await
            .unwrap();
        let reply = Reply::parse(&read).expect("a whole response");
        (reply.status(), reply.text())
    }

    /// How many requests are being worked on.
    pub fn in_flight(&self) -> usize {
        self.gateway().places.taken()
    }

    /// How the log is doing.
    pub fn log_status(&self) -> audit::Status {
        self.gateway().audit.status()
    }

    /// The API key of a principal.
    pub fn key(&self, principal: &str) -> &str {
        self.keys
            .get(principal)
            .expect("a principal of the demo policies")
    }

    /// A client that shows this certificate, over HTTP/1.1.
    pub fn client_as(&self, certificate: &str) -> Client {
        Client::new(self.running.addresses[0], &self.certs(), Some(certificate))
    }

    /// A client that shows the certificate in a file, with its key in another, over HTTP/2.
    pub fn client_with(&self, chain: &Path, key: &Path) -> Client {
        let identity = Some((chain, key));
        Client::showing(self.running.addresses[0], &self.certs(), identity, true)
    }

    /// A client without a certificate, over HTTP/2.
    pub fn http2(&self) -> Client {
        Client::http2(self.running.addresses[0], &self.certs(), None)
    }

    /// A client without a certificate, over HTTP/1.1.
    pub fn client(&self) -> Client {
        Client::new(self.running.addresses[0], &self.certs(), None)
    }

    /// A client of the admin listener over TLS, that shows a certificate if it is given one and its key.
    pub fn admin_client(&self, identity: Option<(&Path, &Path)>) -> Client {
        Client::showing(self.admin(), &self.certs(), identity, false)
    }

    /// The folder of certificates.
    pub fn certs(&self) -> PathBuf {
        self.folder.path().join("certs")
    }

    /// The data listener.
    pub fn address(&self) -> std::net::SocketAddr {
        self.running.addresses[0]
    }

    /// The admin listener.
    pub fn admin(&self) -> std::net::SocketAddr {
        self.running.admin
    }

    /// What the gateway's requests share.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.running.gateway
    }

    /// A file of the gateway's folder, such as `policies/bundle.toml`.
    pub fn file(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// Replaces a text that must stand in a file of the gateway's folder, as an editor would.
    pub fn replace(&self, path: &str, from: &str, to: &str) {
        let file = self.file(path);
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.contains(from), "{path} holds no {from:?}");
        std::fs::write(&file, text.replacen(from, to, 1)).unwrap();
    }

    /// What recovery found.
    pub fn recovery(&self) -> &audit::Recovery {
        &self.running.recovery
    }

    /// Stops the gateway in order, and hands over its log.
    pub async fn stop(self) -> AuditLog {
        let certs = self.certs();
        self.running.shutdown().await;
        AuditLog {
            dir: newest_shard(&self.log_dir),
            certs,
            _folders: (self.folder, self.log_folder),
        }
    }
}

impl TestGatewayBuilder {
    /// Puts this server behind it.
    pub fn backend(self, llama: &FakeLlama) -> Self {
        self.backend_at(&llama.base_url())
    }

    /// Puts the server at this URL behind it.
    pub fn backend_at(mut self, base_url: &str) -> Self {
        self.backend = format!("kind = \"openai\"\nbase_url = {base_url:?}");
        self
    }

    /// More lines for the backend's section.
    pub fn backend_setting(mut self, line: &str) -> Self {
        self.backend.push('\n');
        self.backend.push_str(line);
        self
    }

    /// Writes the log through this storage.
    pub fn storage(mut self, storage: Arc<dyn Storage>) -> Self {
        self.storage = Some(storage);
        self
    }

    /// Writes the log through a storage that fails on command.
    pub fn failing_on_command(self) -> (Self, audit::Faults) {
        let folder = tempfile::tempdir().unwrap();
        let disk = audit::DiskStorage::new(folder.path()).unwrap();
        let (storage, faults) = audit::FaultyStorage::new(Arc::new(disk));
        let mut builder = self.log_dir(folder.path()).storage(Arc::new(storage));
        builder.log_folder = Some(Arc::new(folder));
        builder.faults = Some(faults.clone());
        (builder, faults)
    }

    /// Puts the log into this folder.
    pub fn log_dir(mut self, dir: &Path) -> Self {
        self.log_dir = Some(dir.to_owned());
        self
    }

    /// Wraps every classifier.
    pub fn classifier(mut self, wrap: ClassifierWrap) -> Self {
        self.classifier = Some(wrap);
        self
    }

    /// Judgements may take this long.
    pub fn guard_timeout(mut self, time: std::time::Duration) -> Self {
        self.guard_timeout = Some(time);
        self
    }

    /// More lines for a section of the configuration file, such as `limits`.
    pub fn setting(self, section: &'static str, lines: &'static str) -> Self {
        self.config(move |text| {
            let head = format!("[{section}]\n");
            assert!(text.contains(&head), "no section {section}");
            *text = text.replacen(&head, &format!("{head}{lines}\n"), 1);
        })
    }

    /// Changes the configuration file.
    pub fn config(mut self, edit: impl FnOnce(&mut String) + 'static) -> Self {
        self.config.push(Box::new(edit));
        self
    }

    /// Changes the baseline's `guardrails.toml`.
    pub fn guardrails(mut self, edit: impl FnOnce(&mut String) + 'static) -> Self {
        self.guardrails.push(Box::new(edit));
        self
    }

    /// Edits a file of the gateway's folder before it starts; the folder has `policies`.
    pub fn file(mut self, path: &'static str, change: impl FnOnce(&mut String) + 'static) -> Self {
        self.files.push((path, Box::new(change)));
        self
    }

    /// Writes all files and starts the gateway.
    pub async fn start(self) -> TestGateway {
        let started = self.try_start().await;
        started.unwrap_or_else(|why| panic!("{why}"))
    }

    /// Writes all files and starts the gateway, or says why it does not start, as its terminal would.
    pub async fn try_start(self) -> Result<TestGateway, String> {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let root = folder.path();
        gateway::certs::dev(&root.join("certs"), &CERTIFICATES).unwrap();
        copy(&repository().join("policies"), &root.join("policies"));
        edit(
            &root.join("policies/baseline/guardrails.toml"),
            self.guardrails,
        );
        for (path, change) in self.files {
            edit(&root.join(path), vec![change]);
        }
        let identity = IdentityConfig {
            keys: root.join("keys.toml"),
            hash_secret: root.join("keys.secret"),
        };
        let now = audit::Clock::now(&audit::SystemClock);
        let now = jiff::Timestamp::from_nanosecond(now.into()).unwrap();
        let mint = |principal: &str| {
            gateway::keys::mint(
                &identity,
                Wanted::new(principal, SignedDuration::from_hours(1)),
                now,
            )
            .unwrap()
            .1
        };
        let keys = PRINCIPALS
            .iter()
            .map(|p| ((*p).to_owned(), mint(p)))
            .collect();
        let log_dir = self.log_dir.unwrap_or_else(|| root.join("log"));
        let file = root.join("portcullis.toml");
        std::fs::write(&file, config_text(&self.backend, &log_dir)).unwrap();
        edit(&file, self.config);
        let config = Config::load(&file).map_err(|problems| rendered(&problems))?;
        let mut seams = Seams {
            classifier: self.classifier,
            ..Seams::default()
        };
        seams.storage = self.storage;
        seams.guard_timeout = self.guard_timeout.unwrap_or(seams.guard_timeout);
        let running = match Gateway::start(config, seams).await {
            Ok(running) => running,
            Err(gateway::StartError::Files(problems)) => return Err(rendered(&problems)),
            Err(error) => return Err(format!("the gateway does not start: {error}")),
        };
        Ok(TestGateway {
            _faults: Unhang(self.faults),
            running,
            folder,
            log_dir,
            log_folder: self.log_folder,
            keys,
            seen: Mutex::default(),
        })
    }
}

/// The folder of the newest shard of a log.
pub fn newest_shard(log: &Path) -> PathBuf {
    audit::shards(log).unwrap().pop().unwrap()
}

/// So many words that no other prompt has: what is recorded of them is nearly as long as they are.
pub fn babble(words: usize, seed: u64) -> String {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + (state % 26) as u8)
    };
    let word = |_| (0..5).map(|_| letter()).chain([' ']).collect::<String>();
    (0..words).map(word).collect()
}

/// A request for the general model with one user message.
pub fn question(text: &str) -> Value {
    json!({ "model": "llama-3.3-70b", "messages": [{ "role": "user", "content": text }] })
}

fn config_text(backend: &str, log_dir: &Path) -> String {
    let (models, runtime) = (
        repository().join("models"),
        repository().join(".portcullis/onnxruntime/libonnxruntime.so"),
    );
    format!(
        r#"version = 1
mode = "development"
contact = "help@demo.example"

[listener]
bind = ["127.0.0.1:0"]
zone = "demo"
certificate = "certs/server.pem"
key = "certs/server.key"
client_ca = "certs/ca.pem"
client_certificates = "optional"
drain_timeout_s = 5

[admin]
bind = "127.0.0.1:0"

[identity]
keys = "keys.toml"
hash_secret = "keys.secret"

[policy]
dir = "policies"

[guardrails]
models = {models:?}
runtime = {runtime:?}

[audit]
dir = {log_dir:?}
origin = "test.demo.example/audit"
signing_key = "log.key"
officers = ["certs/officer.pem"]
recovery = "certs/recovery.pem"
segment_bytes = 1048576

[limits]
request_timeout_s = 30

[[backend]]
name = "llama"
{backend}

[[model]]
name = "llama-3.3-70b"
backend = "llama"

[[model]]
name = "llama-4-maverick"
backend = "llama"

[[model]]
name = "llama-guard-internal"
backend = "llama"
"#
    )
}

fn edit(file: &Path, edits: Vec<Edit>) {
    // One that is not there yet is begun.
    let mut text = match file.exists() {
        true => std::fs::read_to_string(file).unwrap(),
        false => String::new(),
    };
    edits.into_iter().for_each(|edit| edit(&mut text));
    std::fs::write(file, text).unwrap();
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn rendered(problems: &[gateway::problem::Problem]) -> String {
    problems
        .iter()
        .map(|problem| problem.render(false) + "\n")
        .collect()
}
