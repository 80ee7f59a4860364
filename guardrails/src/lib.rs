//! Is this text acceptable?
//!
//! An [`Engine`] holds detectors and *profiles*: named sets of rules that say which detector looks at which texts and
//! what is done about what it finds. It judges whole texts ([`Engine::screen`]), answers while they grow
//! ([`Engine::stream`]), and finds classification markings ([`Engine::markings`]).
//!
//! ```text
//! profile ──► plan per (stage, origin)                                   profile, plan
//! text ─► canonical text + map ─► shapes: keyword, automaton, checksum   canon, scan, shape, shapes
//!                              └► windows ─► n-grams ─► ONNX, on a pool  ngrams, classifier
//!      hits and scores ─► findings, masks, report                        judge, redact, tally
//! whole texts: screen · tool arguments: arguments · growing answers: stream
//! ```
//!
//! What holds, and is tested:
//!
//! * A stream releases nothing that has not been judged, and what it releases depends on the text, not on its chunks
//!   (see [`AnswerScreen`]).
//! * No verdict ([`Undecided`]) is never "allowed". There is no setting that makes it so.
//! * A report lists what ran and nothing else.
//!
//! Absences: this crate has never heard of HTTP, of users or of access; it opens no socket, and after loading no file. It
//! is the only one that names the ONNX binding.
//!
//! Scanned is not the same as caught: patterns know only the shapes they know, and the classifiers are small.
#![cfg_attr(
    test,
    allow(clippy::indexing_slicing, reason = "a test that panics has failed")
)]

mod arguments;
mod canon;
mod classifier;
mod detector;
mod encoded;
mod engine;
mod escapes;
mod growing;
mod judge;
mod lookalikes;
mod markings;
pub mod ngrams;
mod plan;
mod problem;
mod profile;
mod redact;
mod report;
mod scan;
mod screen;
mod shape;
mod shapes;
mod span;
mod stream;
mod tally;
#[cfg(test)]
mod testing;

pub use canon::canonical;
pub use classifier::{Classifier, ClassifierError, Measured, WindowSize};
pub use detector::{DetectorInfo, Kind};
pub use engine::{Engine, Marking, ProfileFile, RuleInfo, RuntimeLibrary, Settings, Under, Wrap};
pub use ngrams::Features;
pub use problem::{Problem, Severity};
pub use profile::On;
pub use redact::RedactionKey;
pub use report::{
    Action, Check, FIELDS_MAX, FINDINGS_MAX, Finding, LabelScore, Released, Report, Score,
    Screening, StopReason, Stopped, Undecided, Unjudged,
};
pub use span::{Channel, Field, Origin, Span, Stage};
pub use stream::AnswerScreen;

/// At most so many classifier windows are judged in one call of `Engine::screen`.
pub const WINDOWS_MAX: usize = 65_536;
/// At most so many channels may grow in one answer.
pub const CHANNELS_MAX: usize = 256;
/// Texts of channels that are judged as a whole (tool arguments) may be so long, in bytes.
pub const HELD_MAX: usize = 256 * 1024;
