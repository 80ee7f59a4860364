//! What was looked for, what was found, and what is to be done about it.

use std::fmt;
use std::ops::Range;

use crate::Stage;

/// A score or threshold in steps of 1/10,000, so that a record of it holds a whole number: 0..=10,000.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Score(u16);

impl Score {
    /// Nothing of it at all.
    pub const MIN: Score = Score(0);
    /// Certain; the score of every deterministic match.
    pub const MAX: Score = Score(10_000);

    /// From 0..=1. What is out of range is moved to the nearer end; what is not a number becomes [`Score::MAX`],
    /// because a broken classifier must not read as "nothing found".
    pub fn from_ratio(ratio: f32) -> Score {
        if ratio.is_nan() {
            return Score::MAX;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "clamped to 0..=10,000 first"
        )]
        Score((ratio.clamp(0.0, 1.0) * 10_000.0).round() as u16)
    }

    /// In steps of 1/10,000: 0..=10,000.
    pub fn ten_thousandths(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Score {
    /// As a ratio with four decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:04}", self.0 / 10_000, self.0 % 10_000)
    }
}

/// What is done about a finding, from mildest to strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Action {
    /// Nothing; it is recorded.
    #[default]
    Allow,
    /// Nothing happens to the text; somebody is told.
    Flag,
    /// The matched text is replaced by a mask.
    Redact,
    /// The whole text is refused.
    Block,
}

impl Action {
    /// The word used in profiles and entries.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Allow => "allow",
            Action::Flag => "flag",
            Action::Redact => "redact",
            Action::Block => "block",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that a detector found and a rule asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The profile's rule, by its id; the strictest if several apply.
    pub rule: String,
    /// What it is: `us_ssn`, `aws_access_key`, `prompt_attack`.
    pub label: String,
    /// Index of the span in the call; 0 for streams.
    pub span: usize,
    /// The span's path, or the channel's.
    pub path: String,
    /// Bytes in the **original** text of the span or channel, counted from its first byte.
    pub range: Range<usize>,
    /// [`Score::MAX`] for deterministic detectors.
    pub score: Score,
    /// The rule's threshold.
    pub threshold: Score,
    /// What the rule makes of it, after its rung of the ladder.
    pub action: Action,
    /// What the rule says, and will do once it enforces.
    pub written: Action,
}

/// The highest score that a classifier gave to one label, on the texts that one rule asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelScore {
    /// The label.
    pub label: String,
    /// The rule that asked.
    pub rule: String,
    /// The highest score over all windows of all texts that the rule selects.
    pub score: Score,
    /// The rule's threshold.
    pub threshold: Score,
}

/// One detector's work, recorded whatever it found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The detector's name, without its version.
    pub detector: String,
    /// Its major version.
    pub version: u32,
    /// SHA-256 of what makes it what it is, 64 hex digits.
    pub digest: String,
    /// Which way the text was going.
    pub stage: Stage,
    /// Whether what rules flag or redact was blocked.
    pub strict: bool,
    /// How many spans (or channels) it read.
    pub spans: u32,
    /// Their paths with every index left open (`messages[].content`), in order of first reading, and how many spans of
    /// each; at most [`FIELDS_MAX`]. Together with the rest they are all `spans`.
    pub fields: Vec<(String, u32)>,
    /// How many spans stood in yet other fields.
    pub other_fields: u32,
    /// How many bytes of original text it read.
    pub bytes: u64,
    /// Processor time spent scanning or scoring (wall time of the work itself, queueing not counted), microseconds.
    /// Deterministic detectors run in one pass and share its time.
    pub micros: u64,
    /// What it found, at most [`FINDINGS_MAX`].
    pub findings: Vec<Finding>,
    /// How many more it found. A hit that shows in several readings of one text may count in each.
    pub truncated_findings: u32,
    /// Classifiers: the highest score per rule and label, whatever the verdict.
    pub scores: Vec<LabelScore>,
}

/// At most so many fields are told apart per check: more than any contract has.
pub const FIELDS_MAX: usize = 64;
/// At most so many findings are kept per check; the rest is counted.
pub const FINDINGS_MAX: usize = 64;

/// What ran, on what, and what it found. What did not run is not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// One check per detector.
    pub checks: Vec<Check>,
}

impl Report {
    /// Every finding of every check.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.checks.iter().flat_map(|check| &check.findings)
    }

    /// The strictest action of all findings.
    pub fn action(&self) -> Action {
        self.findings()
            .map(|finding| finding.action)
            .max()
            .unwrap_or_default()
    }

    /// Adds what ran on other texts, detector by detector.
    pub fn add(&mut self, other: &Report) {
        for check in &other.checks {
            let same = |known: &&mut Check| {
                (&known.detector, known.version, known.stage, known.strict)
                    == (&check.detector, check.version, check.stage, check.strict)
            };
            match self.checks.iter_mut().find(same) {
                Some(known) => known.add(check),
                None => self.checks.push(check.clone()),
            }
        }
    }
}

