//! Checks of an instance, as app.json's `healthchecks` describes them (Dokku's schema).

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// When a check is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckKind {
    /// Until a new instance has passed it; a deploy waits for that.
    Startup,
    /// For as long as it runs: requests go to it only while it passes.
    Readiness,
    /// For as long as it runs: it is restarted when it fails.
    Liveness,
}

/// What a check looks at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckTest {
    /// A GET request that is answered with 200 to 399.
    Http(HttpTest),
    /// A command in the container that ends with status 0.
    Command(Vec<String>),
    /// That it has been up without a restart for so many seconds.
    Uptime(u32),
    /// That it listens on its port on the container's own address.
    Listening,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpTest {
    /// Path and query, with a leading slash.
    pub path: String,
    /// The port; without one, the web port.
    pub port: Option<u16>,
    /// Whether it is asked over TLS, whatever its certificate.
    pub tls: bool,
    /// Header fields beside `Host` and `X-Forwarded-Proto`, or in their place.
    pub headers: Vec<(String, String)>,
    /// What the body has to contain.
    pub content: Option<String>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// What it is called in messages.
    pub name: Option<String>,
    /// When it is made.
    pub kind: CheckKind,
    /// What it looks at.
    pub test: CheckTest,
    /// How often it may fail in a row, at least once.
    pub attempts: u32,
    /// How long one attempt may take.
    pub timeout: Duration,
    /// The pause between attempts, and between checks while an instance runs.
    pub wait: Duration,
    /// How long nothing is asked after the start.
    pub initial_delay: Duration,
    /// Whether a failure is only told.
    pub warn: bool,
}

impl HealthCheck {
    /// A check with Dokku's defaults: 3 attempts of 5 s each, 5 s apart.
    pub fn new(kind: CheckKind, test: CheckTest) -> Self {
        Self {
            name: None,
            kind,
            test,
            attempts: 3,
            timeout: Duration::from_secs(5),
            wait: Duration::from_secs(5),
            initial_delay: Duration::ZERO,
            warn: false,
        }
    }
}
