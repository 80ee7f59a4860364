//! The names of shards: `2026-11`, by UTC.

use std::fmt;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A month of a year.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// The month of a moment, in unix nanoseconds.
    pub(crate) fn of(ts: u64) -> Month {
        let at = Timestamp::from_nanosecond(i128::from(ts)).unwrap_or(Timestamp::UNIX_EPOCH);
        let at = TimeZone::UTC.to_datetime(at);
        Month {
            year: at.year(),
            month: at.month(),
        }
    }

    /// The month after.
    pub(crate) fn next(self) -> Month {
        match self.month {
            12 => Month {
                year: self.year.saturating_add(1),
                month: 1,
            },
            month => Month {
                month: month + 1,
                ..self
            },
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Month> {
        let (year, month) = text.split_once('-')?;
        let month = Month {
            year: year.parse().ok()?,
            month: month.parse().ok()?,
        };
        let sound = (1..=12).contains(&month.month) && month.to_string() == text;
        sound.then_some(month)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_named_and_read() {
        let november = Month::of(1_795_665_600_000_000_000);
        assert_eq!(november.to_string(), "2026-11");
        assert_eq!(Month::parse("2026-11"), Some(november));
        for other in [
            "2026-13", "2026-00", "2026-1", "26-11", "2026-11 ", "+026-11", "x", "2026",
        ] {
            assert_eq!(Month::parse(other), None, "{other}");
        }
        let january = Month::parse("2027-01");
        assert!(Month::parse("2026-12") < january);
        assert_eq!(Some(november.next().next()), january);
    }
}
