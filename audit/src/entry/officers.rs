//! What officers did with the log: read what was said, kept it from being destroyed, took a part of it
//! away. They are named as the configuration names them; what they wrote goes elsewhere.

use serde::{Deserialize, Serialize};

use super::{Digest, EntryIndex, Name};

/// Somebody looked at what an entry is about.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Review {
    /// Who.
    pub by: Name,
    /// What they did.
    pub act: ReviewAct,
    /// The entry.
    pub entry: EntryIndex,
    /// The registered word that they found for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Name>,
}

/// What a reviewer did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewAct {
    /// Opened its sealed bodies.
    Opened,
    /// Found a word for it.
    Labelled,
    /// Signed that the review is over.
    Signed,
}

/// A stretch of the log must be kept, whatever the schedule says; or no longer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hold {
    /// Who.
    pub by: Name,
    /// Who signed with them: a release takes two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Name>,
    /// What they did.
    pub act: HoldAct,
    /// The hold's registered name.
    pub hold: Name,
    /// The first entry that is held.
    pub from: EntryIndex,
    /// The last one.
    pub to: EntryIndex,
}

/// What was done about a hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldAct {
    /// It is in force from here on.
    Placed,
    /// It ends here.
    Released,
}

/// A part of the log was handed out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    /// Who asked for it.
    pub by: Name,
    /// The first entry that was looked at.
    pub from: EntryIndex,
    /// The last one.
    pub to: EntryIndex,
    /// How many entries it holds.
    pub entries: u64,
    /// How many opened bodies it holds.
    pub bodies: u64,
    /// Digest of what was handed out.
    pub digest: Digest,
}
