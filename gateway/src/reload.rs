//! The next bundle, while this one serves.
//!
//! ```text
//! SIGHUP, or files that changed and hold still ─▶ load everything anew ─▶ recorded ─▶ swapped
//!                                     a problem: nothing changes, and everybody is told
//! ```
//!
//! What is loaded again: the folder of policy files, the key file, and the certificates, CA and revocation lists of the
//! listener. A bundle that is wrong, that fails its own tests or
//! that cannot be recorded changes nothing: the log has `policy.rejected`, `/policy` and `portcullis policy status` have
//! the problems, a metric counts, and the operational log shows each problem with its place. Requests in flight end under
//! the rules they began with.
//!
//! Files are watched by looking: a look at names, sizes and times every two seconds works on every file system and for
//! every way of replacing files (editors, symbolic links of mounted configuration), where notifications do not.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use audit::{Clock, Event, PolicyRejected};
use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::Gateway;
use crate::config::Config;
use crate::keys::Keys;
use crate::load;
use crate::problem::Problem;
use crate::tls;

/// Folders below a watched one that are looked into. A bundle has two levels.
const DEPTH_MAX: usize = 4;

/// How the attempts to load ended.
pub struct Reloads {
    state: Mutex<State>,
    /// Somebody asks for a reload.
    asked: Notify,
    /// What the files looked like before the first load.
    first: Look,
}

/// What `status` tells.
#[derive(Debug, Clone)]
pub struct State {
    /// Since when the rules that are in force are.
    pub in_force_since: Timestamp,
    /// The last attempt that changed nothing because something was wrong; `None` once one succeeded.
    pub failure: Option<Failure>,
}

/// An attempt that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    /// When.
    pub at: Timestamp,
    /// What was wrong.
    pub problems: Vec<Problem>,
}

/// How one attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloaded {
    /// Another bundle is in force.
    Swapped,
    /// The files say what is in force already.
    Unchanged,
    /// Something was wrong: nothing changed.
    Rejected,
}

impl Reloads {
    /// Nothing has been tried yet; `first` was seen before the files were read.
    pub fn new(clock: &dyn Clock, first: Look) -> Reloads {
        let state = State {
            in_force_since: moment(clock),
            failure: None,
        };
        Reloads {
            state: Mutex::new(state),
            asked: Notify::new(),
            first,
        }
    }

    /// How things stand.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    /// Asks the watching task for a reload, whether files changed or not.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gateway {
    /// Reloads when asked, and when watched files have changed and then held still for one look; until `stop`.
    pub(crate) async fn watch_files(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let every = self.config.policy_watch;
        let mut settled = self.reloads.first.clone();
        let mut before = settled.clone();
        loop {
            let asked = tokio::select! {
                () = self.reloads.asked.notified() => true,
                () = pause(every) => false,
                () = async { drop(stop.wait_for(|stop| *stop).await) } => return,
            };
            let now = self.look().await;
            let holds_still = now == before;
            before = now.clone();
            if asked || (holds_still && now != settled) {
                settled = now;
                self.clone().reload().await;
            }
        }
    }

    /// Loads everything that is watched again. Keys, certificates and rules are taken over each by itself: a revocation
    /// does not wait for a mistake elsewhere to be mended.
    pub async fn reload(self: Arc<Self>) -> Reloaded {
        let mut unusable = self.reload_keys().err().unwrap_or_default();
        unusable.extend(
            self.tls
                .reload(&self.config.listener)
                .err()
                .unwrap_or_default(),
        );
        match self.reload_rules().await {
            Ok(swapped) if unusable.is_empty() => {
                self.accept();
                swapped
            }
            Ok(swapped) => {
                self.tell(unusable);
                swapped
            }
            Err(problems) => {
                self.record_rejection(problems.len()).await;
                unusable.extend(problems);
                self.tell(unusable);
                Reloaded::Rejected
            }
        }
    }

