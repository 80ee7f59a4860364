//! The scripted upstream: an OpenAI-compatible server that always says the same, as cheaply as it can, since it shares
//! the machine with what is measured. Plain HTTP and TLS, HTTP/1.1 with kept connections.
//!
//! It prints its two addresses as one line and serves until its standard input ends, which it does when whoever
//! started it is gone. `GET /stats` tells how many requests and connections there were. It trusts its clients to frame
//! bodies by `content-length`, and cannot do chunked requests.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Args;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::process::Process;
use crate::{Failed, Options, client, script};

/// What the server says, and how fast.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Folder with `server.pem` and `server.key`
    #[arg(long)]
    certs: PathBuf,
    #[arg(long)]
    chunks: u16,
    #[arg(long)]
    think_ms: u64,
}

/// A running upstream, as the client sees it.
pub(crate) struct Upstream {
    /// Its process.
    pub(crate) process: Process,
    /// Where it speaks plain HTTP.
    pub(crate) plain: SocketAddr,
    /// Where it speaks TLS.
    pub(crate) tls: SocketAddr,
}

impl Upstream {
    /// Starts it, and waits until it listens.
    pub(crate) fn start(options: &Options, certs: &Path) -> Result<Upstream, Failed> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("upstream").arg("--certs").arg(certs);
        command.args(["--chunks", &options.chunks.to_string()]);
        command.args(["--think-ms", &options.think_ms.to_string()]);
        let mut process = Process::start(command.stdin(Stdio::piped()).stdout(Stdio::piped()))?;
        let mut line = String::new();
        if let Some(output) = process.child().stdout.take() {
            std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line)?;
        }
        let addresses = line
            .trim()
            .split_once(' ')
            .ok_or("the upstream does not start")?;
        Ok(Upstream {
            process,
            plain: addresses.0.parse()?,
            tls: addresses.1.parse()?,
        })
    }

    /// How many connections were ever made to it.
    pub(crate) async fn connections_made(&self) -> Result<u64, Failed> {
        let stats = client::get(self.plain, "/stats").await?;
        let connections = stats
            .trim()
            .rsplit_once(' ')
            .and_then(|(_, number)| number.parse().ok());
        connections
            .ok_or_else(|| format!("the upstream's statistics make no sense: {stats}").into())
    }
}

/// Serves until standard input ends.
pub(crate) async fn serve(arguments: Arguments) -> Result<(), Failed> {
    let acceptor = tls(&arguments.certs)?;
    let (plain, tls) = (
        TcpListener::bind("127.0.0.1:0").await?,
        TcpListener::bind("127.0.0.1:0").await?,
    );
    let mut out = std::io::stdout();
    writeln!(out, "{} {}", plain.local_addr()?, tls.local_addr()?)?;
    out.flush()?;
    let server = Arc::new(Server::new(&arguments));
    let mut connections = JoinSet::new();
    let mut parent =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    loop {
        tokio::select! {
            accepted = plain.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                connections.spawn(server.clone().connection(stream));
            }
            accepted = tls.accept() => {
                let (stream, _) = accepted?;
                stream.set_nodelay(true)?;
                let (server, acceptor) = (server.clone(), acceptor.clone());
                connections.spawn(async move { server.connection(acceptor.accept(stream).await?).await });
            }
            // Clients leave as they like; that is no failure of the server.
            Some(_) = connections.join_next() => {}
            _ = &mut parent => return Ok(()),
        }
    }
}

fn tls(certs: &Path) -> Result<TlsAcceptor, Failed> {
    let chain = vec![CertificateDer::from_pem_file(certs.join("server.pem"))?];
    let key = PrivateKeyDer::from_pem_file(certs.join("server.key"))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

struct Server {
    document: Vec<u8>,
    /// The response head, then one HTTP chunk per event, then the last chunk.
    stream: Vec<Vec<u8>>,
    think: Duration,
    requests: AtomicU64,
    connections: AtomicU64,
}

impl Server {
    fn new(arguments: &Arguments) -> Server {
        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
        let chunk = |event: String| format!("{:x}\r\n{event}\r\n", event.len());
        let events = script::events(arguments.chunks.into())
            .into_iter()
            .map(chunk);
        let stream = std::iter::once(head.to_owned())
            .chain(events)
            .chain(["0\r\n\r\n".to_owned()]);
        Server {
            document: document("application/json", &script::document()),
            stream: stream.map(String::into_bytes).collect(),
            think: Duration::from_millis(arguments.think_ms),
            requests: AtomicU64::new(0),
            connections: AtomicU64::new(0),
        }
    }

    async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
        self: Arc<Self>,
        mut stream: S,
    ) -> std::io::Result<()> {
        let ours = self.connections.fetch_add(1, Ordering::Relaxed) + 1;
        let mut read = Vec::with_capacity(8 << 10);
        while let Some(length) = request(&mut stream, &mut read).await? {
            let asked = read.get(..length).unwrap_or_default();
            if asked.starts_with(b"GET /stats ") {
                let text = format!(
                    "requests {} connections {}\n",
                    self.requests.load(Ordering::Relaxed),
                    ours
                );
                stream.write_all(&document("text/plain", &text)).await?;
            } else {
                let streamed = client::find(asked, b"\"stream\":true").is_some();
                self.answer(&mut stream, streamed).await?;
            }
            stream.flush().await?;
            read.drain(..length);
        }
        Ok(())
    }

    async fn answer<S: AsyncWrite + Unpin>(
        &self,
        stream: &mut S,
        streamed: bool,
    ) -> std::io::Result<()> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        if !self.think.is_zero() {
            tokio::time::sleep(self.think).await;
        }
        if !streamed {
            return stream.write_all(&self.document).await;
        }
        // One write per token, as model servers do.
        for part in &self.stream {
            stream.write_all(part).await?;
        }
        Ok(())
    }
}

/// Reads until `read` begins with a whole request, and returns its length; `None` if the client left.
async fn request<S: AsyncRead + Unpin>(
    stream: &mut S,
    read: &mut Vec<u8>,
) -> std::io::Result<Option<usize>> {
    loop {
        if let Some(head) = client::head_length(read) {
            let length =
                head + client::content_length(read.get(..head).unwrap_or_default()).unwrap_or(0);
            if read.len() >= length {
                return Ok(Some(length));
            }
        }
        if stream.read_buf(read).await? == 0 {
            return Ok(None);
        }
    }
}

fn document(kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}
