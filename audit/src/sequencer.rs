//! The commit protocol, as a story. One thread numbers and writes every entry; nothing else does.
//!
//! 1. **Take** what is queued: everything that fits into the segment, once everyone whom the last
//!    flush acknowledged is back beside those who came meanwhile, or nobody comes any more, or
//!    [`Settings::gather`](crate::Settings) has passed. *A crash here* leaves nothing: nobody was
//!    told anything.
//! 2. **Rotate** when the next item does not fit: the following batch opens a spare, whose bytes are
//!    on the disk already. No file is made and no folder synced here. *A crash here* leaves a spare;
//!    recovery makes new ones.
//! 3. **Draft** the batch in memory: number, time, leaf, place of each body, tree. The log's own
//!    state (its *tip*) is not touched. *A crash here* leaves nothing.
//! 4. **Write** the frames and the commit that closes them, with one write; a new segment's header
//!    goes in front. *A crash here* leaves a torn batch: recovery finds no whole commit after it and
//!    drops it. A torn header leaves a segment that does not count. A crash after the whole write
//!    may leave the whole batch: recovery keeps it, and closes its intents with `unknown_crash`.
//! 5. **Flush** with one `fdatasync`. *A crash before it returns* is the case before. *A crash
//!    after* leaves a commit that recovery will find, and nobody was told yet: whoever asked sees a
//!    lost connection, and finds the entry in the log.
//! 6. **Move the tip**, then **acknowledge**. Only now does anybody hold a receipt, and every byte
//!    that the receipt speaks of is on the disk.
//!
//! Everything else (tiles, volumes, checkpoints) is the [publisher](crate::publisher)'s, off this
//! path: what it makes is derived from what was flushed here.
//!
//! # When a write or a flush fails
//!
//! The segment is dead: what it holds after its last commit is unknown, and asking again would be
//! answered from a cache ([`crate::storage`]). So the tip stays where the last commit left it, and:
//! - intents, refusals and events of the batch are answered `Failed`. They may still be found on
//!   the disk by a recovery, which then closes the intents; nobody was told that they exist;
//! - outcomes are answered `Failed` too, so the end of those streams is not released, and are
//!   *owed*: they keep their places and are written as `audit_unavailable`;
//! - requests are refused, until one batch has been written into a new segment. That segment's
//!   header says where the log stands, which overrules whatever the dead one holds beyond; it does
//!   so only once its own first commit is flushed, so *a crash at any point of the change* leaves
//!   either the old tail or the new one, never neither.
//!
//! A write that neither fails nor returns is the callers' affair: they wait for `commit_timeout`
//! and no longer, and [`Shared::reserve`] sends newcomers away.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::content::Spot;
use crate::desk::{Durable, Gather, Job, LATE_BYTES, Live, Phase, Place, Shared, Then, Waiter};
use crate::entry::{
    Entry, EntryIndex, Envelope, Late, Nothing, Outcome, OutcomeStatus, Payload, RequestId, Tag,
    compose,
};
use crate::log::{Pending, Receipt, Unavailable, Withheld};
use crate::merkle::{Frontier, Hash, leaf_hash};
use crate::seal;
use crate::storage::File;
use crate::wal::{Base, Batch, Header, header_bytes};

/// How often a log that failed tries to write again.
const PROBE_EVERY: Duration = Duration::from_millis(500);
/// How often an idle sequencer looks around.
const IDLE: Duration = Duration::from_secs(3600);

/// The only writer of the log.
pub(crate) struct Sequencer {
    shared: Arc<Shared>,
    boot: Tag,
    tip: Tip,
    /// Intents without a durable outcome.
    open: BTreeMap<EntryIndex, RequestId>,
    segment: Option<Segment>,
    /// Jobs that must be written when writing works again: outcomes, and entries of our own.
    owed: Vec<Job>,
    /// What the next batch waits for.
    gather: Gather,
    probe_at: Option<Instant>,
}

/// Where the log stands: all that numbering the next entry needs. Cloned for each batch and
/// replaced only by a commit, so that a failed batch changes nothing.
#[derive(Clone, Debug)]
pub(crate) struct Tip {
    pub(crate) tree: Frontier,
    pub(crate) spot: Spot,
    /// The next entry's number in this life of the log.
    pub(crate) n: u64,
}

