//! One log after the other: a shard a month, each a whole log with a name and a key of its own, in a
//! folder of its own.
//!
//! ```text
//! LOG/2026-10/        gw1.agency.example/audit/2026-10     closed
//! LOG/2026-11/        gw1.agency.example/audit/2026-11     being written
//! LOG/2026-10.vkey    the verifier key of each: for convenience, and as trustworthy as this disk
//! ```
//!
//! A shard that is closed never changes again, so a schedule can destroy it whole. Its key is gone by
//! then: who takes the machine in December cannot sign another November.
//!
//! How one follows the other, so that a verifier who has the key of one can go to the next and back:
//! 1. The old shard records `shard.next`: the name and the key of the one to come. *A crash here*
//!    leaves an announcement of a shard that does not come, or comes with the same key.
//! 2. A checkpoint of the old shard that covers this is waited for, and quoted by the first entry of
//!    the new one (`boot`, `previous`). *A crash here* leaves a new shard that nobody uses yet; the next
//!    opening goes on with it.
//! 3. New requests go to the new shard. Those in flight end in the old one, where their intents are.
//! 4. When the last of them has ended, or can only be lost ([`ShardSettings::drain_max`]), the old shard is
//!    closed, and the new one records `shard.closed`: the whole of the old one. Then the old key is destroyed. *A crash here*
//!    leaves an old shard that is not closed, or not told of, and its key, which says so: the next
//!    opening does both.
//!
//! Whatever fails on the way is told, raises the alarm, and is tried again a minute later; meanwhile the
//! old shard goes on. What one shard says of another was read under that one's key. A clock that goes
//! back begins no shard, and neither does one that leaps over a month: then an opening has to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::archive::Archive;
use crate::checkpoint::{Checkpoint, Origin, Signer, VerifyKey};
use crate::clock::Clock;
use crate::entry::{Digest, Event, Quote, ShardNext};
use crate::log::{Log, Receipt, Reservation, Status, Unavailable};
use crate::publisher::CHECKPOINT;
use crate::recover::{OpenError, Recovery};
use crate::seal::Sealer;
use crate::settings::Settings;
use crate::storage::Storage;
use crate::survey::survey;
use crate::tail::Damage;

mod chain;
mod month;

pub use chain::{Chain, ChainOptions, Link, Progress, verify_shards};
pub(crate) use month::Month;

/// How often to look whether the month has changed, and whether an old shard can be closed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How soon to try again what has failed.
const RETRY_EVERY: Duration = Duration::from_secs(60);
/// So long closing waits for a shard that is just beginning or ending.
const CLOSE_WAIT: Duration = Duration::from_secs(10);
/// So long the checkpoint that the next shard quotes is waited for.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(30);

/// The shards of one log. Clones are the same; [`Shards::close`] ends it for all of them, and so does
/// dropping the last.
#[derive(Clone)]
pub struct Shards {
    inner: Arc<Inner>,
    watch: Arc<Watch>,
}

/// What the shards of one log have in common.
pub struct ShardSettings {
    /// As of a log: `dir` and `origin` are what the shards' own are below.
    pub settings: Settings,
    /// A file name; each shard's key lies beside it: `log.2026-11.key` for `log.key`.
    pub signing_key: PathBuf,
    /// The files.
    pub storage: Arc<dyn Storage>,
    /// To whom bodies are sealed.
    pub sealer: Sealer,
    /// The time, which begins a new month.
    pub clock: Arc<dyn Clock>,
    /// So long a shard that is over waits for requests in flight: longer than any may take.
    pub drain_max: Duration,
}

struct Inner {
    parts: ShardSettings,
    current: RwLock<Arc<Current>>,
    /// What is said first in every shard.
    preface: Mutex<Vec<Event>>,
    /// Shards that wait for their last requests.
    ending: Mutex<Vec<Ending>>,
    /// The next shard, once it was announced, and where.
    announced: Mutex<Option<(Month, u64)>>,
    /// Flushes of shards that are over, and requests that they refused.
    past: Mutex<(u64, u64)>,
    /// Whether the last attempt to begin or end a shard failed.
    fails: AtomicBool,
    stop: (Mutex<bool>, Condvar),
}

