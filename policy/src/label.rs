//! Labels: how sensitive data is, and how sensitive it may be for somebody.
//!
//! ```text
//! U            CUI:PRVCY            S:SI+TK            TS:SI+TK+NF            S:REL-GBR-USA
//! level        level:tag            level:tag+tag      NF = releasable to USA only
//! ```
//!
//! A label is a level, a set of need-to-know tags and a release set of countries. Together they form
//! a lattice: [`Label::dominates`] is its order and [`Label::join`] its least upper bound (the
//! high-water mark). One order serves three purposes, since each asks whether the left label may
//! hold the right one: clearance over data, zone ceiling over data, rule ceiling over data.
//!
//! Invariants: `a.join(b)` dominates `a` and `b`, and is dominated by every label that dominates
//! both; `Label::parse(label.to_string())` is the label. Sizes are bounded ([`LABEL_BYTES_MAX`],
//! [`TAGS_MAX`]), because a label may come from a caller's header.
//!
//! What it cannot do: it knows no consistency rules between markings (SCI on an unclassified
//! document is accepted), and it does not know whether a tag is registered; the loader checks that
//! for everything in a bundle.
//!
//! Sources: 32 CFR 2001 and 2002, DoDM 5200.01 volume 2 (levels, banner grammar, NOFORN and REL TO).

use std::{collections::BTreeSet, fmt, str::FromStr};

mod banner;

/// Longest label or banner text that is parsed, in bytes.
pub const LABEL_BYTES_MAX: usize = 512;

/// Most tags and countries that one label may carry.
pub const TAGS_MAX: usize = 32;

/// Classification level, lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Unclassified.
    U,
    /// Controlled unclassified information.
    Cui,
    /// Confidential.
    C,
    /// Secret.
    S,
    /// Top secret.
    Ts,
}

/// To which countries the data may be released.
///
/// Fewer countries are more restrictive; the empty set (released to nobody) is the most restrictive.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Release {
    /// No release marking.
    Anyone,
    /// Only to these countries, as three-letter codes.
    Only(BTreeSet<String>),
}

/// A level, the tags one must hold, and the release set. See the module for the order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Label {
    level: Level,
    needs: BTreeSet<String>,
    release: Release,
}

/// Why a text is not a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// The text is empty.
    #[error("the label is empty")]
    Empty,
    /// Longer than [`LABEL_BYTES_MAX`] bytes.
    #[error("the label is longer than {LABEL_BYTES_MAX} bytes")]
    TooLong,
    /// More than [`TAGS_MAX`] tags or countries.
    #[error("the label has more than {TAGS_MAX} tags")]
    TooManyTags,
    /// The first part is no known level.
    #[error("`{0}` is not a level (U, CUI, C, S, TS)")]
    Level(String),
    /// A tag with characters outside `A-Z 0-9 -`, or an empty one.
    #[error("`{0}` is not a tag (capital letters, digits and `-`, at most 32)")]
    Tag(String),
    /// A country that is not three capital letters.
    #[error("`{0}` is not a three-letter country code")]
    Country(String),
    /// A foreign or joint classification, which this lattice does not hold.
    #[error("foreign and joint markings are not supported")]
    Foreign,
}

impl Label {
    /// The lowest label: `U`, no tags, releasable to anyone.
    #[must_use]
    pub fn unclassified() -> Self {
        Self::of(Level::U)
    }

    /// A level alone.
    #[must_use]
    pub fn of(level: Level) -> Self {
        Self {
            level,
            needs: BTreeSet::new(),
            release: Release::Anyone,
        }
    }

    /// A label that holds everything with these needs: the highest level, releasable to nobody.
    #[must_use]
    pub(crate) fn highest(needs: &BTreeSet<String>) -> Self {
        Self {
            level: Level::Ts,
            needs: needs.clone(),
            release: Release::Only(BTreeSet::new()),
        }
    }

    /// Reads the short form, `LEVEL` or `LEVEL:TAG+TAG`, exactly as [`fmt::Display`] writes it.
    ///
    /// The tags `NF`, `FVEY`, `NOREL` and `REL-AAA-BBB` set the release set (several intersect); all
    /// others are needs.
    ///
    /// # Errors
    /// [`LabelError`] for anything else; nothing is guessed, case included.
    pub fn parse(text: &str) -> Result<Self, LabelError> {
        check_size(text)?;
        let (level, tags) = match text.split_once(':') {
            Some((level, tags)) => (level, Some(tags)),
            None => (text, None),
        };
        let mut label = Self::of(level.parse()?);
        for tag in tags.into_iter().flat_map(|tags| tags.split('+')) {
            label.add_tag(tag)?;
        }
        label.check_bounds()
    }

    /// Reads a banner line or a portion mark: `SECRET//SI/TK//NOFORN`, `CUI//SP-PRVCY`,
    /// `(S//REL TO USA, GBR)`, `TOP SECRET`.
    ///
    /// `SP-` (CUI specified) is dropped, `SI-G` asks for `SI` as well, dissemination controls other
    /// than release markings become needs.
    ///
    /// # Errors
    /// [`LabelError`]; a caller that found banner-like text must treat a failure as the highest
    /// label that the zone allows, never as no marking.
    pub fn from_banner(text: &str) -> Result<Self, LabelError> {
        banner::parse(text)
    }

    /// The classification level.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// The need-to-know tags: compartments, CUI categories, dissemination controls.
    #[must_use]
    pub fn needs(&self) -> &BTreeSet<String> {
        &self.needs
    }

