//! The composition root: makes the handles, starts what runs, and ends it in order.

mod access;
mod certificates;
mod metrics;
mod state;
mod surroundings;
mod trust;

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::Serialize;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing_subscriber::EnvFilter;

use crate::app::App;
use crate::app::build_queue::BuildQueue;
use crate::app::certificates::Certificates;
use crate::app::cron_runs::CronRuns;
use crate::app::lease::Leases;
use crate::app::one_offs::OneOffs;
use crate::app::proofs::Proofs;
use crate::app::pushes::Pushes;
use crate::app::reconciler::Reconciler;
use crate::app::running_builds::RunningBuilds;
use crate::build::buildpacks::hints::Hints;
use crate::commands::dispatch;
use crate::console::CommandIo;
use crate::docker::Engine;
use crate::drains::{self, Drains};
use crate::face::Commands;
use crate::git::repositories::Repositories;
use crate::git::submodules::Submodules;
use crate::logs::{self, Logs};
use crate::model::role::Caller;
use crate::reconcile;
use crate::run::addresses::CurrentAddresses;
use crate::run::crashes::Crashes;
use crate::run::readiness::Readiness;
use crate::run::retire::Retiring;
use crate::run::wellbeing::Wellbeing;
use crate::settings::Settings;
use crate::settings::https::HttpsListen;
use crate::store::Store;
use crate::{socket, ssh};
use slipway_router::settings::{RouterSettings, SigningKey, Waiting};
use slipway_router::{BoundRouter, Router, RouterError};

use certificates::{CertificateFiles, Reloader};
use state::{complete_interrupted, make_directories, owner, write_whole};

/// How long commands that run may still take when the server stops.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long deploys may take of that to reach their switch. Then they are cancelled, so that there is time left to
/// clean up and to tell who waits.
const DEPLOY_PATIENCE: Duration = Duration::from_secs(20);
/// How long requests and old instances may take after that. With the above it has to stay below the minute that
/// systemd gives (`TimeoutStopSec`).
const LAST_PATIENCE: Duration = Duration::from_secs(20);

/// Runs the server until SIGTERM or SIGINT.
pub fn run() -> ExitCode {
    let settings = match Settings::load() {
        Ok(settings) => settings,
        Err(error) => return fail(&error),
    };
    let filter = match EnvFilter::try_new(&settings.log) {
        Ok(filter) => filter,
        Err(error) => return fail(&error),
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error),
    };
    match runtime.block_on(serve(settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.as_ref()),
    }
}

#[expect(clippy::print_stderr, reason = "nobody may read the log yet")]
fn fail(error: &dyn Error) -> ExitCode {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    eprintln!(" !     The server cannot start: {message}");
    ExitCode::FAILURE
}

/// What `listen.json` tells install.sh and tests: where the server really listens.
#[derive(Debug, Serialize)]
struct Listening {
    ssh: SocketAddr,
    http: SocketAddr,
    https: Option<SocketAddr>,
    metrics: Option<SocketAddr>,
    pid: u32,
}

impl Listening {
    fn of(remote: &ssh::listener::Listener, bound: &BoundRouter, metrics: &metrics::Door) -> Self {
        Self {
            ssh: remote.local_addr(),
            http: bound.http_address(),
            https: bound.https_address(),
            metrics: metrics.address(),
            pid: std::process::id(),
        }
    }
}

async fn serve(settings: Settings) -> Result<(), Box<dyn Error>> {
    make_directories(&settings.root)?;
    // First of all, so that a second server on the same root changes nothing.
    let local = socket::listener::Listener::bind(&settings.socket()).await?;
    let (store, store_thread) = Store::open(&settings.root)?;
    let repositories = Repositories::new(&settings.root);
    complete_interrupted(&store, &repositories).await?;
    let remote = ssh::listener::Listener::bind(&settings).await?;
    let signing_key = SigningKey::new(&store.derive_key("router: signed cookies")?);
    let bound = bind_router(&settings, signing_key)?;
    let metrics = metrics::Door::bind(settings.metrics_listen).await?;
    let listening = Listening::of(&remote, &bound, &metrics);
    let (router, records) = bound.start()?;
    let shutdown = CancellationToken::new();
    let files = listening.https.map(|_| CertificateFiles::new(&settings.root, settings.domain.clone()));
    let certificates = Arc::<Certificates>::default();
    let reloader = Reloader::start(files, certificates.clone())?;
    let trusting = trust::start(router.clone(), shutdown.clone())?;
    let stopping = stop_on_signal(shutdown.clone())?;
    let (logs, collecting) = start_logs(&settings, &store).await?;
    let (reconciler, wakings) = Reconciler::new();
    let app = Arc::new(App {
        http_address: listening.http,
        https_address: listening.https,
        certificates,
        addresses: CurrentAddresses::default(),
        submodules: Submodules::new(repositories.clone()),
        leases: Leases::default(),
        push_turns: Leases::default(),
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
        issuing: Leases::default(),
        proofs: Proofs::new(router.clone()),
        tasks: TaskTracker::new(),
        engine: engine(&settings, &logs)?,
        drains: Drains::new(logs.clone(), store.clone(), host_name()),
        logs,
        settings,
        store,
        repositories,
        router,
        reconciler,
        shutdown,
    });
    let background = Background {
        reconciling: tokio::spawn(reconcile::run(app.clone(), wakings)),
        reloading: tokio::spawn(reloader.run(app.clone())),
        logging: tokio::spawn(access::keep(records, app.store.clone(), app.logs.clone())),
        measuring: tokio::spawn(metrics.serve(app.clone(), app.shutdown.clone())),
        trusting,
        draining: tokio::spawn(drains::serve(app.drains.clone(), app.shutdown.clone())),
        collecting,
    };
    run_all(app, local, remote, background, &listening).await?;
    stopping.abort();
    // The last clone of the store went with the app: its thread ends once the last statement is done.
    join(store_thread, "the database's thread panicked").await
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
    let logs = logs.clone();
    engine.before_removals(move |engine, container| {
        let logs = logs.clone();
        async move { logs.take_rest(&engine, &container).await }
    });
    Ok(engine)
}

