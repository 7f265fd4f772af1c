//! A page that everybody gets instead of the app.

use std::time::Duration;

use bytes::Bytes;
use ipnet::IpNet;
use serde::Deserialize;

/// What is answered during maintenance, and who gets the app all the same.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Maintenance {
    /// The page (HTML); the router's own if unset.
    pub page: Option<Bytes>,
    /// When to come back.
    #[serde(deserialize_with = "super::seconds::deserialize")]
    pub retry_after: Duration,
    /// Clients with these addresses get the app.
    pub allow: Vec<IpNet>,
    /// Clients that bring this secret once as `?maintenance-bypass=SECRET` get a cookie, and the app.
    pub bypass: Option<String>,
}

impl Default for Maintenance {
    fn default() -> Self {
        Self { page: None, retry_after: Duration::from_secs(300), allow: Vec::new(), bypass: None }
    }
}
