//! The server's handles, in one struct without behaviour. Pass it first, or better: the narrowest handle that works.

pub mod build_queue;
pub mod certificates;
pub mod cron_runs;
pub mod lease;
pub mod one_offs;
pub mod proofs;
pub mod pushes;
pub mod reconciler;
pub mod running_builds;
pub mod tasks;
pub mod upgrades;

use std::net::SocketAddr;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::app::build_queue::BuildQueue;
use crate::app::certificates::Certificates;
use crate::app::cron_runs::CronRuns;
use crate::app::lease::Leases;
use crate::app::one_offs::OneOffs;
use crate::app::proofs::Proofs;
use crate::app::pushes::Pushes;
use crate::app::reconciler::Reconciler;
use crate::app::running_builds::RunningBuilds;
use crate::app::tasks::Tasks;
use crate::app::upgrades::Upgrades;
use crate::build::buildpacks::hints::Hints;
use crate::console::door::Door;
use crate::docker::Engine;
use crate::drains::Drains;
use crate::forward::Forwards;
use crate::git::repositories::Repositories;
use crate::git::submodules::Submodules;
use crate::handover::predecessors::Predecessors;
use crate::hooks::Hooks;
use crate::logs::Logs;
use crate::model::service::ServiceId;
use crate::plugin::Plugins;
use crate::run::addresses::CurrentAddresses;
use crate::run::crashes::Crashes;
use crate::run::readiness::Readiness;
use crate::run::retire::Retiring;
use crate::run::surroundings::HostSurroundings;
use crate::run::wellbeing::Wellbeing;
use crate::settings::Settings;
use crate::store::Store;
use slipway_router::RouterHandle;

/// Everything that commands and stages reach the world through.
#[derive(Debug)]
pub struct App {
    /// The settings as they were when the server started.
    pub settings: Settings,
    /// Where the router really listens for HTTP.
    pub http_address: SocketAddr,
    /// Where the router really listens for HTTPS, if it does.
    pub https_address: Option<SocketAddr>,
    /// The database.
    pub store: Store,
    /// The apps' logs.
    pub logs: Logs,
    /// Where the logs are sent on to.
    pub drains: Drains,
    /// The Docker engine.
    pub engine: Engine,
    /// What containers need to get out of this host.
    pub surroundings: HostSurroundings,
    /// What builds by buildpacks have found out.
    pub build_hints: Hints,
    /// The plugins that can be used.
    pub plugins: Plugins,
    /// Ports of the host that lead to services.
    pub forwards: Forwards,
    /// Tells them what happens.
    pub hooks: Hooks,
    /// The apps' git repositories.
    pub repositories: Repositories,
    /// What commits refer to on other servers.
    pub submodules: Submodules,
    /// What the router was last told of certificates.
    pub certificates: Arc<Certificates>,
    /// The HTTP router.
    pub router: RouterHandle,
    /// Wakes the reconcilers, and waits for what they do.
    pub reconciler: Reconciler,
    /// At most one deploy at a time for each app.
    pub leases: Leases,
    /// At most one change at a time for each service. Taken before an app's.
    pub service_leases: Leases<ServiceId>,
    /// So many builds at a time on the host. Taken before the lease.
    pub build_queue: BuildQueue,
    /// The builds under way, so that they can be cancelled.
    pub running_builds: RunningBuilds,
    /// At most one at a time of what moves an app's deploy branch, from its deploy to the move. Taken before the lease.
    pub push_turns: Leases,
    /// The pushes that are being received.
    pub pushes: Pushes,
    /// Addresses for containers, as the engine last said which there are.
    pub addresses: CurrentAddresses,
    /// Old instances that are being drained and stopped.
    pub retiring: Retiring,
    /// Which instances take requests.
    pub readiness: Readiness,
    /// How often instances have ended lately.
    pub crashes: Crashes,
    /// Instances that are asked while they run.
    pub wellbeing: Wellbeing,
    /// One-off containers whose clients are connected.
    pub one_offs: OneOffs,
    /// Runs of scheduled tasks that are under way.
    pub cron_runs: CronRuns,
    /// At most one order of certificates at a time for each app.
    pub issuing: Leases,
    /// What certificate authorities are shown at this moment.
    pub proofs: Proofs,
    /// Tasks that outlive the command that started them; awaited at shutdown.
    pub tasks: Tasks,
    /// Where clients of the faces come in; it says whether another server has taken over.
    pub door: Door,
    /// The servers that this one has replaced and that still have connections.
    pub predecessors: Predecessors,
    /// Asks for another server in this one's place.
    pub upgrades: Upgrades,
    /// Cancelled when the server stops, or another one takes its place.
    pub shutdown: CancellationToken,
}
