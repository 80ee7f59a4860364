//! What detectors cost, and how often which rule matched: per request and way, from the reports that entries are made of.
//!
//! Labels are detectors, profiles and rules, as the files of the bundle name them. A rule that only observes or warns
//! counts under what it does (`action`) and what it would do (`written`), so that its share of the requests of its profile
//! can be compared with its budget before it enforces.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;

use guardrails::{Engine, Report, Stage};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub(super) struct GuardMetrics {
    seconds: Family<DetectorLabels, Histogram, fn() -> Histogram>,
    bytes: Family<DetectorLabels, Counter>,
    judged: Family<ProfileLabels, Counter>,
    matched: Family<MatchLabels, Counter>,
    budget: Family<RuleLabels, Gauge<f64, AtomicU64>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DetectorLabels {
    /// `pii@1`.
    detector: String,
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProfileLabels {
    profile: String,
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct MatchLabels {
    profile: String,
    rule: String,
    stage: &'static str,
    action: &'static str,
    written: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RuleLabels {
    profile: String,
    rule: String,
}

/// From one window of patterns to a whole book before a slow classifier.
const BUCKETS: [f64; 12] = [
    1e-5, 2.5e-5, 1e-4, 2.5e-4, 1e-3, 2.5e-3, 1e-2, 2.5e-2, 0.1, 0.25, 1.0, 2.5,
];

impl GuardMetrics {
    pub(super) fn register(registry: &mut Registry) -> GuardMetrics {
        let metrics = GuardMetrics {
            seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            bytes: Family::default(),
            judged: Family::default(),
            matched: Family::default(),
            budget: Family::default(),
        };
        registry.register_with_unit(
            "guardrail_duration",
            "Processor time of a detector on one prompt or answer; pattern detectors read in one pass and share its time",
            Unit::Seconds,
            metrics.seconds.clone(),
        );
        registry.register_with_unit(
            "guardrail_read",
            "Text that a detector has read",
            Unit::Bytes,
            metrics.bytes.clone(),
        );
        registry.register(
            "guardrail_judged",
            "Prompts and answers that were judged under a profile",
            metrics.judged.clone(),
        );
        registry.register(
            "guardrail_rule_matches",
            "Prompts and answers in which a rule matched, by what it did and what it says",
            metrics.matched.clone(),
        );
        registry.register(
            "guardrail_rule_budget_ratio",
            "Of honest texts, the share that a rule may stop, 0 to 1",
            metrics.budget.clone(),
        );
        metrics
    }

    /// The budgets of the rules that are in force from here on.
    pub(super) fn in_force(&self, guardrails: &Engine) {
        self.budget.clear();
        for rule in guardrails.rules() {
            let Some(budget) = rule.budget else { continue };
            let labels = RuleLabels {
                profile: rule.profile.to_owned(),
                rule: rule.id.to_owned(),
            };
            let share = f64::from(budget.ten_thousandths()) / 10_000.0;
            self.budget.get_or_create(&labels).set(share);
        }
    }

    /// One prompt or answer, judged under a profile.
    pub(super) fn judged(&self, profile: &str, stage: Stage, report: &Report) {
        let stage = stage.as_str();
        let labels = ProfileLabels {
            profile: profile.to_owned(),
            stage,
        };
        self.judged.get_or_create(&labels).inc();
        for check in &report.checks {
            let labels = DetectorLabels {
                detector: format!("{}@{}", check.detector, check.version),
                stage,
            };
            #[expect(clippy::cast_precision_loss, reason = "a duration needs no more")]
            let seconds = check.micros as f64 / 1e6;
            self.seconds.get_or_create(&labels).observe(seconds);
            self.bytes.get_or_create(&labels).inc_by(check.bytes);
        }
        let matched = report.findings().map(|finding| MatchLabels {
            profile: profile.to_owned(),
            rule: finding.rule.clone(),
            stage,
            action: finding.action.as_str(),
            written: finding.written.as_str(),
        });
        for labels in matched.collect::<BTreeSet<_>>() {
            self.matched.get_or_create(&labels).inc();
        }
    }
}
