//! The log that a process left behind, verified and read once.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// The entries of a closed log that verifies.
pub(crate) struct Log {
    pub(crate) entries: Vec<Value>,
}

impl Log {
    /// Verifies the log in this folder, and that every intent has exactly one outcome, and reads it.
    #[track_caller]
    pub(crate) fn verified(dir: &Path) -> Log {
        if let Err(damage) = audit::verify_shards(dir, audit::ChainOptions::default()) {
            panic!("the log does not verify: {damage}");
        }
        let newest = audit::shards(dir).unwrap().pop().unwrap();
        let entries = audit::entries(&newest).expect("the log can be read");
        let read = |entry: Result<_, _>| {
            let (_index, bytes): (audit::EntryIndex, Vec<u8>) = entry.expect("an entry");
            serde_json::from_slice(&bytes).expect("JSON")
        };
        let log = Log {
            entries: entries.map(read).collect(),
        };
        log.pair();
        log
    }

    #[track_caller]
    fn pair(&self) {
        let mut outcomes: BTreeMap<&str, i64> = BTreeMap::new();
        for entry in &self.entries {
            let change = match entry["type"].as_str().unwrap() {
                "req.intent" => -1,
                "req.outcome" => 1,
                _ => continue,
            };
            *outcomes.entry(entry["req"].as_str().unwrap()).or_default() += change;
        }
        outcomes.retain(|_, balance| *balance != 0);
        assert!(
            outcomes.is_empty(),
            "intents (-) and outcomes (+) without the other: {outcomes:?}"
        );
    }

    /// The entries of one type.
    pub(crate) fn of_type(&self, kind: &str) -> Vec<&Value> {
        self.entries
            .iter()
            .filter(|entry| entry["type"] == kind)
            .collect()
    }

    /// The entries about one request.
    pub(crate) fn about(&self, request_id: &str) -> Vec<&Value> {
        self.entries
            .iter()
            .filter(|entry| entry["req"] == request_id)
            .collect()
    }
}