struct Current {
    month: Month,
    log: Log,
    verify_key: VerifyKey,
}

#[derive(Clone)]
struct Ending {
    month: Month,
    log: Log,
    since: Instant,
}

/// The thread that begins and ends shards. Ended with the last [`Shards`].
struct Watch {
    inner: Arc<Inner>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for Shards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Shards({})", self.inner.parts.settings.origin)
    }
}

/// Why there is no next shard.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error("{0}")]
    Open(#[from] OpenError),
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
    #[error("{0}")]
    Damage(#[from] Damage),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("no checkpoint came")]
    NoCheckpoint,
    #[error("shard {0} did not end in order; the next opening ends it")]
    Unended(Month),
    #[error("the clock has leapt to {0}: restart to go on there, if it is right")]
    Leap(Month),
}

impl Shards {
    /// Opens the shard of this month, or of the newest that is there, and closes those before it that a
    /// crash left open.
    ///
    /// # Errors
    /// As [`Log::open`], of any shard that must be opened; [`OpenError::Unsharded`] for a folder that is
    /// itself a log.
    pub fn open(parts: ShardSettings) -> Result<(Shards, Recovery), OpenError> {
        let root = &parts.settings.dir;
        if ["checkpoint", "wal"]
            .iter()
            .any(|part| root.join(part).exists())
        {
            return Err(OpenError::Unsharded);
        }
        let there = months(root)?;
        let now = Month::of(parts.clock.now());
        let month = there.last().map_or(now, |newest| now.max(*newest));
        let before: Vec<Month> = there.into_iter().filter(|old| *old < month).collect();
        let begins = !root.join(month.to_string()).exists();
        let untold = |old: &&Month| parts.key_file(**old).exists();
        let untold: Vec<Month> = before.iter().filter(untold).copied().collect();
        let mut previous = None;
        for old in &before {
            if untold.contains(old) {
                let announces = begins && before.last() == Some(old);
                parts.end(*old, previous, announces.then_some(month))?;
            }
            previous = parts.checkpoint(*old)?.map(|checkpoint| checkpoint.quote());
        }
        let (log, recovery) = parts.open(month, previous)?;
        parts.sync_names()?;
        let verify_key = parts.signer(month)?.verify_key();
        let inner = Arc::new(Inner {
            parts,
            current: RwLock::new(Arc::new(Current {
                month,
                log,
                verify_key,
            })),
            preface: Mutex::default(),
            ending: Mutex::default(),
            announced: Mutex::default(),
            past: Mutex::default(),
            fails: AtomicBool::new(false),
            stop: Default::default(),
        });
        for old in untold {
            let told = inner.tell_closed(old);
            told.map_err(|error| OpenError::Io(io::Error::other(error)))?;
        }
        let watching = Arc::clone(&inner);
        let thread = thread::Builder::new()
            .name(String::from("audit-shards"))
            .spawn(move || watching.watch())?;
        let watch = Arc::new(Watch {
            inner: Arc::clone(&inner),
            thread: Mutex::new(Some(thread)),
        });
        let shards = Shards { inner, watch };
        Ok((shards, recovery))
    }

    /// As [`Log::reserve`], in the shard of this moment.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn reserve(&self) -> Result<Reservation, Unavailable> {
        loop {
            let current = self.inner.current();
            match current.log.reserve().await {
                // It may have ended between the two lines.
                Err(Unavailable::Closed) if self.inner.current().month > current.month => {}
                reserved => return reserved,
            }
        }
    }

    /// As [`Log::record`], in the shard of this moment.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn record(&self, event: Event) -> Result<Receipt, Unavailable> {
        loop {
            let current = self.inner.current();
            match current.log.record(event.clone()).await {
                Err(Unavailable::Closed) if self.inner.current().month > current.month => {}
                recorded => return recorded,
            }
        }
    }

    /// Records what is in force, and says it again at the beginning of every shard to come: each can be
    /// read without the ones before.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn preface(&self, events: Vec<Event>) -> Result<(), Unavailable> {
        for event in &events {
            let _receipt = self.record(event.clone()).await?;
        }
        *lock(&self.inner.preface) = events;
        Ok(())
    }

    /// How the shard of this moment is doing; open intents, flushes and refusals are those of all, and the
    /// alarm is on when a shard cannot be begun or ended, too.
    pub fn status(&self) -> Status {
        let mut status = self.inner.current().log.status();
        for ending in lock(&self.inner.ending).iter() {
            let old = ending.log.status();
            status.open_intents += old.open_intents;
            status.flushes += old.flushes;
            status.refused += old.refused;
            status.alarm |= old.alarm;
        }
        let (flushes, refused) = *lock(&self.inner.past);
        status.flushes += flushes;
        status.refused += refused;
        status.alarm |= self.inner.fails.load(Ordering::Relaxed) || self.watch.died();
        status
    }

    /// The folder of the shard of this moment.
    pub fn dir(&self) -> PathBuf {
        self.inner.parts.dir(self.inner.current().month)
    }

    /// What others need to check the signatures of the shard of this moment.
    pub fn verify_key(&self) -> VerifyKey {
        self.inner.current().verify_key.clone()
    }

    /// As [`Log::close`], for all shards that are open.
    pub async fn close(&self) {
        self.inner.end();
        let begun = Instant::now();
        // A shard may just be beginning. One that a disk keeps from it is not waited for.
        while !self.watch.is_over() && begun.elapsed() < CLOSE_WAIT {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let ending = std::mem::take(&mut *lock(&self.inner.ending));
        for old in ending {
            old.log.close().await; // the next opening tells of it
        }
        self.inner.current().log.close().await;
    }
}

