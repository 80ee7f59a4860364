//! One deadline per request, set on entry and passed down; every wait on a peer, a disk or a queue ends at it.

use std::future::Future;
use std::time::Duration;

use tokio::time::error::Elapsed;
use tokio::time::{Instant, timeout_at};

/// When a request must be over.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// A deadline this far from now, by the runtime's clock.
    pub fn after(time: Duration) -> Deadline {
        Deadline(Instant::now() + time)
    }

    /// The same, or this far from now if that is sooner.
    pub fn sooner(self, time: Duration) -> Deadline {
        Deadline(self.0.min(Instant::now() + time))
    }

    /// The moment itself.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// Waits for `future`, but no longer than the deadline. As cancel safe as `future` is.
    ///
    /// # Errors
    /// [`Elapsed`] at the deadline.
    pub async fn limit<F: Future>(self, future: F) -> Result<F::Output, Elapsed> {
        timeout_at(self.0, future).await
    }
}
