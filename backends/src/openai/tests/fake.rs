//! A server that says exactly what a script says, byte for byte, and remembers what it was asked.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// One step of the answer to one request.
#[derive(Clone)]
pub(super) enum Say {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing, until the client goes.
    Nothing,
    /// Nothing for a while.
    Pause(Duration),
    /// Close the sending half and read on.
    HalfClose,
    /// Close the connection.
    Close,
}

/// The server. Requests are answered by the scripts in turn, over all connections; a request beyond
/// the last script is answered by closing.
pub(super) struct Fake {
    pub(super) address: SocketAddr,
    state: Arc<State>,
    _serving: JoinSet<()>,
}

#[derive(Default)]
struct State {
    scripts: Mutex<std::collections::VecDeque<Vec<Say>>>,
    seen: Mutex<Vec<Seen>>,
    connections: AtomicUsize,
    client_left: Notify,
    asked: Notify,
    said_all: Notify,
}

/// A request as it arrived.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) head: String,
    pub(super) body: Value,
}

impl Fake {
    /// Answers over plain TCP.
    pub(super) async fn start(scripts: Vec<Vec<Say>>) -> Fake {
        Fake::bind(scripts, None).await
    }

    /// Answers over TLS.
    pub(super) async fn start_tls(scripts: Vec<Vec<Say>>, acceptor: TlsAcceptor) -> Fake {
        Fake::bind(scripts, Some(acceptor)).await
    }

    async fn bind(scripts: Vec<Vec<Say>>, acceptor: Option<TlsAcceptor>) -> Fake {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let state = Arc::new(State {
            scripts: Mutex::new(scripts.into()),
            ..State::default()
        });
        let mut serving = JoinSet::new();
        serving.spawn(accept(listener, acceptor, Arc::clone(&state)));
        Fake {
            address,
            state,
            _serving: serving,
        }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("no panics").clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Waits until a client has left in the middle of an answer.
    pub(super) async fn client_left(&self) {
        self.state.client_left.notified().await;
    }

    /// Waits until a request has arrived.
    pub(super) async fn asked(&self) {
        self.state.asked.notified().await;
    }

    /// Waits until a script has been said to its end, and gives this runtime the time to notice.
    pub(super) async fn said_all(&self) {
        self.state.said_all.notified().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, state: Arc<State>) {
    let mut connections = JoinSet::new();
    while let Ok((tcp, _)) = listener.accept().await {
        state.connections.fetch_add(1, Ordering::SeqCst);
        let (acceptor, state) = (acceptor.clone(), Arc::clone(&state));
        connections.spawn(async move {
            let stream: Box<dyn Stream> = match acceptor {
                None => Box::new(tcp),
                Some(acceptor) => match acceptor.accept(tcp).await {
                    Ok(stream) => Box::new(stream),
                    Err(_) => return,
                },
            };
            // A client that goes away is what many tests are about.
            let _ = serve(stream, &state).await;
        });
    }
}

async fn serve(mut stream: Box<dyn Stream>, state: &State) -> io::Result<()> {
    while let Some(request) = read_request(&mut stream).await? {
        state.seen.lock().expect("no panics").push(request);
        state.asked.notify_one();
        let script = state.scripts.lock().expect("no panics").pop_front();
        for say in script.unwrap_or_else(|| vec![Say::Close]) {
            match say {
                Say::Bytes(bytes) => {
                    stream
                        .write_all(&bytes)
                        .await
                        .inspect_err(|_| state.client_left.notify_one())?;
                    stream.flush().await?;
                }
                Say::Pause(time) => tokio::time::sleep(time).await,
                Say::HalfClose => stream.shutdown().await?,
                Say::Close => return Ok(()),
                Say::Nothing => {
                    let mut byte = [0];
                    while matches!(stream.read(&mut byte).await, Ok(1)) {}
                    state.client_left.notify_one();
                    return Ok(());
                }
            }
        }
        state.said_all.notify_one();
    }
    Ok(())
}

async fn read_request(stream: &mut Box<dyn Stream>) -> io::Result<Option<Seen>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return Ok(None),
        }
    }
    let head = String::from_utf8(head).expect("a text head").to_lowercase();
    let length = head.split("content-length: ").nth(1).expect("a length");
    let length = length.split("\r\n").next().expect("a line");
    let mut body = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut body).await?;
    let body = serde_json::from_slice(&body).expect("a JSON body");
    Ok(Some(Seen { head, body }))
}

/// A whole response with a length.
pub(super) fn response(status: u16, headers: &str, body: &str) -> Say {
    let length = body.len();
    say(format!(
        "HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}"
    ))
}

/// A whole JSON response.
pub(super) fn document(body: &str) -> Say {
    response(200, "content-type: application/json\r\n", body)
}

/// The head of an event stream in chunked coding.
pub(super) fn stream_head() -> Say {
    say(
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n",
    )
}

/// One HTTP chunk.
pub(super) fn chunk(bytes: impl AsRef<[u8]>) -> Say {
    let bytes = bytes.as_ref();
    let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
    framed.extend_from_slice(bytes);
    framed.extend_from_slice(b"\r\n");
    Say::Bytes(framed)
}

/// The end of the chunked coding.
pub(super) fn last_chunk() -> Say {
    say("0\r\n\r\n")
}

/// A whole event stream.
pub(super) fn stream(events: impl AsRef<[u8]>) -> Vec<Say> {
    vec![stream_head(), chunk(events), last_chunk()]
}

pub(super) fn say(text: impl Into<String>) -> Say {
    Say::Bytes(text.into().into_bytes())
}
