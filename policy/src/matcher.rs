//! Which rows of a section match? The only place in the project that names casbin.
//!
//! One enforcer holds all sections: section `n` has its own `rn pn en mn`, written from the
//! template in `model.conf`, and is asked through an `EnforceContext`. What casbin 2.20 does that
//! shaped this file (each has a test named after its number in `tests/traps.rs`):
//!
//! - In a numbered section it looks for an effect column called exactly `p_eft`, does not find it,
//!   and hands every matched row to the effector as *allow*. So sections carry no effect, and
//!   "allow" from casbin means "matched", nothing more.
//! - It evaluates an empty section once on empty strings. So an empty section is never asked.
//! - Its effect expressions panic when unknown, its match functions panic on odd bytes, its caches
//!   outlive a revocation. So: own effector, own total functions, no `cached` feature.
//!
//! The effector hands the matched indices back through a thread-local, which is sound because an
//! evaluation is synchronous: nothing else runs on the thread between the reset and the take.
//!
//! Invariants: an answer covers every row of the section (counted), in row order; a panic inside
//! casbin becomes [`UndecidedReason::Panicked`], an answer that takes longer than [`DECISION_MAX`]
//! [`UndecidedReason::Slow`]; the enforcer is never changed after building.

use std::{
    cell::RefCell,
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use casbin::{
    CoreApi, DefaultModel, EffectKind, Effector, EffectorStream, EnforceContext, Enforcer, Model,
    NullAdapter,
};

use crate::{
    decision::{Undecided, UndecidedReason},
    rule::{Effect, Facts, Rule},
};

mod functions;
mod template;

pub(crate) use template::{MODEL_SHA256, Template};

/// All sections of a bundle, compiled.
pub(crate) struct Matcher {
    enforcer: Enforcer,
}

/// A direct link from a record to a role in a tenant; inheritance is already flattened.
pub(crate) struct RoleLink<'a> {
    pub(crate) record: &'a str,
    pub(crate) role: &'a str,
    pub(crate) tenant: &'a str,
}

/// Casbin refused what we compiled for it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("casbin: {0}")]
    Casbin(#[from] casbin::Error),
    #[error("casbin refused a definition or collapsed two rows in section {section}")]
    Section { section: usize },
    #[error("casbin waited for something while nothing does I/O")]
    Pending,
}

impl Matcher {
    /// Compiles sections, each a non-empty list of rows, numbered by their position from 1.
    pub(crate) fn build<'a>(
        template: &Template,
        sections: impl IntoIterator<Item = Vec<&'a Rule>>,
        links: impl IntoIterator<Item = RoleLink<'a>>,
    ) -> Result<Self, BuildError> {
        let mut model = DefaultModel::default();
        model.add_def("g", "g", &template.roles);
        for link in links {
            let row = [link.record, link.role, link.tenant].map(str::to_owned);
            model.add_policy("g", "g", row.into());
        }
        for (nth, rows) in sections.into_iter().enumerate() {
            add_section(&mut model, template, nth + 1, &rows)?;
        }
        let mut enforcer = now(Enforcer::new_raw(model, NullAdapter))??;
        functions::register(&mut enforcer);
        enforcer.set_effector(Box::new(Recorder));
        enforcer.build_role_links()?;
        Ok(Self { enforcer })
    }

    /// The positions of the rows that match, in row order, in a section of `rows` rows.
    ///
    /// # Errors
    /// [`Undecided`] when casbin fails, panics, skips a row, or has not answered at the deadline; a single
    /// comparison is not interrupted, and its answer comes too late.
    pub(crate) fn matched(
        &self,
        section: usize,
        rows: usize,
        facts: &Facts<'_>,
        deadline: Deadline,
    ) -> Result<Vec<usize>, Undecided> {
        if rows == 0 {
            return Ok(Vec::new());
        }
        let request = request(facts);
        let context = EnforceContext::new(&section.to_string());
        RECORDING.set(Recording::until(deadline));
        // The verdict inside is casbin's own and is dropped: only the recording counts.
        let run = || {
            self.enforcer
                .enforce_with_context(context, request)
                .map(drop)
        };
        let outcome = catch_unwind(AssertUnwindSafe(run));
        let recording = RECORDING.take();
        match outcome {
            Err(_) => Err(undecided(
                UndecidedReason::Panicked,
                section,
                "casbin panicked",
            )),
            Ok(_) if recording.late || deadline.has_passed() => Err(undecided(
                UndecidedReason::Slow,
                section,
                "casbin took too long",
            )),
            Ok(Err(error)) => Err(undecided(
                UndecidedReason::Engine,
                section,
                &engine_error(&error),
            )),
            Ok(Ok(())) if recording.evaluated != rows || recording.odd => Err(undecided(
                UndecidedReason::Incomplete,
                section,
                "not every row was evaluated",
            )),
            Ok(Ok(())) => Ok(recording.matched),
        }
    }

    /// The enforcer itself, for tests that break it on purpose.
    #[cfg(test)]
    pub(crate) fn enforcer_mut(&mut self) -> &mut Enforcer {
        &mut self.enforcer
    }
}

