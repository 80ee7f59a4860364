//! The answer of a real server as an event source, under its clocks.
//!
//! One timer serves all clocks. It is set when something is awaited and looked at when it fires, so
//! a chunk that arrives in time costs no timer operation.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::Incoming;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::answer::{Answer, Event, EventSource, Remarks};
use crate::error::{Clock, Failure, UpstreamError};
use crate::openai::decode::{Decoder, Format, Limits};
use crate::openai::pool::Pool;
use crate::openai::reply::Accepted;
use crate::openai::settings::Clocks;
use crate::openai::wire::Wire;

/// Reads one answer.
pub(super) struct Reader {
    /// Taken when the answer is complete.
    line: Option<Line>,
    pool: Arc<Pool>,
    decoder: Decoder,
    /// Decoded and not yet asked for.
    events: VecDeque<Event>,
    /// What comes after those.
    failure: Option<UpstreamError>,
    silence: Silence,
    timer: Pin<Box<Sleep>>,
    vendor_request_id: Option<String>,
    attempts: u32,
}

/// Where the answer comes from.
struct Line {
    wire: Wire,
    body: Incoming,
}

/// When the request was sent and how long what may take.
pub(super) struct Timing {
    pub(super) asked_at: Instant,
    pub(super) clocks: Clocks,
    pub(super) deadline: Instant,
}

/// How long the server may still say nothing.
struct Silence {
    until: Instant,
    clock: Clock,
    format: Format,
    timing: Timing,
}

impl Reader {
    pub(super) fn new(
        accepted: Accepted,
        limits: Limits,
        timing: Timing,
        pool: Arc<Pool>,
        attempts: u32,
    ) -> Reader {
        let silence = Silence::new(accepted.format, timing);
        Reader {
            decoder: Decoder::new(accepted.format, limits),
            line: Some(Line {
                wire: accepted.wire,
                body: accepted.body,
            }),
            pool,
            events: VecDeque::new(),
            failure: None,
            timer: Box::pin(sleep_until(silence.next())),
            silence,
            vendor_request_id: accepted.vendor_request_id,
            attempts,
        }
    }

    /// Waits until it is known that there is an answer, without taking anything from it.
    pub(super) async fn hold_until_first_event(mut self) -> Result<Answer, UpstreamError> {
        let first = poll_fn(|context| self.poll_next(context)).await;
        match first.transpose()? {
            Some(event) => self.events.push_front(event),
            None => return Err(Failure::Incomplete.into()),
        }
        let vendor_request_id = self.vendor_request_id.take();
        Ok(Answer::new(vendor_request_id, Box::new(self)))
    }

    /// Reads once and decodes it. Cancel safe: what was read is in the decoder or in `events`.
    fn poll_read(&mut self, context: &mut Context<'_>) -> Poll<Result<(), UpstreamError>> {
        if Instant::now() >= self.silence.timing.deadline {
            return Poll::Ready(Err(Failure::Timeout(Clock::Whole).into()));
        }
        let Some(line) = &mut self.line else {
            return Poll::Ready(Err(Failure::Closed.into()));
        };
        let Poll::Ready(data) = line.wire.poll_data(&mut line.body, context) else {
            return self.poll_silence(context).map(Err);
        };
        let chunks_before = self.decoder.chunks();
        let result = match data {
            Some(Ok(data)) => self.decoder.push(&data, &mut self.events),
            Some(Err(error)) => Err(error),
            None => self.decoder.finish(&mut self.events),
        };
        let chunks = self.decoder.chunks() > chunks_before;
        self.silence.heard(chunks, !self.events.is_empty());
        Poll::Ready(result)
    }

    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<UpstreamError> {
        // A first event may bring the next deadline nearer.
        if self.silence.next() < self.timer.deadline() {
            self.timer.as_mut().reset(self.silence.next());
        }
        loop {
            ready!(self.timer.as_mut().poll(context));
            if let Some(clock) = self.silence.ran_out() {
                return Poll::Ready(Failure::Timeout(clock).into());
            }
            self.timer.as_mut().reset(self.silence.next());
        }
    }

    /// The answer is complete: its connection may carry another.
    fn give_back(&mut self) {
        if let Some(Line { wire, body }) = self.line.take() {
            self.pool.keep(wire, body);
        }
    }
}

impl EventSource for Reader {
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, UpstreamError>>> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(Some(Ok(event)));
            }
            if let Some(error) = self.failure.take() {
                return Poll::Ready(Some(Err(error)));
            }
            if self.decoder.is_complete() {
                self.give_back();
                return Poll::Ready(None);
            }
            self.failure = ready!(self.poll_read(context)).err();
        }
    }

    fn remarks(&self) -> Remarks {
        Remarks {
            attempts: self.attempts,
            ..self.decoder.remarks()
        }
    }
}

impl Silence {
    fn new(format: Format, timing: Timing) -> Silence {
        let (until, clock) = match format {
            Format::Stream => (timing.asked_at + timing.clocks.first_byte, Clock::FirstByte),
            Format::Document => (Instant::now() + timing.clocks.idle, Clock::Idle),
        };
        Silence {
            until,
            clock,
            format,
            timing,
        }
    }

    /// A read ended. A chunk without an event (the role, say) is no first byte yet; bytes without a
    /// chunk (comments) are no sign of life in a stream, and the only one in a document.
    fn heard(&mut self, chunks: bool, events: bool) {
        if events {
            self.clock = Clock::Idle;
        }
        if self.clock == Clock::Idle && (chunks || self.format == Format::Document) {
            self.until = Instant::now() + self.timing.clocks.idle;
        }
    }

    fn next(&self) -> Instant {
        self.until.min(self.timing.deadline)
    }

    fn ran_out(&self) -> Option<Clock> {
        let now = Instant::now();
        if now >= self.timing.deadline {
            return Some(Clock::Whole);
        }
        (now >= self.until).then_some(self.clock)
    }
}
