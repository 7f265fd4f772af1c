//! How an app's instances are checked: what its settings say, beside the checks that its release brings.

use std::time::Duration;

use crate::model::health_check::{CheckKind, CheckTest, HealthCheck};
use crate::model::process_selection::ProcessSelection;
use crate::model::process_type::ProcessType;
use crate::model::release::ReleaseContent;

/// The pause between two looks whether it listens.
const LOOK: Duration = Duration::from_millis(250);

/// What holds for all instances of an app.
#[derive(Clone, Debug)]
pub struct CheckRules {
    /// The host that requests are for: the app's first own name.
    pub host: String,
    /// Whether the app is reached over HTTPS.
    pub https: bool,
    /// Whether its web processes speak HTTP/2 in clear text, so that they cannot be asked as others are.
    pub h2c: bool,
    /// How long a new instance has for the checks that it did not bring itself.
    pub deadline: Duration,
    /// How long it has to stay up after its checks.
    pub window: Duration,
    /// Process types that are not waited for.
    pub skipped: ProcessSelection,
    /// Process types whose old instances are stopped before new ones start, which are not waited for either.
    pub disabled: ProcessSelection,
}

impl CheckRules {
    /// Whether new instances of a process type have to pass anything.
    pub fn hold_for(&self, process_type: &ProcessType) -> bool {
        !self.skipped.contains(process_type) && !self.disabled.contains(process_type)
    }

    /// The checks that a deploy waits for: the release's own; without any, one that speaks HTTP/2 has to listen.
    pub fn startup_checks(&self, release: &ReleaseContent, process_type: &ProcessType) -> Vec<HealthCheck> {
        let own = startup_checks(release, process_type);
        if !own.is_empty() || !self.h2c || !process_type.is_web() {
            return own;
        }
        let attempts = u32::try_from(self.deadline.as_millis() / LOOK.as_millis()).unwrap_or(u32::MAX).max(1);
        vec![HealthCheck {
            attempts,
            wait: LOOK,
            ..HealthCheck::new(CheckKind::Startup, CheckTest::Listening)
        }]
    }
}

/// The checks that a deploy waits for.
pub fn startup_checks(release: &ReleaseContent, process_type: &ProcessType) -> Vec<HealthCheck> {
    let all = release.app_json.healthchecks.get(process_type).into_iter().flatten();
    all.filter(|check| check.is_for_start()).cloned().collect()
}

/// The checks that go on while an instance runs.
pub fn running_checks(release: &ReleaseContent, process_type: &ProcessType) -> Vec<HealthCheck> {
    let all = release.app_json.healthchecks.get(process_type).into_iter().flatten();
    all.filter(|check| check.kind != CheckKind::Startup).cloned().collect()
}
