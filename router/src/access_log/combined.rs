//! The combined form of Apache and nginx, for tools that read nothing else.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{AccessRecord, put, put_quoted};

pub(super) fn write(record: &AccessRecord, line: &mut String) {
    put(line, format_args!("{} - - [", record.client));
    put_time(line, record.time);
    line.push_str("] ");
    let path = record.path.as_ref().map_or("", |path| path.as_str());
    let request = match record.method.as_str() {
        // Nothing of the request is known, which Apache writes so.
        "-" => "-".to_owned(),
        method => format!("{method} {path} {}", super::version(record.version)),
    };
    put_quoted(line, request.as_bytes());
    put(line, format_args!(" {} {} ", record.status, record.bytes));
    put_quoted(line, record.referer.as_ref().map_or(b"-", |referer| referer.as_bytes()));
    line.push(' ');
    put_quoted(line, record.user_agent.as_ref().map_or(b"-", |agent| agent.as_bytes()));
}

/// Writes a time in UTC as `21/Nov/2026:04:20:01 +0000`.
fn put_time(line: &mut String, time: SystemTime) {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let name = MONTHS.get(month).copied().unwrap_or("???");
    let (hour, minute, second) = (rest / 3600, rest % 3600 / 60, rest % 60);
    put(line, format_args!("{day:02}/{name}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000"));
}

/// The date of a day since 1970: year, month from 0 on, day from 1 on.
///
/// Years begin in March here, so that a leap day is a year's last (Hinnant, "chrono-Compatible Low-Level Date
/// Algorithms").
fn date(days: u64) -> (u64, usize, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 2 } else { march_month - 10 };
    let year = era * 400 + year_of_era + u64::from(month < 2);
    (year, usize::try_from(month).unwrap_or(0), day)
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::super::tests::record;
    use super::*;

    #[test]
    fn a_line_is_what_nginx_writes() {
        let mut line = String::new();
        let user_agent = Some(HeaderValue::from_static("curl/8 \"x\""));
        write(&AccessRecord { user_agent, ..record() }, &mut line);
        insta::assert_snapshot!(line, @r#"10.0.0.9 - - [21/Nov/2026:04:20:01 +0000] "GET /posts?page=2 HTTP/1.1" 200 13 "-" "curl/8 \"x\"""#);
    }

    #[test]
    fn of_what_was_no_request_nothing_is_said() {
        let (method, path) = (hyper::Method::from_bytes(b"-").unwrap(), None);
        let mut line = String::new();
        write(&AccessRecord { method, path, status: 400, ..record() }, &mut line);
        assert!(line.ends_with(r#"] "-" 400 13 "-" "-""#), "{line}");
    }

    #[test]
    fn dates_are_right_around_leap_days() {
        assert_eq!(date(0), (1970, 0, 1));
        assert_eq!(date(59), (1970, 2, 1));
        assert_eq!(date(11_016), (2000, 1, 29));
        assert_eq!(date(11_017), (2000, 2, 1));
        assert_eq!(date(20_453), (2025, 11, 31));
        assert_eq!(date(20_454), (2026, 0, 1));
    }
}
