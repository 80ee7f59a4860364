//! Why the last requests were refused, for those who made them: `GET /v1/portcullis/decisions/{request-id}`.
//!
//! What is told is no more than the refusal itself told, put in order: the detector's class, the category, the place, and
//! for a deterministic hit the bytes of the caller's own text. Never rule text, scores, thresholds, or what was matched.
//! It lives in memory, the last [`KEPT_MAX`] refusals of known callers; the log is what lasts.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use guardrails::Finding;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::refusal::{Blocked, Refusal};
use crate::reply::Described;

/// Refusals that are kept.
pub const KEPT_MAX: usize = 10_000;

/// Findings that one of them tells of.
const FINDINGS_TOLD_MAX: usize = 32;

/// The last refusals.
#[derive(Default)]
pub struct Decisions(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    oldest_first: VecDeque<Uuid>,
    by_request: HashMap<Uuid, (Asker, Value)>,
}

/// Who asked: an application, and the user for whom it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asker {
    /// The principal.
    pub principal: String,
    /// The user behind a front end.
    pub user: Option<String>,
}

impl Decisions {
    /// Keeps a refusal that has been recorded.
    pub fn keep(&self, request: Uuid, asker: Asker, refusal: &Refusal, told: &Described) {
        let decision = json!({
            "object": "portcullis.decision",
            "request_id": request.to_string(),
            "status": told.status.as_u16(),
            "type": told.kind,
            "code": told.code,
            "param": told.param,
            "message": told.message,
            "findings": findings(refusal),
        });
        let mut kept = self.kept();
        if kept.oldest_first.len() >= KEPT_MAX
            && let Some(oldest) = kept.oldest_first.pop_front()
        {
            kept.by_request.remove(&oldest);
        }
        kept.oldest_first.push_back(request);
        kept.by_request.insert(request, (asker, decision));
    }

    /// What was decided about a request of this asker. `None` for anybody else's, and for one that is forgotten.
    pub fn about(&self, request: Uuid, asker: &Asker) -> Option<Value> {
        let kept = self.kept();
        let (whose, decision) = kept.by_request.get(&request)?;
        (whose == asker).then(|| decision.clone())
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The categories for which a content rule refused, each once.
pub fn categories(blocked: &Blocked) -> Vec<String> {
    let refusing = blocked.refusing().map(|(_, found)| found.label.clone());
    let distinct: BTreeSet<_> = refusing.take(FINDINGS_TOLD_MAX).collect();
    distinct.into_iter().collect()
}

/// What was found, where a content rule refused.
fn findings(refusal: &Refusal) -> Vec<Value> {
    let Refusal::Content(blocked) = refusal else {
        return Vec::new();
    };
    let told = |(detector, found): (&str, &Finding)| {
        let exact = found.score == guardrails::Score::MAX && is_as_written(&found.path);
        let bytes = exact.then(|| json!([found.range.start, found.range.end]));
        json!({ "detector": detector, "category": found.label, "param": found.path, "bytes": bytes })
    };
    blocked
        .refusing()
        .take(FINDINGS_TOLD_MAX)
        .map(told)
        .collect()
}

/// Whether the text at a path is the caller's own, byte for byte: what was an object is judged as we write it.
fn is_as_written(path: &str) -> bool {
    // What stands at the top is text in every dialect.
    let Some((_, last)) = path.rsplit_once('.') else {
        return true;
    };
    !["parameters", "schema", "input", "input_schema"].contains(&last)
}

#[cfg(test)]
mod tests;
