//! Durations in files: numbers of seconds, fractions allowed.

use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};

/// Reads seconds.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Duration::try_from_secs_f64(f64::deserialize(deserializer)?).map_err(D::Error::custom)
}
