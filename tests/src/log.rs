//! The log that a gateway left behind, read and verified.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

/// A closed log.
pub struct AuditLog {
    /// Its folder.
    pub dir: PathBuf,
    /// The folder of certificates and of the officer's key.
    pub(crate) certs: PathBuf,
    /// Keeps the folders while the log is looked at.
    pub(crate) _folders: (Arc<tempfile::TempDir>, Option<Arc<tempfile::TempDir>>),
}

impl AuditLog {
    /// Re-reads and verifies the whole log, and that every intent has exactly one outcome.
    #[track_caller]
    pub fn check(&self) {
        if let Err(damage) = audit::verify(&self.dir, audit::VerifyOptions::default()) {
            panic!("the log does not verify: {damage}");
        }
        let intents = self.of_type("req.intent");
        let outcomes = self.of_type("req.outcome");
        for intent in &intents {
            let closed = outcomes
                .iter()
                .filter(|outcome| outcome["req"] == intent["req"])
                .count();
            assert_eq!(closed, 1, "an intent has exactly one outcome: {intent}");
        }
        assert_eq!(
            intents.len(),
            outcomes.len(),
            "no outcome without an intent"
        );
    }

    /// The folder of the certificates, beside the configuration.
    pub fn certs(&self) -> &Path {
        &self.certs
    }

    /// The policies under which it was written, as they were at the end.
    pub fn policies(&self) -> PathBuf {
        self.certs.with_file_name("policies")
    }

    /// The key that verifies its checkpoints.
    pub fn verify_key(&self) -> String {
        let vkey = std::fs::read_to_string(self.dir.with_extension("vkey")).unwrap();
        vkey.trim().to_owned()
    }

    /// Every entry, in order.
    pub fn entries(&self) -> Vec<Value> {
        let entries = audit::entries(&self.dir).expect("the log can be read");
        entries
            .map(|entry| serde_json::from_slice(&entry.expect("an entry").1).expect("JSON"))
            .collect()
    }

    /// The entries of one type.
    pub fn of_type(&self, kind: &str) -> Vec<Value> {
        self.entries()
            .into_iter()
            .filter(|entry| entry["type"] == kind)
            .collect()
    }

    /// The entries about one request.
    pub fn about(&self, request_id: &str) -> Vec<Value> {
        self.entries()
            .into_iter()
            .filter(|entry| entry["req"] == request_id)
            .collect()
    }

    /// The bodies of a request, opened with the officer's key, in the order of its entries.
    pub fn opened(&self, request_id: &str) -> Vec<Value> {
        let officer = audit::Opener::load(
            &self.certs.join("officer.key"),
            &self.certs.join("officer.pem"),
        )
        .unwrap();
        let mut bodies = Vec::new();
        for entry in self.about(request_id) {
            let req = serde_json::from_value(entry["req"].clone()).unwrap();
            for body in entry["body"].as_array().into_iter().flatten() {
                let body: audit::entry::BodyRef = serde_json::from_value(body.clone()).unwrap();
                let document = audit::open_body(&self.dir, &officer, req, &body).unwrap();
                bodies.push(serde_json::to_value(document).unwrap());
            }
        }
        bodies
    }

    /// Every byte of every file of the log, as text where it is text.
    pub fn raw_text(&self) -> String {
        String::from_utf8_lossy(&self.raw()).into_owned()
    }

    /// Every byte of every file of the log.
    pub fn raw(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut folders = vec![self.dir.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                match entry.file_type().unwrap().is_dir() {
                    true => folders.push(entry.path()),
                    false => bytes.extend(std::fs::read(entry.path()).unwrap()),
                }
            }
        }
        bytes
    }
}