/// Adds the definitions and rows of one section.
fn add_section(
    model: &mut DefaultModel,
    template: &Template,
    number: usize,
    rows: &[&Rule],
) -> Result<(), BuildError> {
    let key = |section: &str| format!("{section}{number}");
    let defined = model.add_def("r", &key("r"), &template.request)
        && model.add_def("p", &key("p"), &template.columns)
        && model.add_def("e", &key("e"), &template.effect)
        && model.add_def("m", &key("m"), &template.matcher_for(number));
    let added = rows
        .iter()
        .all(|rule| model.add_policy("p", &key("p"), row(rule)));
    match defined && added {
        true => Ok(()),
        false => Err(BuildError::Section { section: number }),
    }
}

/// A row in the order of the template's columns; the rule id keeps rows distinct.
fn row(rule: &Rule) -> Vec<String> {
    // The direction of the label comparison travels in the cell, because there is no effect column.
    let label = match rule.effect {
        Effect::Allow { .. } => format!("{}{}", functions::CEILING, rule.label),
        Effect::Deny => format!("{}{}", functions::FLOOR, rule.label),
    };
    vec![
        rule.reference.id().to_owned(),
        rule.role.clone(),
        rule.tenant.clone(),
        rule.objects.clone(),
        rule.actions.clone(),
        rule.purposes.clone(),
        label,
        rule.zones.clone(),
        rule.assurance.to_string(),
        rule.windows.clone(),
    ]
}

/// The request in the order of the template.
fn request(facts: &Facts<'_>) -> Vec<String> {
    vec![
        facts.subject.record().to_owned(),
        facts.subject.tenant().to_owned(),
        facts.object.clone(),
        facts.action.to_string(),
        facts.purpose.to_owned(),
        facts.data.to_string(),
        facts.zone.to_owned(),
        facts.subject.assurance().to_string(),
        facts.windows.clone(),
    ]
}

/// Until when a decision must have been reached.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// As long as a decision may take, from now.
    pub(crate) fn from_now() -> Self {
        Self(Instant::now() + DECISION_MAX)
    }

    fn has_passed(self) -> bool {
        Instant::now() > self.0
    }
}

/// A section of the largest size takes some 4 ms; what takes so much longer is not busy but broken.
const DECISION_MAX: Duration = Duration::from_secs(1);

/// What the effector saw of one evaluation.
#[derive(Default)]
struct Recording {
    deadline: Option<Deadline>,
    /// The deadline passed between two rows.
    late: bool,
    evaluated: usize,
    matched: Vec<usize>,
    /// Casbin reported a deny, which a section without an effect column cannot have.
    odd: bool,
}

impl Recording {
    fn until(deadline: Deadline) -> Self {
        Self {
            deadline: Some(deadline),
            ..Self::default()
        }
    }
}

thread_local! {
    static RECORDING: RefCell<Recording> = RefCell::default();
}

/// An effector that decides nothing, stops nowhere, and writes down what matched.
struct Recorder;

impl Effector for Recorder {
    fn new_stream(&self, _expression: &str, _capacity: usize) -> Box<dyn EffectorStream> {
        Box::new(Self)
    }
}

impl EffectorStream for Recorder {
    fn next(&self) -> bool {
        false
    }

    fn push_effect(&mut self, effect: EffectKind) -> bool {
        RECORDING.with_borrow_mut(|recording| {
            match effect {
                EffectKind::Allow => recording.matched.push(recording.evaluated),
                EffectKind::Deny => recording.odd = true,
                EffectKind::Indeterminate => {}
            }
            recording.evaluated += 1;
            recording.late = recording.deadline.is_some_and(Deadline::has_passed);
            recording.late
        })
    }
}

/// Drives a future that has nothing to wait for.
fn now<T>(future: impl Future<Output = T>) -> Result<T, BuildError> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Ok(value),
        Poll::Pending => Err(BuildError::Pending),
    }
}

/// The kind of an engine error; its text may quote the request, so it is not repeated.
fn engine_error(error: &casbin::Error) -> String {
    let kind = match error {
        casbin::Error::ModelError(_) => "model",
        casbin::Error::PolicyError(_) => "policy",
        casbin::Error::RequestError(_) => "request",
        casbin::Error::RhaiError(_) | casbin::Error::RhaiParseError(_) => "matcher",
        _ => "other",
    };
    format!("casbin failed: {kind} error")
}

fn undecided(reason: UndecidedReason, section: usize, detail: &str) -> Undecided {
    Undecided {
        reason,
        detail: format!("section {section}: {detail}"),
    }
}
