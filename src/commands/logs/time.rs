//! Times as people give them to `--since` and `--until`. Pure but for the clock that it is given.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::command_error::CommandError;
use crate::logs::limits::parse_age;

/// Reads a length of time before now, an RFC 3339 time, or a date with or without a time in UTC; gives it as entries
/// have it.
pub fn parse_time(text: &str, now: &str) -> Result<String, CommandError> {
    let before = |now: Timestamp| {
        let age = SignedDuration::try_from(parse_age(text).ok()?).ok()?;
        now.checked_sub(age).ok()
    };
    let relative = now.parse().ok().and_then(before);
    let absolute = || text.parse::<Timestamp>().ok();
    let local = || Some(text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
    let time = relative.or_else(absolute).or_else(local);
    time.map(|time| format!("{time:.9}")).ok_or_else(|| {
        CommandError::user(format!("{text} is not a time"))
            .hint("Write for example 90s, 30m, 2h, 7d, 2026-01-31 or 2026-01-31T12:00:00Z")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-21T04:20:01.123456789Z";

    #[test]
    fn times_are_read_as_people_write_them() {
        for (text, time) in [
            ("2h", "2026-11-21T02:20:01.123456789Z"),
            ("1d", "2026-11-20T04:20:01.123456789Z"),
            ("2026-11-21T01:02:03Z", "2026-11-21T01:02:03.000000000Z"),
            ("2026-11-21T01:02:03+01:00", "2026-11-21T00:02:03.000000000Z"),
            ("2026-11-21T01:02", "2026-11-21T01:02:00.000000000Z"),
            ("2026-11-21", "2026-11-21T00:00:00.000000000Z"),
        ] {
            assert_eq!(parse_time(text, NOW).unwrap(), time, "{text}");
        }
        for wrong in ["", "yesterday", "2w", "-2h", "2026-13-01", "99999999999999999999d"] {
            assert!(parse_time(wrong, NOW).is_err(), "{wrong}");
        }
    }
}
