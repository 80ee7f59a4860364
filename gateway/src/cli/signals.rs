//! What the operating system asks of us.

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at SIGTERM or SIGINT. If signals cannot be watched, never: then only SIGKILL ends the program.
pub(crate) async fn stop_requested() {
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
