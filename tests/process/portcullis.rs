//! The real binary, in a folder of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::Child;
use tokio::sync::watch;

use crate::client::{Client, Reply};
use crate::log::Log;
use crate::{repository, within};

/// The executable under test.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_portcullis");

/// Everything `serve` reads and writes: certificates, policies, a key, `portcullis.toml`, and later the log.
pub(crate) struct Folder {
    folder: TempDir,
    /// The API key of `svc:benefits-app`.
    pub(crate) key: String,
}

impl Folder {
    /// A folder with the repository's demo policies and the demo backend, listening on free ports.
    pub(crate) fn new() -> Folder {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        copy(&repository().join("policies"), &root.join("policies"));
        std::fs::write(root.join("portcullis.toml"), config()).unwrap();
        let mut folder = Folder {
            folder,
            key: String::new(),
        };
        folder.succeeds(&["certs", "dev", "--dir", "certs"]);
        folder.key = folder
            .succeeds(&["keys", "new", "svc:benefits-app"])
            .trim()
            .to_owned();
        folder
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Changes one of its files.
    pub(crate) fn edit(&self, file: &str, edit: impl FnOnce(String) -> String) {
        let path = self.path().join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(path, edit(text)).unwrap();
    }

    /// Replaces something that a file says.
    #[track_caller]
    pub(crate) fn replace(&self, file: &str, from: &str, to: &str) {
        self.edit(file, |text| {
            assert!(text.contains(from), "{file} does not say {from}");
            text.replacen(from, to, 1)
        });
    }

    /// The binary, to be run here.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command(self.path(), arguments)
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs the binary, which must succeed, and hands over what it printed.
    #[track_caller]
    pub(crate) fn succeeds(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "portcullis {arguments:?}: {errors}"
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts `serve`, and waits until it listens.
    pub(crate) async fn serve(&self) -> Serving {
        Serving::start(self.command(&["serve"]), self).await
    }

    /// The folder of the log's newest shard.
    pub(crate) fn shard(&self) -> PathBuf {
        audit::shards(&self.path().join("log"))
            .unwrap()
            .pop()
            .unwrap()
    }

    /// The log that `serve` has left behind, verified.
    #[track_caller]
    pub(crate) fn log(&self) -> Log {
        Log::verified(&self.path().join("log"))
    }
}

/// The binary, to be run in this folder with nothing in its environment that could configure it.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PORTCULLIS_")) {
        command.env_remove(name);
    }
    command
}

/// A running `portcullis serve`. Dropping it kills it.
pub(crate) struct Serving {
    child: Child,
    /// The data listener.
    pub(crate) address: SocketAddr,
    /// The admin listener.
    pub(crate) admin: SocketAddr,
    certs: PathBuf,
    key: String,
    said: Said,
}

/// The lines that a child has logged so far.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl Serving {
    async fn start(command: Command, folder: &Folder) -> Serving {
        let mut command = tokio::process::Command::from(command);
        command
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let said = Said::default();
        let mut news = said.listen(child.stderr.take().unwrap());
        let listens = news.wait_for(|()| said.addresses().is_some());
        let listens = within("serve to listen", listens).await.is_ok();
        assert!(listens, "serve ended:\n{said}");
        let (address, admin) = said.addresses().unwrap();
        Serving {
            child,
            address,
            admin,
            certs: folder.path().join("certs"),
            key: folder.key.clone(),
            said,
        }
    }

    /// A client that trusts this gateway's CA.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.address, &self.certs, None)
    }

    /// The API key of `svc:benefits-app`.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Status and body of a page of the admin listener.
    pub(crate) async fn admin_get(&self, path: &str) -> (u16, String) {
        let mut stream = tokio::net::TcpStream::connect(self.admin).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut read = Vec::new();
        within("the admin listener", stream.read_to_end(&mut read))
            .await
            .unwrap();
        let reply = Reply::parse(&read).expect("a whole response");
        (reply.status(), reply.text())
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().expect("it runs").to_string();
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {pid}")])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end.
    pub(crate) async fn exit(&mut self) -> ExitStatus {
        within("serve to end", self.child.wait()).await.unwrap()
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) async fn stop(mut self) {
        self.signal("TERM");
        let status = self.exit().await;
        assert!(status.success(), "{status}:\n{}", self.said);
    }

    /// kill -9, and waits until it is dead.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

impl Said {
    /// Collects lines until the child closes its end; the receiver hears of each.
    #[expect(clippy::disallowed_methods, reason = "ends with the child")]
    fn listen(&self, stderr: tokio::process::ChildStderr) -> watch::Receiver<()> {
        let (changed, news) = watch::channel(());
        let said = self.clone();
        tokio::spawn(async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                said.0.lock().unwrap().push(line);
                changed.send_replace(());
            }
        });
        news
    }

    /// The data and the admin listener, once both are served.
    fn addresses(&self) -> Option<(SocketAddr, SocketAddr)> {
        let address_in = |message: &str| {
            let lines = self.0.lock().unwrap();
            let logged = lines
                .iter()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut fields = logged.map(|line| line["fields"].clone());
            let found = fields.find(|fields| fields["message"] == message)?;
            found["address"].as_str()?.parse().ok()
        };
        let data = address_in("serving model traffic over TLS")?;
        Some((data, address_in("serving /livez /readyz /metrics")?))
    }
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lines = self.0.lock().unwrap();
        lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// A whole folder tree.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

fn config() -> String {
    let models = repository().join("models");
    let runtime = repository().join(".portcullis/onnxruntime/libonnxruntime.so");
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
dir = "log"
origin = "process.demo.example/audit"
signing_key = "log.key"
officers = ["certs/officer.pem"]
recovery = "certs/recovery.pem"

[[backend]]
name = "llama"
kind = "demo"

[[model]]
name = "llama-3.3-70b"
backend = "llama"

[[model]]
name = "llama-4-maverick"
backend = "llama"
"#
    )
}
