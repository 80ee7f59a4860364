//! Whether the entries tell one story: each on its own may be sound, and all together a lie.
//!
//! - A life of the log begins with `boot`, which says truly where the log stood and which intents
//!   were open; its entries are numbered from zero without a gap.
//! - Each intent has one outcome, later, of the same request; no outcome is without its intent.
//! - After `shutdown` comes a `boot`; no intent is open there.
//! - What is called late is an earlier end of the same request, and is called so once. (Whether it
//!   was is told by whoever can read back: see [`Fact::looks_back`].)
//!
//! Time proves nothing and breaks nothing: where it goes back is counted.

use std::collections::{BTreeMap, BTreeSet};

use super::Kin;
use crate::checkpoint::Origin;
use crate::entry::{
    Boot, Entry, EntryIndex, Event, FORMAT, Late, OutcomeStatus, Quote, RefusalKind, RequestId,
    ShardNext, StoredEntry, Tag,
};

/// What an entry adds to the story. Everything else about it is checked where it is read.
#[derive(Clone)]
pub(super) struct Fact {
    ts: u64,
    boot: Tag,
    n: u64,
    what: What,
}

#[derive(Clone)]
pub(super) enum What {
    Boot(Box<Boot>),
    Shutdown,
    Intent(RequestId),
    Outcome(EntryIndex, RequestId, OutcomeStatus),
    Refusal(RefusalKind),
    Late(EntryIndex, RequestId),
    Next(Box<ShardNext>),
    Closed(Box<Quote>),
    Other,
}

impl From<&StoredEntry> for Fact {
    fn from(stored: &StoredEntry) -> Fact {
        let what = match &stored.entry {
            Entry::Boot(boot) => What::Boot(Box::new(boot.clone())),
            Entry::Shutdown(_) => What::Shutdown,
            Entry::Intent(intent) => What::Intent(intent.req),
            Entry::Outcome(outcome) => What::Outcome(outcome.intent, outcome.req, outcome.status),
            Entry::Refusal(refusal) => What::Refusal(refusal.kind),
            Entry::Late(Late { outcome, req }) => What::Late(*outcome, *req),
            Entry::Event(Event::ShardNext(next)) => What::Next(Box::new(next.clone())),
            Entry::Event(Event::ShardClosed(quote)) => What::Closed(Box::new(quote.clone())),
            _ => What::Other,
        };
        Fact {
            ts: stored.ts,
            boot: stored.boot,
            n: stored.n,
            what,
        }
    }
}

impl Fact {
    /// The entry that this one calls late, and the request whose end it must be.
    pub(super) fn looks_back(&self) -> Option<(EntryIndex, RequestId)> {
        match self.what {
            What::Late(outcome, req) => Some((outcome, req)),
            _ => None,
        }
    }
}

/// What an entry that calls another late must not be.
pub(super) const NOT_LATE: &str = "calls something late that is no earlier end of this request";

#[derive(Clone, Default)]
pub(super) struct Story {
    /// The log's name: the signed one, or the first that an opening gives.
    pub(super) origin: Option<Origin>,
    pub(super) open: BTreeMap<u64, RequestId>,
    pub(super) intents: u64,
    pub(super) outcomes: BTreeMap<OutcomeStatus, u64>,
    pub(super) refusals: (u64, u64),
    /// The entries that were called late.
    late: BTreeSet<EntryIndex>,
    pub(super) boots: (u64, u64),
    pub(super) times: Option<(u64, u64)>,
    pub(super) clock_went_back: u64,
    pub(super) kin: Kin,
    life: Option<Life>,
    /// The names of all lives.
    lives: BTreeSet<Tag>,
}

/// The life of the log that the last entry belongs to.
#[derive(Clone, Copy)]
struct Life {
    boot: Tag,
    next: u64,
    shut: bool,
}

