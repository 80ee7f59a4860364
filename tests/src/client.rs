//! A client that shows everything: status, headers, every byte, and when each arrived.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::within;

/// Makes TLS connections to one address.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    tls: TlsConnector,
    http2: bool,
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    status: u16,
    headers: HeaderMap,
    /// Data frames as they came, with the time since the request was sent.
    pub frames: Vec<(Duration, Bytes)>,
    /// Whether the body ended as it should.
    pub complete: bool,
}

impl Client {
    /// A client that trusts the CA in `certs`; `identity` names the client certificate to show.
    pub fn new(address: SocketAddr, certs: &Path, identity: Option<&str>) -> Client {
        Client::with(address, certs, identity, false)
    }

    /// The same over HTTP/2.
    pub fn http2(address: SocketAddr, certs: &Path, identity: Option<&str>) -> Client {
        Client::with(address, certs, identity, true)
    }

    fn with(address: SocketAddr, certs: &Path, identity: Option<&str>, http2: bool) -> Client {
        let file = |name: &str, end: &str| certs.join(format!("{name}.{end}"));
        let identity = identity.map(|name| (file(name, "pem"), file(name, "key")));
        let identity = identity
            .as_ref()
            .map(|(chain, key)| (chain.as_path(), key.as_path()));
        Client::showing(address, certs, identity, http2)
    }

    /// A client that trusts the CA in `certs` and shows the certificate in a file, with its key in another.
    pub fn showing(
        address: SocketAddr,
        certs: &Path,
        identity: Option<(&Path, &Path)>,
        http2: bool,
    ) -> Client {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(certs.join("ca.pem")).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = vec![CertificateDer::from_pem_file(chain).unwrap()];
                let key = PrivateKeyDer::from_pem_file(key).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = vec![if http2 {
            b"h2".to_vec()
        } else {
            b"http/1.1".to_vec()
        }];
        Client {
            address,
            tls: TlsConnector::from(Arc::new(config)),
            http2,
        }
    }

    /// A TLS connection with nothing sent on it.
    pub async fn connect(&self) -> std::io::Result<TlsStream<TcpStream>> {
        self.over(TcpStream::connect(self.address).await?).await
    }

    /// The same over a socket of the test's own making.
    pub async fn over(&self, tcp: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        tcp.set_nodelay(true)?;
        self.tls
            .connect(ServerName::try_from("localhost").unwrap(), tcp)
            .await
    }

    /// Sends a request on a connection of its own, and hands back the response as it begins.
    /// Dropping the returned task drops the connection.
    pub async fn begin(
        &self,
        request: Request<Full<Bytes>>,
    ) -> (Response<Incoming>, tokio::task::JoinHandle<()>) {
        let io = TokioIo::new(self.connect().await.unwrap());
        if self.http2 {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
                    .await
                    .unwrap();
            let task = background(connection);
            (sender.send_request(request).await.unwrap(), task)
        } else {
            let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
            let task = background(connection);
            (sender.send_request(request).await.unwrap(), task)
        }
    }

    /// Whether the gateway ends the connection instead of answering: with TLS 1.3, a client learns only then that its
    /// certificate was not accepted.
    pub async fn is_turned_away(&self, request: Request<Full<Bytes>>) -> bool {
        let Ok(stream) = self.connect().await else {
            return true;
        };
        let shaken =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let Ok((mut sender, connection)) = shaken.await else {
            return true;
        };
        let _task = background(connection);
        sender.send_request(request).await.is_err()
    }

    /// Sends the same request again and again on one HTTP/2 connection until it breaks, `most` times at most. Says how
    /// often it was answered.
    pub async fn until_it_breaks(&self, request: &Request<Full<Bytes>>, most: usize) -> usize {
        let io = TokioIo::new(self.connect().await.unwrap());
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
                .await
                .unwrap();
        let _task = background(connection);
        for answered in 0..most {
            let ready = sender.ready().await.is_ok();
            if !ready || sender.send_request(request.clone()).await.is_err() {
                return match sender.ready().await {
                    Ok(()) => panic!("a stream was reset, and the connection goes on"),
                    Err(_) => answered,
                };
            }
        }
        most
    }

