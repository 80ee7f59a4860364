//! The adapter for any server that speaks OpenAI chat completions, and perhaps embeddings: vLLM, SGLang, llama.cpp, NIM,
//! TGI, Ollama's `/v1` and most clouds.
//!
//! ```text
//! settings.rs    what an operator sets, checked once
//! encode.rs      a Chat as the JSON that goes up
//! connect.rs     resolve, TCP, TLS, within the connect clock
//! wire.rs        one HTTP/1.1 connection, driven by whoever waits on it
//! pool.rs        connections kept for the next request
//! reply.rs       status and headers: an answer, or which failure
//! vendor.rs      what a server says about a failure
//! retry.rs       when to ask again, and after how long
//! reader.rs      the answer as an event source, under its clocks
//! decode.rs      bytes -> events; pure
//! vectors.rs     embeddings: the request, and the answer, read whole
//! json.rs        reading JSON objects of which unknown fields are counted
//! ```
//!
//! Bounds: see [`OpenAiSettings`]. Connections in use are as many as there are requests; nothing is
//! spawned, so a dropped request or answer takes its connection with it and the server sees it at
//! once.
//!
//! What it does not do: follow redirects, accept compressed answers, read trailers, use a proxy from
//! the environment, or trust certificate authorities that nobody configured.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use hyper::body::Incoming;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::debug;

use crate::answer::{Answer, Usage};
use crate::chat::Chat;
use crate::embed::{Embed, Embedded};
use crate::error::{Clock, Failure, UpstreamError};
use crate::upstream::{BoxFuture, Upstream};

mod connect;
mod decode;
mod encode;
mod json;
mod pool;
mod reader;
mod reply;
mod retry;
mod settings;
mod vectors;
mod vendor;
mod wire;

pub use decode::{Decoder, Format, Limits};
pub use settings::{Clocks, OpenAiSettings, SettingsError};
pub use vectors::embedded;

use pool::Pool;
use reader::{Reader, Timing};
use reply::{Accepted, Refused};
use settings::{Endpoint, Wanted};
use wire::Wire;

/// One OpenAI-compatible server.
pub struct OpenAi {
    endpoint: Endpoint,
    pool: Arc<Pool>,
}

impl OpenAi {
    /// Checks the settings and reads the files they name. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// The first [`SettingsError`] found.
    pub fn new(settings: OpenAiSettings) -> Result<OpenAi, SettingsError> {
        let pool = Pool::new(settings.idle_connections_max, settings.connection_idle_max);
        Ok(OpenAi {
            endpoint: Endpoint::new(settings)?,
            pool: Arc::new(pool),
        })
    }