impl Story {
    /// Takes in the next entry, or says what contradicts the ones before.
    pub(super) fn tell(&mut self, index: u64, fact: &Fact) -> Result<(), &'static str> {
        self.time(fact.ts);
        match &fact.what {
            What::Boot(boot) => self.boot(index, fact, boot)?,
            _ => self.number(fact)?,
        }
        match &fact.what {
            &What::Intent(req) => {
                self.intents += 1;
                self.open.insert(index, req);
            }
            &What::Outcome(intent, req, status) => {
                self.outcome(intent, req)?;
                *self.outcomes.entry(status).or_default() += 1;
            }
            What::Refusal(RefusalKind::Deny) => self.refusals.0 += 1,
            What::Refusal(RefusalKind::Undecided) => self.refusals.1 += 1,
            &What::Late(end, _) if end.0 >= index => return Err(NOT_LATE),
            &What::Late(end, _) if !self.late.insert(end) => {
                return Err("calls an end late that was called late before");
            }
            What::Shutdown if !self.open.is_empty() => {
                return Err("the log was shut down with intents open");
            }
            What::Shutdown => self.life.iter_mut().for_each(|life| life.shut = true),
            What::Next(next) => self.next(next)?,
            What::Closed(quote) => self.kin.closed.push(Quote::clone(quote)),
            What::Late(..) | What::Boot(_) | What::Other => {}
        }
        Ok(())
    }

    /// Whether the log was closed in order, or has not begun.
    pub(super) fn is_shut(&self) -> bool {
        self.life.is_none_or(|life| life.shut)
    }

    /// How many ends came too late for whoever waited.
    pub(super) fn late(&self) -> u64 {
        self.late.len() as u64
    }

    fn next(&mut self, next: &ShardNext) -> Result<(), &'static str> {
        let known = self.kin.next.replace(next.clone());
        match known.is_some_and(|known| known.origin == next.origin && known.key != next.key) {
            true => Err("the next shard is announced under two keys"),
            false => Ok(()),
        }
    }

    fn time(&mut self, ts: u64) {
        let (first, last) = self.times.unwrap_or((ts, ts));
        self.clock_went_back += u64::from(ts < last);
        self.times = Some((first, ts));
    }

    fn boot(&mut self, index: u64, fact: &Fact, boot: &Boot) -> Result<(), &'static str> {
        let shut = self.is_shut();
        let origin =
            Origin::try_from(boot.origin.clone()).map_err(|_| "the log's name cannot be one")?;
        if self.origin.get_or_insert_with(|| origin.clone()) != &origin {
            return Err("the log was opened under another name");
        }
        if boot.format != FORMAT {
            return Err("the log is of another version than this verifier");
        }
        if fact.n != 0 || boot.found != index {
            return Err("an opening disagrees with where the log stood");
        }
        if boot.clean && !shut {
            return Err("an opening calls an end clean that was none");
        }
        if u64::from(boot.open) != self.open.len() as u64 {
            return Err("an opening disagrees with which intents were open");
        }
        if boot.previous.is_some() && index != 0 {
            return Err("an opening says anew what the log goes on from");
        }
        if index == 0 {
            self.kin.previous.clone_from(&boot.previous);
        }
        if !self.lives.insert(fact.boot) {
            return Err("two lives of the log have one name");
        }
        self.boots.0 += 1;
        self.boots.1 += u64::from(!boot.clean);
        self.life = Some(Life {
            boot: fact.boot,
            next: 1,
            shut: false,
        });
        Ok(())
    }

    fn number(&mut self, fact: &Fact) -> Result<(), &'static str> {
        let life = self
            .life
            .as_mut()
            .ok_or("the log does not begin with an opening")?;
        if life.shut {
            return Err("an entry was written after the log was shut down");
        }
        if fact.boot != life.boot || fact.n != life.next {
            return Err("the entries of one life of the log are not numbered without a gap");
        }
        life.next += 1;
        Ok(())
    }

    fn outcome(&mut self, intent: EntryIndex, req: RequestId) -> Result<(), &'static str> {
        match self.open.remove(&intent.0) {
            Some(opened) if opened == req => Ok(()),
            Some(_) => Err("an outcome closes the intent of another request"),
            None => Err("an outcome without an open intent"),
        }
    }
}
