//! Tasks that shutdown waits for. Nothing is spawned anywhere else.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;

/// Counts the tasks that run, so that shutdown can wait for them and name how many it abandoned.
#[derive(Clone, Default)]
pub struct Tasks(Arc<Shared>);

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    idle: Notify,
}

/// Counted down when the task ends, also by a panic.
struct Running(Arc<Shared>);

impl Tasks {
    /// Runs `task` to its end, or until the runtime stops.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.running.fetch_add(1, Ordering::AcqRel);
        let running = Running(self.0.clone());
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the one tracker of tasks"
        )]
        tokio::spawn(async move {
            let _running = running;
            task.await;
        });
    }

    /// Waits until none runs; the number of those that still ran at the end of the grace period.
    pub async fn finish(&self, grace: Duration) -> usize {
        let idle = async {
            loop {
                let notified = self.0.idle.notified();
                if self.running() == 0 {
                    return;
                }
                notified.await;
            }
        };
        let _ = timeout(grace, idle).await;
        self.running()
    }

    /// How many run now.
    pub fn running(&self) -> usize {
        self.0.running.load(Ordering::Acquire)
    }
}

/// hyper runs the streams of an HTTP/2 connection as tasks: shutdown waits for these too.
impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, task: F) {
        self.spawn(task);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.0.running.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
