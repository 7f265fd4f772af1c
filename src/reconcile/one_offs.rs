//! One-off containers: those whose time is over are ended, those that ended are kept for a while, so that their
//! output and exit status can still be read, and those go that nobody recorded, or whose client went away with a
//! server that was killed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use crate::app::App;
use crate::clock;
use crate::command_error::CommandError;
use crate::docker::error::EngineError;
use crate::docker::facts::{ContainerFacts, ContainerFilter, RunState};
use crate::docker::labels::ContainerKind;
use crate::store::apps::AppId;
use crate::store::one_offs::OneOffRecord;

/// How often they are looked at although nothing was noticed.
const EVERY: Duration = Duration::from_secs(60);
/// How long the database or the engine is left alone after it refused.
const BACK_OFF: Duration = Duration::from_secs(5);
/// Between SIGTERM and SIGKILL.
const STOP: Duration = Duration::from_secs(10);

/// Looks after them until the server stops.
pub async fn run(app: &Arc<App>, notice: &Notify) {
    loop {
        let pause = match look(app).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::warn!(%error, "one-off containers cannot be looked after; trying again soon");
                BACK_OFF
            }
        };
        tokio::select! {
            () = notice.notified() => {}
            () = app.predecessors.changed() => {}
            () = sleep(pause) => {}
            () = app.shutdown.cancelled() => return,
        }
    }
}

/// Does what is to be done now, and says how long nothing is.
async fn look(app: &Arc<App>) -> Result<Duration, CommandError> {
    let filter = ContainerFilter { app: None, kind: Some(ContainerKind::Run) };
    let containers = app.engine.list(&filter).await?;
    let is_claimed = |facts: &&ContainerFacts| has_client(app, &facts.name);
    let unclaimed: Vec<&ContainerFacts> = containers.iter().filter(|facts| !is_claimed(facts)).collect();
    // Read after the claims: one is given up only once there is a record.
    let records = app.store.one_offs(None).await?;
    for orphan in unclaimed {
        if records.iter().all(|record| record.container != orphan.id) {
            tracing::info!(container = %orphan.name, "removing a one-off container that nobody recorded");
            app.engine.remove(&orphan.id).await?;
        }
    }
    let mut ended: HashMap<AppId, Vec<(OneOffRecord, i64)>> = HashMap::new();
    let mut pause = EVERY;
    for record in records {
        let Some(facts) = find(app, &containers, &record).await? else {
            app.store.forget_one_off(&record.container).await?;
            continue;
        };
        if has_client(app, &record.name) {
            continue;
        }
        match facts.state {
            // Nobody can reach it any more, or starts it.
            _ if !record.detached => abandon(app, &record).await?,
            RunState::Created => abandon(app, &record).await?,
            RunState::Exited(_) => {
                let finished_at = facts.finished_at.unwrap_or(facts.created_at);
                ended.entry(record.app).or_default().push((record, finished_at));
            }
            _ => {
                let left = record.deadline().saturating_sub(clock::unix_seconds());
                match u64::try_from(left) {
                    Ok(left) if left > 0 => pause = pause.min(Duration::from_secs(left)),
                    _ => end(app, record).await?,
                }
            }
        }
    }
    for of_app in ended.into_values() {
        collect(app, of_app).await?;
    }
    Ok(pause)
}

/// Whether a client is connected to it, here or at a server that this one has replaced.
fn has_client(app: &App, name: &str) -> bool {
    app.one_offs.contains(name) || app.predecessors.holds(name)
}

async fn find(
    app: &App,
    containers: &[ContainerFacts],
    record: &OneOffRecord,
) -> Result<Option<ContainerFacts>, EngineError> {
    if let Some(facts) = containers.iter().find(|facts| facts.id == record.container) {
        return Ok(Some(facts.clone()));
    }
    // It may have been made after the list was.
    match app.engine.inspect(record.container.as_str()).await {
        Ok(facts) => Ok(Some(facts)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes what a server that was killed has left.
async fn abandon(app: &App, record: &OneOffRecord) -> Result<(), CommandError> {
    tracing::info!(container = %record.name, "removing a one-off container that a killed server left");
    app.engine.remove(&record.container).await?;
    Ok(app.store.forget_one_off(&record.container).await?)
}

/// Ends a container whose time is over, in the background.
async fn end(app: &Arc<App>, record: OneOffRecord) -> Result<(), CommandError> {
    if !app.retiring.enter(&record.container) {
        return Ok(());
    }
    tracing::info!(container = %record.name, ttl = record.ttl_seconds, "ending a one-off container");
    app.store.set_one_off_timed_out(&record.container).await?;
    let app = app.clone();
    app.clone().tasks.spawn(async move {
        if let Err(error) = app.engine.stop(&record.container, STOP).await {
            tracing::warn!(container = %record.name, %error, "a one-off container was not ended; trying again");
        }
        app.retiring.leave(&record.container);
    });
    Ok(())
}

/// Removes the ended containers of an app that are too old or too many.
async fn collect(app: &App, mut ended: Vec<(OneOffRecord, i64)>) -> Result<(), CommandError> {
    let keep = &app.settings.run;
    ended.sort_by_key(|(_, finished_at)| std::cmp::Reverse(*finished_at));
    let oldest = clock::unix_seconds().saturating_sub_unsigned(keep.keep_ended_seconds);
    for (index, (record, finished_at)) in ended.into_iter().enumerate() {
        if index >= keep.keep_ended || finished_at < oldest {
            app.engine.remove(&record.container).await?;
            app.store.forget_one_off(&record.container).await?;
        }
    }
    Ok(())
}
