//! Trained detectors: what one must do, and where it is run.

use std::ops::Range;
use std::sync::Arc;

use crate::{DetectorInfo, Features, On, Score};

mod linear;
pub(crate) mod onnx;
pub(crate) mod pool;
mod runtime;

/// A trained model that scores windows of text. The seam at which tests put a fake.
///
/// [`Classifier::score`] may block; it is only called on the pool's threads, several at a time.
pub trait Classifier: Send + Sync {
    /// Its name, version and digest.
    fn info(&self) -> &DetectorInfo;

    /// Its labels, in the order of the scores.
    fn labels(&self) -> &[String];

    /// How it wants long texts cut.
    fn windows(&self) -> WindowSize {
        WindowSize::default()
    }

    /// How often honest texts reach which score, as it was measured; empty if nobody has.
    fn measured(&self) -> &[Measured] {
        &[]
    }

    /// Scores a batch of windows: `[batch, labels]`, each 0..=1.
    ///
    /// # Errors
    /// Whatever keeps it from answering; the texts are then undecided, never passed.
    fn score(&self, batch: &[Features]) -> Result<Vec<Vec<f32>>, ClassifierError>;

    /// Scores windows (in bytes) of a canonical text as [`Classifier::score`] would score their features, if it can do so
    /// in a few microseconds each: this alone is called on the asker's own thread.
    fn score_windows(&self, _text: &str, _windows: &[Range<usize>]) -> Option<Vec<Vec<f32>>> {
        None
    }
}

/// Of honest texts of a kind, the share that scores so much or more for a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// The label.
    pub label: String,
    /// The kind of texts.
    pub on: On,
    /// The score.
    pub threshold: Score,
    /// The share, in steps of 1/10,000.
    pub false_rate: Score,
}

/// A canonical text and the windows of it that are to be scored, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passage {
    pub(crate) text: Arc<str>,
    pub(crate) ranges: Vec<Range<usize>>,
}

#[cfg(test)]
impl Passage {
    /// One window.
    pub(crate) fn whole(text: &str) -> Passage {
        Passage {
            text: Arc::from(text),
            ranges: std::iter::once(0..text.len()).collect(),
        }
    }
}

/// How long texts are cut for a classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSize {
    /// Words per window, at least 1.
    pub words: usize,
    /// Words that neighbours share, less than `words`.
    pub overlap: usize,
}

impl Default for WindowSize {
    fn default() -> WindowSize {
        WindowSize {
            words: 256,
            overlap: 64,
        }
    }
}

/// A classifier could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ClassifierError {
    /// What went wrong, in the runtime's words; goes to the log, never to a caller.
    pub message: String,
}
