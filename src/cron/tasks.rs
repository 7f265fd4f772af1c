//! The scheduled tasks of apps as they are now: what `app.json` says, and what was set for them.

use jiff::tz::TimeZone;

use crate::app::App;
use crate::cron::agenda::Task;
use crate::model::cron::CronTaskId;
use crate::store::apps::AppId;
use crate::store::cron::{CronApp, CronTaskState};
use crate::store::{Store, StoreError};

/// The property with an app's time zone.
pub const TIME_ZONE: &str = "cron-timezone";
/// The property that leaves an app's tasks out.
pub const MAINTENANCE: &str = "cron-maintenance";
/// The property with the longest time that a run may take.
pub const TTL_SECONDS: &str = "cron-ttl-seconds";
/// How long a run may take if nothing else is set, in seconds: a day, as Dokku has it.
pub const DEFAULT_TTL_SECONDS: u64 = 86_400;

/// Why tasks are left out for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pauses {
    /// All of the app's were set so.
    pub app_in_maintenance: bool,
    /// The app was stopped.
    pub app_stopped: bool,
    /// `app.json` says so, or somebody suspended this one.
    pub task_in_maintenance: bool,
}

impl Pauses {
    /// Whether any of them holds.
    pub fn any(self) -> bool {
        self.app_in_maintenance || self.app_stopped || self.task_in_maintenance
    }
}

/// The tasks of all apps.
pub async fn all(app: &App, states: &[CronTaskState]) -> Result<Vec<Task>, StoreError> {
    let mut tasks = Vec::new();
    for cron_app in app.store.cron_apps().await? {
        tasks.extend(of_app(&app.store, cron_app, states).await?.into_iter().map(|(task, _)| task));
    }
    Ok(tasks)
}

/// The tasks of one app in the order of its `app.json`, and why each is left out.
pub async fn of_app(
    store: &Store,
    app: CronApp,
    states: &[CronTaskState],
) -> Result<Vec<(Task, Pauses)>, StoreError> {
    let zone = time_zone(store, app.id).await?;
    let in_maintenance =
        store.computed_property(app.id, MAINTENANCE).await?.is_some_and(|text| text == "true");
    let ids = CronTaskId::of(&app.entries);
    let mut tasks = Vec::new();
    for (id, entry) in ids.into_iter().zip(app.entries) {
        let state = states.iter().find(|state| state.app == app.id && state.task == id);
        let pauses = Pauses {
            app_in_maintenance: in_maintenance,
            app_stopped: app.stopped,
            task_in_maintenance: entry.maintenance || state.is_some_and(|state| state.suspended),
        };
        match entry.schedule.parse() {
            Ok(schedule) => {
                let (app_name, zone, paused) = (app.name.clone(), zone.clone(), pauses.any());
                tasks.push((Task { app: app.id, app_name, id, entry, schedule, zone, paused }, pauses));
            }
            // A deploy refuses it; this release is of a version that knew other schedules.
            Err(error) => tracing::error!(app = %app.name, task = %id, %error, "a schedule cannot be read"),
        }
    }
    Ok(tasks)
}

/// The time zone in which an app's schedules are read: its own, the global one, or the host's.
pub async fn time_zone(store: &Store, app: AppId) -> Result<TimeZone, StoreError> {
    let Some(name) = store.computed_property(app, TIME_ZONE).await? else { return Ok(TimeZone::system()) };
    // It was checked when it was set; the host's time zones may have been removed since.
    TimeZone::get(&name).map_err(|error| StoreError::Damaged(format!("the time zone {name} ({error})")))
}

/// How long a run of an app may take, in seconds.
pub async fn ttl_seconds(store: &Store, app: AppId) -> Result<u64, StoreError> {
    let text = store.computed_property(app, TTL_SECONDS).await?;
    Ok(text.and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_TTL_SECONDS))
}
