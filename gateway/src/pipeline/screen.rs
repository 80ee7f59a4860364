//! Is it acceptable, under that permit's profile? What the profile redacts is redacted here, before anything is
//! recorded or sent: the entry and the model both see the redacted text.

use aws_lc_rs::digest::Digest;
use backends::Chat;
use guardrails::{Action, Report, Stage};
use policy::Permit;

use crate::Gateway;
use crate::deadline::Deadline;
use crate::pipeline::label::Labelled;
use crate::pipeline::trail::Trail;
use crate::pipeline::{ingest, texts};
use crate::refusal::{Blocked, Refusal};

/// Proof that a chat's text was judged acceptable. It names its subject: the digest of the text, after redaction.
#[must_use]
pub struct Clearance {
    digest: Digest,
    report: Report,
    action: Action,
}

impl Clearance {
    /// Whether it is about the text of this chat.
    pub fn covers(&self, chat: &Chat) -> bool {
        self.digest.as_ref() == texts::digest(chat).as_ref()
    }

    /// Every check that ran.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The strongest action that was taken; never [`Action::Block`].
    pub fn action(&self) -> Action {
        self.action
    }
}

/// Judges every guarded text of the prompt, and returns the chat that may be sent.
///
/// # Errors
/// [`Refusal::Content`] if a rule blocks it, [`Refusal::GuardrailUnavailable`] if a detector could not decide.
pub async fn prompt(
    gw: &Gateway,
    labelled: Labelled,
    permit: &Permit,
    deadline: Deadline,
    trail: &mut Trail,
) -> Result<(Chat, Clearance), Refusal> {
    let ingest::Prompt {
        mut chat, places, ..
    } = labelled.prompt;
    let found = texts::texts(&chat);
    let mut spans = texts::spans(&found);
    for span in &mut spans {
        span.path = places.in_request(std::mem::take(&mut span.path));
    }
    let judged = {
        let until = deadline
            .instant()
            .min(tokio::time::Instant::now() + gw.guard_timeout);
        trail
            .rules()
            .guardrails
            .screen(permit.profile(), Stage::Prompt, &spans, until)
            .await
    };
    let screening = judged.map_err(|unjudged| {
        // What did run is evidence of the refusal.
        trail.judged(&unjudged.report, unjudged.report.action());
        Refusal::GuardrailUnavailable(unjudged.why)
    })?;
    trail.judged(&screening.report, screening.action);
    if screening.action == Action::Block {
        trail.went_nowhere(&found);
        return Err(blocked(screening.report, permit));
    }
    let masked: Vec<bool> = screening.rewritten.iter().map(Option::is_some).collect();
    if masked.contains(&true) {
        trail.went_nowhere(&found); // until it is known that it can
    }
    drop(spans);
    drop(found);
    if texts::rewrite(&mut chat, screening.rewritten).is_none() {
        // What cannot be masked where it stands (a number in a schema, say) is blocked.
        return Err(blocked(screening.report, permit));
    }
    trail.masked(&masked);
    let clearance = Clearance {
        digest: texts::digest(&chat),
        report: screening.report,
        action: screening.action,
    };
    Ok((chat, clearance))
}

fn blocked(report: Report, permit: &Permit) -> Refusal {
    let findings = report.checks.iter().flat_map(|check| &check.findings);
    let strictest = findings.max_by_key(|finding| finding.action).cloned();
    match strictest {
        Some(finding) if finding.action >= Action::Redact => Refusal::Content(Box::new(Blocked {
            finding,
            report,
            rule: permit.rule().clone(),
        })),
        // A block that nothing explains is not a verdict.
        _ => Refusal::ClearanceMismatch,
    }
}