/// The segment being written.
struct Segment {
    id: u64,
    file: Arc<dyn File>,
    nonce: u64,
    /// The header, until the first batch carries it to the disk.
    header: Option<Header>,
    /// Where the next batch goes.
    offset: u64,
}

/// A batch on its way.
struct Draft {
    batch: Batch,
    tip: Tip,
    ts: u64,
    entries: Vec<Drafted>,
}

struct Drafted {
    index: u64,
    leaf: Hash,
    job: Job,
}

impl Sequencer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        boot: Tag,
        tip: Tip,
        open: BTreeMap<EntryIndex, RequestId>,
    ) -> Sequencer {
        Sequencer {
            shared,
            boot,
            tip,
            open,
            segment: None,
            owed: Vec::new(),
            gather: Gather::nothing(),
            probe_at: None,
        }
    }

    /// Writes until the log is closed.
    pub(crate) fn run(mut self) {
        while self.shared.desk().phase == Phase::Serving {
            let idle = self
                .probe_at
                .map_or(IDLE, |at| at.saturating_duration_since(Instant::now()));
            self.shared.wait_for_work(self.gather, idle);
            self.turn();
        }
        self.close();
    }

    /// One turn: writes a batch of what is queued, or tries to write again after a failure.
    ///
    /// One batch and no more: whoever it acknowledged is about to come back, and the next batch waits
    /// for them. Writing on while there is a queue would split the callers into two cohorts, each of
    /// which pays for the other's flush.
    pub(crate) fn turn(&mut self) {
        match self.probe_at {
            None => drop(self.write_batch()),
            Some(at) => {
                self.refuse_queue();
                if at <= Instant::now() {
                    self.probe();
                }
            }
        }
    }

    /// Whether the last write failed and nothing has been written since.
    pub(crate) fn has_failed(&self) -> bool {
        self.probe_at.is_some()
    }

    /// What could not be written.
    pub(crate) fn take_owed(&mut self) -> Vec<Job> {
        std::mem::take(&mut self.owed)
    }

    /// Makes the next turn try to write again, however recent the failure.
    #[cfg(test)]
    pub(crate) fn probe_now(&mut self) {
        self.probe_at = self.probe_at.map(|_| Instant::now());
    }

    /// Steps 1 to 6 for one batch, if there is anything to write and room for it; whether there was.
    fn write_batch(&mut self) -> bool {
        loop {
            let batch = self.shared.take(self.room());
            if !batch.is_empty() {
                self.commit(batch);
                return true;
            } else if self.shared.desk().queue.is_empty() {
                return false;
            } else if self.is_fresh() {
                // Larger than a segment: `Place::grow` lets no such item through.
                let job = self.shared.take_one();
                self.refuse(job);
            } else if !self.rotate() {
                self.shared.wait_for_spare();
                return false;
            }
        }
    }

    /// What is left of the segment.
    fn room(&self) -> u64 {
        self.segment.as_ref().map_or(0, |segment| {
            self.shared.settings.segment_bytes - segment.offset
        })
    }

    /// Whether nothing was written to the segment yet.
    fn is_fresh(&self) -> bool {
        self.segment
            .as_ref()
            .is_some_and(|segment| segment.header.is_some())
    }

    // 2. Rotate. The old segment stays as it is: its commits are found by recovery and publisher.
    // Without a spare nothing can be done but wait for the storekeeper; only the log's own entries
    // ever meet that, because whoever holds a place has been promised the space (see `desk`).
    fn rotate(&mut self) -> bool {
        let mut desk = self.shared.desk();
        let (Some(spare), Ok(nonce)) = (desk.spares.pop(), seal::random()) else {
            drop(desk);
            self.shared.wake_chores();
            return false;
        };
        desk.last_number += 1;
        let header = Header {
            number: desk.last_number,
            nonce: u64::from_le_bytes(nonce),
            mark: self.shared.settings.origin.mark(),
            base: self.base(),
            open: self
                .open
                .iter()
                .map(|(index, req)| (*index, *req))
                .collect(),
            clean: false,
        };
        let segment = Segment {
            id: spare.id,
            file: spare.file,
            nonce: header.nonce,
            offset: header_bytes(header.open.len()),
            header: Some(header),
        };
        desk.current = self.shared.settings.segment_bytes - segment.offset;
        drop(desk);
        self.segment = Some(segment);
        self.shared.wake_chores();
        true
    }

    fn base(&self) -> Base {
        Base {
            size: self.tip.tree.size(),
            root: self.tip.tree.root(),
            spot: self.tip.spot,
        }
    }

    /// Steps 3 to 6 for one batch.
    fn commit(&mut self, jobs: Vec<Job>) {
        let Some(segment) = &self.segment else { return };
        let draft = draft(jobs, segment, &self.tip, self.boot, self.shared.clock.now());
        let file = Arc::clone(&segment.file);
        self.shared.busy();
        let begun = Instant::now();
        let written = write_and_flush(&*file, &draft.batch);
        let took = begun.elapsed();
        self.shared.idle();
        match written {
            Ok(flush) => self.acknowledge(draft, flush),
            Err(error) => {
                tracing::error!(%error, ?took, "the audit log cannot be written");
                self.fail(
                    draft
                        .entries
                        .into_iter()
                        .map(|drafted| drafted.job)
                        .collect(),
                );
            }
        }
    }

    // 6. The batch is on the disk. First the log's own state moves, then anybody hears of it.
    fn acknowledge(&mut self, draft: Draft, flush: Duration) {
        let Draft {
            batch,
            tip,
            ts,
            mut entries,
        } = draft;
        self.tip = tip;
        for drafted in &entries {
            match &drafted.job.then {
                Then::Intent { req, .. } => drop(self.open.insert(EntryIndex(drafted.index), *req)),
                Then::Outcome { outcome, .. } => drop(self.open.remove(&outcome.intent)),
                Then::Receipt { .. } | Then::Nobody => {}
            }
        }
        self.settle(&batch, &mut entries, ts, flush);
        let both = entries.len() + self.shared.desk().queue.len();
        let most = self.shared.settings.gather;
        self.gather = Gather::after(flush, both, most, Instant::now());
        self.answer(entries);
    }

    /// Tells the desk of a commit, and gives back the places that it used.
    fn settle(&mut self, batch: &Batch, entries: &mut [Drafted], ts: u64, flush: Duration) {
        let Some(segment) = &mut self.segment else {
            return;
        };
        segment.offset = batch.end();
        let (places, charge) = take_places(entries);
        let mut desk = self.shared.desk();
        if let Some(header) = segment.header.take() {
            desk.live.push_back(segment.live(&header, batch.from()));
        }
        if let Some(live) = desk.live.back_mut() {
            live.end = batch.end();
        }
        desk.current = self.shared.settings.segment_bytes - segment.offset;
        desk.give_back(places, charge);
        desk.durable = Durable {
            size: self.tip.tree.size(),
            root: self.tip.tree.root(),
            ts,
        };
        desk.open = self.open.len() as u64;
        desk.flushes += 1;
        desk.flush_ns += u64::try_from(flush.as_nanos()).unwrap_or(u64::MAX);
        desk.end_stall();
        desk.end_want();
    }

    /// Hands out the receipts.
    fn answer(&self, entries: Vec<Drafted>) {
        let mut rest = (0, 0);
        for Drafted {
            index,
            leaf,
            mut job,
        } in entries
        {
            let receipt = Receipt::new(index, leaf);
            match job.then {
                // An answer that nobody takes is dropped: the `Pending` in it queues `abandoned`.
                Then::Intent { req, outcome, ack } => {
                    let pending = Pending::new(Arc::clone(&self.shared), req, index, outcome);
                    drop(ack.send(Ok((receipt, pending))));
                }
                Then::Receipt { req, ack } => {
                    if let (Err(_), Some(req)) = (ack.send(Ok(receipt)), req) {
                        self.note_late(req, index, job.place.take());
                    }
                }
                Then::Outcome {
                    outcome,
                    waiter: Some(waiter),
                    ..
                } => {
                    let gone = waiter.ack.send(Ok(receipt)).is_err();
                    if gone && outcome.status != OutcomeStatus::AuditUnavailable {
                        self.note_late(outcome.req, index, job.place.take());
                    }
                }
                Then::Outcome { waiter: None, .. } | Then::Nobody => drop(receipt),
            }
            let (places, charge) = job
                .place
                .as_mut()
                .map_or((0, 0), |place| place.take_all_but(0));
            rest = (rest.0 + places, rest.1 + charge);
        }
        self.shared.desk().give_back(rest.0, rest.1);
    }

    /// Nobody waited for that entry any more, so what it speaks of was not released.
    fn note_late(&self, req: RequestId, entry: u64, place: Option<Place>) {
        let late = Late {
            req,
            outcome: EntryIndex(entry),
        };
        if let Some(job) = Job::own(Entry::Late(late)) {
            // Refused only while the log shuts: `shutdown` then says as much.
            drop(self.shared.push(Job { place, ..job }));
        }
    }

    /// The segment is dead: see the module.
    fn fail(&mut self, jobs: Vec<Job>) {
        let segment = self.segment.take();
        self.probe_at = Some(Instant::now() + PROBE_EVERY);
        let mut desk = self.shared.desk();
        desk.current = 0;
        match segment {
            Some(Segment {
                header: Some(_),
                id,
                ..
            }) => desk.dead.push(id),
            _ => desk
                .live
                .back_mut()
                .into_iter()
                .for_each(|live| live.failed = true),
        }
        let degraded = desk.begin_failure(self.shared.clock.now());
        drop(desk);
        self.owed.extend(degraded);
        self.refuse(jobs);
        self.refuse_queue();
        self.shared.wake_chores();
    }

    fn refuse_queue(&mut self) {
        let jobs = self.shared.take_all();
        self.refuse(jobs);
    }

    /// Answers `Failed`; what must be written nevertheless is owed.
    fn refuse(&mut self, jobs: Vec<Job>) {
        for job in jobs {
            match job.then {
                // Whoever has gone already does not mind that the answer is dropped.
                Then::Intent { ack, .. } => drop(ack.send(Err(Unavailable::Failed))),
                Then::Receipt { ack, .. } => drop(ack.send(Err(Unavailable::Failed))),
                Then::Nobody => self.owed.push(job),
                Then::Outcome {
                    outcome,
                    withheld,
                    waiter,
                } => {
                    let withheld = waiter.is_some().then_some(withheld);
                    self.owed.extend(owe(&outcome, withheld, job.place));
                    if let Some(waiter) = waiter {
                        drop(waiter.ack.send(Err(Unavailable::Failed)));
                    }
                }
            }
        }
    }

    /// Tries to write again: what is owed, in a new segment. With that flushed the log serves, and
    /// says so.
    fn probe(&mut self) {
        self.probe_at = Some(Instant::now() + PROBE_EVERY);
        if !self.rotate() {
            return;
        }
        let owed = std::mem::take(&mut self.owed);
        let outcomes = owed.iter().filter(|job| closes(job).is_some()).count();
        if self.write_all(owed) {
            self.probe_at = None;
            let mut desk = self.shared.desk();
            let restored = desk.end_episode(outcomes);
            desk.queue.extend(restored);
        }
    }

    /// Ends the log: the last entries, and no more.
    fn close(&mut self) {
        self.turn();
        while self.probe_at.is_none() && self.write_batch() {}
        let mut last = std::mem::take(&mut self.owed);
        for job in self.shared.shut() {
            match job.then {
                Then::Intent { ack, .. } => drop(ack.send(Err(Unavailable::Closed))),
                Then::Receipt { ack, .. } => drop(ack.send(Err(Unavailable::Closed))),
                Then::Outcome { .. } | Then::Nobody => last.push(job),
            }
        }
        let closed: BTreeSet<EntryIndex> = last.iter().filter_map(closes).collect();
        let silent = self
            .open
            .iter()
            .filter(|(index, _)| !closed.contains(index));
        last.extend(silent.filter_map(|(index, req)| {
            Job::bare_outcome(*req, *index, OutcomeStatus::Shutdown, None)
        }));
        last.extend(Job::own(Entry::Shutdown(Nothing {})));
        let in_order = self.write_all(last);
        if !in_order {
            let entries = self.owed.len();
            tracing::error!(
                entries,
                "the audit log closes with entries that could not be written"
            );
            self.owed.clear();
        }
        self.shared.written(in_order);
    }

    /// Writes these before anything that is queued, in as many batches as they need. What cannot be
    /// written is owed.
    pub(crate) fn write_all(&mut self, jobs: Vec<Job>) -> bool {
        let mut jobs = jobs.into_iter().peekable();
        while jobs.peek().is_some() {
            let (mut batch, mut room) = (Vec::new(), self.room());
            while let Some(job) = jobs.next_if(|job| job.cost <= room) {
                room -= job.cost;
                batch.push(job);
            }
            if !batch.is_empty() {
                self.commit(batch);
            } else if self.is_fresh() || !self.rotate() {
                break;
            }
        }
        self.refuse(jobs.collect());
        self.owed.is_empty()
    }
}

