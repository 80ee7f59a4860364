//! The desk: what callers and the log's threads share. The queue, the places, and the space.
//!
//! One mutex, held for a few dozen instructions, never across a write and never while an
//! acknowledgement is delivered.
//!
//! # Space
//!
//! The promise is that whoever holds a reservation can be written, whatever the disk does but fail.
//! The invariant that keeps it:
//!
//! ```text
//! free ≥ charged + SYSTEM     free = what is left of the current segment, and every spare,
//!                                    each less one SLOT
//! ```
//!
//! - A [`Place`] is a charge. An item that costs at most a [`SLOT`] is charged a `SLOT`; a larger
//!   one twice its cost, because when it does not fit into what is left of a segment, that is
//!   wasted, and is less than the item.
//! - What an item of at most a `SLOT` wastes is the `SLOT` that `free` leaves out of each segment.
//! - So writing an item lowers `free` by no more than the charge that is given back with it.
//!
//! Space is granted from segments whose bytes are already on the disk ([`crate::storage`] says what
//! overwriting them needs: nothing), so an outcome never meets a full disk.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::clock::Clock;
use crate::document::Lesson;
use crate::entry::{
    Degraded, Entry, EntryIndex, Omitted, Outcome, OutcomeStatus, Payload, Reason, RequestId,
    Restored,
};
use crate::log::{Pending, Receipt, Unavailable, Withheld};
use crate::seal::{EpochKey, SealedBody};
#[cfg(test)]
use crate::settings::Broken;
use crate::settings::Settings;
use crate::space::Space;
use crate::storage::{File, Room};
use crate::wal::{self, COMMIT_BYTES, SLOT};

/// Space that no caller is granted: the log's own entries (`boot`, `key.epoch`, `audit.degraded`,
/// `audit.restored`, `heartbeat`), of which at most a few are queued at a time.
pub(crate) const SYSTEM: u64 = 4 * SLOT;

/// The most files the write-ahead log may have: publishing that cannot keep up ends in `Full`
/// rather than in an unbounded folder.
pub(crate) const WAL_FILES_MAX: usize = 64;

/// Spares that are kept ready, and the most that are kept for later.
const SPARES_WANTED: usize = 2;
const SPARES_KEPT: usize = 4;

/// What one entry with its bodies takes of a segment, were it a batch of its own.
pub(crate) fn item_bytes(leaf: usize, bodies: impl Iterator<Item = usize>) -> u64 {
    wal::frame_bytes(leaf) + bodies.map(wal::frame_bytes).sum::<u64>() + COMMIT_BYTES
}

/// What a `req.late` entry costs at most: an envelope, a request id and an index.
pub(crate) const LATE_BYTES: u64 = 512;

/// What an item is charged: see the module.
fn charge(cost: u64) -> u64 {
    if cost <= SLOT { SLOT } else { 2 * cost }
}

/// Shared by callers, sequencer, publisher and storekeeper.
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) epoch: Mutex<EpochKey>,
    desk: Mutex<Desk>,
    /// Wakes the sequencer: something is queued, or the log is closing.
    work: Condvar,
    /// Wakes the publisher and the storekeeper.
    chores: Condvar,
    /// When this began, and since when (in nanoseconds after that, plus one) a commit is under way.
    started: Instant,
    busy: AtomicU64,
    next_file: AtomicU64,
}

/// What the mutex guards.
pub(crate) struct Desk {
    pub(crate) phase: Phase,
    /// Why requests are being refused, if they are.
    pub(crate) episode: Option<Episode>,
    pub(crate) queue: VecDeque<Job>,
    /// The queue length that wakes the sequencer.
    wake_at: usize,
    pub(crate) places: usize,
    pub(crate) charged: u64,
    /// What is left of the current segment.
    pub(crate) current: u64,
    /// What a spare adds to what can be granted.
    usable: u64,
    pub(crate) spares: Vec<Spare>,
    /// Segments that hold committed frames, oldest first; the last is being written.
    pub(crate) live: VecDeque<Live>,
    /// The number of the segment that was opened last.
    pub(crate) last_number: u64,
    /// Files of segments that failed before their first commit, to be removed.
    pub(crate) dead: Vec<u64>,
    /// Whether the log ended with `shutdown`.
    pub(crate) ended_in_order: bool,
    /// Whether the storekeeper is making a spare.
    pub(crate) making: bool,
    pub(crate) durable: Durable,
    pub(crate) published: Published,
    pub(crate) open: u64,
    pub(crate) flushes: u64,
    pub(crate) flush_ns: u64,
    pub(crate) refused: u64,
    /// Whether publishing, or making spares, fails at present.
    pub(crate) publishing_fails: bool,
    pub(crate) supply_fails: bool,
    /// How full the disk is, and what is left of it.
    pub(crate) space: Space,
    pub(crate) room: Room,
}

