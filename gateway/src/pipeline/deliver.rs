//! Out to the client: pieces as they are released, the end only once the outcome is durable.
//!
//! Held until then: the last window of every choice, tool calls, finish reasons, usage, `[DONE]` and the end of the
//! body. If the outcome cannot be made durable, the held tail is dropped and an `audit_unavailable` event ends the
//! stream; a plain answer becomes that error instead.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::Gateway;
use crate::body::Part;
use crate::deadline::Deadline;
use crate::dialect::{AnswerWriter, Dialect, Moderated};
use crate::openai::{Envelope, moderations};
use crate::pipeline::release::{Ending, How, Piece, Screened, Step};
use crate::pipeline::trail::Trail;
use crate::refusal::Refusal;
use crate::reply;

/// After this long without a byte, a stream carries a comment: proxies cut silent connections after 60 s.
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(15);

/// A client that does not take the end of its answer within this time does not get it.
const TAIL_TIME_MAX: Duration = Duration::from_secs(30);

/// The whole answer in one object, its outcome durable; or what ended it, already recorded. Runs as a tracked task: a
/// client that leaves cancels the upstream at once, and the outcome says so.
pub async fn whole(
    gw: Arc<Gateway>,
    mut screened: Screened,
    writer: Box<dyn AnswerWriter>,
    trail: Trail,
    mut client: oneshot::Sender<Result<Bytes, Refusal>>,
) {
    let collected = tokio::select! {
        collected = collect(&mut screened) => Some(collected),
        () = client.closed() => None,
        () = gw.cut_off() => Some((Vec::new(), Ending::cut_off())),
    };
    let Some((pieces, ending)) = collected else {
        return gone(screened, trail).await;
    };
    // Whoever left while the outcome became durable is told nothing, and it is recorded all the same.
    let _ = client.send(ended(screened, pieces, ending, writer, trail).await);
}

/// An answer that is made already, its outcome durable. Runs as a tracked task.
pub async fn made(answer: Bytes, trail: Trail, client: oneshot::Sender<Result<Bytes, Refusal>>) {
    let recorded = trail.close().await;
    // Whoever left meanwhile is told nothing, and it is recorded all the same.
    let _ = client.send(recorded.map(|()| answer));
}

/// Everything that the answer shows but its tail. None of it goes anywhere before the end.
async fn collect(screened: &mut Screened) -> (Vec<Piece>, Ending) {
    let mut pieces = Vec::new();
    loop {
        match screened.step(Instant::now() + KEEP_ALIVE_EVERY).await {
            Step::Release(more) => pieces.extend(more),
            Step::Silence => {}
            Step::End(ending) => return (pieces, ending),
        }
    }
}

async fn ended(
    screened: Screened,
    mut pieces: Vec<Piece>,
    ending: Ending,
    mut writer: Box<dyn AnswerWriter>,
    mut trail: Trail,
) -> Result<Bytes, Refusal> {
    trail.note_answer(&screened, &ending);
    if let Some(moderated) = moderated(&screened, &trail) {
        writer.tells(moderated);
    }
    drop(screened);
    let Ending {
        mut tail,
        usage,
        how,
    } = ending;
    if let How::Fault(refusal) = how {
        // What had been judged by then is not shown, so it is not recorded as shown.
        trail.fail(&refusal).await?;
        return Err(refusal);
    }
    pieces.retain(|piece| writer.shows(piece));
    tail.retain(|piece| writer.shows(piece));
    trail.shows(pieces);
    trail.shows(tail);
    let answer = writer.whole(trail.shown(), usage);
    trail.close().await?;
    Ok(answer)
}

/// The client has left.
async fn gone(screened: Screened, mut trail: Trail) {
    trail.note_checks(&screened);
    drop(screened); // cancels the upstream before anything else is waited for
    trail.gone().await;
}

/// Streams the answer into `client`. Runs as a tracked task: a client that leaves cancels the upstream at once, and
/// the outcome says so.
pub async fn stream(
    gw: Arc<Gateway>,
    screened: Screened,
    writer: Box<dyn AnswerWriter>,
    trail: Trail,
    client: mpsc::Sender<Part>,
) {
    let mut delivery = Delivery {
        screened,
        writer,
        trail,
        client,
    };
    let client = delivery.client.clone();
    let ending = tokio::select! {
        ending = delivery.run() => ending,
        () = client.closed() => None,
        () = gw.cut_off() => Some(Ending::cut_off()),
    };
    match ending {
        Some(ending) => delivery.end(&gw, ending).await,
        None => gone(delivery.screened, delivery.trail).await,
    }
}

