//! A recorded request as a question: what its entry says of who asked, for what, when and from where.
#![expect(clippy::print_stderr, reason = "a command line talks to its terminal")]

use std::path::Path;
use std::process::ExitCode;

use audit::entry::StoredEntry;
use audit::{CredentialKind, Entry, Op, RequestId, Served};
use policy::{Action, Assurance, Label, Policy, Subject, UnixTime};

use super::{Question, Target};

/// The request with this id, as the log tells of it; and, from a front end, the user's side of it, which
/// must be permitted too.
///
/// # Errors
/// The exit code, once it has been told why there is no question.
pub(super) fn questions(
    policy: &Policy,
    id: &str,
    log: &Path,
    claims: &[(String, String)],
) -> Result<(Question, Option<Question>), ExitCode> {
    let asked = RequestId::parse(id)
        .ok_or_else(|| format!("`{id}` is not a request id: it is a UUID"))
        .and_then(|request| Asked::of(&find(log, &request)?));
    let questions = asked.and_then(|asked| {
        let (cap, proof) = match asked.credential {
            CredentialKind::ApiKey => (Assurance::Aal2, "an API key"),
            _ => (Assurance::Aal3, "a certificate or token"),
        };
        let changed = match asked.digest.get(..12) {
            Some(short) if asked.digest != policy.digest() => {
                format!("; it was decided under another bundle, {short}")
            }
            _ => String::new(),
        };
        let note = format!("entry {id}, proved by {proof}{changed}");
        let side = |principal: &str, cap, note| -> Result<Question, String> {
            let subject = super::super::with_claims(policy, principal, asked.at, claims);
            let subject = subject.ok_or_else(|| {
                format!("`{principal}` asked, of whom the bundle does not know enough any more")
            })?;
            Ok(asked.by(subject.with_assurance(cap), note))
        };
        let application = side(&asked.principal, cap, note)?;
        let user = asked.user.as_deref().map(|user| {
            let note = format!(
                "the user for whom `{}` asked, proved by a token",
                asked.principal
            );
            side(user, Assurance::Aal3, note)
        });
        Ok((application, user.transpose()?))
    });
    questions.map_err(|why| {
        eprintln!("error: {why}");
        ExitCode::from(2)
    })
}

/// What an entry says of a request.
struct Asked {
    principal: String,
    /// For whom a front end asked.
    user: Option<String>,
    credential: CredentialKind,
    model: String,
    action: Action,
    purpose: Option<String>,
    label: Label,
    zone: String,
    /// Of the bundle that decided it; empty if none did.
    digest: String,
    at: UnixTime,
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
            Entry::Served(Served {
                op,
                src,
                who,
                judged: Some(judged),
                ..
            }) => (
                *op,
                src,
                Some(who),
                Some(&judged.model),
                judged.policy.purpose.as_ref(),
                Some(&judged.label),
                Some(&judged.policy),
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
            user: who.on_behalf_of.as_ref().map(ToString::to_string),
            credential: who.credential,
            model: model.ok_or_else(|| missing("model"))?.to_string(),
            action: action(op).ok_or_else(|| "no action belongs to this endpoint".to_owned())?,
            purpose: purpose.map(ToString::to_string),
            label: label.parse().map_err(|e| format!("its label: {e}"))?,
            zone: src.listener.to_string(),
            digest: policy
                .map(|policy| policy.digest.to_string())
                .unwrap_or_default(),
            at: UnixTime(i64::try_from(stored.ts / 1_000_000_000).unwrap_or(i64::MAX)),
        })
    }

    /// The question, asked by one side.
    fn by(&self, subject: Subject, note: String) -> Question {
        Question {
            subject,
            target: Target::Model(self.model.clone()),
            action: self.action,
            purpose: self.purpose.clone(),
            data: self.label.clone(),
            zone: self.zone.clone(),
            at: self.at,
            note: Some(note),
        }
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

/// The entry that tells of the decision: the intent, the refusal, or what was served. The newest shards come first.
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
            let decides = matches!(
                stored.entry,
                Entry::Intent(_) | Entry::Refusal(_) | Entry::Served(_)
            );
            if decides && stored.entry.request().as_ref() == Some(request) {
                return Ok(stored);
            }
        }
    }
    Err(format!("{} has no such request", log.display()))
}
