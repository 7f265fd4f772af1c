//! Makes what is wanted so: routes, containers, and the removal of what nobody needs.
//!
//! Each reconciler takes no input, may run at any time, and does nothing where nothing is to be done. They are
//! woken by notices and by the clock; what they do is derived from the database and the engine alone.

pub mod awaited;
pub mod containers;
pub mod daily;
mod exits;
pub mod garbage;
mod handshake_hosts;
pub mod instance_log;
pub mod one_offs;
pub mod renewal;
pub mod replace;
pub mod routes;
mod start_order;
pub mod told;
mod watch;
pub mod watched;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::app::reconciler::{BACKLOG, Wakings};
use crate::cron::scheduler;
use crate::deploy::links;
use crate::docker::error::EngineError;
use crate::reconcile::exits::Exits;
use crate::reconcile::garbage::NextTrim;
use crate::reconcile::replace::Replacements;
use crate::reconcile::told::Told;
use crate::services::{backup_schedule, settle};

/// How often everything is looked at although nothing was noticed: what nobody is told of, such as a network that was
/// taken away, is mended within seconds, too. A look that finds nothing is one question to the engine.
const EVERY: Duration = Duration::from_secs(5);
/// How long news are gathered before they are acted on: a restart of the engine is hundreds of them.
const GATHER: Duration = Duration::from_millis(100);
/// How many pieces of news are taken at once.
const BURST: usize = 1024;
/// How often garbage is looked for although nothing was noticed.
const GARBAGE_EVERY: Duration = Duration::from_secs(600);
/// How long the engine is left alone after it could not be reached.
const BACK_OFF: Duration = Duration::from_secs(1);

/// Runs the reconcilers until the server stops.
pub async fn run(app: Arc<App>, wakings: Wakings) {
    let Wakings { routes, containers, services, garbage, cron, one_offs, certificates, over } = wakings;
    tokio::join!(
        publish_on_request(&app, routes, &over),
        containers_on_notice(&app, &containers),
        services_on_notice(&app, &services),
        garbage_on_notice(&app, &garbage),
        scheduler::run(&app, &cron),
        one_offs::run(&app, &one_offs),
        renewal::run(&app, &certificates),
        backup_schedule::run(&app),
        watch_engine(&app),
        watch::run(&app),
        instance_log::watch(&app),
        daily::run(&app),
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
    let mut told = Told::default();
    let mut failed = false;
    loop {
        tokio::select! {
            count = requests.recv_many(&mut waiting, BACKLOG) => if count == 0 { return },
            () = sleep(BACK_OFF), if failed => {}
            () = over.cancelled() => return,
        }
        let published = routes::publish(app, &mut told).await;
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
        let mut pause = if containers::reconcile(app, &replacements).await { EVERY } else { BACK_OFF };
        if let Err(error) = links::settle(app).await {
            tracing::warn!(%error, "the links are not as they should be; trying again soon");
            pause = BACK_OFF;
        }
        tokio::select! {
            () = async { notice.notified().await; sleep(GATHER).await } => {}
            () = sleep(pause) => {}
            () = app.shutdown.cancelled() => return,
        }
    }
}

/// An image that has to be built again, or an engine that takes its time to stop, holds up no app.
async fn services_on_notice(app: &Arc<App>, notice: &Notify) {
    let mut failed = false;
    let mut told = settle::Told::default();
    loop {
        let settled = settle::settle(app, &mut told).await;
        if let Err(error) = &settled
            && !failed
        {
            tracing::warn!(%error, "the services are not as they should be; trying again");
        }
        failed = settled.is_err();
        tokio::select! {
            () = async { notice.notified().await; sleep(GATHER).await } => {}
            () = sleep(EVERY) => {}
            () = app.shutdown.cancelled() => return,
        }
    }
}

async fn garbage_on_notice(app: &Arc<App>, notice: &Notify) {
    let mut next_trim = NextTrim::default();
    loop {
        garbage::collect(app, &mut next_trim).await;
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
    let mut events = std::pin::pin!(app.engine.events().await?.ready_chunks(BURST));
    let mut losses = std::pin::pin!(app.engine.network_losses().await?.ready_chunks(BURST));
    let mut exits = Exits::new().await;
    app.engine.ensure_network().await?;
    app.readiness.doubt_all();
    app.reconciler.publish_routes().await;
    app.reconciler.check_containers();
    app.reconciler.collect_garbage();
    // All that has happened while the last table was made is answered by one more.
    loop {
        let news = tokio::select! {
            news = events.next() => match news {
                Some(news) => news,
                None => return Ok(()),
            },
            Some(_) = losses.next() => Vec::new(),
        };
        for event in news {
            match event {
                Ok(event) => exits.note(app, &event).await,
                Err(error) => {
                    tracing::warn!(%error, "the engine's events broke off");
                    return Ok(());
                }
            }
        }
        app.reconciler.publish_routes().await;
        app.reconciler.check_containers();
        app.reconciler.check_services();
    }
}
