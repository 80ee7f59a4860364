//! The parts put together: loaded files, an open log, bound listeners. `main`, the demo and the tests start the same
//! gateway here; only the [`Seams`] differ.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use audit::{Clock, DiskStorage, Event, Name, Recovery, Shards, Storage, SystemClock};
use aws_lc_rs::rand;
use tokio::sync::watch;
use tokio::time::interval;
use uuid::Uuid;

use crate::admin::Admin;
use crate::config::{AuditConfig, Config};
use crate::connections::{Connections, SUMMARY_EVERY, prefix_bits};
use crate::decisions::Decisions;
use crate::identity::Issuers;
use crate::keys::Keys;
use crate::listener::Listener;
use crate::load::{self, ClassifierWrap, Loaded, UpstreamWrap};
use crate::metrics::Metrics;
use crate::pipeline::forward::Models;
use crate::places::Places;
use crate::problem::Problem;
use crate::reload::{Look, Reloads};
use crate::rules::Rules;
use crate::runtime;
use crate::tasks::Tasks;
use crate::tls;

/// A guard that takes longer than this has not decided. The fast tier takes tens of microseconds.
const GUARD_TIMEOUT: Duration = Duration::from_secs(2);

/// Streams that are cut off at the end of a shutdown have this long to record their outcomes.
const CUT_TIME_MAX: Duration = Duration::from_secs(5);

/// What every request shares.
pub struct Gateway {
    /// The checked configuration.
    pub config: Config,
    /// Access rules and guardrails; a request keeps those that it began with.
    pub rules: ArcSwap<Rules>,
    /// How the last attempts to load others ended.
    pub reloads: Reloads,
    /// API keys.
    pub keys: ArcSwap<Keys>,
    /// Whose tokens are believed.
    pub issuers: Issuers,
    /// TLS of the data listener.
    pub tls: tls::Live,
    /// Models and their backends.
    pub models: Models,
    /// The log.
    pub audit: Shards,
    /// Metrics.
    pub metrics: Metrics,
    /// Counts of connections with nothing to decide.
    pub connections: Connections,
    /// The last refusals, for those who were refused.
    pub decisions: Decisions,
    /// Tasks that shutdown waits for.
    pub tasks: Tasks,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// The zone of the data listener.
    pub zone: Arc<str>,
    /// The same, as entries name the listener.
    pub zone_name: Name,
    /// One judgement may take this long.
    pub guard_timeout: Duration,
    /// Places for requests in flight.
    pub places: Arc<Places>,
    /// Wraps the classifiers of every bundle.
    pub(crate) classifier_wrap: Option<ClassifierWrap>,
    stopping: AtomicBool,
    /// Turns true when what still runs after the grace period must end.
    cut: watch::Sender<bool>,
}

/// What tests and the demo replace.
pub struct Seams {
    /// Files of the log; without one, the disk.
    pub storage: Option<Arc<dyn Storage>>,
    /// Wall time.
    pub clock: Arc<dyn Clock>,
    /// Wraps every classifier.
    pub classifier: Option<ClassifierWrap>,
    /// Wraps every upstream.
    pub upstream: Option<UpstreamWrap>,
    /// How long one judgement may take.
    pub guard_timeout: Duration,
}

impl Default for Seams {
    /// The real things.
    fn default() -> Seams {
        Seams {
            storage: None,
            clock: Arc::new(SystemClock),
            classifier: None,
            upstream: None,
            guard_timeout: GUARD_TIMEOUT,
        }
    }
}

/// A gateway that serves.
pub struct Running {
    /// What its requests share.
    pub gateway: Arc<Gateway>,
    /// The addresses of the data listener.
    pub addresses: Vec<SocketAddr>,
    /// The address of the admin listener.
    pub admin: SocketAddr,
    /// What others need to check the log's signatures.
    pub verify_key: audit::VerifyKey,
    /// What recovery found in the log.
    pub recovery: Recovery,
    /// What was odd in the files.
    pub warnings: Vec<Problem>,
    /// Ends the data listeners.
    stop: watch::Sender<bool>,
    listeners: Tasks,
    /// Ends what watches them: during the drain, the admin listener still tells of it.
    close: watch::Sender<bool>,
    watchers: Tasks,
}

/// Why a gateway does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The files are wrong.
    #[error("{} problems in the configuration", .0.len())]
    Files(Vec<Problem>),
    /// The log cannot be opened.
    #[error("the audit log in {dir} cannot be opened: {source}")]
    Audit {
        /// its folder
        dir: PathBuf,
        /// why
        source: Box<audit::OpenError>,
    },
    /// The log cannot be written.
    #[error("the audit log cannot be written: {0}")]
    Unrecorded(#[from] audit::Unavailable),
    /// An address cannot be bound.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// the address
        address: SocketAddr,
        /// why
        source: std::io::Error,
    },
}