impl ShardSettings {
    fn dir(&self, month: Month) -> PathBuf {
        self.settings.dir.join(month.to_string())
    }

    fn origin(&self, month: Month) -> Result<Origin, OpenError> {
        let name = format!("{}/{month}", self.settings.origin);
        let long = OpenError::Settings("the log's name is too long for those of its shards");
        Origin::new(&name).ok_or(long)
    }

    fn key_file(&self, month: Month) -> PathBuf {
        let extension = match self.signing_key.extension() {
            Some(extension) => format!("{month}.{}", extension.to_string_lossy()),
            None => month.to_string(),
        };
        self.signing_key.with_extension(extension)
    }

    /// The shard's key, made at its first use.
    fn signer(&self, month: Month) -> Result<Signer, OpenError> {
        let (file, origin) = (self.key_file(month), self.origin(month)?);
        let key = |error| OpenError::SigningKey {
            file: file.clone(),
            error,
        };
        // One that has signed already is never replaced: its key was lost, or is elsewhere.
        let signer = match file.exists() || self.dir(month).join(CHECKPOINT).exists() {
            true => Signer::load(origin, &file).map_err(key)?,
            false => Signer::create(origin, &file).map_err(key)?,
        };
        let public = self.settings.dir.join(format!("{month}.vkey"));
        if !public.exists() {
            fs::write(public, format!("{}\n", signer.verify_key()))?;
        }
        Ok(signer)
    }

    /// The names of the folders, and that of their own folder.
    fn sync_names(&self) -> io::Result<()> {
        let root = &self.settings.dir;
        let above = root.parent().map(Path::to_owned);
        let mut folders = [above, Some(root.clone())].into_iter().flatten();
        folders.try_for_each(|folder| self.storage.sync_dir(&folder))
    }