/// The sum of what the entries' places hold, but for the `req.late` that an outcome may need.
fn take_places(entries: &mut [Drafted]) -> (usize, u64) {
    entries
        .iter_mut()
        .fold((0, 0), |(places, charge), Drafted { job, .. }| {
            let kept = if matches!(job.then, Then::Outcome { .. }) {
                LATE_BYTES
            } else {
                0
            };
            let (more, bytes) = job
                .place
                .as_mut()
                .map_or((0, 0), |place| place.take_all_but(kept));
            (places + more, charge + bytes)
        })
}

impl Segment {
    fn live(&self, header: &Header, start: u64) -> Live {
        let file = Arc::clone(&self.file);
        Live {
            id: self.id,
            file,
            nonce: self.nonce,
            base_size: header.base.size,
            base_root: header.base.root,
            start,
            end: start,
            failed: false,
        }
    }
}

/// A failed outcome, as it will be written when something can be. Whoever waited was told that the
/// end must not be released; an outcome that nobody waited for says what it always did.
fn owe(outcome: &Outcome, withheld: Option<Withheld>, place: Option<Place>) -> Option<Job> {
    let mut owed = Outcome::bare(outcome.req, outcome.intent, outcome.status);
    (owed.ms_total, owed.ms_first_byte) = (outcome.ms_total, outcome.ms_first_byte);
    match withheld {
        Some(withheld) => withheld.instead_of(&mut owed),
        None => (owed.http, owed.released_bytes) = (outcome.http, outcome.released_bytes),
    }
    Job::outcome_without_more(owed, place)
}

