//! A real gateway in a process of its own: this executable, running `serve` on files that the demo wrote.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use super::beat::Surprise;

/// It is ready in well under a second.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lines of its log that are shown if it does not start.
const LINES_SHOWN: usize = 5;

/// A child that serves. Killed when dropped.
pub(super) struct Served {
    process: Child,
    pub(super) address: SocketAddr,
    log: Lines<BufReader<ChildStderr>>,
}

impl Served {
    /// Starts it, and waits until it says where it serves.
    pub(super) async fn start(config: &Path) -> Result<Served, Surprise> {
        let failed = |e: std::io::Error| Surprise::failed("starting `portcullis serve`", e);
        let executable = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(executable);
        command.arg("serve").arg("--config").arg(config);
        // What is meant for this process is not meant for that one.
        for (name, _) in std::env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"PORTCULLIS_") {
                command.env_remove(name);
            }
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut process = command.spawn().map_err(failed)?;
        let stderr = process.stderr.take();
        let stderr =
            stderr.ok_or_else(|| Surprise::failed("starting `portcullis serve`", "no log"))?;
        let mut log = BufReader::new(stderr).lines();
        let address = timeout(PATIENCE, address(&mut log)).await;
        let address =
            address.map_err(|e| Surprise::failed("waiting for `portcullis serve`", e))??;
        Ok(Served {
            process,
            address,
            log,
        })
    }

    /// Reads its log, so that it never waits for a reader. Never ends while it runs.
    pub(super) async fn read_log(&mut self) {
        while let Ok(Some(_)) = self.log.next_line().await {}
        std::future::pending().await
    }

    /// kill -9: it gets no chance to do anything more.
    pub(super) async fn kill(mut self) -> Result<(), Surprise> {
        let killed = self.process.kill().await;
        killed.map_err(|e| Surprise::failed("killing it", e))
    }
}

/// The address in the first log line that names one.
async fn address(log: &mut Lines<BufReader<ChildStderr>>) -> Result<SocketAddr, Surprise> {
    let mut last = VecDeque::new();
    while let Ok(Some(line)) = log.next_line().await {
        let said: Value = serde_json::from_str(&line).unwrap_or_default();
        let serving = said
            .pointer("/fields/message")
            .is_some_and(|m| m == "serving model traffic over TLS");
        let address = said.pointer("/fields/address").and_then(Value::as_str);
        if let (true, Some(Ok(address))) = (serving, address.map(str::parse)) {
            return Ok(address);
        }
        last.push_back(line);
        if last.len() > LINES_SHOWN {
            last.pop_front();
        }
    }
    let last: Vec<_> = last.into();
    Err(Surprise::new(
        "`portcullis serve`",
        "that it serves",
        last.join("\n"),
    ))
}
