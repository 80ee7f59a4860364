//! Moments, expiry dates and weekly windows.
//!
//! The crate never reads a clock: the gateway passes the moment in. Expiry dates count to the end of
//! the named day in UTC. Windows have a fixed offset from UTC and know no daylight saving.

use std::ops::Range;

/// A moment in seconds since 1970-01-01 00:00:00 UTC, leap seconds not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub i64);

impl UnixTime {
    /// The first moment after the given day (proleptic Gregorian calendar, UTC).
    pub(crate) fn after_day(year: u16, month: u8, day: u8) -> Self {
        Self(Self::of_day(year, month, day).0 + DAY)
    }

    /// The first moment of the given day (proleptic Gregorian calendar, UTC).
    pub(crate) fn of_day(year: u16, month: u8, day: u8) -> Self {
        Self(days_from_civil(i64::from(year), i64::from(month), i64::from(day)) * DAY)
    }

    /// Hours, minutes and seconds later, by a clock that runs ahead of UTC by some minutes.
    pub(crate) fn plus(self, [hours, minutes, seconds]: [u8; 3], ahead_minutes: i16) -> Self {
        let minutes = i64::from(hours) * 60 + i64::from(minutes) - i64::from(ahead_minutes);
        Self(self.0 + minutes * 60 + i64::from(seconds))
    }

    /// The last day before this moment, as `2031-12-31`: what an expiry date says in its file.
    #[must_use]
    pub fn last_day(self) -> String {
        let (year, month, day) = civil_from_days(self.0.saturating_sub(1).div_euclid(DAY));
        format!("{year:04}-{month:02}-{day:02}")
    }
}

/// A weekly window: some days, one range of minutes, a fixed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Window {
    /// Monday first.
    pub(crate) days: [bool; 7],
    /// Minutes of the local day, end exclusive.
    pub(crate) minutes: Range<u16>,
    /// Local time minus UTC.
    pub(crate) utc_offset_minutes: i16,
}

impl Window {
    /// Whether the moment lies in the window.
    pub(crate) fn is_open(&self, at: UnixTime) -> bool {
        let local = at.0.saturating_add(i64::from(self.utc_offset_minutes) * 60);
        // 1970-01-01 was a Thursday, day 3 of a week that starts on Monday.
        let weekday = (local.div_euclid(DAY) + 3).rem_euclid(7);
        let minute = local.rem_euclid(DAY) / 60;
        let on_day = usize::try_from(weekday)
            .ok()
            .and_then(|nth| self.days.get(nth))
            .copied();
        on_day == Some(true)
            && u16::try_from(minute).is_ok_and(|minute| self.minutes.contains(&minute))
    }
}

/// Days since 1970-01-01 (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse, from the same source: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

const DAY: i64 = 86_400;

#[cfg(test)]
mod tests;
