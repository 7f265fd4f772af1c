//! Plugins: which cannot be used, what runs with fewer walls than it should, and what they say themselves.

use crate::app::App;
use crate::hooks::additions::FindingState;
use crate::upkeep::doctor::{Finding, State};

const CHECK: &str = "plugins";

/// Looks at the plugins.
pub async fn examine(app: &App) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(reason) = app.hooks.missing_walls() {
        let what = format!(
            "this host allows no namespaces: plugins see its files, and may leave processes behind ({reason})"
        );
        let fix = "Run Slipway as root on a host with unshare (util-linux); in a container: --privileged"
            .to_owned();
        findings.push(Finding::warning(CHECK, "walls", (what, fix)));
    }
    let broken = app.plugins.unusable();
    for (name, reason) in &broken {
        let fix = format!("Mend it: plugin:update {name}; or switch it off: plugin:disable {name}");
        findings.push(Finding::problem(CHECK, name.to_string(), (reason.clone(), fix)));
    }
    if broken.is_empty() {
        let count = app.plugins.all().len();
        findings.push(Finding::good(CHECK, "all", format!("{count} can be used")));
    }
    let said = app.hooks.findings().await;
    findings.extend(said.into_iter().map(|(plugin, finding)| Finding {
        check: CHECK,
        state: match finding.state {
            FindingState::Good => State::Good,
            FindingState::Warning => State::Warning,
            FindingState::Problem => State::Problem,
        },
        place: format!("{plugin}: {}", finding.place),
        what: finding.what,
        fix: finding.fix,
    }));
    findings
}