    /// The release set.
    #[must_use]
    pub fn release(&self) -> &Release {
        &self.release
    }

    /// Whether `self` may hold `data`: at least its level, all its tags, and released to no country
    /// outside its release set. A partial order.
    #[must_use]
    pub fn dominates(&self, data: &Self) -> bool {
        self.level >= data.level
            && self.needs.is_superset(&data.needs)
            && self.release.is_within(&data.release)
    }

    /// The high-water mark: higher level, all tags, common release set. Least upper bound.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        Self {
            level: self.level.max(other.level),
            needs: self.needs.union(&other.needs).cloned().collect(),
            release: self.release.intersect(&other.release),
        }
    }

    /// What both may hold: lower level, common tags, either release set. Greatest lower bound.
    #[must_use]
    pub fn meet(&self, other: &Self) -> Self {
        Self {
            level: self.level.min(other.level),
            needs: self.needs.intersection(&other.needs).cloned().collect(),
            release: self.release.union(&other.release),
        }
    }

    /// Adds one tag of the short form.
    fn add_tag(&mut self, tag: &str) -> Result<(), LabelError> {
        let only = match tag {
            "NF" => countries(["USA"]),
            "FVEY" => countries(FIVE_EYES),
            "NOREL" => BTreeSet::new(),
            _ => match tag.strip_prefix("REL-") {
                Some(list) => list.split('-').map(country).collect::<Result<_, _>>()?,
                None => {
                    self.needs.insert(need(tag)?);
                    return Ok(());
                }
            },
        };
        self.release = self.release.intersect(&Release::Only(only));
        Ok(())
    }

    /// The label, if it keeps within [`TAGS_MAX`].
    fn check_bounds(self) -> Result<Self, LabelError> {
        let countries = match &self.release {
            Release::Anyone => 0,
            Release::Only(set) => set.len(),
        };
        match self.needs.len() + countries <= TAGS_MAX {
            true => Ok(self),
            false => Err(LabelError::TooManyTags),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.level.fmt(f)?;
        let release = self.release.tag();
        let tags = self
            .needs
            .iter()
            .map(String::as_str)
            .chain(release.as_deref());
        for (nth, tag) in tags.enumerate() {
            f.write_str(if nth == 0 { ":" } else { "+" })?;
            f.write_str(tag)?;
        }
        Ok(())
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        Self::parse(text)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::U => "U",
            Self::Cui => "CUI",
            Self::C => "C",
            Self::S => "S",
            Self::Ts => "TS",
        })
    }
}

impl FromStr for Level {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        match text {
            "U" => Ok(Self::U),
            "CUI" => Ok(Self::Cui),
            "C" => Ok(Self::C),
            "S" => Ok(Self::S),
            "TS" => Ok(Self::Ts),
            other => Err(LabelError::Level(other.to_owned())),
        }
    }
}

impl Release {
    /// Whether every country of `self` is one of `other`.
    fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Anyone) => true,
            (Self::Anyone, Self::Only(_)) => false,
            (Self::Only(mine), Self::Only(theirs)) => mine.is_subset(theirs),
        }
    }

    /// The countries in both.
    fn intersect(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Anyone, set) | (set, Self::Anyone) => set.clone(),
            (Self::Only(a), Self::Only(b)) => Self::Only(a.intersection(b).cloned().collect()),
        }
    }

    /// The countries in either.
    fn union(&self, other: &Self) -> Self {
        match (self, other) {
            (Self::Anyone, _) | (_, Self::Anyone) => Self::Anyone,
            (Self::Only(a), Self::Only(b)) => Self::Only(a.union(b).cloned().collect()),
        }
    }

    /// The tag that stands for this set in the short form, if it needs one.
    fn tag(&self) -> Option<String> {
        let Self::Only(set) = self else {
            return None;
        };
        if set.is_empty() {
            Some("NOREL".to_owned())
        } else if *set == countries(["USA"]) {
            Some("NF".to_owned())
        } else if *set == countries(FIVE_EYES) {
            Some("FVEY".to_owned())
        } else {
            Some(
                set.iter()
                    .fold("REL".to_owned(), |tag, code| tag + "-" + code.as_str()),
            )
        }
    }
}

/// Refuses texts that are empty or beyond [`LABEL_BYTES_MAX`].
fn check_size(text: &str) -> Result<(), LabelError> {
    match text.len() {
        0 => Err(LabelError::Empty),
        bytes if bytes > LABEL_BYTES_MAX => Err(LabelError::TooLong),
        _ => Ok(()),
    }
}

/// A need-to-know tag, checked. `REL` and the release tags are not needs.
fn need(tag: &str) -> Result<String, LabelError> {
    let fits = (1..=32).contains(&tag.len())
        && tag
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-')
        && !["NF", "FVEY", "NOREL", "REL"].contains(&tag)
        && !tag.starts_with("REL-");
    match fits {
        true => Ok(tag.to_owned()),
        false => Err(LabelError::Tag(tag.to_owned())),
    }
}

/// Whether a text is a three-letter country code.
pub(crate) fn is_country(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase())
}

/// A country code, checked.
fn country(code: &str) -> Result<String, LabelError> {
    match is_country(code) {
        true => Ok(code.to_owned()),
        false => Err(LabelError::Country(code.to_owned())),
    }
}

fn countries<const N: usize>(codes: [&str; N]) -> BTreeSet<String> {
    codes.map(str::to_owned).into()
}

const FIVE_EYES: [&str; 5] = ["AUS", "CAN", "GBR", "NZL", "USA"];

#[cfg(test)]
mod tests;
