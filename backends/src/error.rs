//! What can go wrong with an upstream, whose fault it is, and whether asking again is safe.
//!
//! A server's own words about a failure can hold account names or pieces of the prompt. They travel
//! in [`Detail`], bounded and invisible to `Display` and `Debug`; only the sealed log may have them.

use std::fmt;
use std::time::Duration;

use thiserror::Error;

/// Why an upstream gave no answer, or stopped in the middle of one.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{failure}")]
pub struct UpstreamError {
    failure: Failure,
    detail: Detail,
}

/// The kinds of failure that a caller would tell apart.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Failure {
    /// No connection could be made.
    #[error("could not connect to the upstream: {0}")]
    Connect(std::io::ErrorKind),
    /// The TLS handshake failed: unknown issuer, wrong name, expired certificate.
    #[error("the upstream's TLS handshake failed")]
    Tls,
    /// The server refused *our* credential (401 or 403).
    #[error("the upstream refused our credential")]
    Auth,
    /// The server asks for patience (429).
    #[error("the upstream is throttling")]
    Throttled {
        /// How long it asks us to wait.
        retry_after: Option<Duration>,
    },
    /// Any other HTTP status than 200.
    #[error("the upstream answered with status {status}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The server's error code or type: at most 64 characters of `[A-Za-z0-9_.-]`.
        vendor_code: Option<String>,
    },
    /// The prompt does not fit the model's context window.
    #[error("the prompt does not fit the model's context window")]
    ContextLength,
    /// The server's own filter refused the prompt.
    #[error("the upstream's own filter refused the prompt")]
    ContentFilter,
    /// One of the four clocks ran out.
    #[error("the upstream's {0} clock ran out")]
    Timeout(Clock),
    /// The answer stopped before its end was proved.
    #[error("the upstream's answer stopped before its end mark")]
    Incomplete,
    /// The answer was not what the protocol says.
    #[error("the upstream broke the protocol: {0}")]
    Protocol(ProtocolFault),
    /// This answer has failed before; there is nothing more to read.
    #[error("the answer has already failed")]
    Closed,
}

/// The four clocks of a request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Clock {
    /// Resolving, connecting and the TLS handshake.
    Connect,
    /// From the request to the first event.
    FirstByte,
    /// Between two chunks.
    Idle,
    /// The whole request, or the caller's deadline where that is sooner.
    Whole,
}

/// In what way a server broke the protocol.
#[derive(Clone, Copy, Debug, Error, Eq, Hash, PartialEq)]
pub enum ProtocolFault {
    /// The HTTP framing itself is broken, or the response head is too large.
    #[error("malformed HTTP")]
    BadHttp,
    /// A body that is neither JSON nor an event stream.
    #[error("unexpected content type")]
    ContentType,
    /// A content coding that was not asked for, and that would hide the text.
    #[error("compressed answer")]
    Compressed,
    /// A redirect; following one could carry the prompt to a place nobody configured.
    #[error("redirect")]
    Redirect,
    /// Not JSON, a wrong type, or the same field twice.
    #[error("malformed JSON")]
    BadJson,
    /// Text that is not UTF-8.
    #[error("text that is not UTF-8")]
    NotUtf8,
    /// Status 200 with an error in the body.
    #[error("an error under status 200")]
    ErrorInBody,
    /// An event or an answer beyond its limit.
    #[error("larger than the limit")]
    Oversized,
    /// Status 200 and a proper end, but nothing in between.
    #[error("an empty answer")]
    EmptyAnswer,
    /// Not one vector for each text, all of one length and all numbers finite.
    #[error("unexpected vectors")]
    UnexpectedVectors,
    /// A choice that was not asked for, or the same one twice in a plain answer.
    #[error("an unexpected choice")]
    UnexpectedChoice,
    /// More text for a choice that had finished, or a second, different finish reason.
    #[error("more after a finish reason")]
    AfterFinish,
    /// A tool call with a changing or unprintable id, a changing name, or an index beyond the limit.
    #[error("a confused tool call")]
    BadToolCall,
}

/// Who can do something about a failure.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Blame {
    /// The caller: a shorter or another prompt would do.
    Downstream,
    /// The server, or the network between.
    Upstream,
    /// Us: our credential, our trust anchors, our own misuse.
    Ours,
}

/// A server's own words about a failure: at most 1 KiB, for the sealed log only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Detail(String);

impl UpstreamError {
    /// A failure about which the server said `words`; cut to 1 KiB.
    pub fn new(failure: Failure, words: &str) -> UpstreamError {
        UpstreamError {
            failure,
            detail: Detail::cut(words),
        }
    }

    /// What kind of failure it is.
    pub fn failure(&self) -> &Failure {
        &self.failure
    }

    /// What the server said about it; empty if nothing.
    pub fn detail(&self) -> &Detail {
        &self.detail
    }
}

impl From<Failure> for UpstreamError {
    fn from(failure: Failure) -> UpstreamError {
        UpstreamError {
            failure,
            detail: Detail::default(),
        }
    }
}

impl From<ProtocolFault> for UpstreamError {
    fn from(fault: ProtocolFault) -> UpstreamError {
        Failure::Protocol(fault).into()
    }
}

impl Failure {
    /// Who can do something about it.
    pub fn blame(&self) -> Blame {
        match self {
            Failure::ContextLength | Failure::ContentFilter => Blame::Downstream,
            Failure::Auth | Failure::Tls | Failure::Closed => Blame::Ours,
            Failure::Connect(_)
            | Failure::Throttled { .. }
            | Failure::Status { .. }
            | Failure::Timeout(_)
            | Failure::Incomplete
            | Failure::Protocol(_) => Blame::Upstream,
        }
    }

    /// Whether the same request may be sent again, provided that no event of it was released.
    ///
    /// A first-byte timeout is not among them: the model may still be busy with the first request,
    /// and a second one would double its load.
    pub fn retry_is_safe(&self) -> bool {
        match self {
            Failure::Connect(_)
            | Failure::Throttled { .. }
            | Failure::Timeout(Clock::Connect)
            | Failure::Status {
                status: 502..=504, ..
            } => true,
            Failure::Tls
            | Failure::Auth
            | Failure::Status { .. }
            | Failure::ContextLength
            | Failure::ContentFilter
            | Failure::Timeout(_)
            | Failure::Incomplete
            | Failure::Protocol(_)
            | Failure::Closed => false,
        }
    }
}

impl Detail {
    /// The words themselves. They come from outside and may quote the prompt: seal them.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether the server said nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn cut(words: &str) -> Detail {
        Detail(cut(words, DETAIL_BYTES_MAX).to_owned())
    }
}

impl fmt::Debug for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Detail({} bytes)", self.0.len())
    }
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Clock::Connect => "connect",
            Clock::FirstByte => "first-byte",
            Clock::Idle => "idle",
            Clock::Whole => "whole-request",
        })
    }
}

/// The longest prefix of at most `bytes_max` bytes that is still text.
pub(crate) fn cut(text: &str, bytes_max: usize) -> &str {
    let end = text.floor_char_boundary(bytes_max);
    text.get(..end).unwrap_or_default()
}

/// Enough for a vendor's message, too little for a conversation.
const DETAIL_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests;
