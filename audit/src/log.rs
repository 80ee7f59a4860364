//! The log as its callers see it: reserve, record, report the outcome.
//!
//! ```text
//! reserve() ──▶ Reservation ──refuse()──▶ Receipt
//!                           └─intent()──▶ Receipt + Pending ──outcome()──▶ Receipt
//! ```
//!
//! Everything that can be refused is refused at `reserve`. From then on a request owns a place in
//! the queue and the space for two entries, and whatever it does (finish, fail, be cancelled at any
//! `await`, be dropped) leaves **exactly one outcome for each intent**:
//!
//! - cancelled before `intent` queued anything: no intent, and the place goes back;
//! - cancelled while `intent` waited: the sequencer's answer holds the [`Pending`]; nobody takes
//!   it, it is dropped, and its drop queues `abandoned`;
//! - a dropped [`Pending`]: the same;
//! - cancelled while `outcome` waited: it was queued first, and is written;
//! - a crash: recovery writes `unknown_crash`.
//!
//! A [`Receipt`] is proof that an entry is durable. Nothing outside this crate can make one.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot::error::TryRecvError;
use tokio::sync::{oneshot, watch};

use crate::checkpoint::Signer;
use crate::clock::Clock;
use crate::desk::{Job, LATE_BYTES, Phase, Place, Shared, Then, Waiter};
use crate::document::{Body, Lesson};
use crate::entry::{
    BODIES_MAX, ENTRY_BYTES_MAX, Entry, EntryIndex, Event, Intent, KeyedDigest, Name, Outcome,
    OutcomeStatus, Payload, Reason, Refusal, RequestId, Served,
};
use crate::recover::{self, OpenError, Parts, Recovery};
use crate::seal::{SealedBody, Sealer};
#[cfg(test)]
use crate::settings::Broken;
use crate::settings::Settings;
use crate::space::Space;
use crate::storage::{Room, Storage};
use crate::wal::SLOT;

/// An open log. Clones are the same log: [`Log::close`] ends it for all of them, and so does
/// dropping the last.
#[derive(Clone)]
pub struct Log {
    shared: Arc<Shared>,
    threads: Arc<Threads>,
    closed: watch::Receiver<bool>,
}

/// What the sequencer answers whoever recorded something.
type Answer = oneshot::Receiver<Result<Receipt, Unavailable>>;

/// The log's threads. Dropped with the last [`Log`], they are made to end and waited for, however
/// long the disk takes.
struct Threads {
    shared: Arc<Shared>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Log({})", self.shared.settings.origin)
    }
}

/// Why something cannot be recorded. Whoever gets one must not do the thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unavailable {
    /// No space is left, or the entry and its bodies are larger than a segment.
    #[error("the audit log has no space left")]
    Full,
    /// The disk does not answer. The entry may still land; then it is closed as it should be.
    #[error("the audit log's disk does not answer")]
    Stalled,
    /// A write or a flush failed.
    #[error("the audit log cannot be written")]
    Failed,
    /// As many requests are in flight as the log has places.
    #[error("too many requests wait for the audit log")]
    Overloaded,
    /// The log is closed.
    #[error("the audit log is closed")]
    Closed,
}

impl From<Reason> for Unavailable {
    fn from(reason: Reason) -> Unavailable {
        match reason {
            Reason::Full => Unavailable::Full,
            Reason::Failed => Unavailable::Failed,
            Reason::Stalled => Unavailable::Stalled,
        }
    }
}

/// Proof that an entry is durable, and where.
#[derive(PartialEq, Eq, Debug)]
#[must_use = "a receipt is the proof that something was recorded: hand it to whoever acts on it"]
#[non_exhaustive]
pub struct Receipt {
    /// The entry's place in the log.
    pub index: EntryIndex,
    /// Its leaf hash.
    pub leaf: [u8; 32],
}

impl Receipt {
    pub(crate) fn new(index: u64, leaf: [u8; 32]) -> Receipt {
        Receipt {
            index: EntryIndex(index),
            leaf,
        }
    }
}

