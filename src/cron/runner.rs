//! One run of a scheduled task, from its record to its end.
//!
//! The run is recorded first, then its container, and only then is that started. So a server that was killed at any
//! point finds out at its next start what became of it, and a run that goes on is looked after again: see [`adopt`].

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use crate::app::App;
use crate::app::cron_runs::Ending;
use crate::clock;
use crate::cron::container::{self, BeginError};
use crate::cron::history;
use crate::cron::output::Output;
use crate::docker::error::EngineError;
use crate::docker::facts::{ContainerFacts, ContainerFilter, RunState};
use crate::docker::labels::ContainerKind;
use crate::docker::logs::LogOptions;
use crate::docker::output::OutputChunk;
use crate::hooks::Scene;
use crate::model::container_id::ContainerId;
use crate::model::cron::CronStatus;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::store::StoreError;
use crate::store::cron::{CronEnd, CronRun};

/// Between SIGTERM and SIGKILL for a run that is ended.
const STOP: Duration = Duration::from_secs(10);
/// How long an engine that does not answer is left alone.
const BACK_OFF: Duration = Duration::from_secs(1);
/// The longest sleep until a deadline, so that a clock that was set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// A run that is to begin.
#[derive(Debug)]
pub struct Start {
    /// What is recorded of it; it gets its number then.
    pub run: CronRun,
    /// Up to when its task's due times are dealt with, if it is due.
    pub accounted: Option<i64>,
    /// Runs that are ended before it begins.
    pub replaces: Vec<i64>,
    /// Who watches its output.
    pub watcher: Option<mpsc::Sender<OutputChunk>>,
}

/// Records a run and has it carried out in the background; its number, or `None` if the app is gone.
pub async fn begin(app: &Arc<App>, start: Start) -> Result<Option<i64>, StoreError> {
    let Start { run, accounted, replaces, watcher } = start;
    let Some(id) = app.store.add_cron_run(run.clone(), accounted).await? else { return Ok(None) };
    let run = CronRun { id, ..run };
    let mut ending = app.cron_runs.enter(id, run.app, run.task.clone());
    let app = app.clone();
    app.clone().tasks.spawn(async move {
        for replaced in replaces {
            app.cron_runs.end(replaced, Ending::Replaced).await;
        }
        tracing::info!(app = run.app.0, task = %run.task, run = id, trigger = %run.trigger, "a task begins");
        let end = match container::start(&app, &run).await {
            Ok(container) => attend(&app, &run, &container, (&mut ending, Output::new(watcher))).await,
            Err(error) => Some(failed(error)),
        };
        settle(&app, &run, end).await;
        // Whoever waits for the end finds it recorded.
        drop(ending);
    });
    Ok(Some(id))
}

/// Takes on the runs that a server that is no more has left: those that go on are looked after to their end, those
/// that ended are recorded, and those that had not begun were missed.
pub async fn adopt(app: &Arc<App>) -> Result<(), StoreError> {
    for run in app.store.unfinished_cron_runs().await? {
        let mut ending = app.cron_runs.enter(run.id, run.app, run.task.clone());
        let app = app.clone();
        app.clone().tasks.spawn(async move {
            let end = match run.container.clone() {
                Some(container) => {
                    tracing::info!(app = run.app.0, task = %run.task, run = run.id, "a task is looked after again");
                    attend(&app, &run, &container, (&mut ending, Output::new(None))).await
                }
                None => Some(not_begun()),
            };
            settle(&app, &run, end).await;
            drop(ending);
        });
    }
    Ok(())
}

/// Removes containers that belong to no run under way: what a killed server had made and not recorded, or recorded
/// as ended and not removed.
pub async fn remove_orphans(app: &App) -> Result<(), EngineError> {
    let filter = ContainerFilter { app: None, kind: Some(ContainerKind::Cron) };
    for found in app.engine.list(&filter).await? {
        let run = container::run_of(&found.name);
        if !run.is_some_and(|run| app.cron_runs.contains(run)) {
            tracing::info!(container = %found.name, "removing a container of no scheduled task");
            app.engine.remove(&found.id).await?;
        }
    }
    Ok(())
}

