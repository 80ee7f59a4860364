//! The table of retries, without waiting.

use std::io::ErrorKind;

use super::*;
use crate::error::{Failure, UpstreamError};

#[test]
fn the_wait_doubles_up_to_eight_seconds() {
    for (attempts, longest_ms) in [(1, 500), (2, 1000), (3, 2000), (5, 8000), (40, 8000)] {
        for _ in 0..50 {
            let wait = wait(&refused(None), attempts, 99).unwrap().as_millis();
            assert!((longest_ms * 3 / 4..=longest_ms).contains(&wait), "{wait}");
        }
    }
}

#[test]
fn the_number_of_retries_is_bounded() {
    assert!(wait(&refused(None), 2, 2).is_some());
    assert!(wait(&refused(None), 3, 2).is_none());
    assert!(wait(&refused(None), 1, 0).is_none());
}

#[test]
fn the_servers_wish_is_honoured_up_to_a_minute() {
    let wish = |seconds| wait(&refused(Some(Duration::from_secs(seconds))), 1, 2);
    assert_eq!(wish(7), Some(Duration::from_secs(7)));
    assert_eq!(wish(60), Some(Duration::from_secs(60)));
    assert_eq!(wish(61), None);
    assert!(
        wish(0).unwrap() >= Duration::from_millis(375),
        "no hammering"
    );
}

#[test]
fn what_cannot_be_mended_is_not_asked_again() {
    let refused = Refused::from(UpstreamError::from(Failure::Auth));
    assert!(wait(&refused, 1, 2).is_none());
}

#[test]
fn retry_after_in_seconds_or_as_a_date() {
    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
    assert_eq!(asked("30", None), Some(30));
    assert_eq!(asked(" 0 ", None), Some(0));
    assert_eq!(asked("Sun, 06 Nov 1994 08:50:07 GMT", Some(date)), Some(30));
    assert_eq!(asked("Sun, 06 Nov 1994 08:00:00 GMT", Some(date)), Some(0));
    assert_eq!(asked("Sun, 06 Nov 1994 08:50:07 GMT", None), None);
    assert_eq!(asked("18446744073709551615", None), Some(86_400));
    assert_eq!(asked("soon", Some(date)), None);
    assert_eq!(asked("-1", Some(date)), None);
}

#[test]
fn dates_are_counted_right() {
    let known = [
        ("Thu, 01 Jan 1970 00:00:00 GMT", Some(0)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777)),
        ("Tue, 29 Feb 2000 23:59:59 GMT", Some(951_868_799)),
        ("Mon, 23 Nov 2026 21:00:00 GMT", Some(1_795_467_600)),
        ("Fri, 31 Dec 9999 23:59:60 GMT", Some(253_402_300_800)),
        ("Thu, 01 Jan 1969 00:00:00 GMT", None),
        ("Thu, 00 Jan 1970 00:00:00 GMT", None),
        ("Thu, 01 Jan 1970 24:00:00 GMT", None),
        ("Thu, 01 Jan 1970 00:00:00 CET", None),
        ("Thu, 01 Jan 1970", None),
        ("", None),
    ];
    for (date, seconds) in known {
        assert_eq!(unix_seconds(date), seconds, "{date}");
    }
}

fn refused(retry_after: Option<Duration>) -> Refused {
    Refused {
        error: Failure::Connect(ErrorKind::ConnectionRefused).into(),
        retry_after,
    }
}

fn asked(retry_after: &str, date: Option<&str>) -> Option<u64> {
    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, retry_after.parse().unwrap());
    if let Some(date) = date {
        headers.insert(DATE, date.parse().unwrap());
    }
    after(&headers).map(|wait| wait.as_secs())
}
