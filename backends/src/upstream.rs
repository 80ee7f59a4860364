//! The seam between the gateway and whatever answers it.

use std::future::Future;
use std::pin::Pin;

use tokio::time::Instant;

use crate::answer::{Answer, Usage};
use crate::chat::Chat;
use crate::embed::{Embed, Embedded};
use crate::error::UpstreamError;

/// A boxed future, so that [`Upstream`] can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something that answers chats, and perhaps turns texts into vectors.
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

    /// Turns texts into vectors. Clocks, retries and cancelling as for [`Upstream::send`].
    ///
    /// # Errors
    ///
    /// See [`Failure`](crate::Failure); a server without embeddings answers with a
    /// [`Status`](crate::Failure::Status).
    fn embed<'a>(
        &'a self,
        embed: Embed,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Embedded, UpstreamError>>;

    /// Counts the tokens of a chat, without answering it: as the server counts, where it can be asked,
    /// else an upper bound that says it is one. `output` is 0.
    ///
    /// # Errors
    ///
    /// See [`Failure`](crate::Failure).
    fn count<'a>(
        &'a self,
        chat: Chat,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Usage, UpstreamError>>;
}
