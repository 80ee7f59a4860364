//! What do the guardrails say? A moderation asks no model: texts are judged, nothing of them is sent anywhere, and the
//! verdict is the answer, whatever it is.

use guardrails::{Action, Report, Under};
use policy::Permit;

use crate::Gateway;
use crate::deadline::Deadline;
use crate::pipeline::ingest::{Prompt, moderations::MODERATION};
use crate::pipeline::label::Labelled;
use crate::pipeline::screen;
use crate::pipeline::texts::{Moderate, Question as _};
use crate::pipeline::trail::Trail;
use crate::refusal::Refusal;

/// What was said about each text.
pub struct Moderated {
    /// Under which model's rules, as the policy calls it.
    pub model: String,
    /// In the order of the texts: what ran and what it found.
    pub results: Vec<Report>,
}

/// The name of what is asked about: a model of this gateway, or what stands for none in particular. A name that nobody
/// registered may not stand in an entry.
///
/// # Errors
/// [`Refusal::ModelNotFound`].
pub fn model(
    gw: &Gateway,
    labelled: &Labelled<Moderate>,
    trail: &mut Trail,
) -> Result<String, Refusal> {
    let name = labelled.prompt.question.model();
    if name != MODERATION && !gw.models.contains(name) {
        return Err(Refusal::ModelNotFound);
    }
    trail.is_about(name);
    Ok(name.to_owned())
}

/// Judges each text by itself: what one of them is blocked for says nothing about the others.
///
/// # Errors
/// [`Refusal::GuardrailUnavailable`] if a detector could not decide about one of them.
pub async fn judged(
    gw: &Gateway,
    labelled: Labelled<Moderate>,
    model: String,
    permit: &Permit,
    deadline: Deadline,
    trail: &mut Trail,
) -> Result<Moderated, Refusal> {
    let Prompt {
        question, places, ..
    } = labelled.prompt;
    let texts = question.texts();
    trail.went_nowhere(&texts);
    let (rules, until) = (trail.rules(), screen::until(gw, deadline));
    let under = Under::profile(permit.profile());
    let (mut all, mut results) = (Report::default(), Vec::new());
    let at_a_time = if question.is_one { texts.len() } else { 1 };
    for texts in texts.chunks(at_a_time.max(1)) {
        match screen::judge(&rules, texts, &places, under, until).await {
            Ok(screening) => {
                all.add(&screening.report);
                results.push(screening.report);
            }
            Err(unjudged) => {
                all.add(&unjudged.report);
                trail.judged(&all, all.action());
                return Err(Refusal::GuardrailUnavailable(unjudged.why));
            }
        }
    }
    // What was asked was the verdict, and that is what it gets.
    trail.judged(&all, Action::Allow);
    Ok(Moderated { model, results })
}
