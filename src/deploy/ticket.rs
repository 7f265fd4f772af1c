//! The order among deploys: each has a number from the moment it was asked for, waits for its turn with it, and can be
//! cancelled by it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::app::build_queue::{Place, Turn};
use crate::app::lease::Lease;
use crate::build::BuildSource;
use crate::deploy::error::{DeployError, Fault};
use crate::deploy::{Order, Work, journal};
use crate::model::build::{BuildKind, BuildStatus};
use crate::store::StoreError;
use crate::store::apps::AppId;

/// How long after a record could not be written it is tried again.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a lease is waited for in silence that no deploy has.
const CHORE: Duration = Duration::from_secs(1);

/// A deploy that was asked for: listed, and cancellable.
#[derive(Debug)]
pub struct Ticket {
    /// Its number.
    pub build: i64,
    /// Cancelled by `builds:cancel`, or when who asked goes away.
    pub cancel: CancellationToken,
}

/// The right to deploy an app.
pub(super) struct Turns {
    /// At most one deploy of an app.
    pub lease: Lease,
    /// At most so many builds on the host; for what builds.
    pub place: Option<Place>,
}

impl Ticket {
    /// Takes a number for an order.
    pub async fn take(app: &App, order: &Order) -> Result<Self, StoreError> {
        let (kind, source) = describe(&order.work);
        let build = app.store.begin_build(order.app, kind, &source, &order.by).await?;
        Ok(Self::enter(app, build, order.app, &order.cancel))
    }

    /// Takes a number for a push that waits before anybody knows what it brings.
    pub async fn for_push(
        app: &App,
        id: AppId,
        by: &str,
        cancel: &CancellationToken,
    ) -> Result<Self, StoreError> {
        let build = app.store.queue_build(id, BuildKind::Build, "push", by).await?;
        Ok(Self::enter(app, build, id, cancel))
    }

    fn enter(app: &App, build: i64, id: AppId, cancel: &CancellationToken) -> Self {
        let cancel = cancel.child_token();
        app.running_builds.enter(build, id, cancel.clone());
        Self { build, cancel }
    }

    /// Lists it as one that waits.
    pub async fn queued(&self, app: &App) -> Result<(), StoreError> {
        app.store.set_build_status(self.build, BuildStatus::Queued).await
    }

    /// Gives it back: nothing has been done, and it is as if it had never been.
    pub async fn withdraw(self, app: &App) -> Result<(), StoreError> {
        app.running_builds.leave(self.build);
        app.store.forget_build(self.build).await
    }

    /// Records how it ended; where that fails, as on a full disk, again and again until it does.
    pub async fn finish(self, app: &Arc<App>, work: &Work, result: &Result<(), DeployError>) {
        app.running_builds.leave(self.build);
        let end = match result {
            Ok(()) => Some(BuildStatus::Succeeded),
            Err(DeployError::Cancelled) => Some(BuildStatus::Canceled),
            // It is tried again every few seconds, and must not push what people did out of the list.
            Err(error) if work.is_automatic() && error.fault() != Fault::App => None,
            Err(_) => Some(BuildStatus::Failed),
        };
        let Err(error) = record(app, self.build, end).await else { return };
        tracing::error!(build = self.build, %error, "how a deploy ended cannot be recorded, trying again");
        let (app, build) = (app.clone(), self.build);
        app.clone().tasks.spawn(async move {
            let again = async {
                loop {
                    sleep(AGAIN).await;
                    if record(&app, build, end).await.is_ok() {
                        return;
                    }
                }
            };
            app.shutdown.run_until_cancelled(again).await;
        });
    }
}

async fn record(app: &App, build: i64, end: Option<BuildStatus>) -> Result<(), StoreError> {
    match end {
        Some(status) => app.store.finish_build(build, status).await,
        None => {
            journal::remove(&app.settings.root, build).await;
            app.store.forget_build(build).await
        }
    }
}

fn describe(work: &Work) -> (BuildKind, String) {
    match work {
        Work::Build(source) | Work::Recover(source) => match source {
            BuildSource::Commit(snapshot) => (BuildKind::Build, snapshot.commit().as_str().to_owned()),
            BuildSource::Image { reference } => (BuildKind::Build, reference.clone()),
        },
        Work::Rollback { to, .. } => (BuildKind::Deploy, format!("rollback to {}", to.version)),
        Work::Restart(_) => (BuildKind::Deploy, "restart".to_owned()),
        Work::Scale(_) => (BuildKind::Deploy, "scale".to_owned()),
        Work::Replace => (BuildKind::Deploy, "replace missing instances".to_owned()),
    }
}

/// Waits for the host's turn to build and the app's turn to deploy. Neither is held while the other is waited for: a
/// build that waits must not keep its app from being mended, nor other apps' builds from going on.
pub(super) async fn turns(app: &Arc<App>, order: &Order, ticket: &Ticket) -> Result<Turns, DeployError> {
    let mut waited = false;
    loop {
        let place = match &order.work {
            Work::Build(BuildSource::Commit(_)) | Work::Recover(BuildSource::Commit(_)) => {
                Some(place(app, order, ticket, &mut waited).await?)
            }
            _ => None,
        };
        let ahead = app.running_builds.of(order.app).into_iter().find(|other| *other < ticket.build);
        let lease = match app.leases.try_acquire(order.app) {
            // It is no deploy that has it, but one of our own chores, which is done in a moment.
            None if ahead.is_none() => timeout(CHORE, app.leases.acquire(order.app)).await.ok(),
            lease => lease,
        };
        if let Some(lease) = lease {
            if waited {
                app.store.set_build_status(ticket.build, BuildStatus::Running).await?;
            }
            return Ok(Turns { lease, place });
        }
        let builds = place.is_some();
        drop(place);
        let ahead = ahead.map_or_else(String::new, |ahead| format!(" (build {ahead})"));
        order.console.step(format!("Waiting for the app's other deploy to end{ahead}...")).await;
        ticket.queued(app).await?;
        waited = true;
        let lease = tokio::select! {
            lease = app.leases.acquire(order.app) => lease,
            () = order.cancel.cancelled() => return Err(DeployError::Cancelled),
        };
        if !builds {
            app.store.set_build_status(ticket.build, BuildStatus::Running).await?;
            return Ok(Turns { lease, place: None });
        }
    }
}

/// Waits for the host's turn, and tells who is ahead as that changes.
async fn place(
    app: &Arc<App>,
    order: &Order,
    ticket: &Ticket,
    waited: &mut bool,
) -> Result<Place, DeployError> {
    let record = app.store.app_by_id(order.app).await?.ok_or(DeployError::Gone)?;
    let turn = Turn { build: ticket.build, app: record.name.to_string() };
    let mut place = app.build_queue.enter(turn);
    while let Err(ahead) = place.take() {
        if !*waited {
            ticket.queued(app).await?;
            *waited = true;
        }
        let names: Vec<String> = ahead.iter().map(|turn| format!("{} of {}", turn.build, turn.app)).collect();
        let count = match ahead.len() {
            1 => "1 build is".to_owned(),
            some => format!("{some} builds are"),
        };
        order.console.step(format!("Waiting for its turn: {count} ahead ({})...", names.join(", "))).await;
        tokio::select! {
            () = place.changed() => {}
            () = order.cancel.cancelled() => return Err(DeployError::Cancelled),
        }
    }
    Ok(place)
}
