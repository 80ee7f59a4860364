//! A Llama server that says what it is told to, over plain HTTP on loopback. It remembers every request, and it is
//! stricter than a real one: a request it has no script for fails the test.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

use crate::within;

/// What the server does with one request.
#[derive(Debug, Clone)]
pub enum Script {
    /// Answers with these texts, one delta each, streamed or not as it is asked; a question for vectors with
    /// vectors, which hold the number of characters of each text.
    Reply(Vec<String>),
    /// Streams these deltas, each the JSON of `choices`, then `[DONE]`; plain requests fail.
    Chunks(Vec<Value>),
    /// Writes these bytes after the request, whatever it was, and closes.
    Raw(Vec<u8>),
    /// Writes these pieces with a pause before each, and closes.
    Slow(Vec<(Duration, Vec<u8>)>),
    /// Reads the request, and says nothing until the client leaves.
    Silent,
    /// Writes what the test's hand gives, when it gives it, and closes when the hand is dropped.
    ByHand(Strings),
    /// Looks at the request, and then does one of the others.
    Depends(Choice),
}

/// What the server's end of a [`Hand`] pulls.
#[derive(Debug, Clone)]
pub struct Strings(Arc<tokio::sync::Mutex<mpsc::Receiver<Vec<u8>>>>);

/// Gives a server its bytes one piece at a time, so that a test says what comes before what.
pub struct Hand(mpsc::Sender<Vec<u8>>);

/// A function from a request to a script.
#[derive(Clone)]
pub struct Choice(Arc<dyn Fn(&Value) -> Script + Send + Sync>);

impl std::fmt::Debug for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Choice")
    }
}

impl Script {
    /// A script that the test plays by hand.
    pub fn by_hand() -> (Hand, Script) {
        let (hand, strings) = mpsc::channel(1);
        (
            Hand(hand),
            Script::ByHand(Strings(Arc::new(strings.into()))),
        )
    }

    /// A script that depends on the request.
    pub fn depending(choose: impl Fn(&Value) -> Script + Send + Sync + 'static) -> Script {
        Script::Depends(Choice(Arc::new(choose)))
    }

    /// The script whose word is in the newest message; a request without any fails the test.
    pub fn by_word(scripts: impl IntoIterator<Item = (String, Script)>) -> Script {
        let scripts: std::collections::BTreeMap<_, _> = scripts.into_iter().collect();
        Script::depending(move |asked| {
            let text = newest_text(asked);
            let script = text.split(' ').find_map(|word| scripts.get(word));
            script
                .unwrap_or_else(|| panic!("no script for {text}"))
                .clone()
        })
    }

    /// Streams these texts of the first choice's content.
    pub fn saying<'t>(texts: impl IntoIterator<Item = &'t str>) -> Script {
        Script::Reply(texts.into_iter().map(str::to_owned).collect())
    }
}

impl Hand {
    /// Has the server write these bytes. False once the server has lost its client.
    pub async fn gives(&self, bytes: Vec<u8>) -> bool {
        self.0.send(bytes).await.is_ok()
    }
}

/// A server that is being set up.
pub struct FakeLlamaBuilder {
    script: Script,
}

/// A running server.
pub struct FakeLlama {
    address: SocketAddr,
    state: Arc<State>,
    task: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct State {
    requests: Mutex<Vec<Value>>,
    cancelled: AtomicUsize,
    /// Told of every change of the two above.
    changed: watch::Sender<()>,
}

impl State {
    fn is_asked(&self, asked: &Value) {
        self.requests.lock().unwrap().push(asked.clone());
        self.changed.send_replace(());
    }

    fn is_left(&self) {
        self.cancelled.fetch_add(1, Ordering::SeqCst);
        self.changed.send_replace(());
    }
}

impl FakeLlama {
    /// A server that answers every chat with this text.
    pub fn replying(text: &str) -> FakeLlamaBuilder {
        FakeLlama::scripted(Script::Reply(vec![text.to_owned()]))
    }

    /// A server that follows a script.
    pub fn scripted(script: Script) -> FakeLlamaBuilder {
        FakeLlamaBuilder { script }
    }

    /// Where it is, for a backend's `base_url`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// How many requests came.
    pub fn requests_seen(&self) -> usize {
        self.state.requests.lock().unwrap().len()
    }

