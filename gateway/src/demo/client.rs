//! The demo's client: HTTPS through the demo's own listener, every byte of the answer and when it came.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gateway::tasks::Tasks;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

/// The gateway answers within milliseconds; a real model behind it, on a small machine, may think.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer of the demo is far smaller.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Makes connections to one listener, trusting only the demo's own CA.
#[derive(Clone)]
pub(super) struct Client {
    address: SocketAddr,
    tls: TlsConnector,
    tasks: Tasks,
}

/// One connection, used for one request after the other.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
}

/// An answer that has begun.
pub(super) struct Begun {
    pub(super) status: u16,
    headers: HeaderMap,
    body: Incoming,
    sent: Instant,
    frames: Vec<Bytes>,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    headers: HeaderMap,
    /// How many pieces the body came in.
    pub(super) pieces: usize,
    body: String,
    /// From the request to the last byte.
    pub(super) took: Duration,
}

/// The connection did not do what connections do.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("the CA cannot be read: {0}")]
    Ca(#[from] rustls::pki_types::pem::Error),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the connection failed: {0}")]
    Io(#[from] std::io::Error),
    #[error("HTTP: {0}")]
    Http(#[from] hyper::Error),
    #[error("the request cannot be written: {0}")]
    Request(#[from] http::Error),
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Silence(#[from] tokio::time::error::Elapsed),
    #[error("the answer is larger than {ANSWER_BYTES_MAX} bytes, or not UTF-8")]
    Unreadable,
}

impl Client {
    pub(super) fn new(
        address: SocketAddr,
        ca: &Path,
        tasks: &Tasks,
    ) -> Result<Client, ClientError> {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Client {
            address,
            tls: TlsConnector::from(Arc::new(config)),
            tasks: tasks.clone(),
        })
    }

    /// A TLS connection that is ready for a request.
    pub(super) async fn connect(&self) -> Result<Connection, ClientError> {
        let tcp = TcpStream::connect(self.address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let tls = timeout(PATIENCE, self.tls.connect(name, tcp)).await??;
        let (sender, connection) = http1::handshake(TokioIo::new(tls)).await?;
        // It ends when the sender is dropped, or with an error that the sender reports.
        self.tasks.spawn(async move { drop(connection.await) });
        Ok(Connection { sender })
    }
}

/// Asks a server without TLS for a JSON document below its base address.
pub(super) async fn get_json(base: &http::Uri, below: &str) -> Result<Value, ClientError> {
    let (host, port) = (
        base.host().unwrap_or_default(),
        base.port_u16().unwrap_or(80),
    );
    let tcp = timeout(
        PATIENCE,
        TcpStream::connect((host.trim_matches(['[', ']']), port)),
    )
    .await??;
    let (mut sender, connection) = http1::handshake(TokioIo::new(tcp)).await?;
    let tasks = Tasks::default();
    tasks.spawn(async move { drop(connection.await) });
    let request = Request::get(format!("{}/{below}", base.path().trim_end_matches('/')))
        .header(
            "host",
            base.authority().map_or(host, http::uri::Authority::as_str),
        )
        .body(Full::<Bytes>::default())?;
    let response = timeout(PATIENCE, sender.send_request(request)).await??;
    let (head, body) = response.into_parts();
    let begun = Begun {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
        sent: Instant::now(),
        frames: Vec::new(),
    };
    let reply = begun.finish().await?;
    serde_json::from_str(reply.body()).map_err(|_| ClientError::Unreadable)
}

impl Connection {
    /// Posts a chat completion request, and returns when its answer begins.
    pub(super) async fn begin(&mut self, key: &str, ask: &Value) -> Result<Begun, ClientError> {
        let request =
            Request::post("/v1/chat/completions").header("content-type", "application/json");
        self.send(key, request, Full::from(ask.to_string())).await
    }

    /// Asks which models there are.
    pub(super) async fn models(&mut self, key: &str) -> Result<Reply, ClientError> {
        let begun = self
            .send(key, Request::get("/v1/models"), Full::default())
            .await?;
        begun.finish().await
    }

    /// Posts a chat completion request, and reads the whole answer.
    pub(super) async fn ask(&mut self, key: &str, ask: &Value) -> Result<Reply, ClientError> {
        self.begin(key, ask).await?.finish().await
    }

    /// Whether another request can be sent.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    async fn send(
        &mut self,
        key: &str,
        request: http::request::Builder,
        body: Full<Bytes>,
    ) -> Result<Begun, ClientError> {
        let request = request
            .header("host", "localhost")
            .header("authorization", format!("Bearer {key}"))
            .body(body)?;
        self.sender.ready().await?;
        let sent = Instant::now();
        let response = timeout(PATIENCE, self.sender.send_request(request)).await??;
        let (head, body) = response.into_parts();
        Ok(Begun {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            sent,
            frames: Vec::new(),
        })
    }
}

impl Begun {
    /// The request id, under which the log speaks of it.
    pub(super) fn id(&self) -> &str {
        id(&self.headers)
    }

    /// Reads until some text of the answer has come; the time from the request to it.
    pub(super) async fn first_word(&mut self) -> Result<Option<Duration>, ClientError> {
        while self.next().await? {
            let text = self.text()?;
            if !contents(&text, 0, "content").is_empty() {
                return Ok(Some(self.sent.elapsed()));
            }
        }
        Ok(None)
    }

    /// Reads the rest.
    pub(super) async fn finish(mut self) -> Result<Reply, ClientError> {
        while self.next().await? {}
        Ok(Reply {
            status: self.status,
            pieces: self.frames.len(),
            body: self.text()?,
            took: self.sent.elapsed(),
            headers: self.headers,
        })
    }

    async fn next(&mut self) -> Result<bool, ClientError> {
        let Some(frame) = timeout(PATIENCE, self.body.frame()).await? else {
            return Ok(false);
        };
        self.frames.extend(frame?.into_data());
        let bytes: usize = self.frames.iter().map(Bytes::len).sum();
        if bytes > ANSWER_BYTES_MAX {
            return Err(ClientError::Unreadable);
        }
        Ok(true)
    }

    fn text(&self) -> Result<String, ClientError> {
        String::from_utf8(self.frames.concat()).map_err(|_| ClientError::Unreadable)
    }
}

impl Reply {
    /// The request id, under which the log speaks of it.
    pub(super) fn id(&self) -> &str {
        id(&self.headers)
    }

    /// The body, every byte of it.
    pub(super) fn body(&self) -> &str {
        &self.body
    }

    /// `error.code`
    pub(super) fn code(&self) -> String {
        self.error("code")
    }

    /// `error.param`
    pub(super) fn param(&self) -> String {
        self.error("param")
    }

    /// The content of the first choice, put together.
    pub(super) fn content(&self) -> String {
        if self.is_stream() {
            return contents(&self.body, 0, "content");
        }
        let answer = self.json();
        let content = answer.pointer("/choices/0/message/content");
        content
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// Why the first choice ended.
    pub(super) fn finish_reason(&self) -> String {
        let reasons: Vec<_> = if self.is_stream() {
            events(&self.body).collect()
        } else {
            vec![self.json()]
        };
        let reason = |event: &Value| {
            event
                .pointer("/choices/0/finish_reason")
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        reasons.iter().rev().find_map(reason).unwrap_or_default()
    }

    /// Whether all of the answer came: the end mark of a stream, or a whole object.
    pub(super) fn is_complete(&self) -> bool {
        if self.is_stream() {
            self.body.ends_with("data: [DONE]\n\n")
        } else {
            self.json().get("choices").is_some()
        }
    }

    fn error(&self, key: &str) -> String {
        let answer = self.json();
        let value = answer.get("error").and_then(|error| error.get(key));
        value.and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    fn is_stream(&self) -> bool {
        self.headers
            .get("content-type")
            .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
    }
}

fn id(headers: &HeaderMap) -> &str {
    let id = headers.get("x-request-id");
    id.and_then(|id| id.to_str().ok()).unwrap_or_default()
}

/// One text field of one choice of a stream, put together.
fn contents(stream: &str, choice: u64, field: &str) -> String {
    let delta = |event: Value| -> Option<String> {
        let choices = event.get("choices")?.as_array()?.clone();
        let ours = choices
            .into_iter()
            .find(|one| one.get("index").and_then(Value::as_u64) == Some(choice))?;
        Some(ours.get("delta")?.get(field)?.as_str()?.to_owned())
    };
    events(stream).filter_map(delta).collect()
}

fn events(stream: &str) -> impl Iterator<Item = Value> {
    stream
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str(data).ok())
}
