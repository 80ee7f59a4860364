//! What the operating system asks of us.

use tokio::signal::unix::{Signal, SignalKind, signal};

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