// 3. Draft. Nothing but memory is touched, and of that only the draft.
fn draft(jobs: Vec<Job>, segment: &Segment, tip: &Tip, boot: Tag, ts: u64) -> Draft {
    let header = segment.header.as_ref().map(Header::to_bytes);
    let offset = if header.is_some() { 0 } else { segment.offset };
    let mut batch = Batch::begin(segment.nonce, offset, header.unwrap_or_default());
    let mut tip = tip.clone();
    let entries = jobs
        .into_iter()
        .map(|job| draft_entry(job, &mut batch, &mut tip, boot, ts))
        .collect();
    batch.commit(tip.tree.size(), &tip.tree.root(), ts);
    Draft {
        batch,
        tip,
        ts,
        entries,
    }
}

fn draft_entry(mut job: Job, batch: &mut Batch, tip: &mut Tip, boot: Tag, ts: u64) -> Drafted {
    give_up(&mut job);
    let place = |body: &seal::SealedBody| body.placed(tip.spot.take(body.bytes.len() as u64));
    let body: Vec<_> = job.sealed.iter().map(place).collect();
    let envelope = Envelope {
        ts,
        boot,
        n: tip.n,
        body: &body,
        omitted: &job.omitted,
    };
    let leaf = compose(&job.payload, &envelope);
    let index = tip.tree.size();
    batch.entry(index, &leaf);
    for body in std::mem::take(&mut job.sealed) {
        batch.body(index, &body.bytes);
    }
    let hash = leaf_hash(&leaf);
    tip.tree.push(hash);
    tip.n += 1;
    Drafted {
        index,
        leaf: hash,
        job,
    }
}

/// An outcome whose writer has given up says so: the end of that stream was not released.
fn give_up(job: &mut Job) {
    let Then::Outcome {
        outcome,
        withheld,
        waiter: Some(Waiter { gave_up, .. }),
    } = &mut job.then
    else {
        return;
    };
    if gave_up.load(Ordering::Acquire) {
        withheld.instead_of(outcome);
        // It fitted with longer or shorter words, and `SLOT` leaves room for the difference.
        if let Some(payload) = Payload::fit(Entry::Outcome((**outcome).clone()), usize::MAX) {
            job.payload = payload;
        }
    }
}

// 4 and 5. Write, flush.
fn write_and_flush(file: &dyn File, batch: &Batch) -> io::Result<Duration> {
    file.write_all_at(batch.bytes(), batch.offset())?;
    let begun = Instant::now();
    file.sync_data()?;
    Ok(begun.elapsed())
}

/// The intent that a job closes.
fn closes(job: &Job) -> Option<EntryIndex> {
    match &job.then {
        Then::Outcome { outcome, .. } => Some(outcome.intent),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
