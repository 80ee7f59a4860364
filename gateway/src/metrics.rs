//! Every metric, named in one place. Labels are bounded: registered models, our own codes; never a caller's text.

use std::sync::atomic::AtomicI64;

use guardrails::{Report, Stage};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::reply::Described;
use crate::rules::Rules;

mod guards;
mod log;

use guards::GuardMetrics;
use log::LogGauges;

/// The gateway's metrics.
pub struct Metrics {
    registry: Registry,
    /// Requests that ended, by how.
    requests: Family<RequestLabels, Counter>,
    /// Requests being worked on.
    pub in_flight: Gauge,
    /// From the first byte in to the last byte out.
    pub seconds: Histogram,
    /// From the first byte in to the first byte out.
    pub first_byte_seconds: Histogram,
    log: LogGauges,
    guards: GuardMetrics,
    tasks: Gauge<i64, AtomicI64>,
    /// One, with the digest of the bundle in force.
    policy: Family<PolicyLabels, Gauge>,
    reloads: Family<ReloadLabels, Counter>,
    /// One while the files on the disk are not what is in force, because something is wrong with them.
    policy_rejected: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    decision: &'static str,
    code: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PolicyLabels {
    digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    result: &'static str,
}

/// OpenTelemetry's doubling buckets for request durations, in seconds.
const REQUEST_BUCKETS: [f64; 14] = [
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92,
];

impl Metrics {
    /// All metrics at zero.
    pub fn new(rules: &Rules) -> Metrics {
        let mut registry = Registry::with_prefix("portcullis");
        let requests = Family::default();
        let (in_flight, tasks) = (Gauge::default(), Gauge::default());
        let seconds = Histogram::new(REQUEST_BUCKETS);
        let first_byte_seconds = Histogram::new(REQUEST_BUCKETS);
        registry.register(
            "requests",
            "Requests that ended, by decision and code",
            Family::clone(&requests),
        );
        registry.register(
            "inflight_requests",
            "Requests being worked on",
            Gauge::clone(&in_flight),
        );
        registry.register(
            "request_duration_seconds",
            "From the first byte in to the last out",
            seconds.clone(),
        );
        registry.register(
            "time_to_first_byte_seconds",
            "From the first byte in to the first out",
            first_byte_seconds.clone(),
        );
        let log = LogGauges::register(&mut registry);
        let guards = GuardMetrics::register(&mut registry);
        registry.register(
            "tasks",
            "Connections and streams being served",
            Gauge::clone(&tasks),
        );
        let (policy, reloads) = (Family::default(), Family::default());
        let policy_rejected = Gauge::default();
        registry.register(
            "policy_info",
            "The policy in force, by its digest",
            Family::clone(&policy),
        );
        registry.register(
            "policy_reloads",
            "Attempts to load the policy files again, by how they ended",
            Family::clone(&reloads),
        );
        registry.register(
            "policy_rejected",
            "1 while the policy files are not in force, because something is wrong with them",
            Gauge::clone(&policy_rejected),
        );
        let metrics = Metrics {
            registry,
            requests,
            in_flight,
            seconds,
            first_byte_seconds,
            log,
            guards,
            tasks,
            policy,
            reloads,
            policy_rejected,
        };
        metrics.policy_in_force(rules);
        // Both at zero, so that an alarm on the first failure sees it grow.
        for result in ["success", "failure"] {
            drop(metrics.reloads.get_or_create(&ReloadLabels { result }));
        }
        metrics
    }

    /// Names the bundle that is in force from here on, and the budgets of its rules.
    pub fn policy_in_force(&self, rules: &Rules) {
        self.policy.clear();
        let digest = rules.policy.digest().to_owned();
        self.policy.get_or_create(&PolicyLabels { digest }).set(1);
        self.guards.in_force(&rules.guardrails);
    }

    /// Counts a prompt or an answer that was judged under a profile, and what that took.
    pub fn judged(&self, profile: &str, stage: Stage, report: &Report) {
        self.guards.judged(profile, stage, report);
    }

    /// Counts a reload after which the files on the disk are in force.
    pub fn reload_succeeded(&self) {
        let result = "success";
        self.reloads.get_or_create(&ReloadLabels { result }).inc();
        self.policy_rejected.set(0);
    }

    /// Counts a reload that changed nothing because something was wrong.
    pub fn reload_failed(&self) {
        let result = "failure";
        self.reloads.get_or_create(&ReloadLabels { result }).inc();
        self.policy_rejected.set(1);
    }

    /// Counts a refusal.
    pub fn refused(&self, told: &Described) {
        self.requests
            .get_or_create(&RequestLabels {
                decision: "refuse",
                code: told.code,
            })
            .inc();
    }

    /// Counts an answer.
    pub fn answered(&self, decision: &'static str, status: &'static str) {
        self.requests
            .get_or_create(&RequestLabels {
                decision,
                code: status,
            })
            .inc();
    }

    /// The text of `/metrics`, with the log's and the tasks' state as of now.
    pub fn render(&self, audit: &audit::Status, tasks: usize) -> String {
        self.log.set(audit);
        self.tasks.set(i64::try_from(tasks).unwrap_or(i64::MAX));
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}
