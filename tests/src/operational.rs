//! The operational log of this process, caught in memory.

use std::io;
use std::sync::{Arc, Mutex, OnceLock};

/// Everything that was logged by this process since [`caught`] was first called, at every level that an operator can
/// ask for.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

/// Catches the operational log of this process from now on.
pub fn caught() -> Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    LINES
        .get_or_init(|| {
            let lines = Lines::default();
            let writer = lines.clone();
            // Our own crates in full; others as far as an operator would want them.
            let filter =
                "info,gateway=trace,audit=trace,policy=trace,guardrails=trace,backends=trace";
            tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_ansi(false)
                .with_writer(move || writer.clone())
                .init();
            lines
        })
        .clone()
}

impl Lines {
    /// What was logged.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }
}

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
