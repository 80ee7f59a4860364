//! What comes back: an [`Answer`] from which [`Event`]s are pulled one by one.
//!
//! Plain and streamed answers look the same here. An answer is over in exactly one of two ways:
//! `None`, which means that the server *proved* the end, or one error, after which there is nothing
//! more. Pulling is the only thing that reads from the server, so whoever is slow to pull slows the
//! server down, and an answer takes no more memory than one read and one event.

use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use crate::error::{Failure, UpstreamError};

/// One thing that happened in an answer. Texts are never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// More text of a choice.
    Text {
        /// Which choice, `0..n`.
        choice: u32,
        /// Which of its texts.
        field: TextField,
        /// The piece, to be appended.
        text: String,
    },
    /// A tool call begins or goes on.
    ToolCall {
        /// Which choice, `0..n`.
        choice: u32,
        /// Which call of that choice; calls may interleave.
        index: u32,
        /// Its id, once: at most 128 printable ASCII characters.
        id: Option<String>,
        /// The function's name, once.
        name: Option<String>,
        /// A piece of the arguments, to be appended; may be empty.
        arguments: String,
    },
    /// A choice is complete; once for each choice that appeared.
    Finish {
        /// Which choice, `0..n`.
        choice: u32,
        /// Why it ended.
        reason: FinishReason,
    },
    /// What it cost. Exactly once, as the last event before the end.
    Usage(Usage),
}

/// The texts that a choice has.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum TextField {
    /// The answer itself.
    Content,
    /// The model's thinking.
    Reasoning,
    /// The model's own refusal.
    Refusal,
}

/// Why a choice ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishReason {
    /// It was done, or reached a stop text.
    Stop,
    /// It reached its token limit.
    Length,
    /// It wants tools to be called.
    ToolCalls,
    /// The server's own filter ended it.
    ContentFilter,
    /// The server's own word, kept raw (at most 64 bytes) and never taken for `Stop`.
    Other(String),
}

/// Tokens spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the prompt.
    pub input: u64,
    /// Tokens of all choices together.
    pub output: u64,
    /// The server did not say: both numbers are upper bounds made here from byte counts.
    pub estimated: bool,
}

/// What was noticed about an answer beside its events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// Response fields that were dropped because this crate does not know them.
    pub stripped: u64,
    /// The server went on after its end mark. Nothing of that is ever shown.
    pub spoke_after_end: bool,
    /// The model's name as the server tells it, at most 128 bytes.
    pub model: Option<String>,
    /// How many times the server was asked, at least 1 once an answer exists.
    pub attempts: u32,
}

/// The producing side of an [`Answer`]: implemented by adapters, and by tests that script one.
pub trait EventSource: Send {
    /// The next event; `None` only once the end is proved. Not called again after `None` or an error.
    ///
    /// Half-read input belongs in the source, not in a future, so that the caller may stop polling
    /// at any time and go on later.
    fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, UpstreamError>>>;

    /// What was noticed so far.
    fn remarks(&self) -> Remarks {
        Remarks::default()
    }
}

/// An answer on its way. Dropping it closes the connection to the server at once, which makes
/// servers stop generating.
pub struct Answer {
    vendor_request_id: Option<String>,
    state: State,
    /// Taken from the source when it is let go.
    remarks: Remarks,
}

enum State {
    Open(Box<dyn EventSource>),
    Ended,
    Failed,
}

impl Answer {
    /// An answer that pulls from `source`.
    pub fn new(vendor_request_id: Option<String>, source: Box<dyn EventSource>) -> Answer {
        Answer {
            vendor_request_id,
            state: State::Open(source),
            remarks: Remarks::default(),
        }
    }

    /// The server's own id for this request: at most 128 printable ASCII characters.
    pub fn vendor_request_id(&self) -> Option<&str> {
        self.vendor_request_id.as_deref()
    }

    /// The next event. `None` only after proof that the answer is complete (`[DONE]`, or a complete
    /// JSON document, with a finish reason for every choice), and from then on always.
    ///
    /// Cancel safe: what was half read stays in the answer, so no event is lost when the returned
    /// future is dropped and this is called again.
    ///
    /// # Errors
    ///
    /// One error ends the answer; what was released before it stays true. Further calls yield
    /// [`Failure::Closed`].
    pub async fn next(&mut self) -> Option<Result<Event, UpstreamError>> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// [`Answer::next`] for callers that poll by hand.
    pub fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Event, UpstreamError>>> {
        let source = match &mut self.state {
            State::Open(source) => source,
            State::Ended => return Poll::Ready(None),
            State::Failed => return Poll::Ready(Some(Err(Failure::Closed.into()))),
        };
        let Poll::Ready(next) = source.poll_next(context) else {
            return Poll::Pending;
        };
        match &next {
            Some(Ok(_)) => {}
            Some(Err(_)) => self.let_go(State::Failed),
            None => self.let_go(State::Ended),
        }
        Poll::Ready(next)
    }

    /// How many unknown response fields were dropped so far.
    pub fn stripped(&self) -> u64 {
        self.remarks().stripped
    }

    /// What was noticed so far; complete once [`Answer::next`] has yielded `None` or an error.
    pub fn remarks(&self) -> Remarks {
        match &self.state {
            State::Open(source) => source.remarks(),
            State::Ended | State::Failed => self.remarks.clone(),
        }
    }

    /// Lets the source go, and with it the connection.
    fn let_go(&mut self, next: State) {
        if let State::Open(source) = std::mem::replace(&mut self.state, next) {
            self.remarks = source.remarks();
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Open(_) => "open",
            State::Ended => "ended",
            State::Failed => "failed",
        };
        f.debug_struct("Answer")
            .field("vendor_request_id", &self.vendor_request_id)
            .field("state", &state)
            .finish_non_exhaustive()
    }
}

impl FinishReason {
    /// The word that OpenAI's API uses; the server's own for [`FinishReason::Other`].
    pub fn as_str(&self) -> &str {
        match self {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
            FinishReason::ToolCalls => "tool_calls",
            FinishReason::ContentFilter => "content_filter",
            FinishReason::Other(raw) => raw,
        }
    }
}

#[cfg(test)]
mod tests;
