//! One HTTP/1.1 connection, driven by whoever waits on it.
//!
//! hyper wants its connection polled beside the request and the body. Handing that to a task of its
//! own would leave a socket open after the answer was dropped, and a task that nobody waits for.
//! Here the connection lives in the same value as the body, so dropping that value closes it.

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming};
use hyper::client::conn::http1::{Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use crate::error::{Failure, ProtocolFault, UpstreamError};

/// A connection on which one request at a time can be asked.
pub(super) struct Wire {
    sender: SendRequest<Full<Bytes>>,
    driver: Driver,
    /// Bytes that the server has sent on it, ever.
    received: Arc<AtomicU64>,
    /// The same when the current request was sent; `None` before the second request.
    received_before: Option<u64>,
    requests: u64,
}

/// hyper's side of the connection, which must not be polled again once it is done.
struct Driver {
    connection: Connection<TokioIo<Transport>, Full<Bytes>>,
    closed: bool,
}

impl Wire {
    pub(super) fn new(
        sender: SendRequest<Full<Bytes>>,
        connection: Connection<TokioIo<Transport>, Full<Bytes>>,
        received: Arc<AtomicU64>,
    ) -> Wire {
        Wire {
            sender,
            driver: Driver {
                connection,
                closed: false,
            },
            received,
            received_before: None,
            requests: 0,
        }
    }

    /// Sends a request and waits for status and headers.
    ///
    /// Not cancel safe: after a drop, the connection is in the middle of an exchange and must be
    /// dropped too.
    pub(super) async fn ask(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, UpstreamError> {
        if self.requests > 0 {
            self.received_before = Some(self.received.load(Ordering::Relaxed));
        }
        self.requests += 1;
        let driver = &mut self.driver;
        let mut response = pin!(self.sender.send_request(request));
        let result = poll_fn(|context| {
            let closed = driver.poll(context);
            match response.as_mut().poll(context) {
                Poll::Ready(result) => Poll::Ready(Some(result)),
                Poll::Pending if closed => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        match result {
            Some(Ok(response)) => Ok(response),
            Some(Err(error)) => {
                self.driver.closed = true;
                Err(broken(&error))
            }
            None => Err(Failure::Incomplete.into()),
        }
    }

    /// Whether a request on a *reused* connection failed before the server sent one byte of an
    /// answer to it: then the server had closed the idle connection, and asking again elsewhere
    /// repeats nothing.
    pub(super) fn lost_before_any_answer(&self) -> bool {
        self.driver.closed && self.received_before == Some(self.received.load(Ordering::Relaxed))
    }

    /// The next piece of a body; `None` at its end. Trailers are dropped. Cancel safe.
    pub(super) fn poll_data(
        &mut self,
        body: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, UpstreamError>>> {
        loop {
            match ready!(self.poll_frame(body, context)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
            }
        }
    }

    fn poll_frame(
        &mut self,
        body: &mut Incoming,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        // Polling the body first tells hyper that more is wanted; driving the connection then fills it.
        let mut frame = Pin::new(&mut *body).poll_frame(context);
        if frame.is_pending() {
            let closed = self.driver.poll(context);
            frame = Pin::new(body).poll_frame(context);
            if frame.is_pending() && closed {
                return Poll::Ready(Some(Err(Failure::Incomplete.into())));
            }
        }
        frame.map_err(|error| broken(&error))
    }

    /// Whether the connection can carry another request: the last body has ended (and had nothing
    /// more to say), and the server has neither closed nor spoken out of turn.
    pub(super) fn is_reusable(&mut self, rest: &mut Incoming) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        let ended = matches!(self.poll_data(rest, &mut context), Poll::Ready(None));
        ended && !self.driver.poll(&mut context) && self.sender.is_ready()
    }
}

impl Driver {
    /// Moves bytes in both directions; whether the connection is closed.
    fn poll(&mut self, context: &mut Context<'_>) -> bool {
        if !self.closed {
            // What went wrong is told by the request or the body that it went wrong for.
            self.closed = Pin::new(&mut self.connection).poll(context).is_ready();
        }
        self.closed
    }
}

/// A TCP stream, encrypted or not, that counts what the server sends.
pub(super) struct Transport {
    stream: Stream,
    received: Arc<AtomicU64>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Transport {
    pub(super) fn plain(stream: TcpStream) -> Transport {
        Transport::new(Stream::Plain(stream))
    }

    pub(super) fn tls(stream: TlsStream<TcpStream>) -> Transport {
        Transport::new(Stream::Tls(Box::new(stream)))
    }

    /// The running count of bytes received.
    pub(super) fn received(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.received)
    }

    fn new(stream: Stream) -> Transport {
        Transport {
            stream,
            received: Arc::default(),
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Stream::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        let read = buffer.filled().len() - before;
        self.received.fetch_add(read as u64, Ordering::Relaxed);
        result
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_flush(context),
            Stream::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// What a hyper error means: bytes that are not HTTP, or a connection that ended too soon.
fn broken(error: &hyper::Error) -> UpstreamError {
    let failure = if error.is_parse() {
        Failure::Protocol(ProtocolFault::BadHttp)
    } else {
        Failure::Incomplete
    };
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    UpstreamError::new(failure, &format!("{error}: {cause}"))
}
