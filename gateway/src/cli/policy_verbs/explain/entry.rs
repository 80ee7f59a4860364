//! A recorded request as a question: what its entry says of who asked, for what, when and from where.
#![expect(clippy::print_stderr, reason = "a command line talks to its terminal")]

use std::path::Path;
use std::process::ExitCode;

use audit::entry::StoredEntry;
use audit::{CredentialKind, Entry, Op, RequestId};
use policy::{Action, Assurance, Label, Policy, UnixTime};

use super::{Question, Target};

/// The request with this id, as the log tells of it.
///
/// # Errors
/// The exit code, once it has been told why there is no question.
pub(super) fn question(policy: &Policy, id: &str, log: &Path) -> Result<Question, ExitCode> {
    let failed = |why: String| {
        eprintln!("error: {why}");
        ExitCode::from(2)
    };
    let request = RequestId::parse(id)
        .ok_or_else(|| failed(format!("`{id}` is not a request id: it is a UUID")))?;
    let stored = find(log, &request).map_err(failed)?;
    let asked = Asked::of(&stored).map_err(failed)?;
    let subject = policy.subject(&asked.principal).ok_or_else(|| {
        failed(format!(
            "`{}` asked, whom the bundle does not know any more",
            asked.principal
        ))
    })?;
    let (cap, proof) = match asked.credential {
        CredentialKind::ApiKey => (Assurance::Aal2, "an API key"),
        _ => (Assurance::Aal3, "a certificate or token"),
    };
    let at = i64::try_from(stored.ts / 1_000_000_000).unwrap_or(i64::MAX);
    let then = asked.digest.filter(|digest| digest != policy.digest());
    let changed = match then {
        Some(digest) => format!(
            "; it was decided under another bundle, {}",
            digest.get(..12).unwrap_or(&digest)
        ),
        None => String::new(),
    };
    Ok(Question {
        subject: subject.with_assurance(cap),
        target: Target::Model(asked.model),
        action: asked.action,
        purpose: asked.purpose,
        data: asked.label,
        zone: asked.zone,
        at: UnixTime(at),
        note: Some(format!("entry {id}, proved by {proof}{changed}")),
    })
}

/// What an entry says of a request.
struct Asked {
    principal: String,
    credential: CredentialKind,
    model: String,
    action: Action,
    purpose: Option<String>,
    label: Label,
    zone: String,
    /// Of the bundle that decided it.
    digest: Option<String>,
}

impl Asked {
    fn of(stored: &StoredEntry) -> Result<Self, String> {
        let (op, src, who, model, purpose, label, policy) = match &stored.entry {
            Entry::Intent(intent) => (
                intent.op,
                &intent.src,
                Some(&intent.who),
                Some(&intent.model),
                intent.policy.purpose.as_ref(),
                Some(&intent.label),
                Some(&intent.policy),
            ),
            Entry::Refusal(refusal) => (
                refusal.op,
                &refusal.src,
                refusal.who.as_ref(),
                refusal.model.as_ref(),
                refusal.purpose.as_ref(),
                refusal.label.as_ref(),
                refusal.policy.as_ref(),
            ),
            other => {
                return Err(format!(
                    "a `{}` entry tells of no access decision",
                    other.kind()
                ));
            }
        };
        let missing = |what: &str| {
            format!(
                "the request was refused before its {what} was known, so no access rule was asked"
            )
        };
        let who = who.ok_or_else(|| missing("sender"))?;
        let label = label.map(audit::Name::as_str).unwrap_or("U");
        Ok(Self {
            principal: who.principal.to_string(),
            credential: who.credential,
            model: model.ok_or_else(|| missing("model"))?.to_string(),
            action: action(op).ok_or_else(|| "no action belongs to this endpoint".to_owned())?,
            purpose: purpose.map(ToString::to_string),
            label: label.parse().map_err(|e| format!("its label: {e}"))?,
            zone: src.listener.to_string(),
            digest: policy.map(|policy| policy.digest.to_string()),
        })
    }
}

/// What the policy calls an operation.
fn action(op: Op) -> Option<Action> {
    match op {
        Op::ChatCompletions | Op::Responses | Op::Messages | Op::CountTokens => Some(Action::Chat),
        Op::Completions => Some(Action::Complete),
        Op::Embeddings => Some(Action::Embed),
        Op::Moderations => Some(Action::Moderate),
        Op::Models | Op::Model | Op::Decisions | Op::Unknown => None,
    }
}

/// The entry that tells of the decision: the intent, or the refusal. The newest shards come first.
fn find(log: &Path, request: &RequestId) -> Result<StoredEntry, String> {
    let said = |error: &dyn std::fmt::Display| format!("{}: {error}", log.display());
    let mut shards = audit::shards(log).map_err(|error| said(&error))?;
    if shards.is_empty() {
        shards.push(log.to_owned());
    }
    for shard in shards.iter().rev() {
        for entry in audit::entries(shard).map_err(|error| said(&error))? {
            let (_, leaf) = entry.map_err(|error| said(&error))?;
            let Ok(stored) = audit::entry::parse(&leaf) else {
                continue;
            };
            let decides = matches!(stored.entry, Entry::Intent(_) | Entry::Refusal(_));
            if decides && stored.entry.request().as_ref() == Some(request) {
                return Ok(stored);
            }
        }
    }
    Err(format!("{} has no such request", log.display()))
}