/// Looks after a started container until it has ended; `None` if the server stops first, and the run goes on.
async fn attend(
    app: &App,
    run: &CronRun,
    container: &ContainerId,
    (ending, mut output): (&mut watch::Receiver<Option<Ending>>, Output),
) -> Option<CronEnd> {
    let read = async {
        let facts = read_to_the_end(app, container, &mut output).await;
        (facts, output)
    };
    let mut read = std::pin::pin!(read);
    let status = tokio::select! {
        biased;
        () = app.shutdown.cancelled() => return None,
        (facts, output) = &mut read => return Some(ended(app, run, container, (facts, output, None)).await),
        status = told_to_end(run.deadline, ending) => status,
    };
    tokio::select! {
        () = app.shutdown.cancelled() => None,
        ((facts, output), ()) = async { tokio::join!(&mut read, stop(app, container)) } => {
            Some(ended(app, run, container, (facts, output, Some(status))).await)
        }
    }
}

/// Waits until the run's time is over or somebody ends it, and says as what it is recorded.
async fn told_to_end(deadline: i64, ending: &mut watch::Receiver<Option<Ending>>) -> CronStatus {
    let over = async {
        loop {
            let left = u64::try_from(deadline.saturating_sub(clock::unix_seconds())).unwrap_or(0);
            if left == 0 {
                return;
            }
            sleep(Duration::from_secs(left).min(LONGEST_SLEEP)).await;
        }
    };
    let told = ending.wait_for(Option::is_some);
    tokio::select! {
        () = over => CronStatus::TimedOut,
        told = told => match told.ok().and_then(|told| *told) {
            Some(Ending::Replaced) => CronStatus::Replaced,
            Some(Ending::Stopped) | None => CronStatus::Stopped,
        },
    }
}

async fn stop(app: &App, container: &ContainerId) {
    while let Err(error) = app.engine.stop(container, STOP).await {
        if error.is_not_found() {
            return;
        }
        tracing::warn!(%container, %error, "a scheduled task cannot be ended; trying again");
        sleep(BACK_OFF).await;
    }
}

/// Takes the output of a container until it has ended, through restarts of the engine too. `None` if it is gone.
async fn read_to_the_end(app: &App, container: &ContainerId, output: &mut Output) -> Option<ContainerFacts> {
    loop {
        if let Err(error) = read(app, container, output).await
            && !error.is_not_found()
        {
            tracing::debug!(%container, %error, "the output of a scheduled task broke off");
        }
        match app.engine.inspect(container.as_str()).await {
            Ok(facts) if matches!(facts.state, RunState::Exited(_) | RunState::Created) => {
                return Some(facts);
            }
            Err(error) if error.is_not_found() => return None,
            Ok(_) | Err(_) => sleep(BACK_OFF).await,
        }
    }
}

async fn read(app: &App, container: &ContainerId, output: &mut Output) -> Result<(), EngineError> {
    output.rewind();
    let mut chunks = app.engine.logs(container, LogOptions { follow: true, ..LogOptions::default() }).await?;
    while let Some(chunk) = chunks.next().await {
        output.take(chunk?).await;
    }
    // The log ends a moment before the process is recorded as ended.
    app.engine.wait(container).await?;
    Ok(())
}

/// How a run ended whose container has ended or is gone. Its output is kept and the container removed.
async fn ended(
    app: &App,
    run: &CronRun,
    container: &ContainerId,
    (facts, output, told): (Option<ContainerFacts>, Output, Option<CronStatus>),
) -> CronEnd {
    history::keep(&app.settings.root, run.id, &output.into_bytes()).await;
    let Some(facts) = facts else {
        let note = Some("its container was removed".to_owned());
        let status = told.unwrap_or(CronStatus::Failed);
        return CronEnd { status, finished_at: clock::unix_seconds(), exit_code: None, note };
    };
    let RunState::Exited(code) = facts.state else { return not_begun() };
    let own = if code == 0 { CronStatus::Succeeded } else { CronStatus::Failed };
    tracing::debug!(%container, code, "the container of a scheduled task has ended");
    CronEnd {
        status: told.unwrap_or(own),
        finished_at: facts.finished_at.unwrap_or_else(clock::unix_seconds),
        exit_code: Some(code),
        note: facts.oom_killed.then(|| "it ran out of memory".to_owned()),
    }
}

