//! Is it acceptable, under that permit's profile? What the profile redacts is redacted here, before anything is
//! recorded or sent: the entry and the model both see the redacted text.

use aws_lc_rs::digest::Digest;
use guardrails::{Action, Report, Screening, Stage, Under, Unjudged};
use policy::Permit;
use tokio::time::Instant;

use crate::Gateway;
use crate::deadline::Deadline;
use crate::pipeline::ingest::{self, Places};
use crate::pipeline::label::Labelled;
use crate::pipeline::texts::{self, Question, Text};
use crate::pipeline::trail::Trail;
use crate::refusal::{Blocked, Refusal};
use crate::rules::Rules;

/// Proof that a question's text was judged acceptable. It names its subject: the digest of the text, after redaction.
#[must_use]
pub struct Clearance {
    digest: Digest,
    report: Report,
    action: Action,
}

impl Clearance {
    /// Whether it is about the text of this question.
    pub fn covers(&self, question: &impl Question) -> bool {
        self.digest.as_ref() == texts::digest(question).as_ref()
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

/// Judges every guarded text of the prompt, and returns the question that may be sent.
///
/// # Errors
/// [`Refusal::Content`] if a rule blocks it, [`Refusal::GuardrailUnavailable`] if a detector could not decide.
pub async fn prompt<Q: Question>(
    gw: &Gateway,
    labelled: Labelled<Q>,
    permit: &Permit,
    deadline: Deadline,
    trail: &mut Trail,
) -> Result<(Q, Clearance), Refusal> {
    let ingest::Prompt {
        mut question,
        places,
        wanted,
        ..
    } = labelled.prompt;
    let found = question.texts();
    let under = Under::profile(permit.profile()).blocking_what_it_flags(wanted.blocks_prompt());
    let judged = judge(&trail.rules(), &found, &places, under, until(gw, deadline)).await;
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
    drop(found);
    if question.rewrite(screening.rewritten).is_none() {
        // What cannot be masked where it stands (a number in a schema, say) is blocked.
        return Err(blocked(screening.report, permit));
    }
    trail.masked(&masked);
    let clearance = Clearance {
        digest: texts::digest(&question),
        report: screening.report,
        action: screening.action,
    };
    Ok((question, clearance))
}

/// A judgement may take until then.
pub fn until(gw: &Gateway, deadline: Deadline) -> Instant {
    deadline.instant().min(Instant::now() + gw.guard_timeout)
}

/// What the guardrails say about texts, whatever it is.
///
/// # Errors
/// [`Unjudged`] if a detector could not decide.
pub async fn judge(
    rules: &Rules,
    texts: &[Text<'_>],
    places: &Places,
    under: Under<'_>,
    until: Instant,
) -> Result<Screening, Unjudged> {
    let mut spans = texts::spans(texts);
    for span in &mut spans {
        span.path = places.in_request(std::mem::take(&mut span.path));
    }
    rules
        .guardrails
        .screen(under, Stage::Prompt, &spans, until)
        .await
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
