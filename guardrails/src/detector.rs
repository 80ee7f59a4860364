//! What a detector is to the rest of the program.

use std::fmt;

/// The public facts of a detector, as they go into an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetectorInfo {
    /// Its name, as rules write it before the `@`.
    pub name: String,
    /// Its major version, as rules write it after the `@`.
    pub version: u32,
    /// SHA-256 of what makes it what it is (patterns and their bounds, or manifest and weights), 64 hex digits.
    pub digest: String,
    /// How it decides.
    pub kind: Kind,
    /// Its cost: 0 deterministic, 1 fast classifier, 2 deep classifier, 3 judge.
    pub tier: u8,
}

/// How a detector decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The administrator's regular expressions.
    Pattern,
    /// Personal data, with checksums where there are any.
    Pii,
    /// Credentials.
    Secret,
    /// Classification and CUI markings.
    Marking,
    /// Invisible and direction-changing characters.
    Unicode,
    /// A trained model.
    Classifier,
}

impl fmt::Display for DetectorInfo {
    /// `name@version`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}
