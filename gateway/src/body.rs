//! Response bodies: whole, or coming through a channel of a few parts.
//!
//! What waits in the channel when the connection is ready to write goes out as one frame: one TLS record, one write.
//! A client that keeps up gets each piece at once.
//!
//! A streamed body ends well only if its producer says so. If the producer vanishes (a panic, an abandoned task),
//! the body ends with an error, which closes the connection without an end mark: never a silent cut.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
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
    /// A streamed body and its producer's end. The channel holds a few parts: backpressure reaches the upstream.
    pub fn stream() -> (mpsc::Sender<Part>, Body) {
        let (sender, receiver) = mpsc::channel(PARTS_MAX);
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
        let receiver = match &mut *self {
            Body::Whole(bytes) => {
                return Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes))));
            }
            Body::Ended => return Poll::Ready(None),
            Body::Stream(receiver) => receiver,
        };
        let mut parts = Vec::new();
        ready!(receiver.poll_recv_many(context, &mut parts, PARTS_MAX));
        match parts.last() {
            Some(Part::Data(_)) => {}
            Some(Part::End) => *self = Body::Ended,
            None => {
                *self = Body::Ended;
                return Poll::Ready(Some(Err(Abandoned)));
            }
        }
        Poll::Ready(joined(parts).map(|bytes| Ok(Frame::data(bytes))))
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

/// The data of some parts; `None` if there is none, which is then the end.
fn joined(parts: Vec<Part>) -> Option<Bytes> {
    let mut data = parts.into_iter().filter_map(|part| match part {
        Part::Data(bytes) => Some(bytes),
        Part::End => None,
    });
    let first = data.next()?;
    let mut rest = data.peekable();
    if rest.peek().is_none() {
        return Some(first);
    }
    let mut all = BytesMut::from(first);
    rest.for_each(|bytes| all.extend_from_slice(&bytes));
    Some(all.freeze())
}

/// Parts that wait for a slow client: a judged window or so each.
const PARTS_MAX: usize = 16;

#[cfg(test)]
mod tests;