    /// Asks until there is a first event, a failure that asking again cannot mend, or no time left.
    async fn ask(&self, chat: Chat, deadline: Instant) -> Result<Answer, UpstreamError> {
        let wanted = if chat.stream {
            Wanted::Stream
        } else {
            Wanted::Document
        };
        let question = self.question(encode::body(&chat), wanted, deadline);
        let limits = self.endpoint.limits(chat.sampling.n, question.body.len());
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.attempt(&question, &limits, attempts).await {
                Ok(answer) => return Ok(answer),
                Err(refused) => self.pause(refused, attempts, question.deadline).await?,
            }
        }
    }

    async fn attempt(
        &self,
        question: &Question,
        limits: &Limits,
        attempts: u32,
    ) -> Result<Answer, Refused> {
        let (accepted, timing) = self.accepted(question).await?;
        let pool = Arc::clone(&self.pool);
        let reader = Reader::new(accepted, limits.clone(), timing, pool, attempts);
        Ok(reader.hold_until_first_event().await?)
    }

    /// As [`OpenAi::ask`], for vectors.
    async fn ask_vectors(
        &self,
        embed: Embed,
        deadline: Instant,
    ) -> Result<Embedded, UpstreamError> {
        let question = self.question(vectors::body(&embed), Wanted::Vectors, deadline);
        let mut attempts = 0;
        loop {
            attempts += 1;
            match self.attempt_vectors(&question, &embed).await {
                Ok(mut embedded) => {
                    embedded.remarks.attempts = attempts;
                    return Ok(embedded);
                }
                Err(refused) => self.pause(refused, attempts, question.deadline).await?,
            }
        }
    }

    async fn attempt_vectors(
        &self,
        question: &Question,
        embed: &Embed,
    ) -> Result<Embedded, Refused> {
        let (mut accepted, timing) = self.accepted(question).await?;
        let vendor_request_id = accepted.vendor_request_id.take();
        let bytes_max = self.endpoint.answer_bytes_max();
        let document = vectors::document(accepted, bytes_max, &timing, &self.pool).await?;
        Ok(Embedded {
            vendor_request_id,
            ..embedded(&document, embed)?
        })
    }

    fn question(&self, body: Bytes, wanted: Wanted, deadline: Instant) -> Question {
        Question {
            body,
            wanted,
            deadline: deadline.min(Instant::now() + self.endpoint.clocks.whole),
        }
    }

    /// Waits until it is time to ask again.
    ///
    /// # Errors
    ///
    /// The failure, if that would not mend it, or there is no time.
    async fn pause(
        &self,
        refused: Refused,
        attempts: u32,
        deadline: Instant,
    ) -> Result<(), UpstreamError> {
        let wait = retry::wait(&refused, attempts, self.endpoint.retries_max);
        match wait {
            Some(wait) if Instant::now() + wait < deadline => {
                let (upstream, failure) = (&self.endpoint.name, refused.error.failure());
                debug!(%upstream, attempts, %failure, ?wait, "asking the upstream again");
                sleep(wait).await;
                Ok(())
            }
            _ => Err(refused.error),
        }
    }

    /// Sends the question, and waits for a promise of an answer.
    async fn accepted(&self, question: &Question) -> Result<(Accepted, Timing), Refused> {
        let timing = Timing {
            asked_at: Instant::now(),
            clocks: self.endpoint.clocks,
            deadline: question.deadline,
        };
        let (wire, response) = self.head(question, timing.asked_at).await?;
        let accepted = reply::accept(wire, response, question.deadline).await?;
        Ok((accepted, timing))
    }

    /// Sends the request and waits for status and headers.
    async fn head(
        &self,
        question: &Question,
        asked_at: Instant,
    ) -> Result<(Wire, Response<Incoming>), UpstreamError> {
        if let Some(mut wire) = self.pool.take() {
            match self.exchange(&mut wire, question, asked_at).await {
                Ok(response) => return Ok((wire, response)),
                // The server closed the connection while it was idle: it never saw the request.
                Err(_) if wire.lost_before_any_answer() => {}
                Err(error) => return Err(error),
            }
        }
        let mut wire = connect::connect(&self.endpoint, question.deadline).await?;
        let response = self.exchange(&mut wire, question, asked_at).await?;
        Ok((wire, response))
    }

    async fn exchange(
        &self,
        wire: &mut Wire,
        question: &Question,
        asked_at: Instant,
    ) -> Result<Response<Incoming>, UpstreamError> {
        let request = self
            .endpoint
            .request(question.body.clone(), question.wanted);
        // A plain answer is sent when it is complete, so only the whole clock can bind it.
        let first_byte = asked_at + self.endpoint.clocks.first_byte;
        let streams = question.wanted == Wanted::Stream;
        let (until, clock) = if streams && first_byte < question.deadline {
            (first_byte, Clock::FirstByte)
        } else {
            (question.deadline, Clock::Whole)
        };
        match timeout_at(until, wire.ask(request)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Timeout(clock).into()),
        }
    }
}

impl Upstream for OpenAi {
    fn name(&self) -> &str {
        &self.endpoint.name
    }

    fn send<'a>(
        &'a self,
        chat: Chat,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Answer, UpstreamError>> {
        Box::pin(self.ask(chat, deadline))
    }

    fn embed<'a>(
        &'a self,
        embed: Embed,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Embedded, UpstreamError>> {
        Box::pin(self.ask_vectors(embed, deadline))
    }

    /// Servers of this kind have no common way to ask: an upper bound, and nothing is sent.
    fn count<'a>(&'a self, chat: Chat, _: Instant) -> BoxFuture<'a, Result<Usage, UpstreamError>> {
        let limits = self.endpoint.limits(1, encode::body(&chat).len());
        let usage = Usage {
            input: limits.input_tokens_at_most,
            output: 0,
            estimated: true,
        };
        Box::pin(async move { Ok(usage) })
    }
}

/// One request, encoded once for all attempts.
struct Question {
    body: Bytes,
    wanted: Wanted,
    deadline: Instant,
}

#[cfg(test)]
mod tests;