/// How the log is doing, at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// How many entries are durable.
    pub tree_size: u64,
    /// When the last one became so, unix nanoseconds; zero before the first.
    pub durable_ts: u64,
    /// The tree size of the last signed checkpoint.
    pub checkpoint_size: u64,
    /// When it was signed, unix nanoseconds; zero before the first.
    pub checkpoint_ts: u64,
    /// Flushes (fdatasync) of the write-ahead log since it was opened.
    pub flushes: u64,
    /// Their mean duration.
    pub mean_flush: Duration,
    /// Intents without an outcome.
    pub open_intents: u64,
    /// Whether requests are taken, or why not.
    pub state: State,
    /// Entries that wait to be written.
    pub queue_depth: usize,
    /// Requests that hold a place.
    pub places: usize,
    /// Bytes that could still be reserved.
    pub grantable_bytes: u64,
    /// How full the log's disk is.
    pub space: Space,
    /// What is left of it.
    pub room: Room,
    /// Requests refused for want of a record since the log was opened.
    pub refused: u64,
    /// Whether someone should look: requests are refused, a commit takes longer than
    /// `commit_alarm`, publishing or preallocating fails, or the disk is nearly full.
    pub alarm: bool,
}

impl Status {
    /// Whether requests are being refused for want of a record.
    pub fn is_degraded(&self) -> bool {
        matches!(self.state, State::Degraded(_))
    }
}

/// Whether requests are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Yes.
    Serving,
    /// No, for this reason, until it passes.
    Degraded(Reason),
    /// No, for good.
    Closed,
}

impl Log {
    /// Opens a log, or begins one in an empty folder: recovers what a crash left, writes `boot` and
    /// an `unknown_crash` outcome for every open intent, and starts the log's three threads.
    ///
    /// # Errors
    /// [`OpenError`] says what stands in the way; nothing is acknowledged before this returns.
    pub fn open(
        settings: Settings,
        storage: Arc<dyn Storage>,
        signer: Signer,
        sealer: Sealer,
        clock: Arc<dyn Clock>,
    ) -> Result<(Log, Recovery), OpenError> {
        if let Some(problem) = settings.problem() {
            return Err(OpenError::Settings(problem));
        }
        let (parts, recovery) = recover::open(settings, storage, signer, sealer, clock)?;
        Ok((Log::start(parts)?, recovery))
    }

    fn start(parts: Parts) -> Result<Log, OpenError> {
        let Parts {
            shared,
            sequencer,
            publisher,
            storekeeper,
        } = parts;
        let (done, closed) = watch::channel(false);
        let spawn = |name: &str, work: Box<dyn FnOnce() + Send>| {
            std::thread::Builder::new()
                .name(format!("audit-{name}"))
                .spawn(work)
        };
        let threads = vec![
            spawn("sequencer", Box::new(move || sequencer.run()))?,
            spawn("storekeeper", Box::new(move || storekeeper.run()))?,
            spawn(
                "publisher",
                Box::new(move || {
                    publisher.run();
                    done.send_replace(true);
                }),
            )?,
        ];
        let threads = Arc::new(Threads {
            shared: Arc::clone(&shared),
            handles: Mutex::new(threads),
        });
        Ok(Log {
            shared,
            threads,
            closed,
        })
    }

    /// Sets aside a place in the queue, and the space for an intent or refusal and its outcome.
    ///
    /// Cancel safe: it does not wait. Says no at once when there is no place, no space, or the
    /// disk fails or does not answer.
    ///
    /// # Errors
    /// [`Unavailable`]: do not do what cannot be recorded.
    pub async fn reserve(&self) -> Result<Reservation, Unavailable> {
        self.shared.reserve().map(|place| Reservation {
            shared: Arc::clone(&self.shared),
            place,
        })
    }

    /// Records something the gateway says of itself; durable on return.
    ///
    /// Cancel safe: the entry is queued at the first poll and is written whether or not anybody
    /// waits. Needs a tokio runtime with time.
    ///
    /// # Errors
    /// [`Unavailable`]; after `Stalled` the entry may still land.
    pub async fn record(&self, event: Event) -> Result<Receipt, Unavailable> {
        let answer = self.queue_event(event)?;
        self.shared.answer(answer).await
    }