/// Takes the router's ports. HTTPS that nobody asked for gives way to whoever has its port already.
fn bind_router(settings: &Settings, signing_key: SigningKey) -> Result<BoundRouter, RouterError> {
    let wanted = RouterSettings { signing_key: Some(signing_key), ..router_settings(settings) };
    match Router::bind(wanted.clone()) {
        Err(RouterError::Bind { address, source })
            if settings.https_listen == HttpsListen::BesideHttp && wanted.listen_https == Some(address) =>
        {
            tracing::warn!(
                %address,
                error = %source,
                "no HTTPS, as its port cannot be had: free it and restart the server, or set https-listen to \
                 another address or to off"
            );
            Router::bind(RouterSettings { listen_https: None, ..wanted })
        }
        bound => bound,
    }
}

fn router_settings(settings: &Settings) -> RouterSettings {
    RouterSettings {
        listen: settings.http_listen,
        listen_https: settings.https_listen.address(settings.http_listen),
        trust: settings.router.trust(),
        // Not the host's own directory for such files, which is often memory.
        buffer_directory: settings.root.clone(),
        max_connections_per_address: settings.router.connections_per_address,
        waiting: Waiting {
            requests: settings.router.waiting_requests,
            time: Duration::from_secs(settings.router.waiting_seconds),
        },
        ..RouterSettings::default()
    }
}

/// What runs beside the faces and is awaited at the end.
#[derive(Debug)]
struct Background {
    reconciling: JoinHandle<()>,
    reloading: JoinHandle<()>,
    logging: JoinHandle<()>,
    measuring: JoinHandle<()>,
    trusting: JoinHandle<()>,
    draining: JoinHandle<()>,
    collecting: thread::JoinHandle<()>,
}

/// Serves until the shutdown is over. The faces end first, then what they started, the router last.
async fn run_all(
    app: Arc<App>,
    local: socket::listener::Listener,
    remote: ssh::listener::Listener,
    background: Background,
    listening: &Listening,
) -> Result<(), Box<dyn Error>> {
    app.reconciler.publish_routes().await;
    write_listening(&app.settings.root, listening)?;
    let https = listening.https.map(tracing::field::display);
    tracing::info!(ssh = %listening.ssh, http = %listening.http, https, "slipway listens");
    let face = Face(app.clone());
    let cancelling = tokio::spawn(cancel_late_deploys(app.clone()));
    tokio::join!(
        local.run(face.clone(), app.shutdown.clone(), PATIENCE),
        remote.run(face, app.shutdown.clone(), PATIENCE),
    );
    cancelling.abort();
    app.reconciler.end();
    background.reconciling.await?;
    app.tasks.close();
    let drain = app.settings.deploy.drain().min(LAST_PATIENCE);
    let (retired, cut) = tokio::join!(timeout(LAST_PATIENCE, app.tasks.wait()), app.router.shutdown(drain));
    if retired.is_err() {
        tracing::warn!("old instances are left to the next start");
    }
    background.reloading.await?;
    background.measuring.await?;
    background.trusting.await?;
    if cut > 0 {
        tracing::warn!(connections = cut, "connections were cut at the shutdown");
    }
    // The router has ended, and with it the last request.
    background.logging.await?;
    background.draining.await?;
    app.logs.stop().await;
    drop(app);
    join(background.collecting, "the thread that keeps logs panicked").await?;
    Ok(())
}

async fn cancel_late_deploys(app: Arc<App>) {
    app.shutdown.cancelled().await;
    sleep(DEPLOY_PATIENCE).await;
    app.running_builds.cancel_all();
}

/// The commands as the faces see them.
#[derive(Clone)]
struct Face(Arc<App>);

impl Commands for Face {
    async fn identify(&self, fingerprint: &str) -> Option<Caller> {
        match self.0.store.key_by_fingerprint(fingerprint).await {
            Ok(key) => key.map(|key| Caller {
                name: key.name,
                fingerprint: Some(key.fingerprint),
                role: key.role,
                access: key.access,
            }),
            Err(error) => {
                tracing::error!(%error, "a key cannot be looked up");
                None
            }
        }
    }

    async fn execute(&self, caller: Caller, words: Vec<String>, io: CommandIo) -> u8 {
        dispatch::execute(self.0.clone(), caller, words, io).await
    }
}

fn stop_on_signal(shutdown: CancellationToken) -> io::Result<JoinHandle<()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        shutdown.cancel();
    }))
}

fn write_listening(root: &Path, listening: &Listening) -> Result<(), Box<dyn Error>> {
    Ok(write_whole(&root.join("listen.json"), &serde_json::to_vec(listening)?)?)
}