impl Gateway {
    /// Loads everything, opens the log, binds the listeners and begins to serve.
    ///
    /// # Errors
    /// [`StartError`]; then nothing is left running.
    pub async fn start(config: Config, seams: Seams) -> Result<Running, StartError> {
        let seen = Look::at(&config);
        let loaded = load::load(&config, seams.classifier.clone()).map_err(StartError::Files)?;
        let recipients = loaded.recipients.clone();
        let opened = open_log(
            &config.audit,
            recipients,
            config.limits.request_timeout,
            &seams,
        )?;
        let mut listeners = Vec::new();
        for address in &config.listener.bind {
            let bound = Listener::bind(*address).await;
            listeners.push(bound.map_err(|source| StartError::Bind {
                address: *address,
                source,
            })?);
        }
        let address = config.admin.bind;
        let admin = Admin::bind(address)
            .await
            .map_err(|source| StartError::Bind { address, source })?;
        let (gateway, warnings) = Gateway::new(config, (seen, loaded), opened.log, seams);
        gateway.record_start().await?;
        let mut running = gateway.run(listeners, admin, opened.recovery, opened.verify_key);
        running.warnings = warnings;
        Ok(running)
    }

    fn new(
        config: Config,
        (seen, loaded): (Look, Loaded),
        audit: Shards,
        seams: Seams,
    ) -> (Arc<Gateway>, Vec<Problem>) {
        let gateway = Gateway {
            metrics: Metrics::new(&loaded.rules),
            connections: Connections::new(config.limits.unauthenticated_per_second_max),
            places: Places::new(
                config.limits.in_flight_max,
                config.limits.in_flight_per_principal_max,
                // Half a segment: what the log sets aside for one is then there for the others.
                (config.audit.segment_bytes / 2).max(config.limits.body_bytes_max as u64),
            ),
            zone: config.listener.zone.as_str().into(),
            // The configuration has checked that the zone is a name.
            zone_name: Name::new(&config.listener.zone).unwrap_or_else(|| Name::literal("data")),
            guard_timeout: seams.guard_timeout,
            rules: ArcSwap::from_pointee(loaded.rules),
            reloads: Reloads::new(&*seams.clock, seen),
            classifier_wrap: seams.classifier,
            keys: ArcSwap::from_pointee(loaded.keys),
            issuers: loaded.issuers,
            tls: loaded.tls,
            models: match &seams.upstream {
                Some(wrap) => loaded.models.wrapped(wrap),
                None => loaded.models,
            },
            audit,
            decisions: Decisions::default(),
            tasks: Tasks::default(),
            clock: seams.clock,
            stopping: AtomicBool::new(false),
            cut: watch::Sender::new(false),
            config,
        };
        (Arc::new(gateway), loaded.warnings)
    }

    fn run(
        self: Arc<Self>,
        data: Vec<Listener>,
        admin: Admin,
        recovery: Recovery,
        verify_key: audit::VerifyKey,
    ) -> Running {
        let (stop, stopped) = watch::channel(false);
        let (close, closed) = watch::channel(false);
        let (listeners, watchers) = (Tasks::default(), Tasks::default());
        let addresses = data.iter().map(|listener| listener.address).collect();
        let admin_address = admin.address;
        for listener in data {
            listeners.spawn(listener.run(self.clone(), stopped.clone()));
        }
        watchers.spawn(admin.run(self.clone(), closed.clone()));
        watchers.spawn(self.clone().watch_files(closed.clone()));
        watchers.spawn(self.clone().watch_issuers(closed.clone()));
        watchers.spawn(self.clone().summarise(closed));
        Running {
            gateway: self,
            addresses,
            admin: admin_address,
            verify_key,
            recovery,
            warnings: Vec::new(),
            stop,
            listeners,
            close,
            watchers,
        }
    }

    /// What is in force from here on is in the log before the first request.
    async fn record_start(&self) -> Result<(), audit::Unavailable> {
        let version = Name::literal(env!("CARGO_PKG_VERSION"));
        let config = self.config.digest;
        let mut events = vec![Event::Start(audit::Start { version, config })];
        if self.config.guardrails.models_dir.is_some()
            && let Ok(library) = runtime::library(&self.config.guardrails)
            && let Some(digest) = audit::Digest::parse(&library.sha256)
        {
            let library = Name::literal("onnxruntime");
            events.push(Event::LibraryLoad(audit::LibraryLoad { library, digest }));
        }
        events.extend(self.rules.load().events());
        self.audit.preface(events).await
    }