/// The log's life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phase {
    Serving,
    /// No more reservations; outcomes are still taken.
    Closing,
    /// Nothing more is taken; the last entries are being written.
    Shut,
    /// Nothing more is written.
    Written,
}

/// A stretch of time in which requests are refused.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Episode {
    pub(crate) reason: Reason,
    pub(crate) since: u64,
    pub(crate) refused: u64,
}

/// A segment file with its bytes on the disk and nothing of ours in them.
pub(crate) struct Spare {
    pub(crate) id: u64,
    pub(crate) file: Arc<dyn File>,
}

/// A segment that holds committed frames.
#[derive(Clone)]
pub(crate) struct Live {
    pub(crate) id: u64,
    pub(crate) file: Arc<dyn File>,
    pub(crate) nonce: u64,
    /// The tree at its beginning.
    pub(crate) base_size: u64,
    pub(crate) base_root: [u8; 32],
    /// Where its frames begin, and where its last commit ends.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Whether a write to it failed: such a file is not used again.
    pub(crate) failed: bool,
}

/// Whom the next batch waits for, and how long.
///
/// A flush costs the same for one entry as for hundreds, so it should hold everybody: those whom the
/// last one acknowledged, who are about to come back, and those who came while it ran. Without a
/// wait, the two take turns, each paying for the other's flush. The wait ends early when nobody comes
/// any more, and takes no longer than a quarter of what the flush took, or [`GATHER_LEAST`] on a disk
/// that flushes so fast that waking up for a batch costs more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gather {
    /// As many queued entries end it.
    expected: usize,
    until: Instant,
    /// So long without anybody ends it.
    pause: Duration,
}

impl Gather {
    /// Waits for whoever comes first.
    pub(crate) fn nothing() -> Gather {
        Gather {
            expected: 1,
            until: Instant::now(),
            pause: PAUSE,
        }
    }

    /// After a flush, for as many as were acknowledged or queued then.
    pub(crate) fn after(flush: Duration, expected: usize, most: Duration, now: Instant) -> Gather {
        Gather {
            expected,
            until: now + most.min(GATHER_LEAST.max(flush / 4)),
            pause: PAUSE,
        }
    }
}

const GATHER_LEAST: Duration = Duration::from_micros(300);

/// Longer than a caller on an idle machine takes to hear of its entry and to queue the next.
const PAUSE: Duration = Duration::from_micros(150);

/// The last commit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Durable {
    pub(crate) size: u64,
    pub(crate) root: [u8; 32],
    pub(crate) ts: u64,
}

/// The last checkpoint.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Published {
    pub(crate) size: u64,
    pub(crate) ts: u64,
}

/// Something to be written.
pub(crate) struct Job {
    pub(crate) payload: Payload,
    pub(crate) sealed: Vec<SealedBody>,
    pub(crate) omitted: Vec<Omitted>,
    pub(crate) cost: u64,
    /// What pays for it. The log's own entries have none: `SYSTEM` pays.
    pub(crate) place: Option<Place>,
    pub(crate) then: Then,
}

/// Who must hear of it.
pub(crate) enum Then {
    /// The caller gets a receipt and the duty to report an outcome.
    Intent {
        req: RequestId,
        outcome: Place,
        ack: oneshot::Sender<Result<(Receipt, Pending), Unavailable>>,
    },
    /// Closes an intent. Must be written, now or when writing works again.
    Outcome {
        outcome: Box<Outcome>,
        /// What is said instead if the end was not released.
        withheld: Withheld,
        waiter: Option<Waiter>,
    },
    /// The caller gets a receipt for what it did at this request, or of its own.
    Receipt {
        req: Option<RequestId>,
        ack: oneshot::Sender<Result<Receipt, Unavailable>>,
    },
    /// Nobody: an entry of the log's own. Must be written, now or later.
    Nobody,
}

/// Someone who waits for an outcome.
pub(crate) struct Waiter {
    pub(crate) ack: oneshot::Sender<Result<Receipt, Unavailable>>,
    /// Set when the wait ended without an answer: the end of the stream was not released.
    pub(crate) gave_up: Arc<AtomicBool>,
}

