//! A look at the host and at the apps: what is wrong, where, and how to mend it.
//!
//! Each file below looks at one side of it. They change nothing, and none of them stops at the first fault.

mod acme;
mod apps;
mod backups;
mod certificates;
mod engine;
mod files;
mod host;
mod network;
mod plugins;
mod services;
mod surroundings;

use std::sync::Arc;

use serde::Serialize;

use crate::app::App;

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Good,
    /// It works, and may not for long; or it cannot be told.
    Warning,
    /// Something does not work.
    Problem,
}

/// What was found of one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which check found it: `engine`, `disk`, …
    pub check: &'static str,
    /// How it stands.
    pub state: State,
    /// What was looked at: a path, an app, a host name.
    pub place: String,
    /// What was found.
    pub what: String,
    /// What to do about it; nothing where it is good.
    pub fix: Option<String>,
}

impl Finding {
    fn good(check: &'static str, place: impl Into<String>, what: impl Into<String>) -> Self {
        Self { check, state: State::Good, place: place.into(), what: what.into(), fix: None }
    }

    fn warning(check: &'static str, place: impl Into<String>, (what, fix): (String, String)) -> Self {
        Self { check, state: State::Warning, place: place.into(), what, fix: Some(fix) }
    }

    fn problem(check: &'static str, place: impl Into<String>, (what, fix): (String, String)) -> Self {
        Self { check, state: State::Problem, place: place.into(), what, fix: Some(fix) }
    }
}

/// Looks at everything. Takes seconds where host names do not resolve.
pub async fn examine(app: &Arc<App>) -> Vec<Finding> {
    let mut findings = engine::examine(app).await;
    let engine_is_up = findings.iter().all(|finding| finding.state != State::Problem);
    findings.extend(files::examine(app).await);
    findings.extend(certificates::examine(app).await);
    findings.extend(host::examine(app).await);
    findings.extend(network::examine(app).await);
    findings.extend(surroundings::examine(app).await);
    findings.extend(acme::examine(app).await);
    findings.extend(plugins::examine(app).await);
    findings.extend(backups::examine(app).await);
    if engine_is_up {
        findings.extend(apps::examine(app).await);
        findings.extend(services::examine(app).await);
    }
    findings
}

/// What cannot be looked at is told as such, and hides nothing else.
fn unknown(check: &'static str, place: &str, error: &dyn std::fmt::Display) -> Finding {
    let fix = "Mend what it says, and look again: doctor".to_owned();
    Finding::problem(check, place, (format!("it cannot be looked at: {error}"), fix))
}
