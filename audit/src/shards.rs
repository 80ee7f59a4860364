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
//! 4. When the last of them has ended, or [`DRAIN_MAX`] later, the old shard is closed, and the new one
//!    records `shard.closed`: the whole of the old one. Then the old key is destroyed. *A crash here*
//!    leaves an old shard that is not closed, or not told of, and its key, which says so: the next
//!    opening does both.
//!
//! Whatever fails on the way is told, and tried again a minute later; meanwhile the old shard goes on.
//! A clock that goes back begins no shard.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::archive::Archive;
use crate::checkpoint::{Checkpoint, KeyError, Origin, Signer, VerifyKey};
use crate::clock::Clock;
use crate::entry::{Digest, Event, Quote, ShardNext};
use crate::log::{Log, Receipt, Reservation, Status, Unavailable};
use crate::recover::{OpenError, Recovery};
use crate::seal::Sealer;
use crate::settings::Settings;
use crate::storage::Storage;
use crate::survey::survey;
use crate::tail::Damage;

mod chain;
mod month;

pub use chain::{Chain, Link, verify_shards};
pub(crate) use month::Month;

/// So long a shard waits for requests in flight before it is closed without them: longer than any
/// request may take.
const DRAIN_MAX: Duration = Duration::from_secs(3600);
/// How often to look whether the month has changed, and whether an old shard can be closed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How soon to try again what has failed.
const RETRY_EVERY: Duration = Duration::from_secs(60);
/// So long the checkpoint that the next shard quotes is waited for.
const CHECKPOINT_WAIT: Duration = Duration::from_secs(30);

/// The shards of one log. Clones are the same; [`Shards::close`] ends it for all of them, and so does
/// dropping the last.
#[derive(Clone)]
pub struct Shards {
    inner: Arc<Inner>,
    watch: Arc<Watch>,
}

/// What the shards are made of.
pub struct Parts {
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
}

struct Inner {
    parts: Parts,
    current: RwLock<Arc<Current>>,
    /// What is said first in every shard.
    preface: Mutex<Vec<Event>>,
    /// Shards that wait for their last requests.
    ending: Mutex<Vec<Ending>>,
    stop: (Mutex<bool>, Condvar),
}

struct Current {
    month: Month,
    log: Log,
    verify_key: VerifyKey,
}

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
    Key(#[from] KeyError),
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
}

impl Shards {
    /// Opens the shard of this month, or of the newest that is there, and closes those before it that a
    /// crash left open.
    ///
    /// # Errors
    /// As [`Log::open`], of any shard that must be opened; [`OpenError::Unsharded`] for a folder that is
    /// itself a log.
    pub fn open(parts: Parts) -> Result<(Shards, Recovery), OpenError> {
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
        for old in &untold {
            let announces = begins && before.last() == Some(old);
            parts.end(*old, announces.then_some(month))?;
        }
        let previous = match before.last() {
            Some(old) => parts.checkpoint(*old)?.map(|checkpoint| checkpoint.quote()),
            None => None,
        };
        let (log, recovery) = parts.open(month, previous)?;
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
        self.inner.current().log.reserve().await
    }

    /// As [`Log::record`], in the shard of this moment.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn record(&self, event: Event) -> Result<Receipt, Unavailable> {
        self.inner.current().log.record(event).await
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

    /// How the shard of this moment is doing; open intents are those of all.
    pub fn status(&self) -> Status {
        let mut status = self.inner.current().log.status();
        for ending in lock(&self.inner.ending).iter() {
            let old = ending.log.status();
            status.open_intents += old.open_intents;
            status.alarm |= old.alarm;
        }
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
        while !self.watch.is_over() {
            tokio::time::sleep(Duration::from_millis(5)).await; // a shard may just be beginning
        }
        let ending = std::mem::take(&mut *lock(&self.inner.ending));
        for old in ending {
            old.log.close().await; // the next opening tells of it
        }
        self.inner.current().log.close().await;
    }
}

impl Parts {
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
        if file.exists() {
            return Signer::load(origin, &file).map_err(key);
        }
        let signer = Signer::create(origin, &file).map_err(key)?;
        let public = self.settings.dir.join(format!("{month}.vkey"));
        fs::write(public, format!("{}\n", signer.verify_key()))?;
        Ok(signer)
    }

    /// Ends a shard that an earlier process left, and announces the next one if it has not.
    fn end(&self, old: Month, next: Option<Month>) -> Result<(), OpenError> {
        if next.is_none() && survey(&self.dir(old))?.closed {
            return Ok(());
        }
        let (log, _) = self.open(old, None)?;
        if let Some(next) = next {
            let recorded = log.record_blocking(self.announcement(next)?);
            let _receipt = recorded.map_err(|error| OpenError::Io(io::Error::other(error)))?;
        }
        log.close_blocking();
        Ok(())
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

    fn checkpoint(&self, month: Month) -> Result<Option<Checkpoint>, Damage> {
        let archive = Archive {
            storage: &*self.storage,
            dir: &self.dir(month),
        };
        archive.checkpoint(None)
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
            wait = match self.look_around() {
                Ok(()) => LOOK_EVERY,
                Err(error) => {
                    tracing::error!(%error, "the audit log's next shard cannot be begun; this one goes on");
                    RETRY_EVERY
                }
            };
        }
    }

    /// What is due at this moment.
    fn look_around(&self) -> Result<(), TurnError> {
        let month = Month::of(self.parts.clock.now());
        if month > self.current().month {
            self.turn_to(month)?;
        }
        self.end_old()
    }

    /// Steps 1 to 3.
    fn turn_to(&self, month: Month) -> Result<(), TurnError> {
        let old = self.current();
        let announced = old.log.record_blocking(self.parts.announcement(month)?)?; // 1
        let begun = Instant::now();
        let quote = loop {
            match self.parts.checkpoint(old.month)? {
                Some(checkpoint) if checkpoint.size > announced.index.0 => {
                    break checkpoint.quote();
                }
                _ if begun.elapsed() > CHECKPOINT_WAIT => return Err(TurnError::NoCheckpoint),
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
        tracing::info!(shard = %month, "the audit log goes on in a new shard");
        Ok(())
    }

    /// Step 4, for those that are due.
    fn end_old(&self) -> Result<(), TurnError> {
        let due =
            |ending: &Ending| ending.log.status().places == 0 || ending.since.elapsed() > DRAIN_MAX;
        let due: Vec<Ending> = {
            let mut ending = lock(&self.ending);
            let (due, rest) = std::mem::take(&mut *ending).into_iter().partition(due);
            *ending = rest;
            due
        };
        for old in due {
            old.log.close_blocking();
            self.tell_closed(old.month)?;
        }
        Ok(())
    }

    /// Tells, in the shard of this moment, that an older one is over, and destroys its key. One that did
    /// not end in order keeps it, and the next opening ends it.
    fn tell_closed(&self, old: Month) -> Result<(), TurnError> {
        if !survey(&self.parts.dir(old))?.closed {
            return Ok(());
        }
        let Some(checkpoint) = self.parts.checkpoint(old)? else {
            return Ok(());
        };
        let closed = Event::ShardClosed(checkpoint.quote());
        let _receipt = self.current().log.record_blocking(closed)?;
        match fs::remove_file(self.parts.key_file(old)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

impl Watch {
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
