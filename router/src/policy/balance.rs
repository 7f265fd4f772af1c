//! How an app's requests are spread over its instances.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;

/// How requests are spread.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Balance {
    /// Requests that one instance has under way at most; more wait.
    pub max_in_flight: Option<NonZeroU32>,
    /// Requests that wait for an instance at most.
    pub queue: usize,
    /// How long one of them waits.
    #[serde(deserialize_with = "super::seconds::deserialize")]
    pub queue_time: Duration,
    /// Failures in a row (no connection, no answer, 502 to 504) after which an instance gets no requests for a while;
    /// never if unset.
    pub eject_after: Option<NonZeroU32>,
    /// Whether a client stays with its instance, by a cookie.
    pub sticky: bool,
    /// Whether requests may be sent a second time where that is safe.
    pub retries: bool,
}

impl Default for Balance {
    fn default() -> Self {
        Self {
            max_in_flight: None,
            queue: 256,
            queue_time: Duration::from_secs(30),
            eject_after: NonZeroU32::new(5),
            sticky: false,
            retries: true,
        }
    }
}
