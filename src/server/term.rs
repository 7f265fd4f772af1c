//! One term of the server: from the opening of the database to its closing. The router serves on when it is over.

use std::error::Error;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use slipway_router::access_log::AccessRecords;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::app::build_queue::BuildQueue;
use crate::app::certificates::Certificates;
use crate::app::cron_runs::CronRuns;
use crate::app::lease::Leases;
use crate::app::one_offs::OneOffs;
use crate::app::proofs::Proofs;
use crate::app::pushes::Pushes;
use crate::app::reconciler::{Reconciler, Wakings};
use crate::app::running_builds::RunningBuilds;
use crate::app::tasks::Tasks;
use crate::app::upgrades::{Upgrade, Upgrades};
use crate::build::buildpacks::hints::Hints;
use crate::console::Console;
use crate::console::door::Door;
use crate::docker::Engine;
use crate::drains::{self, Drains};
use crate::forward::Forwards;
use crate::git::repositories::Repositories;
use crate::git::submodules::Submodules;
use crate::handover::message::FromNew;
use crate::logs::{self, Logs};
use crate::reconcile;
use crate::run::addresses::CurrentAddresses;
use crate::run::crashes::Crashes;
use crate::run::readiness::Readiness;
use crate::run::retire::Retiring;
use crate::run::wellbeing::Wellbeing;
use crate::settings::Settings;
use crate::store::Store;
use crate::{socket, ssh};

use super::certificates::{CertificateFiles, Reloader};
use super::face::Face;
use super::plugins::PluginFace;
use super::prepare::{Prepared, prepare};
use super::standing::{Listening, Standing};
use super::state::{complete_interrupted, owner, write_listening};
use super::{access, metrics, plugins, surroundings, trust};

/// How long commands that run may still take when the server stops.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long deploys may take of that to reach their switch. Then they are cancelled, so that there is time left to
/// clean up and to tell who waits.
const DEPLOY_PATIENCE: Duration = Duration::from_secs(20);
/// How long requests and old instances may take after that. With the above it has to stay below the minute that
/// systemd gives (`TimeoutStopSec`).
const LAST_PATIENCE: Duration = Duration::from_secs(20);
/// How long tasks may take when another server goes on with what they do.
const SHORT_PATIENCE: Duration = Duration::from_secs(3);

/// How a term ended. The database is closed in any case.
#[derive(Debug)]
pub(super) enum End {
    /// The server stops, and so has the router.
    Stopped,
    /// Another server waits for the sockets.
    HandedOver(Box<HandedOver>),
}

/// What is left of a term that made room for another server.
#[derive(Debug)]
pub(super) struct HandedOver {
    pub(super) next: Prepared,
    pub(super) upgrade: Upgrade,
    /// The handles, of which only those are of use that need no database.
    pub(super) app: Arc<App>,
    /// The faces, with clients that need nothing of the database.
    pub(super) faces: Vec<JoinHandle<()>>,
}

/// What runs beside the faces and is awaited at the end.
#[derive(Debug)]
struct Background {
    reconciling: JoinHandle<()>,
    reloading: JoinHandle<()>,
    trusting: JoinHandle<()>,
    measuring: JoinHandle<()>,
    logging: JoinHandle<AccessRecords>,
    draining: JoinHandle<()>,
    collecting: thread::JoinHandle<()>,
    storing: thread::JoinHandle<()>,
}

/// A term that runs.
struct Term {
    app: Arc<App>,
    upgrades: mpsc::Receiver<Upgrade>,
    background: Background,
    /// Ends the writing of requests' records.
    silence: CancellationToken,
}

/// Serves until the server is to stop or to hand over.
pub(super) async fn run(standing: &mut Standing) -> Result<End, Box<dyn Error>> {
    let metrics = metrics::Door::bind(standing.settings.metrics_listen).await?;
    let listening = Listening { metrics: metrics.address(), ..standing.listening()? };
    let term = begin(standing, &listening, metrics).await?;
    let app = term.app.clone();
    let published = app.reconciler.publish_routes().await;
    if standing.is_awaited && !published {
        return Err("there is no route table: its log says why".into());
    }
    standing.router.open();
    if let Err(error) = write_listening(&app.settings.root, &listening) {
        // Apps are served all the same, as on a full disk.
        tracing::warn!(%error, "where the server listens could not be written to listen.json");
    }
    let https = listening.https.map(tracing::field::display);
    tracing::info!(ssh = %listening.ssh, http = %listening.http, https, "slipway listens");
    standing.announce()?;
    if std::mem::take(&mut standing.is_awaited) {
        standing.predecessors.tell(&FromNew::Serving);
    }
    serve(standing, term).await
}