impl Job {
    /// An entry of the log's own.
    pub(crate) fn own(entry: Entry) -> Option<Job> {
        let payload = Payload::fit(entry, usize::MAX)?;
        Some(Job::new(
            payload,
            Vec::new(),
            Vec::new(),
            None,
            Then::Nobody,
        ))
    }

    pub(crate) fn new(
        payload: Payload,
        sealed: Vec<SealedBody>,
        omitted: Vec<Omitted>,
        place: Option<Place>,
        then: Then,
    ) -> Job {
        let leaf = payload.bytes_with(sealed.len(), omitted.len());
        let cost = item_bytes(leaf, sealed.iter().map(|body| body.bytes.len()));
        Job {
            payload,
            sealed,
            omitted,
            cost,
            place,
            then,
        }
    }

    /// What to remember of its bodies, each with its number, once the entry is durable.
    pub(crate) fn lessons(&mut self) -> Vec<(u8, Lesson)> {
        let lesson = |(n, body): (u8, &mut SealedBody)| Some((n, body.lesson.take()?));
        (0..).zip(&mut self.sealed).filter_map(lesson).collect()
    }

    /// The outcome of an intent whose holder cannot say more.
    pub(crate) fn bare_outcome(
        req: RequestId,
        intent: EntryIndex,
        status: OutcomeStatus,
        place: Option<Place>,
    ) -> Option<Job> {
        Job::outcome_without_more(Outcome::bare(req, intent, status), place)
    }

    /// An outcome that is small, with nobody waiting for it.
    pub(crate) fn outcome_without_more(outcome: Outcome, place: Option<Place>) -> Option<Job> {
        let payload = Payload::fit(Entry::Outcome(outcome.clone()), usize::MAX)?;
        let then = Then::Outcome {
            outcome: Box::new(outcome),
            withheld: Withheld::default(),
            waiter: None,
        };
        Some(Job::new(payload, Vec::new(), Vec::new(), place, then))
    }
}

/// A place in the queue and the space that goes with it. Given back when dropped.
///
/// Never drop one while holding the desk.
pub(crate) struct Place {
    shared: Arc<Shared>,
    places: usize,
    charge: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.places > 0 || self.charge > 0 {
            let mut desk = self.shared.desk();
            desk.places -= self.places;
            desk.charged -= self.charge;
        }
    }
}

impl Place {
    /// Splits off the part that pays for an intent or refusal; what stays is the outcome's.
    pub(crate) fn split_first(&mut self) -> Place {
        self.charge -= SLOT;
        Place {
            shared: Arc::clone(&self.shared),
            places: 0,
            charge: SLOT,
        }
    }

    /// Makes the place large enough for an item.
    pub(crate) fn grow(&mut self, cost: u64) -> Result<(), Unavailable> {
        let more = charge(cost).saturating_sub(self.charge);
        if more == 0 {
            return Ok(());
        }
        let mut desk = self.shared.desk();
        if cost > self.shared.item_bytes_max() || !desk.covers(more) {
            drop(desk);
            self.shared.wake_chores();
            return Err(Unavailable::Full);
        }
        desk.charged += more;
        self.charge += more;
        Ok(())
    }

    /// Takes all but `kept` bytes out of the place without giving it back, for someone who gives
    /// back in bulk.
    pub(crate) fn take_all_but(&mut self, kept: u64) -> (usize, u64) {
        let kept = kept.min(self.charge);
        (
            std::mem::take(&mut self.places),
            std::mem::replace(&mut self.charge, kept) - kept,
        )
    }
}

impl Shared {
    pub(crate) fn new(
        settings: Settings,
        clock: Arc<dyn Clock>,
        epoch: EpochKey,
        desk: Desk,
        next_file: u64,
    ) -> Shared {
        Shared {
            next_file: AtomicU64::new(next_file),
            settings,
            clock,
            epoch: Mutex::new(epoch),
            desk: Mutex::new(desk),
            work: Condvar::new(),
            chores: Condvar::new(),
            started: Instant::now(),
            busy: AtomicU64::new(0),
        }
    }