    fn queue_event(&self, event: Event) -> Result<Answer, Unavailable> {
        let place = self.shared.reserve_one()?;
        let payload =
            Payload::fit(Entry::Event(event), ENTRY_BYTES_MAX).ok_or(Unavailable::Full)?;
        let (ack, answer) = oneshot::channel();
        let job = Job::new(
            payload,
            Vec::new(),
            Vec::new(),
            Some(place),
            Then::Receipt { req: None, ack },
        );
        self.shared.queue(Some(job))?;
        Ok(answer)
    }

    /// [`Log::record`], for those without a runtime.
    pub(crate) fn record_blocking(&self, event: Event) -> Result<Receipt, Unavailable> {
        let mut answer = self.queue_event(event)?;
        let begun = Instant::now();
        loop {
            match answer.try_recv() {
                Ok(answer) => return answer,
                Err(TryRecvError::Closed) => return Err(Unavailable::Closed),
                Err(TryRecvError::Empty)
                    if begun.elapsed() > self.shared.settings.commit_timeout =>
                {
                    return Err(Unavailable::Stalled);
                }
                Err(TryRecvError::Empty) => std::thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// How the log is doing.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// Closes the log: writes what is queued, gives intents without an outcome the outcome
    /// `shutdown`, then `shutdown`, a last checkpoint, and a clean write-ahead log. Everybody else
    /// gets `Closed` from here on. Call it once requests have drained.
    ///
    /// Cancel safe: closing goes on without its caller. Closing twice is closing once.
    pub async fn close(&self) {
        self.shared.begin_close();
        // The sender lives as long as the publisher: an error means that it ended, too.
        let mut closed = self.closed.clone();
        let _ended = closed.wait_for(|closed| *closed).await.is_ok();
        self.threads.join();
    }

    /// [`Log::close`], for those without a runtime.
    pub fn close_blocking(&self) {
        self.shared.begin_close();
        self.threads.join();
    }
}

/// For the simulator, which takes the threads' turns itself.
#[cfg(test)]
impl Log {
    pub(crate) fn unstarted(parts: &Parts) -> Log {
        let shared = Arc::clone(&parts.shared);
        let threads = Threads {
            shared: Arc::clone(&shared),
            handles: Mutex::default(),
        };
        Log {
            shared,
            threads: Arc::new(threads),
            closed: watch::channel(false).1,
        }
    }

    pub(crate) fn shut(&self) {
        self.shared.begin_close();
    }
}

impl Threads {
    fn join(&self) {
        let handles = self
            .handles
            .lock()
            .map(|mut handles| std::mem::take(&mut *handles));
        for thread in handles.unwrap_or_default() {
            if thread.join().is_err() {
                tracing::error!("a thread of the audit log panicked");
            }
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.shared.begin_close();
        self.join();
    }
}

/// A place in the queue, and the space for an intent or refusal and its outcome. Dropped unused, it
/// goes back.
#[must_use = "a reservation that is dropped records nothing"]
pub struct Reservation {
    shared: Arc<Shared>,
    place: Place,
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reservation")
    }
}

impl Reservation {
    /// Records a refusal and seals the bodies that belong to it; durable on return.
    ///
    /// The bodies are sealed on the caller's task: some 3 ms for each MiB.
    ///
    /// Cancel safe: queued at the first poll, and written whether or not anybody waits. Needs a
    /// tokio runtime with time.
    ///
    /// # Errors
    /// [`Unavailable`]: `Full` also when the entry and its bodies are larger than a segment.
    pub async fn refuse(
        self,
        refusal: Refusal,
        bodies: Vec<Body<'_>>,
    ) -> Result<Receipt, Unavailable> {
        let req = refusal.req;
        self.alone(Entry::Refusal(refusal), req, bodies)?.await
    }

    /// Records that the gateway answered a request itself, and seals the bodies that belong to it;
    /// durable on return.
    ///
    /// Cancel safe, and for the rest like [`Reservation::refuse`].
    ///
    /// # Errors
    /// [`Unavailable`]: the answer must not be released.
    pub async fn serve(
        self,
        served: Served,
        bodies: Vec<Body<'_>>,
    ) -> Result<Receipt, Unavailable> {
        let req = served.req;
        self.alone(Entry::Served(served), req, bodies)?.await
    }

    /// Queues an entry that no other follows; the future waits for it.
    fn alone(
        self,
        entry: Entry,
        req: RequestId,
        bodies: Vec<Body<'_>>,
    ) -> Result<impl Future<Output = Result<Receipt, Unavailable>>, Unavailable> {
        let Reservation { shared, mut place } = self;
        let mut job = shared.draft(entry, req, bodies, &mut place)?;
        let lessons = job.lessons();
        let (ack, answer) = oneshot::channel();
        job.place = Some(place);
        job.then = Then::Receipt {
            req: Some(req),
            ack,
        };
        shared.queue(Some(job))?;
        Ok(async move {
            let receipt = shared.answer(answer).await?;
            learn(&lessons, &receipt);
            Ok(receipt)
        })
    }

    /// Records an intent and seals the bodies that belong to it; durable on return. The
    /// [`Pending`] is the duty to report how it ended.
    ///
    /// The bodies are sealed on the caller's task: some 3 ms for each MiB.
    ///
    /// Cancel safe: queued at the first poll; an intent that lands without anybody waiting gets the
    /// outcome `abandoned`. Needs a tokio runtime with time.
    ///
    /// # Errors
    /// [`Unavailable`]: nothing may be forwarded. `Full` also when the entry and its bodies are
    /// larger than a segment; after `Stalled` the intent may still land, and is closed then.
    pub async fn intent(
        self,
        intent: Intent,
        bodies: Vec<Body<'_>>,
    ) -> Result<(Receipt, Pending), Unavailable> {
        let Reservation { shared, mut place } = self;
        let req = intent.req;
        let mut first = place.split_first();
        let mut job = shared.draft(Entry::Intent(intent), req, bodies, &mut first)?;
        let lessons = job.lessons();
        let (ack, answer) = oneshot::channel();
        job.place = Some(first);
        job.then = Then::Intent {
            req,
            outcome: place,
            ack,
        };
        shared.queue(Some(job))?;
        let (receipt, pending) = shared.answer(answer).await?;
        learn(&lessons, &receipt);
        Ok((receipt, pending))
    }
}

/// An entry is durable: later bodies may refer to the texts of its own.
fn learn(lessons: &[(u8, Lesson)], receipt: &Receipt) {
    for (body, lesson) in lessons {
        lesson.learn(receipt.index.0, *body);
    }
}

/// What is true of an answer whose end was not released, because its outcome did not become durable
/// in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Withheld {
    /// The status sent downstream, 0 when none was.
    pub http: u16,
    /// Bytes of answer text released before the end.
    pub released_bytes: u64,
}

impl Withheld {
    /// Makes an outcome say so.
    pub(crate) fn instead_of(self, outcome: &mut Outcome) {
        outcome.status = OutcomeStatus::AuditUnavailable;
        outcome.http = self.http;
        outcome.code = Some(Name::literal("audit_unavailable"));
        outcome.finish.clear();
        outcome.released_bytes = self.released_bytes;
    }
}

/// How a request ended, what is said instead if its end is not released, and who waits.
struct End {
    outcome: Outcome,
    withheld: Withheld,
    waiter: Option<Waiter>,
}

/// An intent is durable and its outcome is owed. Dropped without one, the outcome is `abandoned`.
#[must_use = "dropping it records that the request was abandoned"]
pub struct Pending {
    shared: Arc<Shared>,
    req: RequestId,
    intent: EntryIndex,
    place: Option<Place>,
}

impl fmt::Debug for Pending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pending({})", self.intent)
    }
}