    /// Ends a shard that an earlier process left, and announces the next one if it has not.
    fn end(
        &self,
        old: Month,
        previous: Option<Quote>,
        next: Option<Month>,
    ) -> Result<(), OpenError> {
        if next.is_none() && survey(&self.dir(old))?.closed {
            return Ok(());
        }
        let (log, recovery) = self.open(old, previous)?;
        tracing::info!(shard = %old, ?recovery, "an older shard of the audit log is ended");
        if let Some(next) = next {
            let recorded = log.record_blocking(self.announcement(next)?);
            let _receipt = recorded.map_err(|error| OpenError::Io(io::Error::other(error)))?;
        }
        log.close_blocking();
        match survey(&self.dir(old))?.closed {
            true => Ok(()),
            false => Err(OpenError::Io(io::Error::other(TurnError::Unended(old)))),
        }
    }

    fn announcement(&self, next: Month) -> Result<Event, OpenError> {
        let key = self.signer(next)?.verify_key();
        Ok(Event::ShardNext(ShardNext {
            origin: key.origin().name().clone(),
            key: Digest(key.bytes()),
        }))
    }

    fn open(&self, month: Month, previous: Option<Quote>) -> Result<(Log, Recovery), OpenError> {
        let settings = Settings {
            dir: self.dir(month),
            origin: self.origin(month)?,
            previous,
            ..self.settings.clone()
        };
        Log::open(
            settings,
            Arc::clone(&self.storage),
            self.signer(month)?,
            self.sealer.clone(),
            Arc::clone(&self.clock),
        )
    }

    /// A shard's checkpoint; under its key, as long as that is there.
    fn checkpoint(&self, month: Month) -> Result<Option<Checkpoint>, OpenError> {
        let key = match self.key_file(month).exists() {
            true => Some(self.signer(month)?.verify_key()),
            false => None,
        };
        let archive = Archive {
            storage: &*self.storage,
            dir: &self.dir(month),
        };
        Ok(archive.checkpoint(key.as_ref())?)
    }
}

impl Inner {
    fn current(&self) -> Arc<Current> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn end(&self) {
        *lock(&self.stop.0) = true;
        self.stop.1.notify_all();
    }

    /// Begins and ends shards until told to stop.
    fn watch(&self) {
        let mut wait = LOOK_EVERY;
        loop {
            let stopped = lock(&self.stop.0);
            let waited = self.stop.1.wait_timeout_while(stopped, wait, |stop| !*stop);
            if *waited.unwrap_or_else(PoisonError::into_inner).0 {
                return;
            }
            let looked = self.look_around();
            self.fails.store(looked.is_err(), Ordering::Relaxed);
            wait = match looked {
                Ok(()) => LOOK_EVERY,
                Err(error) => {
                    tracing::error!(%error, "a shard of the audit log cannot be begun or ended; it is tried again");
                    RETRY_EVERY
                }
            };
        }
    }

    fn is_stopped(&self) -> bool {
        *lock(&self.stop.0)
    }

    /// What is due at this moment.
    fn look_around(&self) -> Result<(), TurnError> {
        // First those of an earlier look: a request that came while the shard turned has its place by now.
        self.end_old()?;
        let (now, month) = (Month::of(self.parts.clock.now()), self.current().month);
        match now > month {
            true if now == month.next() => self.turn_to(now),
            true => Err(TurnError::Leap(now)),
            false => Ok(()),
        }
    }

