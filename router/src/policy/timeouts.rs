//! The deadlines of a request. None of them bounds a request that keeps moving.

use std::time::Duration;

use serde::Deserialize;

/// The deadlines of one app's requests.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Timeouts {
    /// For a TCP connection to an instance.
    #[serde(deserialize_with = "super::seconds::deserialize")]
    pub connect: Duration,
    /// For the first byte of an answer, counted from the last byte of the request's body that moved.
    #[serde(deserialize_with = "super::seconds::deserialize")]
    pub first_byte: Duration,
    /// Between two bytes of a request's body.
    #[serde(deserialize_with = "super::seconds::deserialize")]
    pub body: Duration,
    /// Between two bytes of an answer.
    #[serde(deserialize_with = "super::seconds::deserialize")]
    pub idle: Duration,
    /// Between two bytes of an upgraded connection, in either direction.
    #[serde(deserialize_with = "super::seconds::deserialize")]
    pub tunnel_idle: Duration,
    /// How long a connection to an instance may rest before it is closed.
    ///
    /// It has to be shorter than the app server's own limit, or a request meets a connection that is just
    /// being closed: Node's limit, the shortest in common use, is five seconds.
    #[serde(deserialize_with = "super::seconds::deserialize")]
    pub upstream_idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(300),
            body: Duration::from_secs(300),
            idle: Duration::from_secs(300),
            tunnel_idle: Duration::from_secs(3600),
            upstream_idle: Duration::from_secs(4),
        }
    }
}