impl Pending {
    pub(crate) fn new(shared: Arc<Shared>, req: RequestId, intent: u64, place: Place) -> Pending {
        Pending {
            shared,
            req,
            intent: EntryIndex(intent),
            place: Some(place),
        }
    }

    /// The intent's place in the log.
    pub fn intent(&self) -> EntryIndex {
        self.intent
    }

    /// The keyed digest of somebody else's words, for the outcome.
    pub fn digest(&self, words: &str) -> KeyedDigest {
        self.shared.epoch().digest(words)
    }

    /// Records how it ended and seals the bodies that belong to it; durable on return. The entry's
    /// `req` and `intent` are this one's, whatever `outcome` says.
    ///
    /// The outcome always has its place. Bodies that no space can be had for are left out, and the
    /// entry says so.
    ///
    /// Cancel safe: queued at the first poll, and written whether or not anybody waits. Needs a
    /// tokio runtime with time.
    ///
    /// # Errors
    /// [`Unavailable`]: the end must not be released. The outcome is then written as
    /// `audit_unavailable` when writing works again, or, if it was already on its way, a `req.late`
    /// entry says that it came too late.
    pub async fn outcome(
        self,
        outcome: Outcome,
        bodies: Vec<Body<'_>>,
    ) -> Result<Receipt, Unavailable> {
        self.outcome_or(outcome, Withheld::default(), bodies).await
    }