    pub(crate) fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key that bodies are sealed under at this moment.
    pub(crate) fn epoch(&self) -> EpochKey {
        self.epoch
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Bodies are sealed under `key` from here on. The entry that announces it is queued first, so
    /// it is numbered before any entry that refers to the key.
    pub(crate) fn change_epoch(&self, key: EpochKey, announcement: Entry) {
        self.queue_own(announcement);
        *self.epoch.lock().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// The largest item that a segment can hold.
    pub(crate) fn item_bytes_max(&self) -> u64 {
        self.settings.segment_bytes - wal::header_bytes(self.settings.queue_max)
    }

    /// A place for an intent or refusal and its outcome, with space for both, or the reason why
    /// there is none. Refusals for want of a record are counted, and the count becomes an entry.
    pub(crate) fn reserve(self: &Arc<Self>) -> Result<Place, Unavailable> {
        let room = |desk: &Desk| desk.space < Space::Spent;
        self.grant(room, |desk, want| desk.refuse(want, self.clock.now()))
    }

    /// A place for one entry without a request: nobody is refused for want of it.
    pub(crate) fn reserve_one(self: &Arc<Self>) -> Result<Place, Unavailable> {
        let mut place = self.grant(|_| true, |_, _| {})?;
        drop(place.split_first());
        Ok(place)
    }

    fn grant(
        self: &Arc<Self>,
        room: impl FnOnce(&Desk) -> bool,
        note: impl FnOnce(&mut Desk, Reason),
    ) -> Result<Place, Unavailable> {
        let charge = 2 * SLOT;
        #[cfg(test)]
        let charge = match self.settings.broken {
            Some(Broken::Reservation) => SLOT,
            _ => charge,
        };
        let mut desk = self.desk();
        let want = if desk.phase != Phase::Serving {
            return Err(Unavailable::Closed);
        } else if self.busy_for() > self.settings.commit_timeout {
            Reason::Stalled
        } else if let Some(episode) = desk.episode {
            episode.reason
        } else if desk.places >= self.settings.queue_max {
            return Err(Unavailable::Overloaded);
        } else if !desk.covers(charge) || !room(&desk) {
            Reason::Full
        } else {
            desk.places += 1;
            desk.charged += charge;
            return Ok(Place {
                shared: Arc::clone(self),
                places: 1,
                charge,
            });
        };
        note(&mut desk, want);
        self.work.notify_one();
        self.chores.notify_all();
        Err(want.into())
    }

    /// Counts a request that had a place, and was refused because it needs more space than there is.
    pub(crate) fn refuse_for_want(&self) {
        let mut desk = self.desk();
        if desk.episode.is_some() || !desk.covers(desk.usable / 2) {
            desk.refuse(Reason::Full, self.clock.now());
            drop(desk);
            self.work.notify_one();
        } else {
            // Only it is too large; others are served. No time without space, then: it would end at once.
            desk.refused += 1;
        }
    }

    /// Queues something. Given back when the log is closed.
    #[expect(
        clippy::result_large_err,
        reason = "a job that is not taken goes on in the caller's hands"
    )]
    pub(crate) fn push(&self, job: Job) -> Result<(), Job> {
        let mut desk = self.desk();
        if matches!(desk.phase, Phase::Shut | Phase::Written) {
            return Err(job);
        }
        desk.queue.push_back(job);
        if desk.queue.len() >= desk.wake_at {
            self.work.notify_one();
        }
        Ok(())
    }

    /// Queues an entry of the log's own.
    pub(crate) fn queue_own(&self, entry: Entry) {
        if let Some(job) = Job::own(entry)
            && self.push(job).is_err()
        {
            tracing::debug!("an entry of the log's own came after its close");
        }
    }

    /// Waits for work: first, for those who are expected, as [`Gather`] says; then, while there is
    /// nothing at all, until `idle` has passed.
    pub(crate) fn wait_for_work(&self, gather: Gather, idle: Duration) {
        let mut desk = self.desk();
        loop {
            let (came, now) = (desk.queue.len(), Instant::now());
            let until = gather.until.min(now + gather.pause);
            desk = self.wait_until(desk, gather.expected, until);
            let coming = desk.queue.len() > came && desk.queue.len() < gather.expected;
            if !coming || until == gather.until || desk.phase != Phase::Serving {
                break;
            }
        }
        if desk.queue.is_empty() {
            desk = self.wait_until(desk, 1, Instant::now() + idle);
        }
        desk.wake_at = usize::MAX; // the sequencer is awake
    }