    /// Loads the bundle and its guardrails, and puts them in force if nothing is wrong with them.
    async fn reload_rules(self: &Arc<Self>) -> Result<Reloaded, Vec<Problem>> {
        let current = self.rules.load_full();
        let (gw, before, wrap) = (self.clone(), current.clone(), self.classifier_wrap.clone());
        let loading =
            tokio::task::spawn_blocking(move || load::rules(&gw.config, wrap, Some(&before)));
        let here = &self.config.policy_dir;
        let failed = |why: String| vec![Problem::about(here, why)];
        let loaded = loading.await;
        let (rules, warnings) =
            loaded.map_err(|panicked| failed(format!("loading it failed: {panicked}")))??;
        for warning in &warnings {
            tracing::warn!(problem = %warning.line_of_text(), "the policy files are odd");
        }
        if rules.policy.digest() == current.policy.digest() {
            return Ok(Reloaded::Unchanged);
        }
        if rules.policy.revision() <= current.policy.revision() {
            tracing::warn!(
                revision = rules.policy.revision(),
                "the bundle has changed and its `revision` has not grown: history will be hard to read"
            );
        }
        // In the log before the first request that it decides.
        for event in rules.events() {
            if let Err(unrecorded) = self.audit.record(event).await {
                return Err(failed(format!("cannot be put in force: {unrecorded}")));
            }
        }
        tracing::info!(
            digest = rules.policy.short_digest(),
            revision = rules.policy.revision(),
            before = current.policy.short_digest(),
            "another policy is in force"
        );
        self.metrics.policy_in_force(&rules);
        self.rules.store(Arc::new(rules));
        self.reloads.lock().in_force_since = moment(&*self.clock);
        Ok(Reloaded::Swapped)
    }

    /// Keys that were revoked end at once, whatever becomes of the bundle.
    fn reload_keys(&self) -> Result<(), Vec<Problem>> {
        self.keys
            .store(Arc::new(Keys::load(&self.config.identity)?));
        Ok(())
    }

    /// What the files say is in force.
    fn accept(&self) {
        self.reloads.lock().failure = None;
        self.metrics.reload_succeeded();
    }

    /// Something of what the files say is not in force: says what, wherever somebody may look.
    fn tell(&self, problems: Vec<Problem>) {
        for problem in &problems {
            tracing::error!(problem = %problem.line_of_text(), "a file is not used");
        }
        self.metrics.reload_failed();
        self.reloads.lock().failure = Some(Failure {
            at: moment(&*self.clock),
            problems,
        });
    }

    async fn record_rejection(&self, problems: usize) {
        let Some(kept) = audit::Digest::parse(self.rules.load().policy.digest()) else {
            return; // a bundle's digest is one
        };
        let problems = u32::try_from(problems).unwrap_or(u32::MAX);
        let event = Event::PolicyRejected(PolicyRejected { kept, problems });
        if let Err(unrecorded) = self.audit.record(event).await {
            tracing::error!(%unrecorded, "that a bundle was rejected could not be recorded");
        }
    }

    /// What the watched files look like.
    async fn look(self: &Arc<Self>) -> Look {
        let gw = self.clone();
        let looking = tokio::task::spawn_blocking(move || Look::at(&gw.config));
        // A look that failed saw nothing; the next one sees.
        looking.await.unwrap_or_default()
    }
}

/// What the watched files look like, without reading them. Taken before they are read, so that a change meanwhile is
/// noticed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Look(Vec<Stamp>);

impl Look {
    /// Looks at everything that is loaded again.
    pub fn at(config: &Config) -> Look {
        let mut stamps = Vec::new();
        look(&config.policy_dir, DEPTH_MAX, &mut stamps);
        look(&config.identity.keys, 0, &mut stamps);
        for file in tls::files(&config.listener) {
            look(file, 0, &mut stamps);
        }
        stamps.sort();
        Look(stamps)
    }
}

/// What can be seen of a file without reading it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Stamp {
    path: PathBuf,
    bytes: u64,
    changed: Option<SystemTime>,
}

/// Looks at a file, or at everything in a folder whose name does not start with a dot. Links are followed, as the
/// loader does.
fn look(path: &Path, depth: usize, stamps: &mut Vec<Stamp>) {
    let Ok(meta) = std::fs::metadata(path) else {
        return;
    };
    if meta.is_file() {
        stamps.push(Stamp {
            path: path.to_owned(),
            bytes: meta.len(),
            changed: meta.modified().ok(),
        });
    } else if depth > 0 {
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            if !entry.file_name().as_encoded_bytes().starts_with(b".") {
                look(&entry.path(), depth - 1, stamps);
            }
        }
    }
}

/// Waits for the next look; for ever if nothing is watched.
async fn pause(every: Option<Duration>) {
    match every {
        Some(every) => tokio::time::sleep(every).await,
        None => std::future::pending().await,
    }
}

pub(crate) fn moment(clock: &dyn Clock) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(clock.now())).unwrap_or(Timestamp::UNIX_EPOCH)
}
