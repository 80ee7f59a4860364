//! What only the demo puts between the gateway's parts: a classifier that hangs on command, and a tap at the model,
//! behind which a script can stand in for a slow one. (The storage that fails on command is `audit`'s own.)

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use backends::{Answer, BoxFuture, Chat, Demo, Embed, Embedded, Upstream, UpstreamError, Usage};
use gateway::load::{ClassifierWrap, UpstreamWrap};
use guardrails::{Classifier, ClassifierError, DetectorInfo, Features, Measured, WindowSize};
use tokio::time::Instant;

/// A switch on every classifier: while it is on, they do not return.
#[derive(Clone, Default)]
pub(super) struct Hang(Arc<(Mutex<bool>, Condvar)>);

impl Hang {
    pub(super) fn set(&self, on: bool) {
        *lock(&self.0.0) = on;
        self.0.1.notify_all();
    }

    pub(super) fn wrap(&self) -> ClassifierWrap {
        let hang = self.clone();
        Arc::new(move |inner| {
            let hang = hang.clone();
            Arc::new(Hanging { inner, hang })
        })
    }

    fn wait(&self) {
        let on = lock(&self.0.0);
        drop(
            self.0
                .1
                .wait_while(on, |on| *on)
                .unwrap_or_else(PoisonError::into_inner),
        );
    }
}

struct Hanging {
    inner: Arc<dyn Classifier>,
    hang: Hang,
}

impl Classifier for Hanging {
    fn info(&self) -> &DetectorInfo {
        self.inner.info()
    }

    fn labels(&self) -> &[String] {
        self.inner.labels()
    }

    fn windows(&self) -> WindowSize {
        self.inner.windows()
    }

    fn measured(&self) -> &[Measured] {
        self.inner.measured()
    }

    fn score(&self, batch: &[Features]) -> Result<Vec<Vec<f32>>, ClassifierError> {
        self.hang.wait();
        self.inner.score(batch)
    }
}

/// Hears what reaches the model.
#[derive(Clone, Default)]
pub(super) struct Tap(Arc<Mutex<Heard>>);

#[derive(Default)]
struct Heard {
    requests: usize,
    /// Every text of the last request.
    last: Vec<String>,
    /// Whether the script answers instead of the model.
    stands_in: bool,
}

impl Tap {
    /// How many requests have reached the model.
    pub(super) fn requests(&self) -> usize {
        lock(&self.0).requests
    }

    /// Every text of the last one, as it arrived.
    pub(super) fn last_texts(&self) -> Vec<String> {
        lock(&self.0).last.clone()
    }

    /// Whether the script answers from now on, at once and for nothing, where many long prompts are needed.
    pub(super) fn stand_in(&self, on: bool) {
        lock(&self.0).stands_in = on;
    }

    pub(super) fn wrap(&self) -> UpstreamWrap {
        let tap = self.clone();
        Arc::new(move |inner| {
            let (tap, script) = (tap.clone(), Demo::new(inner.name()));
            Arc::new(Tapped { inner, tap, script })
        })
    }

    /// Hears a request; whether the script is to answer it.
    fn hear(&self, chat: &Chat) -> bool {
        let mut heard = lock(&self.0);
        heard.requests += 1;
        let texts = chat.messages.iter().flat_map(|message| &message.content);
        heard.last = texts.cloned().collect();
        heard.stands_in
    }
}

struct Tapped {
    inner: Arc<dyn Upstream>,
    tap: Tap,
    script: Demo,
}

impl Upstream for Tapped {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn send<'a>(
        &'a self,
        chat: Chat,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Answer, UpstreamError>> {
        match self.tap.hear(&chat) {
            true => self.script.send(chat, deadline),
            false => self.inner.send(chat, deadline),
        }
    }

    fn embed<'a>(
        &'a self,
        embed: Embed,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Embedded, UpstreamError>> {
        self.inner.embed(embed, deadline)
    }

    fn count<'a>(
        &'a self,
        chat: Chat,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Usage, UpstreamError>> {
        self.inner.count(chat, deadline)
    }
}

/// What is guarded stays whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
