//! When a scheduled task is due: cron's five fields, or a name such as `@daily`.
//!
//! Days on which the clocks change are treated as Vixie's cron does. A task with a fixed hour and minute runs once:
//! right after the gap if its time is skipped, the first time if it comes twice. A task with a `*` or a step in its
//! hour or minute follows the clock on the wall: what is skipped is left out, what comes twice runs twice.

use std::fmt;
use std::str::FromStr;

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A schedule, checked, with the text that it was read from.
#[derive(Clone, Debug)]
pub struct CronSchedule {
    text: String,
    cron: Cron,
}

/// Why a text is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CronScheduleError {
    /// There are more or fewer than five fields.
    #[error(
        "it has {0} fields: write five (minute hour day month weekday), for example 30 2 * * *, or @daily"
    )]
    Fields(usize),
    /// A sixth field, which other crons read as seconds.
    #[error("it has 6 fields: seconds cannot be given, write five (minute hour day month weekday)")]
    Seconds,
    /// An `@` and a word that names no schedule.
    #[error(
        "{0} is not known: write @hourly, @daily, @midnight, @weekly, @monthly or @yearly, or five fields"
    )]
    Name(String),
    /// A field holds what it cannot, in the words of the parser.
    #[error("{0}")]
    Field(String),
    /// No day is like that: the 31st of February.
    #[error("that time never comes")]
    Never,
}

impl CronSchedule {
    /// The first due time behind `after`, on the clocks of that zone; `None` if there is none.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let after = after.to_zoned(zone.clone());
        Some(self.cron.find_next_occurrence(&after, false).ok()?.timestamp())
    }
}

impl FromStr for CronSchedule {
    type Err = CronScheduleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let pattern = match text.to_ascii_lowercase().as_str() {
            "@midnight" => "@daily",
            "@hourly" | "@daily" | "@weekly" | "@monthly" | "@yearly" | "@annually" => text,
            name if name.starts_with('@') => return Err(CronScheduleError::Name(text.to_owned())),
            _ => match text.split_whitespace().count() {
                5 => text,
                6 => return Err(CronScheduleError::Seconds),
                count => return Err(CronScheduleError::Fields(count)),
            },
        };
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        let cron = parser.parse(pattern).map_err(|error| CronScheduleError::Field(words(error)))?;
        let schedule = Self { text: text.to_owned(), cron };
        match schedule.next(Timestamp::UNIX_EPOCH, &TimeZone::UTC) {
            Some(_) => Ok(schedule),
            None => Err(CronScheduleError::Never),
        }
    }
}

impl fmt::Display for CronSchedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The parser's message without its own headings.
fn words(error: CronError) -> String {
    match error {
        CronError::InvalidPattern(text) | CronError::ComponentError(text) => text,
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first `count` due times behind `after`, as that zone's clocks show them.
    fn times(schedule: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let (schedule, zone): (CronSchedule, _) = (schedule.parse().unwrap(), TimeZone::get(zone).unwrap());
        let mut last = after.parse::<Timestamp>().unwrap();
        let mut times = Vec::new();
        for _ in 0..count {
            last = schedule.next(last, &zone).unwrap();
            times.push(last.to_zoned(zone.clone()).strftime("%m-%d %H:%M %:z").to_string());
        }
        times
    }

    #[test]
    fn fields_and_names_are_read_as_cron_reads_them() {
        let utc = |schedule, count| times(schedule, "UTC", "2026-01-01T00:00:00Z", count);
        assert_eq!(utc("*/20 * * * *", 2), ["01-01 00:20 +00:00", "01-01 00:40 +00:00"]);
        assert_eq!(utc("@daily", 1), utc("0 0 * * *", 1));
        assert_eq!(utc("@midnight", 1), utc("@daily", 1));
        assert_eq!(utc("@Weekly", 1), ["01-04 00:00 +00:00"]);
        assert_eq!(utc("  5  4  *  feb  mon-tue  ", 1), ["02-02 04:05 +00:00"]);
        // Either of the two days will do if both are given (POSIX crontab).
        assert_eq!(
            utc("0 0 13 * fri", 3),
            ["01-02 00:00 +00:00", "01-09 00:00 +00:00", "01-13 00:00 +00:00"]
        );
        assert_eq!(utc("0 0 * * 7", 1), utc("0 0 * * 0", 1));
        assert_eq!(utc("0 0 29 2 *", 1), ["02-29 00:00 +00:00"]);
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_the_reason() {
        for (text, reason) in [
            ("* * * * * *", "seconds cannot be given"),
            ("* * * *", "it has 4 fields"),
            ("", "it has 0 fields"),
            ("@reboot", "@reboot is not known"),
            ("@every 5m", "@every 5m is not known"),
            ("@", "@ is not known"),
            ("0 0 31 2 *", "never comes"),
        ] {
            let message = text.parse::<CronSchedule>().unwrap_err().to_string();
            assert!(message.contains(reason), "{text}: {message}");
        }
        for text in
            ["60 * * * *", "* 24 * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "a b c d e", "*/0 * * * *"]
        {
            assert!(matches!(text.parse::<CronSchedule>(), Err(CronScheduleError::Field(_))), "{text}");
        }
    }

    #[test]
    fn a_time_that_the_clocks_skip_comes_right_behind_the_gap() {
        // Berlin, 29 March 2026: 02:00 is 03:00.
        assert_eq!(
            times("30 2 * * *", "Europe/Berlin", "2026-03-27T12:00:00Z", 3),
            ["03-28 02:30 +01:00", "03-29 03:00 +02:00", "03-30 02:30 +02:00"]
        );
        assert_eq!(
            times("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:15:00Z", 3),
            ["03-29 01:30 +01:00", "03-29 03:00 +02:00", "03-29 03:30 +02:00"]
        );
        // Lord Howe Island moves by half an hour: on 4 October 2026, 02:00 is 02:30.
        assert_eq!(
            times("15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00:00Z", 2),
            ["10-04 02:30 +11:00", "10-05 02:15 +11:00"]
        );
        // Beirut skips its midnight: on 29 March 2026, 00:00 is 01:00.
        assert_eq!(
            times("@daily", "Asia/Beirut", "2026-03-28T12:00:00Z", 2),
            ["03-29 01:00 +03:00", "03-30 00:00 +03:00"]
        );
    }

    #[test]
    fn a_time_that_comes_twice_counts_once_unless_it_is_every_hours() {
        // New York, 1 November 2026: 02:00 is 01:00 once more.
        assert_eq!(
            times("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", 2),
            ["11-01 01:30 -04:00", "11-02 01:30 -05:00"]
        );
        assert_eq!(
            times("30 * * * *", "America/New_York", "2026-11-01T04:45:00Z", 3),
            ["11-01 01:30 -04:00", "11-01 01:30 -05:00", "11-01 02:30 -05:00"]
        );
        assert_eq!(times("0 3 * * *", "America/New_York", "2026-10-31T12:00:00Z", 1), ["11-01 03:00 -05:00"]);
    }
}