struct Delivery {
    screened: Screened,
    writer: Box<dyn AnswerWriter>,
    trail: Trail,
    client: mpsc::Sender<Part>,
}

impl Delivery {
    /// Sends what is released, until the end. `None` if the client is gone.
    async fn run(&mut self) -> Option<Ending> {
        // From the last byte on, not the last event: what is judged and not shown keeps no proxy waiting.
        let mut silent_until = Instant::now() + KEEP_ALIVE_EVERY;
        loop {
            let bytes = match self.screened.step(silent_until).await {
                Step::Release(mut pieces) => {
                    pieces.retain(|piece| self.writer.shows(piece));
                    if pieces.is_empty() {
                        continue;
                    }
                    let bytes = self.writer.pieces(&pieces);
                    self.trail.shows(pieces);
                    self.trail.goes_out();
                    bytes
                }
                Step::Silence => self.writer.keep_alive(),
                Step::End(ending) => return Some(ending),
            };
            // A client that does not read is a client that is gone.
            let sent = self
                .screened
                .deadline()
                .limit(self.client.send(Part::Data(bytes)))
                .await;
            sent.ok()?.ok()?;
            silent_until = Instant::now() + KEEP_ALIVE_EVERY;
        }
    }

    /// Records the outcome, then sends what was held for it.
    async fn end(mut self, gw: &Gateway, ending: Ending) {
        self.trail.note_answer(&self.screened, &ending);
        if let Some(moderated) = moderated(&self.screened, &self.trail) {
            self.writer.tells(moderated);
        }
        let Ending {
            mut tail,
            usage,
            how,
        } = ending;
        tail.retain(|piece| self.writer.shows(piece));
        let id = self.trail.id();
        let tail = match how {
            How::Fault(refusal) => {
                let recorded = self.trail.fail(&refusal).await;
                failed(gw, &*self.writer, &recorded.err().unwrap_or(refusal), id)
            }
            How::Complete | How::Blocked(_) => {
                let chunks = [
                    self.writer.pieces(&tail),
                    self.writer.usage(usage),
                    self.writer.done(),
                ]
                .concat();
                self.trail.shows(tail);
                match self.trail.close().await {
                    Ok(()) => chunks.into(),
                    Err(refusal) => failed(gw, &*self.writer, &refusal, id),
                }
            }
        };
        // The client may be gone by now, or not read; the outcome is recorded either way.
        let _ = Deadline::after(TAIL_TIME_MAX)
            .limit(finish(&self.client, tail))
            .await;
    }
}

/// What the guardrails said, if the caller wants to know.
fn moderated(screened: &Screened, trail: &Trail) -> Option<Moderated> {
    trail.wanted().moderation?;
    Some(Moderated {
        prompt: moderations::verdict(screened.asked().clearance.report()),
        answer: moderations::verdict(&screened.report()),
    })
}

/// Hands over the tail and the end: together to a client that keeps up, one after the other to one that is behind.
async fn finish(
    client: &mpsc::Sender<Part>,
    tail: Bytes,
) -> Result<(), mpsc::error::SendError<Part>> {
    let keeps_up = client.capacity() == client.max_capacity();
    client.send(Part::Data(tail)).await?;
    if !keeps_up {
        // All places are free once all parts were taken.
        let taken = client.reserve_many(client.max_capacity()).await;
        drop(taken);
    }
    client.send(Part::End).await
}

/// The event that ends a stream in failure. SDKs raise it as an error; a missing end they would not notice.
fn failed(gw: &Gateway, writer: &dyn AnswerWriter, refusal: &Refusal, id: uuid::Uuid) -> Bytes {
    writer.failed(&reply::describe(refusal, gw, id))
}

/// Writes an answer in the words of its dialect.
pub fn writer(
    gw: &Gateway,
    dialect: Dialect,
    screened: &Screened,
    trail: &Trail,
) -> Box<dyn AnswerWriter> {
    let envelope = Envelope {
        id: format!("{}{}", dialect.id_prefix(), trail.id().simple()),
        created: gw.now().as_second(),
        model: screened.asked().model.clone(),
    };
    dialect.writer(envelope, trail.wanted())
}