    /// [`Pending::outcome`], and what is true if its end is not released: then the entry says that
    /// instead. The sealed bodies are the same: they hold what would have been released, too.
    ///
    /// # Errors
    /// As [`Pending::outcome`].
    pub async fn outcome_or(
        mut self,
        mut outcome: Outcome,
        withheld: Withheld,
        mut bodies: Vec<Body<'_>>,
    ) -> Result<Receipt, Unavailable> {
        outcome.req = self.req;
        outcome.intent = self.intent;
        let gave_up = Arc::new(AtomicBool::new(false));
        let (ack, answer) = oneshot::channel();
        let waiter = Waiter {
            ack,
            gave_up: Arc::clone(&gave_up),
        };
        let place = self.place.take().ok_or(Unavailable::Closed)?;
        let end = End {
            outcome,
            withheld,
            waiter: Some(waiter),
        };
        let mut job = self.shared.draft_outcome(end, &mut bodies, place);
        drop(bodies);
        let lessons = job.as_mut().map(Job::lessons).unwrap_or_default();
        self.shared.queue(job)?;
        let answer = self.shared.answer(answer).await;
        match &answer {
            Ok(receipt) => learn(&lessons, receipt),
            Err(_) => gave_up.store(true, Ordering::Release),
        }
        answer
    }

    /// Queues how it ended without waiting for it, for a `Drop` that cannot wait: the client has
    /// left, and nothing more is released. Sealing happens here, on the caller's thread.
    pub fn abandon(mut self, mut outcome: Outcome, mut bodies: Vec<Body<'_>>) {
        outcome.req = self.req;
        outcome.intent = self.intent;
        if let Some(place) = self.place.take() {
            // A closed log has given the intent its outcome already.
            let end = End {
                outcome,
                withheld: Withheld::default(),
                waiter: None,
            };
            let _closed = self
                .shared
                .queue(self.shared.draft_outcome(end, &mut bodies, place));
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        #[cfg(test)]
        if self.shared.settings.broken == Some(Broken::Pairing) {
            return drop(self.place.take());
        }
        if let Some(place) = self.place.take() {
            let job =
                Job::bare_outcome(self.req, self.intent, OutcomeStatus::Abandoned, Some(place));
            // A closed log has given the intent its outcome already.
            let _closed = self.shared.queue(job);
        }
    }
}

impl Shared {
    fn queue(&self, job: Option<Job>) -> Result<(), Unavailable> {
        // The job that comes back is dropped here, after the desk was left: its place goes back.
        self.push(job.ok_or(Unavailable::Full)?)
            .map_err(|_job| Unavailable::Closed)
    }

