//! Automatic certificates: whether the last order of each app came to something.

use std::sync::Arc;

use crate::app::App;
use crate::clock;
use crate::store::StoreError;
use crate::upkeep::doctor::Finding;

const CHECK: &str = "automatic certificates";

pub(super) async fn examine(app: &Arc<App>) -> Vec<Finding> {
    match look(app).await {
        Ok(findings) => findings,
        Err(error) => vec![super::unknown(CHECK, "the database", &error)],
    }
}

async fn look(app: &Arc<App>) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::new();
    for record in app.store.apps().await? {
        let state = app.store.acme_state(record.id).await?;
        let Some(error) = state.last_error else { continue };
        let name = record.name.as_str();
        let next = state.next_attempt.map(clock::format_seconds).unwrap_or_default();
        let what = format!("{} failures in a row: {}", state.failures, error.replace('\n', "; "));
        let fix = format!(
            "Do what it says; it is tried again at {next}, or at once: letsencrypt:auto-renew {name}"
        );
        findings.push(Finding::problem(CHECK, name, (what, fix)));
    }
    Ok(findings)
}
