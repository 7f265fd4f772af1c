//! `cron:*`: the scheduled tasks of an app.

pub mod history;
pub mod list;
pub mod logs;
pub mod properties;
pub mod run;
pub mod stop;
pub mod suspend;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::command_error::CommandError;
use crate::commands::Context;
use crate::cron::agenda::Task;
use crate::cron::tasks::{self, Pauses};
use crate::model::cron::CronStatus;
use crate::store::cron::CronRun;

/// The scheduled tasks of the command's app, in the order of its `app.json`.
async fn tasks(context: &Context) -> Result<Vec<(Task, Pauses)>, CommandError> {
    let id = context.target()?.id;
    let store = &context.app.store;
    let Some(app) = store.cron_apps().await?.into_iter().find(|app| app.id == id) else {
        return Ok(Vec::new());
    };
    Ok(tasks::of_app(store, app, &store.cron_states().await?).await?)
}

/// The task of the command's app with that id.
async fn task(context: &Context, id: &str) -> Result<Task, CommandError> {
    let found = tasks(context).await?.into_iter().find(|(task, _)| task.id.as_str() == id);
    let name = &context.target()?.name;
    found.map(|(task, _)| task).ok_or_else(|| {
        CommandError::user("No matching Cron ID found.")
            .hint(format!("Please specify a Cron ID from the output of 'cron:list {name}'"))
    })
}

/// The run of the command's app with that number, which may also be given as its container's name.
async fn numbered(context: &Context, run: &str) -> Result<CronRun, CommandError> {
    let record = context.target()?;
    let number = run.rsplit('.').next().and_then(|number| number.parse().ok());
    let found = match number {
        Some(number) => context.app.store.cron_run(record.id, number).await?,
        None => None,
    };
    found.ok_or_else(|| {
        CommandError::user(format!("{} has no run {run} of a scheduled task", record.name))
            .hint(format!("See them: cron:history {}", record.name))
    })
}

/// A time on the clocks of a zone, as RFC 3339.
fn local(time: Timestamp, zone: &TimeZone) -> String {
    time.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string()
}

/// How a run stands, in a few characters.
fn outcome(run: &CronRun) -> String {
    match (run.status, run.exit_code) {
        (CronStatus::Missed, _) if run.times > 1 => format!("missed {} times", run.times),
        (CronStatus::Running | CronStatus::Succeeded, _) | (_, None) => run.status.to_string(),
        (status, Some(code)) => format!("{status} ({code})"),
    }
}