    /// Waits for the sequencer's word, for as long as a caller can be made to wait.
    async fn answer<T>(
        &self,
        answer: oneshot::Receiver<Result<T, Unavailable>>,
    ) -> Result<T, Unavailable> {
        match tokio::time::timeout(self.settings.commit_timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_sequencer_gone)) => Err(Unavailable::Closed),
            Err(_elapsed) => Err(Unavailable::Stalled),
        }
    }

    /// A job for an intent or a refusal with all that belongs to it, or none: nothing has happened
    /// yet that would have to be recorded.
    fn draft(
        &self,
        entry: Entry,
        req: RequestId,
        bodies: Vec<Body<'_>>,
        place: &mut Place,
    ) -> Result<Job, Unavailable> {
        let sealed = self.seal(req, &bodies).ok_or(Unavailable::Failed)?;
        let payload = Payload::fit(entry, ROOM).ok_or(Unavailable::Full)?;
        let job = Job::new(payload, sealed, Vec::new(), None, Then::Nobody);
        place
            .grow(job.cost)
            .inspect_err(|_| self.refuse_for_want())?;
        Ok(job)
    }

    /// A job for an outcome: with everything, else without what texts were before something in them was
    /// masked, else without the bodies, else cut to what its reservation holds for certain.
    fn draft_outcome(&self, end: End, bodies: &mut [Body<'_>], mut place: Place) -> Option<Job> {
        let End {
            outcome,
            withheld,
            waiter,
        } = end;
        let draft = |room, sealed, omitted| {
            let payload = Payload::fit(Entry::Outcome(outcome.clone()), room)?;
            Some(Job::new(payload, sealed, omitted, None, Then::Nobody))
        };
        let mut paid = |job: Job| {
            let certain = job.cost <= OUTCOME_COST;
            (certain || place.grow(job.cost + LATE_BYTES).is_ok()).then_some(job)
        };
        let whole = loop {
            let sealed = self.seal(outcome.req, bodies);
            let whole = sealed
                .and_then(|sealed| draft(ROOM, sealed, Vec::new()))
                .and_then(&mut paid);
            // Rather the texts without what they were than neither.
            let less = |less: bool, body: &mut Body<'_>| body.keep_less() || less;
            if whole.is_some() || !bodies.iter_mut().fold(false, less) {
                break whole;
            }
        };
        let omitted = || bodies.iter().take(BODIES_MAX).map(Body::omitted).collect();
        let mut job = whole
            .or_else(|| draft(ROOM, Vec::new(), omitted()).and_then(&mut paid))
            .or_else(|| draft(OUTCOME_ROOM, Vec::new(), omitted()))?;
        job.place = Some(place);
        job.then = Then::Outcome {
            outcome: Box::new(outcome),
            withheld,
            waiter,
        };
        Some(job)
    }

    /// Seals all of the bodies, or none.
    fn seal(&self, req: RequestId, bodies: &[Body<'_>]) -> Option<Vec<SealedBody>> {
        if bodies.is_empty() {
            return Some(Vec::new());
        }
        let epoch = self.epoch();
        let seal = |body: &Body<'_>| epoch.seal(req, body).ok();
        (bodies.len() <= BODIES_MAX)
            .then(|| bodies.iter().map(seal).collect())
            .flatten()
    }

    fn status(&self) -> Status {
        let busy = self.busy_for();
        let desk = self.desk();
        let state = match (desk.phase, desk.episode) {
            (Phase::Serving, None) if busy > self.settings.commit_timeout => {
                State::Degraded(Reason::Stalled)
            }
            (Phase::Serving, None) => State::Serving,
            (Phase::Serving, Some(episode)) => State::Degraded(episode.reason),
            (Phase::Closing | Phase::Shut | Phase::Written, _) => State::Closed,
        };
        let fails = desk.publishing_fails || desk.supply_fails;
        Status {
            tree_size: desk.durable.size,
            durable_ts: desk.durable.ts,
            checkpoint_size: desk.published.size,
            checkpoint_ts: desk.published.ts,
            flushes: desk.flushes,
            mean_flush: Duration::from_nanos(desk.flush_ns.checked_div(desk.flushes).unwrap_or(0)),
            open_intents: desk.open,
            state,
            queue_depth: desk.queue.len(),
            places: desk.places,
            grantable_bytes: desk.grantable(),
            space: desk.space,
            room: desk.room,
            refused: desk.refused,
            alarm: fails
                || desk.space >= Space::Short
                || busy > self.settings.commit_alarm
                || matches!(state, State::Degraded(_)),
        }
    }
}

/// What an entry's own fields may take: the cap, less the widest envelope with every body.
const ROOM: usize = ENTRY_BYTES_MAX - 3200;
/// What an outcome may cost without asking for more than its reservation.
const OUTCOME_COST: u64 = SLOT - LATE_BYTES;
/// What its fields may take then: less frame, commit, envelope and omissions. An outcome without
/// checks is smaller, whatever else it says (a test says so).
const OUTCOME_ROOM: usize = OUTCOME_COST as usize - 656;

#[cfg(test)]
mod tests;
