//! What a person does for the gateway itself, beside what it does through it.
//!
//! Whoever writes the rules or runs the machine must not be the one who reads what happened, or who
//! checks the readers (SP 800-53 AC-5, separation of duties). So of the four duties only *admin* and
//! *operator* go together, as they must in a small team.

use std::{fmt, str::FromStr};

/// A duty at the admin interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Duty {
    /// Reads and reviews what was recorded.
    Officer,
    /// Checks that the log is whole, and who read what in it.
    Auditor,
    /// Writes the policy.
    Admin,
    /// Runs the gateway.
    Operator,
}

impl Duty {
    /// Every duty.
    pub const ALL: [Self; 4] = [Self::Officer, Self::Auditor, Self::Admin, Self::Operator];

    /// The word in `identities.toml`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Officer => "officer",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
            Self::Operator => "operator",
        }
    }

    /// Whether one person must not hold both.
    #[must_use]
    pub fn conflicts_with(self, other: Self) -> bool {
        let together = |duty| matches!(duty, Self::Admin | Self::Operator);
        self != other && !(together(self) && together(other))
    }
}

impl fmt::Display for Duty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no duty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a duty (officer, auditor, admin, operator)")]
pub struct DutyError;

impl FromStr for Duty {
    type Err = DutyError;

    fn from_str(text: &str) -> Result<Self, DutyError> {
        let found = Self::ALL.into_iter().find(|duty| duty.as_str() == text);
        found.ok_or(DutyError)
    }
}