impl Check {
    /// Adds the same detector's work on other texts.
    fn add(&mut self, other: &Check) {
        self.spans = self.spans.saturating_add(other.spans);
        self.other_fields = self.other_fields.saturating_add(other.other_fields);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.micros = self.micros.saturating_add(other.micros);
        for (field, count) in &other.fields {
            let is_full = self.fields.len() >= FIELDS_MAX;
            match self.fields.iter_mut().find(|(known, _)| known == field) {
                Some((_, known)) => *known = known.saturating_add(*count),
                None if is_full => self.other_fields = self.other_fields.saturating_add(*count),
                None => self.fields.push((field.clone(), *count)),
            }
        }
        self.findings.extend(other.findings.iter().cloned());
        // The strictest stay.
        self.findings
            .sort_by_key(|finding| std::cmp::Reverse(finding.action));
        let more = self.findings.len().saturating_sub(FINDINGS_MAX);
        self.findings.truncate(FINDINGS_MAX);
        self.truncated_findings = self
            .truncated_findings
            .saturating_add(other.truncated_findings)
            .saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
        for score in &other.scores {
            let same = |known: &&mut LabelScore| {
                (&known.label, &known.rule) == (&score.label, &score.rule)
            };
            match self.scores.iter_mut().find(same) {
                Some(known) => known.score = known.score.max(score.score),
                None => self.scores.push(score.clone()),
            }
        }
    }
}

/// The judgement of whole texts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a blocked text must not go on"]
pub struct Screening {
    /// The strictest action of all findings. On [`Action::Block`] nothing of the spans may go on.
    pub action: Action,
    /// Per span: its new text where something was redacted. All `None` on [`Action::Block`].
    pub rewritten: Vec<Option<String>>,
    /// The evidence.
    pub report: Report,
}

/// A judgement that came to no verdict. Nothing of the spans may go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unjudged {
    /// Why there is none.
    pub why: Undecided,
    /// What had run until then. A span counts once it has been read to its end.
    pub report: Report,
}

/// Text of a channel that has been judged and may leave, with redactions applied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "released text that is not sent is lost"]
pub struct Released {
    /// The text; often empty.
    pub text: String,
}

/// A stream ended by its guard. Nothing more is ever released on any channel.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Stopped {
    /// Text of this channel that had passed before the stop. It may be sent or dropped; sent, the released bytes of a
    /// blocked stream do not depend on how the stream was cut into chunks.
    pub released: String,
    /// Why.
    pub reason: StopReason,
}

/// Why a stream was stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopReason {
    /// A rule blocks what was found.
    Blocked(Finding),
    /// No verdict could be reached.
    Undecided(Undecided),
}

/// Why no verdict could be reached. None of these ever means "allowed".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Undecided {
    /// The classifiers have too much to do; safe to retry later.
    #[error("the classifier queue is full")]
    QueueFull,
    /// The deadline passed, in the queue or in a classifier that does not return.
    #[error("the deadline passed before the verdict")]
    Deadline,
    /// A classifier failed, panicked or answered nonsense.
    #[error("classifier failed: {0}")]
    Classifier(String),
    /// More text than can be judged in one call.
    #[error("{windows} classifier windows, at most {max} are judged in one call")]
    TooLong {
        /// How many windows the texts make.
        windows: usize,
        /// [`crate::WINDOWS_MAX`].
        max: usize,
    },
    /// No such profile. A gateway checks this at load, with `Engine::has_profile`.
    #[error("unknown profile")]
    UnknownProfile,
    /// A text that is judged as a whole outgrew its bound.
    #[error("{bytes} bytes held, at most {max} are")]
    HeldTooLong {
        /// How much would have been held.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// Tool arguments of more strings than are judged in one text.
    #[error("{count} strings in one text of arguments, at most {max} are judged")]
    TooManyStrings {
        /// How many there are.
        count: usize,
        /// The bound.
        max: usize,
    },
    /// More places to redact than are redacted in one text.
    #[error("more than {max} places to redact in one text")]
    TooManyMasks {
        /// The bound.
        max: usize,
    },
    /// More channels than an answer may have.
    #[error("more than {max} channels in one answer")]
    TooManyChannels {
        /// [`crate::CHANNELS_MAX`].
        max: usize,
    },
    /// An earlier call on the stream was dropped before its verdict.
    #[error("an earlier call was dropped before its verdict")]
    Abandoned,
    /// Text for a channel that had been finished.
    #[error("text after the end of its channel")]
    AfterEnd,
}