fn not_begun() -> CronEnd {
    let note = Some("the server ended before the task could begin".to_owned());
    CronEnd { status: CronStatus::Missed, finished_at: clock::unix_seconds(), exit_code: None, note }
}

fn failed(error: BeginError) -> CronEnd {
    let mut note = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        note.push_str(&format!(": {error}"));
        cause = error.source();
    }
    let (status, finished_at) = (CronStatus::Failed, clock::unix_seconds());
    CronEnd { status, finished_at, exit_code: None, note: Some(note) }
}

/// Records the end of a run, removes its container and shortens the history. A run that goes on is only let go.
async fn settle(app: &App, run: &CronRun, end: Option<CronEnd>) {
    if let Some(end) = end {
        let told = end.clone();
        if let Err(error) = record(app, run, end).await {
            tracing::error!(app = run.app.0, run = run.id, %error, "the end of a task cannot be recorded");
        }
        if let Err(error) = history::shorten(app, run.app).await {
            tracing::warn!(app = run.app.0, %error, "the history of scheduled tasks is longer than it should be");
        }
        // Its image may have been the last thing that was kept for it.
        app.reconciler.collect_garbage();
        tell(app, run, told).await;
    }
    app.cron_runs.leave(run.id);
}

/// Tells plugins how a run ended.
async fn tell(app: &App, run: &CronRun, end: CronEnd) {
    if !app.hooks.has(Hook::PostCron) {
        return;
    }
    // An app that is gone has no hooks of its tasks any more.
    let Ok(Some(record)) = app.store.app_by_id(run.app).await else { return };
    let code = end.exit_code.map_or_else(String::new, |code| format!(" with {code}"));
    let event = || Event::PostCron {
        app: record.name,
        task: run.task.to_string(),
        run: run.id,
        succeeded: end.status == CronStatus::Succeeded,
        outcome: format!("{}{code}", end.status),
    };
    app.hooks.tell(Hook::PostCron, Scene::default(), event).await;
}

async fn record(app: &App, run: &CronRun, end: CronEnd) -> Result<(), BeginError> {
    let seconds = end.finished_at.saturating_sub(run.started_at);
    let (code, note) = (end.exit_code, end.note.clone().unwrap_or_default());
    let (task, status) = (&run.task, end.status);
    if end.status == CronStatus::Succeeded {
        tracing::info!(app = run.app.0, %task, run = run.id, %status, code, seconds, "a task has ended");
    } else {
        tracing::warn!(app = run.app.0, %task, run = run.id, %status, code, seconds, note, "a task has ended");
    }
    let recorded = app.store.cron_run(run.app, run.id).await?;
    let is_known = recorded.is_some();
    let container = recorded.and_then(|run| run.container).or_else(|| run.container.clone());
    if let Some(container) = &container {
        // Its last lines stand in the app's log before what is said of its end.
        app.logs.take_rest(&app.engine, container).await;
    }
    if is_known && end.status != CronStatus::Succeeded {
        app.logs.platform_line(run.app, &container::dyno(run.id), unsuccessful(run, &end)).await;
    }
    app.store.finish_cron_run(run.id, end).await?;
    if let Some(container) = container {
        app.engine.remove(&container).await?;
    }
    Ok(())
}

/// What the app's log says of a run that did not succeed.
fn unsuccessful(run: &CronRun, end: &CronEnd) -> String {
    let mut line = format!("task {}: {}", run.task, end.status);
    if let Some(code) = end.exit_code {
        line.push_str(&format!(", exit status {code}"));
    }
    if let Some(note) = &end.note {
        line.push_str(&format!(", {note}"));
    }
    line
}