    /// Steps 1 to 3.
    fn turn_to(&self, month: Month) -> Result<(), TurnError> {
        let old = self.current();
        let known = *lock(&self.announced);
        let announced = match known.filter(|(known, _)| *known == month) {
            Some((_, index)) => index, // an earlier attempt has
            None => {
                let announcement = self.parts.announcement(month)?;
                let index = old.log.record_blocking(announcement)?.index.0; // 1
                *lock(&self.announced) = Some((month, index));
                index
            }
        };
        let begun = Instant::now();
        let quote = loop {
            match self.parts.checkpoint(old.month)? {
                Some(checkpoint) if checkpoint.size > announced => break checkpoint.quote(),
                _ if begun.elapsed() > CHECKPOINT_WAIT => return Err(TurnError::NoCheckpoint),
                _ if self.is_stopped() => return Ok(()),
                _ => thread::sleep(Duration::from_millis(20)),
            }
        };
        let (log, _) = self.parts.open(month, Some(quote))?; // 2
        for event in lock(&self.preface).iter() {
            let _receipt = log.record_blocking(event.clone())?;
        }
        let next = Current {
            month,
            log,
            verify_key: self.parts.signer(month)?.verify_key(),
        };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next); // 3
        lock(&self.ending).push(Ending {
            month: old.month,
            log: old.log.clone(),
            since: Instant::now(),
        });
        self.parts.sync_names()?;
        let key = self.current().verify_key.to_string();
        tracing::info!(shard = %month, key, "the audit log goes on in a new shard");
        Ok(())
    }

    /// Step 4, for those that are due.
    fn end_old(&self) -> Result<(), TurnError> {
        let due = |ending: &&Ending| {
            ending.log.status().places == 0 || ending.since.elapsed() > self.parts.drain_max
        };
        loop {
            let old = lock(&self.ending).iter().find(due).cloned();
            let Some(old) = old else { return Ok(()) };
            old.log.close_blocking();
            self.tell_closed(old.month)?; // else it stays, and is told of later
            let status = old.log.status();
            lock(&self.ending).retain(|ending| ending.month != old.month);
            let mut past = lock(&self.past);
            *past = (past.0 + status.flushes, past.1 + status.refused);
        }
    }

    /// Tells, in the shard of this moment, that an older one is over, and destroys its key. One that did
    /// not end in order keeps it, and the next opening ends it.
    fn tell_closed(&self, old: Month) -> Result<(), TurnError> {
        if !survey(&self.parts.dir(old))?.closed {
            return Err(TurnError::Unended(old));
        }
        let Some(checkpoint) = self.parts.checkpoint(old)? else {
            return Err(TurnError::NoCheckpoint);
        };
        let closed = Event::ShardClosed(checkpoint.quote());
        let _receipt = self.current().log.record_blocking(closed)?;
        let key = self.parts.key_file(old);
        match fs::remove_file(&key) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let folder = key.parent().filter(|folder| !folder.as_os_str().is_empty());
        Ok(fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?)
    }
}

impl Watch {
    /// Whether the thread ended without having been told to.
    fn died(&self) -> bool {
        self.is_over() && !self.inner.is_stopped()
    }

    fn is_over(&self) -> bool {
        lock(&self.thread)
            .as_ref()
            .is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.inner.end();
        if let Some(thread) = lock(&self.thread).take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the audit log's shards panicked");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The months whose folders are there, oldest first.
fn months(root: &Path) -> io::Result<Vec<Month>> {
    let entries = match fs::read_dir(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut months = Vec::new();
    for entry in entries {
        let entry = entry?;
        let month = entry.file_name().to_str().and_then(Month::parse);
        months.extend(month.filter(|_| entry.path().is_dir()));
    }
    months.sort();
    Ok(months)
}

/// The folders of the logs below `dir`, oldest first: its shards; or the folder itself, if it is a log.
///
/// # Errors
/// As the system says.
pub fn shards(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let months = months(dir)?;
    Ok(match months.is_empty() {
        true => vec![dir.to_owned()],
        false => months
            .iter()
            .map(|month| dir.join(month.to_string()))
            .collect(),
    })
}

/// The folders of the shards that came after the one in `dir`, if it is one.
pub(crate) fn shards_after(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let month = dir
        .file_name()
        .and_then(|name| Month::parse(name.to_str()?));
    let (Some(month), Some(root)) = (month, dir.parent()) else {
        return Ok(Vec::new());
    };
    let root = if root.as_os_str().is_empty() {
        Path::new(".")
    } else {
        root
    };
    let later = months(root)?.into_iter().filter(|other| *other > month);
    Ok(later.map(|later| root.join(later.to_string())).collect())
}

#[cfg(test)]
mod tests;
