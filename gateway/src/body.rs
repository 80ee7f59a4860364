//! Response bodies: whole, or coming through a channel of one frame.
//!
//! A streamed body ends well only if its producer says so. If the producer vanishes (a panic, an abandoned task),
//! the body ends with an error, which closes the connection without an end mark: never a silent cut.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::Frame;
use tokio::sync::mpsc;

/// The body of every response.
#[derive(Debug)]
pub enum Body {
    /// All of it, until it is taken.
    Whole(Option<Bytes>),
    /// Piece by piece.
    Stream(mpsc::Receiver<Part>),
    /// Over.
    Ended,
}

/// A piece of a streamed body.
#[derive(Debug)]
pub enum Part {
    /// More bytes.
    Data(Bytes),
    /// The end, as it should be.
    End,
}

/// The producer vanished.
#[derive(Debug, thiserror::Error)]
#[error("the answer was abandoned")]
pub struct Abandoned;

impl Body {
    /// A streamed body and its producer's end. The channel holds one part: backpressure reaches the upstream.
    pub fn stream() -> (mpsc::Sender<Part>, Body) {
        let (sender, receiver) = mpsc::channel(1);
        (sender, Body::Stream(receiver))
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Body {
        Body::Whole(Some(bytes))
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Abandoned;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Abandoned>>> {
        let next = match &mut *self {
            Body::Whole(bytes) => {
                return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))));
            }
            Body::Ended => return Poll::Ready(None),
            Body::Stream(receiver) => std::task::ready!(receiver.poll_recv(context)),
        };
        match next {
            Some(Part::Data(bytes)) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
            Some(Part::End) => {
                *self = Body::Ended;
                Poll::Ready(None)
            }
            None => {
                *self = Body::Ended;
                Poll::Ready(Some(Err(Abandoned)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Body::Ended | Body::Whole(None))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Body::Whole(bytes) => {
                http_body::SizeHint::with_exact(bytes.as_ref().map_or(0, |b| b.len() as u64))
            }
            Body::Ended => http_body::SizeHint::with_exact(0),
            Body::Stream(_) => http_body::SizeHint::default(),
        }
    }
}
