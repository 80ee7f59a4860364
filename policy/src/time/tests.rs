use super::*;

#[test]
fn a_day_ends_at_the_next_midnight_utc() {
    let check = |(year, month, day), expected| {
        assert_eq!(UnixTime::after_day(year, month, day).0, expected)
    };
    check((1970, 1, 1), 86_400);
    check((1969, 12, 31), 0);
    check((2000, 2, 29), 951_868_800);
    check((2026, 11, 23), 1_795_478_400);
    check((2031, 12, 31), 1_956_528_000);
}

#[test]
fn the_last_day_is_the_one_that_the_file_names() {
    for (year, month, day) in [
        (1970, 1, 1),
        (1999, 12, 31),
        (2000, 2, 29),
        (2031, 12, 31),
        (2100, 3, 1),
    ] {
        let written = format!("{year:04}-{month:02}-{day:02}");
        assert_eq!(UnixTime::after_day(year, month, day).last_day(), written);
    }
    assert_eq!(UnixTime(0).last_day(), "1969-12-31");
}

#[test]
fn a_moment_with_an_offset_is_the_same_moment_in_utc() {
    let day = UnixTime::of_day(2026, 11, 23);
    assert_eq!(day.plus([15, 0, 0], 0), UnixTime(1_795_446_000));
    assert_eq!(day.plus([10, 0, 0], -300), UnixTime(1_795_446_000));
    assert_eq!(day.plus([0, 30, 7], 60), UnixTime(1_795_392_000 - 1793));
}

#[test]
fn a_window_opens_on_its_days_and_minutes() {
    // Monday to Friday, 07:00 to 19:00, five hours behind UTC.
    let days = [true, true, true, true, true, false, false];
    let duty = Window {
        days,
        minutes: 7 * 60..19 * 60,
        utc_offset_minutes: -300,
    };
    let monday = 1_795_392_000; // 2026-11-23 00:00 UTC
    let check = |seconds: i64, open: bool| {
        assert_eq!(duty.is_open(UnixTime(monday + seconds)), open, "{seconds}")
    };
    check(12 * 3600 - 1, false);
    check(12 * 3600, true);
    check(24 * 3600 - 1, true);
    check(24 * 3600, false);
    check(5 * DAY + 15 * 3600, false);
    check(-2 * DAY + 15 * 3600, false);
    check(-3 * DAY + 15 * 3600, true);
}

#[test]
fn extreme_moments_do_not_overflow() {
    let always = Window {
        days: [true; 7],
        minutes: 0..24 * 60,
        utc_offset_minutes: 840,
    };
    assert!(always.is_open(UnixTime(i64::MAX)) && always.is_open(UnixTime(i64::MIN)));
}