    /// The bodies of the requests, in order.
    pub fn requests(&self) -> Vec<Value> {
        self.state.requests.lock().unwrap().clone()
    }

    /// How many requests the client left before the script was through.
    pub fn cancelled(&self) -> usize {
        self.state.cancelled.load(Ordering::SeqCst)
    }

    /// Waits until so many requests have come.
    pub async fn has_seen(&self, requests: usize) {
        self.until("a request to the model", || {
            self.requests_seen() >= requests
        })
        .await;
    }

    /// Waits until so many requests have been left.
    pub async fn was_left(&self, requests: usize) {
        self.until("the model's client to leave", || {
            self.cancelled() >= requests
        })
        .await;
    }

    async fn until(&self, what: &str, done: impl Fn() -> bool) {
        let mut changed = self.state.changed.subscribe();
        let waiting = changed.wait_for(|()| done());
        within(what, waiting).await.unwrap();
    }
}

impl Drop for FakeLlama {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl FakeLlamaBuilder {
    /// Starts it on a free port.
    #[expect(
        clippy::disallowed_methods,
        reason = "the server stops with its handle"
    )]
    pub async fn start(self) -> FakeLlama {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = socket.local_addr().unwrap();
        let state = Arc::new(State::default());
        let (script, shared) = (Arc::new(self.script), state.clone());
        let task = tokio::spawn(async move {
            loop {
                let Ok((stream, _)) = socket.accept().await else {
                    return;
                };
                let _ = stream.set_nodelay(true);
                tokio::spawn(serve(stream, script.clone(), shared.clone()));
            }
        });
        FakeLlama {
            address,
            state,
            task,
        }
    }
}

async fn serve(mut stream: TcpStream, script: Arc<Script>, state: Arc<State>) {
    while let Some(body) = read_request(&mut stream).await {
        let asked: Value = serde_json::from_slice(&body).expect("the gateway sends JSON");
        // Chosen before the request counts as seen: a choice may look at the world as it is at this moment.
        let mut script = Script::clone(&script);
        while let Script::Depends(choice) = script {
            script = (choice.0)(&asked);
        }
        state.is_asked(&asked);
        if !play(&mut stream, script, &asked, &state).await {
            return;
        }
    }
}

/// Follows a script; whether the connection may carry another request.
async fn play(stream: &mut TcpStream, script: Script, asked: &Value, state: &State) -> bool {
    let streamed = asked["stream"] == true;
    let pieces = match script {
        Script::Reply(texts) => {
            let reply = match (streamed, asked["input"].as_array()) {
                (_, Some(input)) => vectors(input),
                (true, None) => streamed_reply(&texts),
                (false, None) => plain_reply(&texts.concat(), asked),
            };
            return stream.write_all(&reply).await.is_ok();
        }
        Script::Chunks(chunks) => {
            assert!(streamed, "the script has chunks for streams only");
            return stream.write_all(&event_stream(&chunks)).await.is_ok();
        }
        Script::Raw(bytes) => {
            let _ = stream.write_all(&bytes).await;
            let _ = stream.shutdown().await;
            return false;
        }
        Script::Slow(pieces) => slowly(stream, &pieces).await,
        Script::ByHand(strings) => by_hand(stream, &strings).await,
        Script::Silent => {
            let _ = stream.read(&mut [0]).await;
            false
        }
        Script::Depends(_) => unreachable!("chosen by now"),
    };
    if !pieces {
        state.is_left();
    }
    false
}

/// Writes what the hand gives; false if the client left first.
async fn by_hand(stream: &mut TcpStream, strings: &Strings) -> bool {
    let mut strings = strings.0.lock().await;
    loop {
        let mut byte = [0];
        let piece = tokio::select! {
            piece = strings.recv() => piece,
            _ = stream.read(&mut byte) => {
                strings.close();
                return false;
            }
        };
        let Some(piece) = piece else { return true };
        if stream.write_all(&piece).await.is_err() {
            strings.close();
            return false;
        }
    }
}

