//! When to ask again, and after how long.
//!
//! Half a second, doubling, at most 8 s, less up to a quarter so that many askers do not come back
//! together: what the OpenAI client does. A server's `Retry-After` is honoured up to a minute; a
//! longer one is passed on instead, since nobody waits that long inside a request.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

use crate::openai::reply::Refused;

/// How long to wait before the next attempt; `None` if there should be none.
pub(super) fn wait(refused: &Refused, attempts: u32, retries_max: u32) -> Option<Duration> {
    if attempts > retries_max || !refused.error.failure().retry_is_safe() {
        return None;
    }
    match refused.retry_after {
        Some(asked) if asked > RETRY_AFTER_MAX => None,
        Some(asked) => Some(asked.max(back_off(attempts))),
        None => Some(back_off(attempts)),
    }
}

/// The wait that a response asks for (RFC 9110 section 10.2.3), in seconds or as a date, at most a
/// day. A date is measured against the `Date` of the same response, so that no two clocks are
/// compared.
pub(super) fn after(headers: &HeaderMap) -> Option<Duration> {
    asked_seconds(headers).map(|seconds| Duration::from_secs(seconds).min(RETRY_AFTER_TOLD_MAX))
}

fn asked_seconds(headers: &HeaderMap) -> Option<u64> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let asked = text(RETRY_AFTER)?.trim();
    if let Ok(seconds) = asked.parse() {
        return Some(seconds);
    }
    let now = unix_seconds(text(DATE)?)?;
    let then = unix_seconds(asked)?;
    Some(then.saturating_sub(now))
}

fn back_off(attempts: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let longest = BACK_OFF.saturating_mul(1 << doublings).min(BACK_OFF_MAX);
    longest - longest.mul_f64(JITTER * unpredictable_fraction())
}

/// `0.0..1.0`, from the random keys of the standard library's hasher: enough to spread retries.
fn unpredictable_fraction() -> f64 {
    let bits = RandomState::new().hash_one(());
    f64::from((bits >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}

/// An IMF-fixdate (RFC 9110 section 5.6.7), such as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn unix_seconds(date: &str) -> Option<u64> {
    let mut words = date.trim().split(' ');
    let _weekday = words.next()?;
    let day: u64 = words.next()?.parse().ok()?;
    let month_name = words.next()?;
    let month = MONTHS.iter().position(|name| *name == month_name)? as u64 + 1;
    let year: u64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':');
    let mut part = |max: u64| clock.next()?.parse().ok().filter(|part: &u64| *part <= max);
    let (hours, minutes, seconds) = (part(23)?, part(59)?, part(60)?);
    let valid = (1970..=9999).contains(&year) && (1..=31).contains(&day);
    let utc = words.next() == Some("GMT");
    (valid && utc).then(|| days(year, month, day) * 86_400 + hours * 3600 + minutes * 60 + seconds)
}

/// Days since 1970-01-01 of a Gregorian date, counting years from March so that a leap day is last.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leap_days = year / 4 - year / 100 + year / 400;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - DAYS_FROM_YEAR_0_TO_1970
}

const BACK_OFF: Duration = Duration::from_millis(500);
const BACK_OFF_MAX: Duration = Duration::from_secs(8);
const JITTER: f64 = 0.25;
const RETRY_AFTER_TOLD_MAX: Duration = Duration::from_secs(24 * 60 * 60);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// From 0000-03-01.
const DAYS_FROM_YEAR_0_TO_1970: u64 = 719_468;

#[cfg(test)]
mod tests;