    /// Sends a request, and hands over the answer as it comes. Dropping it drops the connection.
    pub async fn open(&self, request: Request<Full<Bytes>>) -> Live {
        let sent = Instant::now();
        let (response, task) = within("the head of an answer", self.begin(request)).await;
        Live::new(response, sent, Some(task))
    }

    /// Writes these bytes on a connection of its own, and reads until the gateway closes it.
    pub async fn raw(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect().await.unwrap();
        // The gateway may answer and close before it has read everything.
        let _ = stream.write_all(bytes).await;
        let mut read = Vec::new();
        let _ = within("the gateway to close", stream.read_to_end(&mut read)).await;
        read
    }

    /// Sends a request and reads the whole answer.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Reply {
        self.open(request).await.rest().await
    }

    /// One connection for many requests at once (HTTP/2).
    pub async fn session(&self) -> Session {
        assert!(self.http2, "a session speaks HTTP/2");
        let io = TokioIo::new(self.connect().await.unwrap());
        let (sender, connection) = hyper::client::conn::http2::handshake(TokioExecutor::new(), io)
            .await
            .unwrap();
        background(connection);
        Session { sender }
    }

    /// A request with a JSON body and a bearer key.
    pub fn request(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: &str,
    ) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(method);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if !self.http2 {
            request = request.header("host", "localhost");
        }
        let uri = if self.http2 {
            format!("https://localhost{path}")
        } else {
            path.to_owned()
        };
        request
            .uri(uri)
            .header("content-type", "application/json")
            .body(Full::from(body.to_owned()))
            .unwrap()
    }
}

/// One connection for many requests at once.
#[derive(Clone)]
pub struct Session {
    sender: hyper::client::conn::http2::SendRequest<Full<Bytes>>,
}

impl Session {
    /// Sends a request and reads the whole answer.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Reply {
        let mut sender = self.sender.clone();
        let sent = Instant::now();
        let response = within("the head of an answer", sender.send_request(request))
            .await
            .unwrap();
        Live::new(response, sent, None).rest().await
    }
}

/// An answer that is on its way.
pub struct Live {
    reply: Reply,
    ended: bool,
    body: Incoming,
    sent: Instant,
    /// The connection, if it is this answer's alone.
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Drop for Live {
    /// The client leaves: its connection is closed.
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

impl Live {
    fn new(
        response: Response<Incoming>,
        sent: Instant,
        task: Option<tokio::task::JoinHandle<()>>,
    ) -> Live {
        let (head, body) = response.into_parts();
        let reply = Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            frames: Vec::new(),
            complete: false,
        };
        Live {
            reply,
            ended: false,
            body,
            sent,
            task,
        }
    }

    /// What has come so far.
    pub fn so_far(&self) -> &Reply {
        &self.reply
    }

    /// Reads one more piece; false at the end.
    pub async fn more(&mut self) -> bool {
        match within("more of the answer", self.body.frame()).await {
            Some(Ok(frame)) => {
                let data = frame.into_data().ok();
                self.reply
                    .frames
                    .extend(data.map(|data| (self.sent.elapsed(), data)));
                return true;
            }
            Some(Err(_)) => self.ended = true,
            None => (self.ended, self.reply.complete) = (true, true),
        }
        false
    }

    /// Reads until this text has come; false if it ends without.
    pub async fn until(&mut self, text: &str) -> bool {
        while !self.reply.text().contains(text) {
            if !self.more().await {
                return false;
            }
        }
        true
    }

    /// Whether nothing comes for this long.
    pub async fn is_silent_for(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.more()).await.is_err()
    }

    /// Reads to the end.
    pub async fn rest(mut self) -> Reply {
        while !self.ended && self.more().await {}
        let nothing = Reply {
            status: 0,
            headers: HeaderMap::new(),
            frames: Vec::new(),
            complete: false,
        };
        std::mem::replace(&mut self.reply, nothing)
    }

    /// The client leaves.
    pub fn leave(self) {}
}

fn background<E>(
    connection: impl Future<Output = Result<(), E>> + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test client has nobody to track its connections for"
    )]
    tokio::spawn(async move { drop(connection.await) })
}

