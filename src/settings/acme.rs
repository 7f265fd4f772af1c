//! What automatic certificates need of the host: section `[acme]`.
//!
//! What is an app's, or may be set without access to the host, is set with `letsencrypt:set`.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

/// Automatic certificates.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct AcmeSettings {
    /// The program that makes and removes TXT records, for DNS-01. It runs as the server does, so that only who may
    /// write this file chooses it.
    pub dns_hook: Option<PathBuf>,
    /// Seconds between a record's making and the authority's look at it.
    pub dns_wait_seconds: u64,
    /// A file with the certificates (PEM) of an authority whose own site the host does not trust.
    pub ca_certificate: Option<PathBuf>,
}

impl Default for AcmeSettings {
    fn default() -> Self {
        Self { dns_hook: None, dns_wait_seconds: 30, ca_certificate: None }
    }
}

impl AcmeSettings {
    /// How long a record is given to be seen everywhere.
    pub fn dns_wait(&self) -> Duration {
        Duration::from_secs(self.dns_wait_seconds)
    }
}