    fn wait_until<'a>(
        &self,
        mut desk: MutexGuard<'a, Desk>,
        expected: usize,
        until: Instant,
    ) -> MutexGuard<'a, Desk> {
        desk.wake_at = expected;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || desk.queue.len() >= expected || desk.phase != Phase::Serving {
                return desk;
            }
            desk = self
                .work
                .wait_timeout(desk, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Takes from the front of the queue what fits into `room`, a batch at most.
    pub(crate) fn take(&self, room: u64) -> Vec<Job> {
        let mut desk = self.desk();
        let (mut bytes, mut count) = (0, 0);
        for job in &desk.queue {
            bytes += job.cost;
            if bytes > room || (bytes > BATCH_BYTES && count > 0) {
                break;
            }
            count += 1;
        }
        desk.queue.drain(..count).collect()
    }

    /// Takes the front of the queue, whatever its size.
    pub(crate) fn take_one(&self) -> Vec<Job> {
        self.desk().queue.pop_front().into_iter().collect()
    }

    /// Takes all of the queue.
    pub(crate) fn take_all(&self) -> Vec<Job> {
        self.desk().queue.drain(..).collect()
    }

    /// Takes all of the queue, and lets nothing more into it.
    pub(crate) fn shut(&self) -> Vec<Job> {
        let mut desk = self.desk();
        desk.phase = Phase::Shut;
        desk.queue.drain(..).collect()
    }

    /// Nothing more is written; whether `shutdown` was the last thing that was.
    pub(crate) fn written(&self, in_order: bool) {
        let mut desk = self.desk();
        (desk.phase, desk.ended_in_order) = (Phase::Written, in_order);
        drop(desk);
        self.chores.notify_all();
    }

    /// A commit is under way from here until [`Shared::idle`].
    pub(crate) fn busy(&self) {
        let since = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.busy.store(since.saturating_add(1), Ordering::Relaxed);
    }

    pub(crate) fn idle(&self) {
        self.busy.store(0, Ordering::Relaxed);
    }

    /// How long the present commit has taken; zero when there is none.
    pub(crate) fn busy_for(&self) -> Duration {
        match self.busy.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => self
                .started
                .elapsed()
                .saturating_sub(Duration::from_nanos(since - 1)),
        }
    }

    pub(crate) fn wake_chores(&self) {
        self.chores.notify_all();
    }

    pub(crate) fn wake_all(&self) {
        self.work.notify_all();
        self.chores.notify_all();
    }

    /// Waits a moment for a spare; the storekeeper is on it.
    pub(crate) fn wait_for_spare(&self) {
        self.wake_chores();
        let wait = |desk: &mut Desk| desk.spares.is_empty() && desk.phase == Phase::Serving;
        let desk = self
            .work
            .wait_timeout_while(self.desk(), Duration::from_millis(100), wait);
        drop(desk.unwrap_or_else(PoisonError::into_inner));
    }

    /// Whether a spare is wanted; if so, it is being made from here on.
    pub(crate) fn begin_making(&self) -> bool {
        let mut desk = self.desk();
        desk.making = desk.wants_spare();
        desk.making
    }

    /// Waits until no spare is being made.
    pub(crate) fn wait_until_made(&self) {
        let wait = |desk: &mut Desk| desk.making;
        drop(
            self.chores
                .wait_while(self.desk(), wait)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// A number that no segment file has.
    pub(crate) fn next_file(&self) -> u64 {
        self.next_file.fetch_add(1, Ordering::Relaxed)
    }

    /// Waits for a chore: until there is one, the log is written to its end, or `timeout`.
    pub(crate) fn wait_for_chore(&self, timeout: Duration, ready: impl Fn(&Desk) -> bool) {
        let desk = self.desk();
        let wait = |desk: &mut Desk| !ready(desk) && desk.phase != Phase::Written;
        drop(
            self.chores
                .wait_timeout_while(desk, timeout, wait)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }

    /// No more reservations from here on.
    pub(crate) fn begin_close(&self) {
        let mut desk = self.desk();
        if desk.phase == Phase::Serving {
            desk.phase = Phase::Closing;
        }
        drop(desk);
        self.work.notify_all();
        self.chores.notify_all();
    }
}

/// A batch is not made larger than this: whoever comes next waits for its flush.
const BATCH_BYTES: u64 = 8 * 1024 * 1024;

impl Desk {
    /// An empty desk of a log that stands at `durable`.
    pub(crate) fn new(settings: &Settings, durable: Durable, published: Published) -> Desk {
        Desk {
            phase: Phase::Serving,
            episode: None,
            queue: VecDeque::new(),
            wake_at: 1,
            places: 0,
            charged: 0,
            current: 0,
            usable: settings.segment_bytes - wal::header_bytes(settings.queue_max) - SLOT,
            spares: Vec::new(),
            live: VecDeque::new(),
            last_number: 0,
            dead: Vec::new(),
            ended_in_order: false,
            making: false,
            durable,
            published,
            open: 0,
            flushes: 0,
            flush_ns: 0,
            refused: 0,
            publishing_fails: false,
            supply_fails: false,
            space: Space::Plenty,
            room: Room::ENDLESS,
        }
    }

    fn free(&self) -> u64 {
        self.current.saturating_sub(SLOT) + self.spares.len() as u64 * self.usable
    }

    fn covers(&self, more: u64) -> bool {
        self.free() >= self.charged + SYSTEM + more
    }

    /// What could still be reserved.
    pub(crate) fn grantable(&self) -> u64 {
        self.free().saturating_sub(self.charged + SYSTEM)
    }

    /// Whether the storekeeper should make another spare.
    pub(crate) fn wants_spare(&self) -> bool {
        let short = self.spares.len() < SPARES_WANTED || !self.covers(self.usable / 2);
        short && self.spares.len() + self.live.len() < WAL_FILES_MAX && self.phase == Phase::Serving
    }

    /// Whether a segment that is no longer needed should be kept as a spare.
    pub(crate) fn keeps_spare(&self) -> bool {
        self.spares.len() < SPARES_KEPT || !self.covers(self.usable / 2)
    }

    /// Takes in a spare, which may end a time without space.
    pub(crate) fn supply(&mut self, spare: Spare) {
        self.spares.push(spare);
        self.supply_fails = false;
        self.end_want();
    }

    /// Notes how much room the disk has; the step of the ladder that it was on before.
    pub(crate) fn measure(&mut self, room: Room) -> Space {
        self.room = room;
        let before = std::mem::replace(&mut self.space, Space::of(room));
        self.end_want();
        before
    }

    fn refuse(&mut self, reason: Reason, now: u64) {
        self.refused += 1;
        let begins = self.episode.is_none();
        let episode = self.episode.get_or_insert(Episode {
            reason,
            since: now,
            refused: 0,
        });
        episode.refused += 1;
        // With a little space of the log's own left, it can still be said.
        if begins && reason == Reason::Full {
            self.queue
                .extend(Job::own(Entry::Degraded(Degraded { reason })));
        }
    }

    /// Ends a time of refusals for want of space, once half a segment can be granted again. (A
    /// single place would be gone at once, and every request would write two entries about it.)
    pub(crate) fn end_want(&mut self) {
        let over = self.covers(self.usable / 2) && self.space < Space::Spent;
        if over
            && self
                .episode
                .is_some_and(|episode| episode.reason == Reason::Full)
        {
            let restored = self.end_episode(0);
            self.queue.extend(restored);
        }
    }

    /// Ends a time of refusals because the disk did not answer: it has.
    pub(crate) fn end_stall(&mut self) {
        if self
            .episode
            .is_some_and(|episode| episode.reason == Reason::Stalled)
        {
            let restored = self.end_episode(0);
            self.queue.extend(restored);
        }
    }

    /// Ends the time of refusals: the entry that says so.
    pub(crate) fn end_episode(&mut self, owed: usize) -> Option<Job> {
        let Episode {
            reason,
            since,
            refused,
        } = self.episode.take()?;
        let owed = u32::try_from(owed).unwrap_or(u32::MAX);
        Job::own(Entry::Restored(Restored {
            reason,
            since,
            refused,
            owed,
        }))
    }

    /// Writing has failed: refuse until it works again. A time of refusals that was already on goes
    /// on, for the graver reason. The entry that says so, where it is news, is to be written first
    /// thing when something can be.
    pub(crate) fn begin_failure(&mut self, now: u64) -> Option<Job> {
        let reason = Reason::Failed;
        let known = self.episode.is_some_and(|episode| episode.reason == reason);
        self.episode
            .get_or_insert(Episode {
                reason,
                since: now,
                refused: 0,
            })
            .reason = reason;
        (!known)
            .then(|| Job::own(Entry::Degraded(Degraded { reason })))
            .flatten()
    }

    /// Gives back the places of jobs that are done with.
    pub(crate) fn give_back(&mut self, places: usize, charge: u64) {
        self.places -= places;
        self.charged -= charge;
    }
}

#[cfg(test)]
mod tests;