impl Reply {
    /// Reads the bytes of one HTTP/1.1 response whose length it says. `None` if that is not what they are.
    pub fn parse(bytes: &[u8]) -> Option<Reply> {
        let head_bytes = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&bytes[..head_bytes]).ok()?;
        let mut lines = head.lines();
        let status = lines
            .next()?
            .strip_prefix("HTTP/1.1 ")?
            .get(..3)?
            .parse()
            .ok()?;
        let mut headers = HeaderMap::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            headers.append(http::HeaderName::try_from(name).ok()?, value.parse().ok()?);
        }
        let length: usize = headers.get("content-length")?.to_str().ok()?.parse().ok()?;
        let body = Bytes::copy_from_slice(bytes.get(head_bytes..head_bytes + length)?);
        let frames = vec![(Duration::ZERO, body)];
        Some(Reply {
            status,
            headers,
            frames,
            complete: bytes.len() == head_bytes + length,
        })
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// A header's value, empty if it is not there.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Every byte of the body.
    pub fn bytes(&self) -> Vec<u8> {
        self.frames
            .iter()
            .flat_map(|(_, data)| data.iter().copied())
            .collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes()).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes())
            .unwrap_or_else(|e| panic!("not JSON ({e}): {}", self.text()))
    }

    /// `error.code`, empty if there is none.
    pub fn code(&self) -> String {
        self.json()["error"]["code"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// The JSON of every event of a stream, without `[DONE]`.
    pub fn events(&self) -> Vec<Value> {
        let text = self.text();
        let data = text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "))
            .filter(|data| *data != "[DONE]");
        data.map(|data| {
            serde_json::from_str(data).unwrap_or_else(|e| panic!("not JSON ({e}): {data}"))
        })
        .collect()
    }

    /// Whether the stream ended with `[DONE]`.
    pub fn done(&self) -> bool {
        self.text().ends_with("data: [DONE]\n\n")
    }

    /// One text field of one choice, put together from the answer or its deltas.
    pub fn field(&self, choice: u64, field: &str) -> String {
        if self.header("content-type").starts_with("text/event-stream") {
            let deltas = self.events();
            let of_choice = deltas
                .iter()
                .flat_map(|e| e["choices"].as_array().into_iter().flatten())
                .filter(|c| c["index"] == choice);
            of_choice
                .filter_map(|c| c["delta"][field].as_str().map(str::to_owned))
                .collect()
        } else {
            self.choice(choice)["message"][field]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        }
    }

    /// The name and the arguments of every tool call, put together as SDKs do it, by choice and index.
    pub fn calls(&self) -> Vec<(String, String)> {
        let streamed = self.header("content-type").starts_with("text/event-stream");
        let (objects, inner) = match streamed {
            true => (self.events(), "delta"),
            false => (vec![self.json()], "message"),
        };
        let mut calls: BTreeMap<(u64, u64), (String, String)> = BTreeMap::new();
        for choice in objects
            .iter()
            .flat_map(|o| o["choices"].as_array().into_iter().flatten())
        {
            for (at, call) in choice[inner]["tool_calls"]
                .as_array()
                .into_iter()
                .flatten()
                .enumerate()
            {
                let index = call["index"].as_u64().unwrap_or(at as u64);
                let (name, arguments) = calls
                    .entry((choice["index"].as_u64().unwrap(), index))
                    .or_default();
                name.push_str(call["function"]["name"].as_str().unwrap_or_default());
                arguments.push_str(call["function"]["arguments"].as_str().unwrap_or_default());
            }
        }
        calls.into_values().collect()
    }

    /// The content of the first choice.
    pub fn content(&self) -> String {
        self.field(0, "content")
    }

    /// The finish reason of a choice.
    pub fn finish(&self, choice: u64) -> String {
        if self.header("content-type").starts_with("text/event-stream") {
            let events = self.events();
            let choices = events
                .iter()
                .flat_map(|e| e["choices"].as_array().into_iter().flatten());
            choices
                .filter(|c| c["index"] == choice)
                .filter_map(|c| c["finish_reason"].as_str())
                .next_back()
                .unwrap_or_default()
                .to_owned()
        } else {
            self.choice(choice)["finish_reason"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        }
    }

    fn choice(&self, choice: u64) -> Value {
        let answer = self.json();
        answer["choices"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|c| c["index"] == choice)
            .cloned()
            .unwrap_or_default()
    }
}