/// Makes the handles and starts what runs beside the faces.
async fn begin(
    standing: &mut Standing,
    listening: &Listening,
    metrics: metrics::Door,
) -> Result<Term, Box<dyn Error>> {
    let settings = standing.settings.clone();
    let (store, storing) = Store::open(&settings.root)?;
    let repositories = Repositories::new(&settings.root);
    complete_interrupted(&store, &repositories, &standing.binary).await?;
    let shutdown = CancellationToken::new();
    let files = listening.https.map(|_| CertificateFiles::new(&settings.root, settings.domain.clone()));
    let certificates = Arc::<Certificates>::default();
    let reloader = Reloader::start(files, certificates.clone())?;
    let trusting = trust::start(standing.router.clone(), shutdown.clone())?;
    let (logs, collecting) = start_logs(&settings, &store).await?;
    let (reconciler, wakings) = Reconciler::new();
    let (upgrades, asked) = Upgrades::new();
    let (plugins, hooks) = plugins::open(&settings, &store, &standing.binary).await?;
    let app = Arc::new(App {
        http_address: listening.http,
        https_address: listening.https,
        certificates,
        addresses: CurrentAddresses::default(),
        plugins,
        hooks,
        submodules: Submodules::new(repositories.clone()),
        issuing: Leases::default(),
        proofs: Proofs::new(standing.router.clone()),
        leases: Leases::default(),
        push_turns: Leases::default(),
        service_leases: Leases::default(),
        forwards: Forwards::default(),
        build_queue: BuildQueue::new(settings.deploy.max_builds),
        build_hints: Hints::default(),
        surroundings: surroundings::of_host(&settings, host_name()),
        running_builds: RunningBuilds::default(),
        pushes: Pushes::default(),
        retiring: Retiring::default(),
        readiness: Readiness::default(),
        crashes: Crashes::default(),
        wellbeing: Wellbeing::default(),
        one_offs: OneOffs::default(),
        cron_runs: CronRuns::default(),
        tasks: Tasks::default(),
        engine: engine(&settings, &logs)?,
        drains: Drains::new(logs.clone(), store.clone(), host_name()),
        logs,
        settings,
        store,
        repositories,
        router: standing.router.clone(),
        reconciler,
        door: Door::default(),
        predecessors: standing.predecessors.clone(),
        upgrades,
        shutdown,
    });
    let records = standing.records.take().ok_or("the requests' records are with another term")?;
    Ok(start(app, wakings, asked, (reloader, trusting, metrics, records, collecting, storing)))
}

type Parts =
    (Reloader, JoinHandle<()>, metrics::Door, AccessRecords, thread::JoinHandle<()>, thread::JoinHandle<()>);

fn start(app: Arc<App>, wakings: Wakings, upgrades: mpsc::Receiver<Upgrade>, parts: Parts) -> Term {
    let (reloader, trusting, metrics, records, collecting, storing) = parts;
    let silence = CancellationToken::new();
    let background = Background {
        reconciling: tokio::spawn(reconcile::run(app.clone(), wakings)),
        reloading: tokio::spawn(reloader.run(app.clone())),
        trusting,
        logging: tokio::spawn(access::keep(records, app.store.clone(), app.logs.clone(), silence.clone())),
        measuring: tokio::spawn(metrics.serve(app.clone(), app.shutdown.clone())),
        draining: tokio::spawn(drains::serve(app.drains.clone(), app.shutdown.clone())),
        collecting,
        storing,
    };
    Term { app, upgrades, background, silence }
}

/// Serves at the faces. They end first, then what they started, the router last, if at all.
async fn serve(standing: &mut Standing, mut term: Term) -> Result<End, Box<dyn Error>> {
    let app = term.app.clone();
    let sockets = standing.sockets.share()?;
    let path = app.settings.socket();
    let local = socket::listener::Listener::adopt(&path, sockets.command, app.door.clone())?;
    let remote = ssh::listener::Listener::adopt(&app.settings, sockets.ssh, app.door.clone())?;
    let face = Face(app.clone());
    let open = socket::listener::Listener::open(&app.plugins.places().socket(), app.door.clone())?;
    let faces = vec![
        tokio::spawn(open.run(PluginFace(face.clone()), app.shutdown.clone(), PATIENCE)),
        tokio::spawn(local.run(face.clone(), app.shutdown.clone(), PATIENCE)),
        tokio::spawn(remote.run(face, app.shutdown.clone(), PATIENCE)),
    ];
    let stop_now = standing.stop.clone();
    let next = tokio::select! {
        () = stop_now.cancelled() => None,
        next = next_server(standing, &app, &mut term.upgrades) => Some(next),
    };
    app.shutdown.cancel();
    let Some((next, upgrade)) = next else {
        stop(standing, term, faces).await?;
        return Ok(End::Stopped);
    };
    app.forwards.close();
    app.reconciler.end();
    if timeout(PATIENCE, &mut term.background.reconciling).await.is_err() {
        tracing::warn!("reconcilers were cut off by the upgrade");
        term.background.reconciling.abort();
    }
    if timeout(SHORT_PATIENCE, app.tasks.wait()).await.is_err() {
        app.tasks.abandon().await;
    }
    standing.records = Some(close(term, Duration::ZERO).await?);
    Ok(End::HandedOver(Box::new(HandedOver { next, upgrade, app, faces })))
}

