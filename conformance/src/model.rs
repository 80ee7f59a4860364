//! The model server behind the gateway. It answers what the suite tells it to, and remembers every byte that arrives.
//!
//! It speaks all the protocols, so that a gateway may forward in whichever it likes; and it takes everything, so that
//! nothing but the gateway refuses.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::answer::{Answer, FINE, Written};
use crate::endpoint::Endpoint;

/// No request of a case is longer.
const REQUEST_BYTES_MAX: usize = 64 << 20;

/// A running model server. It stops when it is dropped.
pub struct Model {
    address: SocketAddr,
    state: Arc<State>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct State {
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    answer: Answer,
    received: Vec<Received>,
    /// How often the answer was given as it was told.
    given: usize,
}

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    /// Request line and headers.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Model {
    /// Listens at an address; port 0 takes a free one.
    ///
    /// # Errors
    /// If it cannot listen there.
    pub async fn listen(address: SocketAddr) -> std::io::Result<Model> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State::default());
        let shared = state.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    accepted = listener.accept() => match accepted {
                        Ok((stream, _)) => drop(connections.spawn(serve(stream, shared.clone()))),
                        Err(_) => return,
                    },
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Model {
            address,
            state,
            _tasks: tasks,
        })
    }

    /// Where it is, for the gateway's configuration.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Answers this from now on, and forgets what has arrived.
    pub(crate) fn answers(&self, answer: Answer) {
        *self.state.lock() = Now {
            answer,
            ..Now::default()
        };
    }

    /// What has arrived since.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.state.lock().received.clone()
    }

    /// Whether the answer has been given in full.
    pub(crate) fn has_answered(&self) -> bool {
        self.state.lock().given > 0
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to answer to this.
    fn answer(&self, received: Received) -> Written {
        let path = received.head.split(' ').nth(1).unwrap_or_default();
        // Another path is one that a gateway passes through; it gets a chat's answer, whatever it asks.
        let endpoint = Endpoint::at(path).unwrap_or(Endpoint::Chat);
        let asked: Value = serde_json::from_slice(&received.body).unwrap_or_default();
        let mut now = self.lock();
        now.received.push(received);
        match now.answer.written(endpoint, &asked) {
            Some(written) => {
                now.given += 1;
                written
            }
            None => {
                let plain = Answer::saying(FINE).written(endpoint, &asked);
                plain.unwrap_or_else(|| Written {
                    status: 501,
                    headers: Vec::new(),
                    body: Vec::new(),
                    trailers: Vec::new(),
                })
            }
        }
    }
}

async fn serve(stream: TcpStream, state: Arc<State>) {
    let _ = stream.set_nodelay(true);
    let mut stream = BufReader::new(stream);
    // Whatever goes wrong on this side is seen on the other.
    if let Some(received) = read(&mut stream).await {
        let _ = write(stream.get_mut(), state.answer(received)).await;
        let _ = stream.get_mut().shutdown().await;
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Received> {
    let mut head = String::new();
    loop {
        let line = line(stream).await?;
        if line.is_empty() {
            break;
        }
        head.push_str(&line);
        head.push('\n');
    }
    let header = |name: &str| {
        head.lines().find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field
                .eq_ignore_ascii_case(name)
                .then(|| value.trim().to_owned())
        })
    };
    let mut body = Vec::new();
    if header("transfer-encoding").is_some_and(|kind| kind.eq_ignore_ascii_case("chunked")) {
        loop {
            let size =
                usize::from_str_radix(line(stream).await?.split(';').next()?.trim(), 16).ok()?;
            take(stream, size, &mut body).await?;
            line(stream).await?;
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = header("content-length") {
        take(stream, length.parse().ok()?, &mut body).await?;
    }
    Some(Received { head, body })
}

async fn take(stream: &mut BufReader<TcpStream>, size: usize, body: &mut Vec<u8>) -> Option<()> {
    let at = body.len();
    if at + size > REQUEST_BYTES_MAX {
        return None;
    }
    body.resize(at + size, 0);
    stream.read_exact(body.get_mut(at..)?).await.ok()?;
    Some(())
}

/// One line without its end.
async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await.ok()? {
            b'\n' => break,
            byte if line.len() < 64 << 10 => line.push(byte),
            _ => return None,
        }
    }
    let line = String::from_utf8_lossy(&line).into_owned();
    Some(line.trim_end_matches('\r').to_owned())
}

async fn write(stream: &mut TcpStream, written: Written) -> std::io::Result<()> {
    let mut head = format!(
        "HTTP/1.1 {} Answer\r\nconnection: close\r\n",
        written.status
    );
    for (name, value) in &written.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("transfer-encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await?;
    for piece in written.body.iter().filter(|piece| !piece.is_empty()) {
        let size = format!("{:x}\r\n", piece.len());
        stream
            .write_all(&[size.as_bytes(), piece, b"\r\n"].concat())
            .await?;
    }
    stream.write_all(b"0\r\n").await?;
    for (name, value) in &written.trailers {
        stream
            .write_all(format!("{name}: {value}\r\n").as_bytes())
            .await?;
    }
    stream.write_all(b"\r\n").await
}
