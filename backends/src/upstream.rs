//! The seam between the gateway and whatever answers it.

use std::future::Future;
use std::pin::Pin;

use tokio::time::Instant;

use crate::answer::Answer;
use crate::chat::Chat;
use crate::error::UpstreamError;

/// A boxed future, so that [`Upstream`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something that answers chats.
pub trait Upstream: Send + Sync {
    /// The configured name, as logs and metrics show it.
    fn name(&self) -> &str;

    /// Asks, and resolves when the *first event* is known. Until then nothing has been shown to
    /// anyone, so retries still happen in here, and a failure can still become a true HTTP status.
    /// The answer ends at `deadline` whatever the adapter's own clocks say.
    ///
    /// Cancel safe in the sense that matters: dropping the future closes the connection at once and
    /// leaves nothing behind. It cannot be resumed.
    ///
    /// # Errors
    ///
    /// See [`Failure`](crate::Failure); every retry that was safe has been made already.
    fn send<'a>(
        &'a self,
        chat: Chat,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Answer, UpstreamError>>;
}