/// Waits until another server is to take over and nobody needs this one's database any more.
async fn next_server(
    standing: &mut Standing,
    app: &Arc<App>,
    upgrades: &mut mpsc::Receiver<Upgrade>,
) -> (Prepared, Upgrade) {
    loop {
        let upgrade = tokio::select! {
            Some(upgrade) = upgrades.recv() => upgrade,
            // Nobody listens, but the log.
            Some(()) = standing.asked.recv() => {
                Upgrade { binary: None, now: false, console: Console::new().0, done: oneshot::channel().0 }
            }
        };
        match prepare(standing, app, &upgrade).await {
            Ok(next) => return (next, upgrade),
            Err(error) => {
                tracing::warn!(%error, "no upgrade: this server goes on");
                // Whoever asked may have gone.
                upgrade.done.send(Err(error)).ok();
            }
        }
    }
}

/// Ends everything, the router last.
async fn stop(standing: &Standing, mut term: Term, faces: Vec<JoinHandle<()>>) -> Result<(), Box<dyn Error>> {
    let app = term.app.clone();
    let cancelling = tokio::spawn(cancel_late_deploys(app.clone()));
    for face in faces {
        face.await?;
    }
    cancelling.abort();
    app.reconciler.end();
    (&mut term.background.reconciling).await?;
    let drain = app.settings.deploy.drain().min(LAST_PATIENCE);
    let (retired, cut) =
        tokio::join!(timeout(LAST_PATIENCE, app.tasks.wait()), standing.router.shutdown(drain));
    if retired.is_err() {
        tracing::warn!("old instances are left to the next start");
    }
    if cut > 0 {
        tracing::warn!(connections = cut, "connections were cut at the shutdown");
    }
    close(term, SHORT_PATIENCE).await?;
    Ok(())
}

/// Ends what runs beside the faces, and closes the database. The records of a router that has ended come to their end
/// by themselves, within `patience`.
async fn close(term: Term, patience: Duration) -> Result<AccessRecords, Box<dyn Error>> {
    let Term { app, mut background, silence, upgrades } = term;
    drop(upgrades);
    background.reloading.await?;
    background.trusting.await?;
    background.measuring.await?;
    background.draining.await?;
    let records = match timeout(patience, &mut background.logging).await {
        Ok(records) => records?,
        Err(_) => {
            silence.cancel();
            background.logging.await?
        }
    };
    app.logs.stop().await;
    join(background.collecting, "the thread that keeps logs panicked").await?;
    app.store.close().await;
    join(background.storing, "the database's thread panicked").await?;
    Ok(records)
}

async fn cancel_late_deploys(app: Arc<App>) {
    sleep(DEPLOY_PATIENCE).await;
    app.running_builds.cancel_all();
}

async fn join(thread: thread::JoinHandle<()>, panicked: &'static str) -> Result<(), Box<dyn Error>> {
    Ok(tokio::task::spawn_blocking(move || thread.join()).await?.map_err(|_| panicked)?)
}

/// Starts the thread that keeps logs, with the limits that are set.
async fn start_logs(
    settings: &Settings,
    store: &Store,
) -> Result<(Logs, thread::JoinHandle<()>), Box<dyn Error>> {
    let (logs, collector) = logs::open(&settings.root, store.clone());
    let collecting = logs::start(collector)?;
    logs.reload_limits().await?;
    Ok((logs, collecting))
}

/// What this host calls itself.
fn host_name() -> String {
    let name = nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    name.unwrap_or_else(|| "slipway".to_owned())
}

/// The engine, which lets go of no container whose last lines are not kept.
fn engine(settings: &Settings, logs: &Logs) -> Result<Engine, Box<dyn Error>> {
    let engine = Engine::connect(&settings.docker, owner(&settings.root)?);
    engine.take_subnets_from(settings.link_networks);
    let logs = logs.clone();
    engine.before_removals(move |engine, container| {
        let logs = logs.clone();
        async move { logs.take_rest(&engine, &container).await }
    });
    Ok(engine)
}