/// Writes the pieces; false if the client left first.
async fn slowly(stream: &mut TcpStream, pieces: &[(Duration, Vec<u8>)]) -> bool {
    for (pause, piece) in pieces {
        let mut byte = [0];
        tokio::select! {
            () = tokio::time::sleep(*pause) => {}
            _ = stream.read(&mut byte) => return false,
        }
        if stream.write_all(piece).await.is_err() {
            return false;
        }
    }
    true
}

async fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut read = Vec::new();
    let head = loop {
        if let Some(at) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        let mut some = [0; 4096];
        match stream.read(&mut some).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => read.extend_from_slice(&some[..n]),
        }
    };
    let text = String::from_utf8_lossy(&read[..head]).to_lowercase();
    let known = ["post /v1/chat/completions ", "post /v1/embeddings "];
    assert!(
        known.iter().any(|known| text.starts_with(known)),
        "no script for {text}"
    );
    let length = text
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"))
        .expect("a length");
    let mut body = read.split_off(head);
    let missing = length.trim().parse::<usize>().unwrap() - body.len();
    let at = body.len();
    body.resize(at + missing, 0);
    stream.read_exact(&mut body[at..]).await.ok()?;
    Some(body)
}

/// The text of the newest message.
fn newest_text(asked: &Value) -> String {
    let content = &asked["messages"]
        .as_array()
        .and_then(|all| all.last())
        .unwrap()["content"];
    match content.as_array() {
        None => content.as_str().unwrap_or_default().to_owned(),
        Some(parts) => parts
            .iter()
            .filter_map(|part| part["text"].as_str())
            .collect(),
    }
}

fn vectors(input: &[Value]) -> Vec<u8> {
    let item = |(index, text): (usize, &Value)| {
        let chars = text.as_str().expect("texts").chars().count();
        json!({ "object": "embedding", "index": index, "embedding": [chars, 0.25, -1e-7] })
    };
    let data: Vec<_> = input.iter().enumerate().map(item).collect();
    let body = json!({ "object": "list", "model": "upstream", "data": data,
                       "usage": { "prompt_tokens": 3, "total_tokens": 3 } });
    http_json(&body.to_string())
}

fn plain_reply(text: &str, asked: &Value) -> Vec<u8> {
    let n = asked["n"].as_u64().unwrap_or(1);
    let choice = |index| json!({ "index": index, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" });
    let body = json!({
        "id": "x", "object": "chat.completion", "created": 1, "model": "upstream",
        "choices": (0..n).map(choice).collect::<Vec<_>>(),
        "usage": { "prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8 },
    });
    http_json(&body.to_string())
}

/// A whole HTTP response with a JSON body.
pub fn http_json(body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The head of an event stream whose body ends with the connection or by chunks.
pub fn stream_head() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        .to_vec()
}

/// One HTTP chunk.
pub fn http_chunk(data: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

/// One event with these `choices`.
pub fn sse_chunk(choices: &Value) -> Vec<u8> {
    let chunk = json!({ "id": "x", "object": "chat.completion.chunk", "created": 1, "model": "upstream", "choices": choices });
    http_chunk(format!("data: {chunk}\n\n").as_bytes())
}

/// A delta of the first choice.
pub fn delta(text: &str) -> Value {
    json!([{ "index": 0, "delta": { "content": text }, "finish_reason": null }])
}

/// The end of the first choice.
pub fn stop() -> Value {
    json!([{ "index": 0, "delta": {}, "finish_reason": "stop" }])
}

/// The end of a stream: usage, `[DONE]`, and the last HTTP chunk.
pub fn stream_end() -> Vec<u8> {
    let usage = json!({ "id": "x", "object": "chat.completion.chunk", "created": 1, "model": "upstream", "choices": [],
                        "usage": { "prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 8 } });
    let last = format!("data: {usage}\n\ndata: [DONE]\n\n");
    [http_chunk(last.as_bytes()), b"0\r\n\r\n".to_vec()].concat()
}

fn streamed_reply(texts: &[String]) -> Vec<u8> {
    let mut chunks: Vec<_> = texts.iter().map(|text| delta(text)).collect();
    chunks.push(stop());
    event_stream(&chunks)
}

fn event_stream(chunks: &[Value]) -> Vec<u8> {
    let events = chunks.iter().flat_map(sse_chunk);
    stream_head()
        .into_iter()
        .chain(events)
        .chain(stream_end())
        .collect()
}