    /// Reads the issuers' keys again when they are due, the first time at once.
    async fn watch_issuers(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let Some(every) = self.issuers.refresh_every() else {
            return;
        };
        let mut tick = interval(every);
        loop {
            tokio::select! {
                _ = tick.tick() => self.issuers.read_again().await,
                () = async { drop(stop.wait_for(|stop| *stop).await) } => return,
            }
        }
    }

    /// Every ten seconds, and once more at the end: what was counted and has no entry of its own.
    async fn summarise(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut tick = interval(SUMMARY_EVERY);
        loop {
            let stopping = tokio::select! {
                _ = tick.tick() => false,
                () = async { drop(stop.wait_for(|stop| *stop).await) } => true,
            };
            for (reason, source, count) in self.connections.take() {
                let summary = audit::ConnSummary {
                    listener: self.zone_name.clone(),
                    reason: Name::literal(reason.as_str()),
                    prefix: source,
                    bits: prefix_bits(source),
                    count,
                    seconds: u32::try_from(SUMMARY_EVERY.as_secs()).unwrap_or(u32::MAX),
                };
                match self.audit.record(Event::ConnSummary(summary)).await {
                    // What was only slow may still land, and must not be told twice.
                    Ok(_) | Err(audit::Unavailable::Stalled) => {}
                    Err(_) => self.connections.give_back(reason, source, count),
                }
            }
            if stopping {
                return;
            }
        }
    }

    /// A new request id: UUIDv7, so that ids sort by time.
    pub fn mint_request_id(&self) -> Uuid {
        let mut random = [0; 10];
        // The provider's generator does not fail once it is seeded; an id of zeros would still be a valid one.
        let _ = rand::fill(&mut random);
        uuid::Builder::from_unix_timestamp_millis(self.clock.now() / 1_000_000, &random).into_uuid()
    }

    /// Resolves when the grace period of a shutdown is over.
    pub async fn cut_off(&self) {
        drop(self.cut.subscribe().wait_for(|cut| *cut).await);
    }

    /// Whether shutdown has begun.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}

impl Running {
    /// Stops accepting, lets what runs run on for as long as the configuration grants, and closes the log.
    pub async fn shutdown(self) {
        self.gateway.stopping.store(true, Ordering::Release);
        // There is a receiver as long as a listener runs.
        let _ = self.stop.send(true);
        let grace = self.gateway.config.listener.drain_timeout;
        let left = self.gateway.tasks.finish(grace).await + self.listeners.finish(grace).await;
        if left > 0 {
            tracing::warn!(left, "the grace period is over: ending what still runs");
        }
        // Nothing may be released any more once the log is closed.
        self.gateway.cut.send_replace(true);
        let abandoned = self.gateway.tasks.finish(CUT_TIME_MAX).await;
        if abandoned > 0 {
            tracing::warn!(abandoned, "shutdown abandoned what did not end in time");
        }
        let _ = self.close.send(true);
        let _ = self.watchers.finish(grace).await;
        self.gateway.audit.close().await;
    }
}

/// An open log, and what is to be told about it.
struct Opened {
    log: Shards,
    recovery: Recovery,
    verify_key: audit::VerifyKey,
}

fn open_log(
    config: &AuditConfig,
    recipients: audit::Recipients,
    request_timeout: Duration,
    seams: &Seams,
) -> Result<Opened, StartError> {
    let failed = |source: audit::OpenError| match source {
        audit::OpenError::SigningKey { file, error } => {
            let what = format!("cannot be the key of the log: {error}");
            StartError::Files(vec![Problem::about(&file, what)])
        }
        source => StartError::Audit {
            dir: config.dir.clone(),
            source: Box::new(source),
        },
    };
    let origin = audit::Origin::new(&config.origin).ok_or_else(|| {
        StartError::Files(vec![Problem::about(
            "audit.origin",
            format!("`{}` cannot name a log", config.origin),
        )])
    })?;
    let storage = match &seams.storage {
        Some(storage) => storage.clone(),
        None => {
            Arc::new(DiskStorage::new(&config.dir).map_err(|e| failed(audit::OpenError::from(e)))?)
        }
    };
    let settings = audit::Settings {
        segment_bytes: config.segment_bytes,
        commit_timeout: config.commit_timeout,
        ..audit::Settings::new(config.dir.clone(), origin)
    };
    let parts = audit::ShardSettings {
        settings,
        signing_key: config.signing_key.clone(),
        storage,
        sealer: audit::Sealer::new(recipients),
        clock: seams.clock.clone(),
        // By then each has met its own deadline, and said how it ended.
        drain_max: 2 * request_timeout + Duration::from_secs(60),
    };
    let (log, recovery) = Shards::open(parts).map_err(failed)?;
    Ok(Opened {
        verify_key: log.verify_key(),
        log,
        recovery,
    })
}
