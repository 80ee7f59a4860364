//! One kept HTTP/1.1 connection, spoken by hand: an HTTP library would take as much of the processor as the gateway
//! that is measured. It knows what it asks for and what must come back, and takes nothing else for an answer.
//!
//! Invariant: between two exchanges the connection is silent, so whatever is read belongs to the exchange in hand.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Failed;
use crate::plan::Mode;
use crate::script;

/// Whom to ask, and what.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    /// Over TLS, if there is a connector.
    pub(crate) tls: Option<TlsConnector>,
    pub(crate) mode: Mode,
    request: Vec<u8>,
}

/// How long one exchange took, from before the request was written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Until the first text of the answer was here.
    pub(crate) first: Duration,
    /// Until all of it was here.
    pub(crate) whole: Duration,
}

/// A connection to a target.
pub(crate) struct Connection {
    stream: Box<dyn Stream>,
    read: Vec<u8>,
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Target {
    /// A target that is asked the script's question.
    pub(crate) fn new(
        address: SocketAddr,
        tls: Option<TlsConnector>,
        mode: Mode,
        key: &str,
    ) -> Target {
        let body = script::question(mode);
        let length = body.len();
        let request = format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        Target {
            address,
            tls,
            mode,
            request: request.into_bytes(),
        }
    }

    /// Connects, with the handshake done.
    pub(crate) async fn connect(&self) -> Result<Connection, Failed> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let stream: Box<dyn Stream> = match &self.tls {
            Some(connector) => Box::new(
                connector
                    .connect(ServerName::try_from("localhost")?, tcp)
                    .await?,
            ),
            None => Box::new(tcp),
        };
        Ok(Connection {
            stream,
            read: Vec::with_capacity(32 << 10),
        })
    }
}

impl Connection {
    /// Asks once, and reads the answer to its end.
    ///
    /// # Errors
    /// Anything but the whole scripted answer.
    pub(crate) async fn exchange(&mut self, target: &Target) -> Result<Sample, Failed> {
        self.read.clear();
        let started = Instant::now();
        self.stream.write_all(&target.request).await?;
        self.stream.flush().await?;
        let mut progress = Progress::default();
        let mut first = None;
        while !progress.is_complete(&self.read)? {
            if self.stream.read_buf(&mut self.read).await? == 0 {
                return Err(format!(
                    "the connection ended within an answer: {}",
                    excerpt(&self.read)
                )
                .into());
            }
            if first.is_none() && progress.has_text(&self.read) {
                first = Some(started.elapsed());
            }
        }
        let whole = started.elapsed();
        expect_the_script(&self.read, target.mode)?;
        Ok(Sample {
            first: first.unwrap_or(whole),
            whole,
        })
    }
}

/// How far a response has come.
#[derive(Default)]
struct Progress {
    head: Option<Head>,
    /// Where text has not been looked for yet.
    searched: usize,
}

struct Head {
    length: usize,
    /// Without one, the body is chunked.
    body: Option<usize>,
}

impl Progress {
    fn is_complete(&mut self, read: &[u8]) -> Result<bool, Failed> {
        if self.head.is_none() {
            self.head = head(read)?;
        }
        Ok(match &self.head {
            None => false,
            Some(Head {
                length,
                body: Some(body),
            }) => read.len() >= length + body,
            // Nothing follows the last chunk, by the invariant.
            Some(Head { .. }) => read.ends_with(b"\r\n0\r\n\r\n"),
        })
    }

    /// Whether the first text is here: a `content` that is not empty.
    fn has_text(&mut self, read: &[u8]) -> bool {
        const BEFORE: &[u8] = b"\"content\":\"";
        while let Some(at) = find(read.get(self.searched..).unwrap_or_default(), BEFORE) {
            let text = self.searched + at + BEFORE.len();
            match read.get(text) {
                None => return false,
                Some(b'"') => self.searched = text,
                Some(_) => return true,
            }
        }
        self.searched = self.searched.max(read.len().saturating_sub(BEFORE.len()));
        false
    }
}

fn head(read: &[u8]) -> Result<Option<Head>, Failed> {
    let Some(length) = head_length(read) else {
        return Ok(None);
    };
    if !read.starts_with(b"HTTP/1.1 200 ") {
        return Err(format!("not the answer that was expected: {}", excerpt(read)).into());
    }
    let body = content_length(read.get(..length).unwrap_or_default());
    Ok(Some(Head { length, body }))
}

fn expect_the_script(read: &[u8], mode: Mode) -> Result<(), Failed> {
    // Near the end: after it come a finish reason, usage and the end mark, a few hundred bytes.
    let tail = read
        .get(read.len().saturating_sub(4096)..)
        .unwrap_or_default();
    let ends = |what: &str| find(tail, what.as_bytes()).is_some();
    let ended = match mode {
        Mode::Plain => ends("\"finish_reason\":\"stop\""),
        Mode::Streamed => ends("\"finish_reason\":\"stop\"") && ends("data: [DONE]"),
    };
    if ended && ends(script::LAST_WORD) {
        return Ok(());
    }
    Err(format!(
        "the answer is not the script's: … {}",
        String::from_utf8_lossy(tail)
    )
    .into())
}

fn excerpt(read: &[u8]) -> String {
    String::from_utf8_lossy(read).chars().take(1000).collect()
}

/// Connects over TLS to whoever shows a certificate of the CA in `certs`.
pub(crate) fn connector(certs: &Path) -> Result<TlsConnector, Failed> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certs.join("ca.pem"))?)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The body of a small document over plain HTTP.
pub(crate) async fn get(address: SocketAddr, path: &str) -> Result<String, Failed> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut read = Vec::new();
    let mut progress = Progress::default();
    while !progress.is_complete(&read)? {
        if stream.read_buf(&mut read).await? == 0 {
            return Err(format!("no answer from http://{address}{path}").into());
        }
    }
    let body = progress.head.map_or(0, |head| head.length);
    Ok(String::from_utf8_lossy(read.get(body..).unwrap_or_default()).into_owned())
}

/// Bytes of the head of a request or response, its empty line included.
pub(crate) fn head_length(read: &[u8]) -> Option<usize> {
    find(read, b"\r\n\r\n").map(|at| at + 4)
}

/// What the head says about the body's length.
pub(crate) fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let line = head.split(|byte| *byte == b'\n').find(|line| {
        line.get(..NAME.len())
            .is_some_and(|name| name.eq_ignore_ascii_case(NAME))
    })?;
    std::str::from_utf8(line.get(NAME.len()..)?)
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Where `wanted` first stands in `bytes`.
pub(crate) fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = 0;
    loop {
        let rest = bytes.get(from..)?;
        let at = rest.iter().position(|byte| *byte == first)?;
        if rest.get(at..)?.starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
}

#[cfg(test)]
mod tests;
