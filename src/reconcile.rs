//! Makes what is wanted so: routes, containers, and the removal of what nobody needs.
//!
//! Each reconciler takes no input, may run at any time, and does nothing where nothing is to be done. They are
//! woken by notices and by the clock; what they do is derived from the database and the engine alone.

pub mod containers;
pub mod garbage;
pub mod one_offs;
pub mod replace;
pub mod routes;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::app::reconciler::{BACKLOG, Wakings};
use crate::cron::scheduler;
use crate::docker::error::EngineError;
use crate::reconcile::replace::Replacements;

/// How often everything is looked at although nothing was noticed.
const EVERY: Duration = Duration::from_secs(60);
/// How often garbage is looked for although nothing was noticed.
const GARBAGE_EVERY: Duration = Duration::from_secs(600);
/// How long the engine is left alone after it could not be reached.
const BACK_OFF: Duration = Duration::from_secs(1);

/// Runs the reconcilers until the server stops.
pub async fn run(app: Arc<App>, wakings: Wakings) {
    let Wakings { routes, containers, garbage, cron, one_offs, over } = wakings;
    tokio::join!(
        publish_on_request(&app, routes, &over),
        containers_on_notice(&app, &containers),
        garbage_on_notice(&app, &garbage),
        scheduler::run(&app, &cron),
        one_offs::run(&app, &one_offs),
        watch_engine(&app),
    );
}

/// Answers all that wait with one table: whoever asked while it was made waits for the next one. A table that could
/// not be made is tried again: what was changed must not wait for the next change.
async fn publish_on_request(
    app: &Arc<App>,
    mut requests: mpsc::Receiver<oneshot::Sender<bool>>,
    over: &CancellationToken,
) {
    let mut waiting = Vec::new();
    let mut failed = false;
    loop {
        tokio::select! {
            count = requests.recv_many(&mut waiting, BACKLOG) => if count == 0 { return },
            () = sleep(BACK_OFF), if failed => {}
            () = over.cancelled() => return,
        }
        let published = routes::publish(app).await;
        if let Err(error) = &published
            && !failed
        {
            tracing::error!(%error, "no new route table can be made, the last one stays until one can");
        }
        failed = published.is_err();
        for done in waiting.drain(..) {
            // Whoever asked may have gone.
            done.send(!failed).ok();
        }
    }
}

async fn containers_on_notice(app: &Arc<App>, notice: &Notify) {
    let replacements = Arc::new(Replacements::default());
    loop {
        containers::reconcile(app, &replacements).await;
        tokio::select! {
            () = notice.notified() => {}
            () = sleep(EVERY) => {}
            () = app.shutdown.cancelled() => return,
        }
    }
}

async fn garbage_on_notice(app: &Arc<App>, notice: &Notify) {
    loop {
        garbage::collect(app).await;
        tokio::select! {
            () = notice.notified() => {}
            () = sleep(GARBAGE_EVERY) => {}
            () = app.shutdown.cancelled() => return,
        }
    }
}

/// Follows the engine's events; when it comes back after it was away, everything is looked at anew.
async fn watch_engine(app: &Arc<App>) {
    let mut told = false;
    loop {
        let ended = tokio::select! {
            ended = follow_events(app) => ended,
            () = app.shutdown.cancelled() => return,
        };
        // An engine that is down is asked every second; once is enough to say so.
        match ended {
            Err(error) if !told => {
                tracing::warn!(%error, "waiting for the Docker engine: start it with systemctl start docker");
                told = true;
            }
            Err(error) => tracing::debug!(%error, "still waiting for the Docker engine"),
            Ok(()) => told = false,
        }
        tokio::select! {
            () = sleep(BACK_OFF) => {}
            () = app.shutdown.cancelled() => return,
        }
    }
}

/// Follows the events until they break off; fails if they cannot be had at all.
async fn follow_events(app: &Arc<App>) -> Result<(), EngineError> {
    let mut events = std::pin::pin!(app.engine.events().await?);
    app.engine.ensure_network().await?;
    app.reconciler.publish_routes().await;
    app.reconciler.check_containers();
    app.reconciler.collect_garbage();
    while let Some(event) = events.next().await {
        match event {
            Ok(_) => {
                app.reconciler.publish_routes().await;
                app.reconciler.check_containers();
            }
            Err(error) => {
                tracing::warn!(%error, "the engine's events broke off");
                return Ok(());
            }
        }
    }
    Ok(())
}
