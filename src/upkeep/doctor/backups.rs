//! Services' backups: whether the last ones failed, and whether upgrades wait to be confirmed.

use std::sync::Arc;

use crate::app::App;
use crate::clock;
use crate::command_error::CommandError;
use crate::services::Service;
use crate::upkeep::doctor::Finding;

pub(super) async fn examine(app: &Arc<App>) -> Vec<Finding> {
    match look(app).await {
        Ok(findings) => findings,
        Err(error) => vec![super::unknown("backups", "the services", &error)],
    }
}

async fn look(app: &App) -> Result<Vec<Finding>, CommandError> {
    let mut findings = Vec::new();
    for (id, backups) in app.store.backup_records().await? {
        let Some(service) = Service::by_id(app, id).await? else { continue };
        let (engine, name) = (&service.record.engine, &service.record.name);
        let place = format!("{engine} {name}");
        let last = match backups.succeeded_at {
            Some(at) => format!("the last good one is of {}", clock::format_seconds(at)),
            None => "there is no good one".to_owned(),
        };
        match (backups.failed_at, backups.failure) {
            (Some(at), Some(failure)) => {
                let what = format!("the backup at {} failed: {failure}; {last}", clock::format_seconds(at));
                findings.push(Finding::problem(
                    "backups",
                    place,
                    (what, format!("Try it: {engine}:backup {name}")),
                ));
            }
            _ if backups.schedule.is_some() => findings.push(Finding::good("backups", place, last)),
            _ => {}
        }
    }
    for record in app.store.services().await? {
        let Some(former) = app.store.former_service_data(record.id).await? else { continue };
        let (engine, name, version) = (&record.engine, &record.name, &former.image.version);
        let what =
            format!("the data of version {version} is kept since {}", clock::format_seconds(former.since));
        let fix =
            format!("If all is well: {engine}:upgrade-confirm {name}; back: {engine}:upgrade-undo {name}");
        findings.push(Finding::warning("upgrades", format!("{engine} {name}"), (what, fix)));
    }
    Ok(findings)
}
