//! Starts scheduled tasks when they are due.
//!
//! It sleeps until the next due time, at most a minute, so that a clock that was set is noticed. The tasks are read
//! again only after a notice that they may be others: a deploy, a setting, an app that was stopped or destroyed.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::app::App;
use crate::clock;
use crate::cron::agenda::{Agenda, Due, Task};
use crate::cron::runner::{self, Start};
use crate::cron::tasks;
use crate::model::app_json::ConcurrencyPolicy;
use crate::model::cron::{CronStatus, CronTrigger};
use crate::store::StoreError;
use crate::store::cron::CronRun;

/// Runs of one task at a time: a task that takes longer than its interval must not fill the host.
pub const MOST_AT_ONCE: usize = 10;
/// How long the database or the engine is left alone after it refused.
const BACK_OFF: Duration = Duration::from_secs(5);

/// Runs until the server stops.
pub async fn run(app: &Arc<App>, notice: &Notify) {
    while let Err(error) = runner::adopt(app).await {
        tracing::error!(%error, "runs of scheduled tasks cannot be looked after again; trying again");
        tokio::select! {
            () = sleep(BACK_OFF) => {}
            () = app.shutdown.cancelled() => return,
        }
    }
    let mut agenda = Agenda::default();
    let mut stale = true;
    let mut untidy = true;
    loop {
        if stale {
            stale = warn(load(app, &mut agenda).await, "scheduled tasks cannot be read").is_none();
            // What an app that is gone has left.
            untidy = true;
        }
        if untidy {
            untidy = warn(runner::remove_orphans(app).await, "old containers of tasks are left").is_none();
        }
        for due in agenda.advance(clock::now()) {
            let name = due.task.app_name.clone();
            if let Err(error) = act(app, due).await {
                tracing::error!(app = %name, %error, "a scheduled task that is due cannot be recorded");
            }
        }
        let pause = agenda.pause(clock::now());
        tokio::select! {
            () = notice.notified() => stale = true,
            () = sleep(if stale || untidy { pause.min(BACK_OFF) } else { pause }) => {}
            () = app.shutdown.cancelled() => return,
        }
    }
}

/// Logs a failure; it is tried again soon.
fn warn<T, E: std::error::Error>(result: Result<T, E>, what: &str) -> Option<T> {
    result.inspect_err(|error| tracing::warn!(%error, "{what}; trying again")).ok()
}

async fn load(app: &App, agenda: &mut Agenda) -> Result<(), StoreError> {
    let states = app.store.cron_states().await?;
    let tasks = tasks::all(app, &states).await?;
    let now = clock::now();
    let changes = agenda.load(tasks, &states, now);
    for (id, task) in changes.remember {
        app.store.set_cron_accounted(id, &task, now.as_second()).await?;
    }
    app.store.forget_cron_tasks(changes.forget).await
}

async fn act(app: &Arc<App>, due: Due) -> Result<(), StoreError> {
    let Due { task, run, missed } = due;
    if let Some((times, last)) = missed {
        tracing::warn!(app = %task.app_name, task = %task.id, times, %last, "a scheduled task was missed");
        let line = format!(
            "task {} was missed (times: {times}, the last at {last}): the server did not run",
            task.id
        );
        app.logs.platform_line(task.app, "cron", line).await;
        let note = Some("the server did not run then".to_owned());
        let record = CronRun { times, note, ..record(&task, CronStatus::Missed, last) };
        app.store.add_cron_run(record, Some(last.as_second())).await?;
    }
    match run {
        Some(at) => run_due(app, &task, at).await,
        None => Ok(()),
    }
}

/// Starts a task that is due, as far as its other runs let it.
async fn run_due(app: &Arc<App>, task: &Task, at: Timestamp) -> Result<(), StoreError> {
    let others = app.cron_runs.of(task.app, &task.id);
    let policy = task.entry.concurrency_policy;
    let skipped = match policy {
        ConcurrencyPolicy::Forbid => !others.is_empty(),
        ConcurrencyPolicy::Allow => others.len() >= MOST_AT_ONCE,
        ConcurrencyPolicy::Replace => false,
    };
    if skipped {
        let ahead = others.iter().min().copied().unwrap_or(0);
        tracing::warn!(app = %task.app_name, task = %task.id, ahead, "a scheduled task is left out");
        let note = Some(format!("run {ahead} was still going on"));
        let line = format!("task {} is left out: run {ahead} is still going on", task.id);
        app.logs.platform_line(task.app, "cron", line).await;
        let record = CronRun { note, ..record(task, CronStatus::Skipped, at) };
        app.store.add_cron_run(record, Some(at.as_second())).await?;
        return Ok(());
    }
    let ttl = tasks::ttl_seconds(&app.store, task.app).await?;
    let run = CronRun {
        finished_at: None,
        deadline: clock::unix_seconds().saturating_add(i64::try_from(ttl).unwrap_or(i64::MAX)),
        started_at: clock::unix_seconds(),
        ..record(task, CronStatus::Running, at)
    };
    let replaces = if policy == ConcurrencyPolicy::Replace { others } else { Vec::new() };
    runner::begin(app, Start { run, accounted: Some(at.as_second()), replaces, watcher: None }).await?;
    Ok(())
}

/// A record of a due time, at which nothing ran.
fn record(task: &Task, status: CronStatus, at: Timestamp) -> CronRun {
    CronRun {
        id: 0,
        app: task.app,
        task: task.id.clone(),
        command: task.entry.command.clone(),
        trigger: CronTrigger::Schedule,
        status,
        started_at: at.as_second(),
        finished_at: Some(at.as_second()),
        exit_code: None,
        container: None,
        deadline: at.as_second(),
        times: 1,
        note: None,
    }
}
