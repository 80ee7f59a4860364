//! Ask the model. Only a [`Cleared`] request can be sent, and only this file can take one apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use audit::Receipt;
use backends::{Answer, Chat, Embed, Embedded, Upstream, Usage};
use policy::Permit;

use crate::deadline::Deadline;
use crate::load::UpstreamWrap;
use crate::pipeline::label::Labelled;
use crate::pipeline::screen::Clearance;
use crate::pipeline::texts::{Question, Vectors};
use crate::refusal::Refusal;

/// The models that callers can name, and where each is.
pub struct Models(BTreeMap<String, Target>);

/// One model on one backend.
#[derive(Clone)]
pub struct Target {
    /// The name callers use.
    pub model: String,
    /// The backend's registered name.
    pub backend: String,
    /// The backend's own name for the model.
    pub upstream_name: String,
    /// The backend.
    pub upstream: Arc<dyn Upstream>,
}

/// Vectors, and how they are wanted.
pub struct Embedding {
    /// The name the caller used for the model.
    pub model: String,
    /// What the backend says.
    pub embedded: Embedded,
    /// Whether as base64.
    pub base64: bool,
}

/// A request that may be sent: permitted, judged and written down.
#[must_use]
pub struct Cleared<Q> {
    question: Q,
    target: Target,
    permit: Permit,
    clearance: Clearance,
    receipt: Receipt,
}

/// An answer on its way, with the permit under which it was asked for.
pub struct Asked {
    /// What the backend says.
    pub answer: Answer,
    /// The permit.
    pub permit: Permit,
    /// The name the caller used for the model.
    pub model: String,
    /// What was said of the prompt.
    pub clearance: Clearance,
    /// The intent's place in the log.
    pub intent: Receipt,
}

impl Models {
    /// The models by the names that callers use.
    pub fn new(targets: impl IntoIterator<Item = Target>) -> Models {
        Models(
            targets
                .into_iter()
                .map(|target| (target.model.clone(), target))
                .collect(),
        )
    }

    /// The same models, with something between the gateway and each upstream.
    #[must_use]
    pub fn wrapped(mut self, wrap: &UpstreamWrap) -> Models {
        for target in self.0.values_mut() {
            target.upstream = wrap(target.upstream.clone());
        }
        self
    }

    /// The model that a prompt names.
    ///
    /// # Errors
    /// [`Refusal::ModelNotFound`].
    pub fn find<Q: Question>(&self, labelled: &Labelled<Q>) -> Result<Target, Refusal> {
        self.0
            .get(labelled.prompt.question.model())
            .cloned()
            .ok_or(Refusal::ModelNotFound)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Whether this name is registered.
    pub fn contains(&self, model: &str) -> bool {
        self.0.contains_key(model)
    }
}

impl<Q: Question> Cleared<Q> {
    /// Puts the three proofs together.
    ///
    /// # Errors
    /// [`Refusal::ClearanceMismatch`] if the clearance is about another text, or the permit about another model.
    pub fn new(
        question: Q,
        target: Target,
        permit: Permit,
        clearance: Clearance,
        receipt: Receipt,
    ) -> Result<Cleared<Q>, Refusal> {
        if clearance.covers(&question) && permit.model() == Some(target.model.as_str()) {
            Ok(Cleared {
                question,
                target,
                permit,
                clearance,
                receipt,
            })
        } else {
            Err(Refusal::ClearanceMismatch)
        }
    }
}

/// Sends a cleared request. Resolves when the first event of the answer is known, so that a failure can still be told
/// with a true status. Dropping the future cancels the upstream.
///
/// # Errors
/// [`Refusal::Upstream`].
pub async fn send(cleared: Cleared<Chat>, deadline: Deadline) -> Result<Asked, Refusal> {
    let Cleared {
        question: mut chat,
        target,
        permit,
        clearance,
        receipt,
    } = cleared;
    chat.model = target.upstream_name;
    let answer = target.upstream.send(chat, deadline.instant()).await?;
    Ok(Asked {
        answer,
        permit,
        model: target.model,
        clearance,
        intent: receipt,
    })
}

/// Has a cleared request's texts turned into vectors.
///
/// # Errors
/// [`Refusal::Upstream`].
pub async fn embed(cleared: Cleared<Vectors>, deadline: Deadline) -> Result<Embedding, Refusal> {
    let Cleared {
        question: Vectors { embed, base64 },
        target,
        ..
    } = cleared;
    let embed = Embed {
        model: target.upstream_name,
        ..embed
    };
    let embedded = target.upstream.embed(embed, deadline.instant()).await?;
    Ok(Embedding {
        model: target.model,
        embedded,
        base64,
    })
}

/// Has a cleared chat's tokens counted; nobody answers it.
///
/// # Errors
/// [`Refusal::Upstream`].
pub async fn count(cleared: Cleared<Chat>, deadline: Deadline) -> Result<Usage, Refusal> {
    let Cleared {
        question, target, ..
    } = cleared;
    let chat = Chat {
        model: target.upstream_name,
        ..question
    };
    let usage = target.upstream.count(chat, deadline.instant()).await?;
    Ok(usage)
}
