//! What the operating system asks of us.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGHUP: load the policy files again.
pub(crate) struct HangUp(Option<Signal>);

impl HangUp {
    /// Watches, within a runtime.
    pub(crate) fn watch() -> HangUp {
        HangUp(signal(SignalKind::hangup()).ok())
    }

    /// Resolves at the next one.
    pub(crate) async fn came(&mut self) {
        match &mut self.0 {
            Some(signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }
}

/// SIGTERM and SIGINT, watched from its making on: one that comes before anybody waits for it is not lost.
pub(crate) struct Stop(Option<(Signal, Signal)>);

impl Stop {
    /// Watches, within a runtime. Where signals cannot be watched, only SIGKILL ends the program.
    pub(crate) fn watch() -> Stop {
        let terminate = signal(SignalKind::terminate());
        let interrupt = signal(SignalKind::interrupt());
        Stop(terminate.ok().zip(interrupt.ok()))
    }

    /// Resolves once one of them has come.
    pub(crate) async fn requested(&mut self) {
        let Some((terminate, interrupt)) = &mut self.0 else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}
