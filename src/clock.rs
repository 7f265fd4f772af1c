//! The only clock: what time it is for records and messages.

use std::time::SystemTime;

use jiff::Timestamp;

/// What time it is.
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Seconds since the Unix epoch.
pub fn unix_seconds() -> i64 {
    now().as_second()
}

/// The time as RFC 3339 in UTC with nine digits behind the second, as entries of logs have it.
pub fn precise_now() -> String {
    format!("{:.9}", Timestamp::now())
}

/// A time as entries of logs have it.
pub fn precise(time: SystemTime) -> String {
    format!("{:.9}", Timestamp::try_from(time).unwrap_or_else(|_| now()))
}

/// A recorded time as RFC 3339 in UTC, to the second. Times outside jiff's range print as their number.
pub fn format_seconds(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(time) => time.to_string(),
        Err(_) => seconds.to_string(),
    }
}
