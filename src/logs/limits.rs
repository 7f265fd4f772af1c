//! How much of each app's log is kept.

use std::collections::HashMap;
use std::time::Duration;

use crate::store::apps::AppId;
use crate::store::{Store, StoreError};

/// The property for the size, as it is stored.
pub const MAX_SIZE: &str = "logs-max-size";
/// The property for the age, as it is stored.
pub const MAX_AGE: &str = "logs-max-age";

/// What is kept if nothing is set.
pub const DEFAULT_MAX_SIZE: &str = "50m";
/// How long it is kept if nothing is set.
pub const DEFAULT_MAX_AGE: &str = "14d";

const SMALLEST_SIZE: u64 = 64 << 10;
const LARGEST_SIZE: u64 = 1 << 40;

/// How much is kept of one app's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes.
    pub size: u64,
    /// Time.
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { size: 50 << 20, age: Duration::from_secs(14 * 86400) }
    }
}

/// A text that is no size or no age.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum LimitError {
    /// It is no size.
    #[error("{0} is not a size: write for example 500k, 50m or 2g, from 64k to 1024g")]
    Size(String),
    /// It is no time.
    #[error("{0} is not a time: write for example 90s, 30m, 12h or 14d")]
    Age(String),
}

/// Reads a size: a number with `b`, `k`, `m` or `g` behind it, also `kb`, `KiB` and so on; each is 1024 of the last.
pub fn parse_size(text: &str) -> Result<u64, LimitError> {
    let wrong = || LimitError::Size(text.to_owned());
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let factor = match lower.get(digits.len()..).unwrap_or_default() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    let size = number.checked_mul(factor).ok_or_else(wrong)?;
    if (SMALLEST_SIZE..=LARGEST_SIZE).contains(&size) { Ok(size) } else { Err(wrong()) }
}

/// Reads a length of time: a number with `s`, `m`, `h` or `d` behind it.
pub fn parse_age(text: &str) -> Result<Duration, LimitError> {
    let wrong = || LimitError::Age(text.to_owned());
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    let factor = match text.get(digits.len()..).unwrap_or_default() {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        _ => return Err(wrong()),
    };
    let seconds = number.checked_mul(factor).filter(|seconds| (1..=3_153_600_000).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

/// The limits of all apps.
#[derive(Clone, Debug, Default)]
pub struct LimitTable {
    sizes: HashMap<Option<AppId>, u64>,
    ages: HashMap<Option<AppId>, Duration>,
}

impl LimitTable {
    /// Reads what is set. What cannot be read is as if it were not set: it was checked when it was.
    pub async fn load(store: &Store) -> Result<Self, StoreError> {
        let sizes = store.property_values(MAX_SIZE).await?;
        let ages = store.property_values(MAX_AGE).await?;
        Ok(Self {
            sizes: sizes.into_iter().filter_map(|(app, text)| Some((app, parse_size(&text).ok()?))).collect(),
            ages: ages.into_iter().filter_map(|(app, text)| Some((app, parse_age(&text).ok()?))).collect(),
        })
    }

    /// An app's limits: its own, else the global ones, else the defaults.
    pub fn of(&self, app: AppId) -> Limits {
        let default = Limits::default();
        Limits {
            size: self.sizes.get(&Some(app)).or(self.sizes.get(&None)).copied().unwrap_or(default.size),
            age: self.ages.get(&Some(app)).or(self.ages.get(&None)).copied().unwrap_or(default.age),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_as_people_write_them() {
        assert_eq!(parse_size("50m"), Ok(50 << 20));
        assert_eq!(parse_size("1GiB"), Ok(1 << 30));
        assert_eq!(parse_size("70000"), Ok(70000));
        for wrong in ["", "m", "-1m", "1k", "5 m", "50x", "99999999999999g", "1.5m"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_age("14d"), Ok(Duration::from_secs(14 * 86400)));
        for wrong in ["", "d", "0d", "14", "1w", "-1h", "999999999999d"] {
            assert!(parse_age(wrong).is_err(), "{wrong}");
        }
        assert_eq!(parse_size(DEFAULT_MAX_SIZE), Ok(Limits::default().size));
        assert_eq!(parse_age(DEFAULT_MAX_AGE), Ok(Limits::default().age));
    }
}
