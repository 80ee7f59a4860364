//! How the audit log is doing, as gauges: set from its status whenever somebody asks.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Gauges of the log.
pub(super) struct LogGauges {
    tree_size: Gauge,
    unpublished: Gauge,
    open_intents: Gauge,
    queue: Gauge,
    degraded: Gauge,
    alarm: Gauge,
    refused: Gauge,
    flushes: Gauge,
    flush_mean: Seconds,
    free: Gauge,
    used: Seconds,
}

type Seconds = Gauge<f64, std::sync::atomic::AtomicU64>;

impl LogGauges {
    pub(super) fn register(registry: &mut Registry) -> LogGauges {
        let mut count = |name: &str, help: &str| {
            let gauge = Gauge::default();
            registry.register(name, help, Gauge::clone(&gauge));
            gauge
        };
        let gauges = (
            count("audit_tree_size", "Entries that are durable"),
            count("audit_unpublished", "Entries that no checkpoint covers yet"),
            count("audit_open_intents", "Intents without an outcome"),
            count("audit_queue_depth", "Entries that wait to be written"),
            count("audit_degraded", "1 while the log cannot be written"),
            count(
                "audit_alarm",
                "1 while somebody should look: requests are refused, a commit takes over 250 ms, publishing fails, \
                 or the disk is nearly full",
            ),
            count(
                "audit_refused",
                "Requests refused for want of a record since start",
            ),
            count("audit_flushes", "Flushes of the log since start"),
            count("audit_free_bytes", "What is left of the log's disk"),
        );
        let (tree_size, unpublished, open_intents, queue, degraded, alarm, refused, flushes, free) =
            gauges;
        let (flush_mean, used) = (Seconds::default(), Seconds::default());
        registry.register_with_unit(
            "audit_flush_mean",
            "Mean time of a flush",
            Unit::Seconds,
            Gauge::clone(&flush_mean),
        );
        registry.register(
            "audit_disk_used_ratio",
            "Of the log's disk, how much is used, 0 to 1",
            Gauge::clone(&used),
        );
        LogGauges {
            tree_size,
            unpublished,
            open_intents,
            queue,
            degraded,
            alarm,
            refused,
            flushes,
            flush_mean,
            free,
            used,
        }
    }

    pub(super) fn set(&self, status: &audit::Status) {
        let count = |gauge: &Gauge, n: u64| {
            gauge.set(i64::try_from(n).unwrap_or(i64::MAX));
        };
        count(&self.tree_size, status.tree_size);
        count(
            &self.unpublished,
            status.tree_size.saturating_sub(status.checkpoint_size),
        );
        count(&self.open_intents, status.open_intents);
        count(&self.queue, status.queue_depth as u64);
        count(
            &self.degraded,
            u64::from(status.state != audit::State::Serving),
        );
        count(&self.alarm, u64::from(status.alarm));
        count(&self.refused, status.refused);
        count(&self.flushes, status.flushes);
        self.flush_mean.set(status.mean_flush.as_secs_f64());
        count(&self.free, status.room.free);
        #[expect(clippy::cast_precision_loss, reason = "a ratio needs no more")]
        let used = 1.0 - status.room.free as f64 / status.room.total.max(1) as f64;
        self.used.set(used);
    }
}
