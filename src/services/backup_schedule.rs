//! Makes scheduled backups when they are due. One that was missed because the server did not run is made as soon as it
//! does; one that is still being made is waited for.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::app::App;
use crate::clock;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::model::cron_schedule::CronSchedule;
use crate::model::service::{ServiceId, WantedState};
use crate::services::Service;
use crate::services::backup::{Asker, back_up};
use crate::services::backup_plan::BackupPlan;
use crate::store::service_backups::BackupRecord;

/// How often it is looked whether one is due: cron's own grain is a minute.
const EVERY: Duration = Duration::from_secs(20);

/// How many are made at a time: each takes some 20 MiB of memory, and most are due at the same hour.
const AT_ONCE: usize = 2;

/// Runs until the server stops.
pub async fn run(app: &Arc<App>) {
    let mut running: HashMap<ServiceId, JoinHandle<Option<()>>> = HashMap::new();
    loop {
        running.retain(|_, backup| !backup.is_finished());
        if let Err(error) = start_due(app, &mut running).await {
            tracing::error!(%error, "scheduled backups cannot be looked at; trying again");
        }
        tokio::select! {
            () = sleep(EVERY) => {}
            () = app.shutdown.cancelled() => return,
        }
    }
}

async fn start_due(
    app: &Arc<App>,
    running: &mut HashMap<ServiceId, JoinHandle<Option<()>>>,
) -> Result<(), CommandError> {
    for (id, record) in app.store.backup_records().await? {
        if running.contains_key(&id) || !is_due(&record, clock::now()) {
            continue;
        }
        if running.len() >= AT_ONCE {
            break;
        }
        app.store.set_backup_accounted(id, clock::unix_seconds()).await?;
        let backup = app.tasks.begin(due(app.clone(), id, record.accounted));
        running.insert(id, backup);
    }
    Ok(())
}

/// Whether a time of the schedule has come since it was last followed.
fn is_due(record: &BackupRecord, now: Timestamp) -> bool {
    let (Some(schedule), Some(accounted)) = (&record.schedule, record.accounted) else { return false };
    let Ok(schedule) = schedule.parse::<CronSchedule>() else { return false };
    let Ok(accounted) = Timestamp::from_second(accounted) else { return false };
    schedule.next(accounted, &TimeZone::system()).is_some_and(|next| next <= now)
}

/// What goes wrong is told where all failing backups are.
async fn due(app: Arc<App>, id: ServiceId, accounted: Option<i64>) {
    let (console, mut output) = Console::new();
    let drain = async { while output.recv().await.is_some() {} };
    let backup = async {
        let made = Box::pin(scheduled(&app, id, &console)).await;
        drop(console);
        made
    };
    let (made, ()) = tokio::join!(backup, drain);
    let Err(error) = made else { return };
    tracing::debug!(%error, "a scheduled backup failed");
    if let (true, Some(accounted)) = (app.shutdown.is_cancelled(), accounted) {
        // The next server makes it.
        if let Err(error) = app.store.set_backup_accounted(id, accounted).await {
            tracing::warn!(%error, "a backup that the end of the server cut off is not made again before its next time");
        }
    }
}

async fn scheduled(app: &App, id: ServiceId, console: &Console) -> Result<(), CommandError> {
    let Some(service) = Service::by_id(app, id).await? else { return Ok(()) };
    let plan = match BackupPlan::of(app, &service, None).await {
        Ok(plan) => plan,
        Err(error) => {
            app.store.note_backup(id, Some(error.to_string())).await?;
            return Err(error);
        }
    };
    // One that does not run is started for its backup, which nobody may take for a stray.
    let _lease = match service.record.wanted {
        WantedState::Running => None,
        WantedState::Stopped | WantedState::Paused => Some(app.service_leases.acquire(id).await),
    };
    let asker = Asker { name: "schedule".to_owned(), gone: app.shutdown.clone() };
    back_up(app, &service, &plan, &asker, console).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_due_once_for_each_time_that_has_come() {
        let record = |accounted| BackupRecord {
            schedule: Some("0 * * * *".to_owned()),
            accounted,
            ..BackupRecord::default()
        };
        let now: Timestamp = "2026-11-21T14:30:00Z".parse().unwrap();
        let hour = now.as_second() - 30 * 60;
        assert!(is_due(&record(Some(hour - 1)), now));
        assert!(is_due(&record(Some(hour - 90_000)), now), "one that was missed");
        assert!(!is_due(&record(Some(hour)), now));
        assert!(!is_due(&record(None), now));
        assert!(!is_due(&BackupRecord { schedule: None, ..record(Some(0)) }, now));
    }
}
