//! Who may do what, with which data, for which purpose.
//!
//! ```text
//! a folder of files ──load──▶ Policy (immutable) ──authorize(subject, ask)──▶ Permit | Refused
//!   load        strict reading: every problem of every file at once
//!   label       levels, tags, release sets: dominance and high-water mark
//!   rule        one typed row;   pattern: how its columns match
//!   snapshot    a loaded policy
//!   source      what is known of somebody, and who says so
//!   decide      the order of a decision: native refusals, then one section of rows   ◀ start here
//!   expiry      what has ended, or ends soon
//!   explain     the same decision taken apart;   cases: what a bundle's authors expect of it;
//!   reach       who may do what, for a review
//!   certificate for whom a client certificate stands
//!   cache       verdicts that were reached before
//!   schema      what an editor should know about the TOML files
//!   matcher     the only place that names casbin: which rows of a section match?
//! ```
//!
//! What always holds:
//! - Nothing is allowed unless an allow row says so, and a deny row wins over any number of them.
//! - Casbin answers only which rows matched. Effects, obligations and the verdict come from our own
//!   typed table; casbin's boolean is never read.
//! - Dominance, ceilings, suspension, expiry and authorities are checked natively before any row and
//!   can only refuse.
//! - Being unable to decide is [`Refused::Undecided`]: an engine error, a panic, a disagreement. It
//!   never becomes a permit and never looks like a denial.
//! - No I/O after loading, no async; one lock, the decision cache's, held for a look-up. The moment comes
//!   with the request; the only clock read is the one that stops an engine that does not answer.
//!
//! What it cannot do: it believes the labels that it is given (finding markings in text is the
//! guardrails' work), and it decides one request without memory of earlier ones.

mod cache;
mod cases;
mod certificate;
mod decide;
mod decision;
mod duty;
mod expiry;
mod explain;
mod hint;
mod label;
mod load;
mod matcher;
mod pattern;
mod problem;
mod reach;
mod records;
mod rule;
mod schema;
mod snapshot;
mod source;
mod subject;
mod time;

pub use cases::{CaseReport, MutationReport, TestReport, Verdict};
pub use certificate::{CertificateFacts, CertificateFault};
pub use decision::{Ask, Denied, DenyReason, Object, Permit, Refused, Undecided, UndecidedReason};
pub use duty::{Duty, DutyError};
pub use explain::{Check, CheckOutcome, Explanation, Miss, RowView, SectionView};
pub use hint::Fix;
pub use label::{LABEL_BYTES_MAX, Label, LabelError, Level, Release, TAGS_MAX};
pub use problem::{Problem, Severity};
pub use reach::Reach;
pub use rule::{Action, ActionError, Column, RuleRef};
pub use schema::SCHEMAS;
pub use snapshot::{Loaded, Policy};
pub use source::{Claims, Evidence};
pub use subject::{Assurance, AssuranceError, Nationality, Subject};
pub use time::UnixTime;

#[cfg(test)]
mod tests;
