//! When a connection has been silent for too long. hyper bounds the time of an HTTP/1.1 head, but not a client that
//! agrees on HTTP/2 and then says nothing, or nothing any more.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::sleep;

use crate::body::{Abandoned, Body};

/// A connection between two requests may be silent this long: what proxies commonly allow.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// What happens on one connection.
#[derive(Clone, Default)]
pub(super) struct Idle(Arc<Counts>);

#[derive(Default)]
struct Counts {
    /// Requests that began, and frames that were taken of their answers.
    progress: AtomicUsize,
    running: AtomicUsize,
}

/// A response body; its request is being answered until it is dropped.
pub(super) struct Busy {
    body: Body,
    request: Running,
}

/// A request that is being answered.
pub(super) struct Running(Arc<Counts>);

impl Idle {
    /// A request begins.
    pub(super) fn busy(&self) -> Running {
        self.0.progress.fetch_add(1, Ordering::Relaxed);
        self.0.running.fetch_add(1, Ordering::Relaxed);
        Running(self.0.clone())
    }

    /// Resolves once nothing has happened for too long: no request within `first` of the start; none for
    /// [`SILENCE_MAX`] to twice that later on, while none was being answered; or one that was being answered made no
    /// progress for longer than `stuck`, which is a client that does not read.
    pub(super) async fn too_long(&self, first: Duration, stuck: Duration) {
        let (mut wait, mut seen, mut silent) = (first, 0, Duration::ZERO);
        loop {
            sleep(wait).await;
            let progress = self.0.progress.load(Ordering::Relaxed);
            silent = if progress == seen {
                silent + wait
            } else {
                Duration::ZERO
            };
            let running = self.0.running.load(Ordering::Relaxed) > 0;
            if !silent.is_zero() && (!running || silent > stuck) {
                return;
            }
            (wait, seen) = (SILENCE_MAX, progress);
        }
    }
}

impl Running {
    /// Keeps the request running until its response body is dropped.
    pub(super) fn until_the_end_of(self, body: Body) -> Busy {
        Busy {
            body,
            request: self,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}

impl http_body::Body for Busy {
    type Data = Bytes;
    type Error = Abandoned;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Abandoned>>> {
        let next = Pin::new(&mut self.body).poll_frame(context);
        if next.is_ready() {
            self.request.0.progress.fetch_add(1, Ordering::Relaxed);
        }
        next
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
