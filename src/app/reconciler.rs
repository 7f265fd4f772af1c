//! The handle that wakes the reconcilers; what they do stands in `reconcile`.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// Callers that may wait for the next route table.
pub const BACKLOG: usize = 256;

/// Wakes the reconcilers.
#[derive(Debug)]
pub struct Reconciler {
    routes: mpsc::Sender<oneshot::Sender<bool>>,
    containers: Arc<Notify>,
    services: Arc<Notify>,
    garbage: Arc<Notify>,
    cron: Arc<Notify>,
    one_offs: Arc<Notify>,
    certificates: Arc<Notify>,
    over: CancellationToken,
}

/// What the reconcilers are woken by; `reconcile::run` takes it.
#[derive(Debug)]
pub struct Wakings {
    /// Whoever waits for the next route table.
    pub routes: mpsc::Receiver<oneshot::Sender<bool>>,
    /// The containers may not be as they should.
    pub containers: Arc<Notify>,
    /// Services may not be as they should.
    pub services: Arc<Notify>,
    /// Something may not be needed any more.
    pub garbage: Arc<Notify>,
    /// Scheduled tasks may be others than before.
    pub cron: Arc<Notify>,
    /// A one-off container was made, or may have to go.
    pub one_offs: Arc<Notify>,
    /// Names or settings of automatic certificates may be others than before.
    pub certificates: Arc<Notify>,
    /// Nobody publishes routes any more.
    pub over: CancellationToken,
}

impl Reconciler {
    /// Makes the two ends. Nothing runs yet.
    pub fn new() -> (Self, Wakings) {
        let (sender, routes) = mpsc::channel(BACKLOG);
        let (containers, garbage) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (cron, one_offs) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (certificates, services) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let over = CancellationToken::new();
        let wakings = Wakings {
            routes,
            containers: containers.clone(),
            services: services.clone(),
            garbage: garbage.clone(),
            cron: cron.clone(),
            one_offs: one_offs.clone(),
            certificates: certificates.clone(),
            over: over.clone(),
        };
        (Self { routes: sender, containers, services, garbage, cron, one_offs, certificates, over }, wakings)
    }

    /// Publishes a route table that was made after this call, and returns when it is in force; false if it could
    /// not be made. Then the last one stays until it can, which is tried again and again.
    pub async fn publish_routes(&self) -> bool {
        let (done, published) = oneshot::channel();
        self.routes.send(done).await.is_ok() && published.await.unwrap_or(false)
    }

    /// Ends the publishing of routes. What is deployed during the shutdown still needs it, so this comes late.
    pub fn end(&self) {
        self.over.cancel();
    }

    /// Has the containers compared with what is wanted, soon.
    pub fn check_containers(&self) {
        self.containers.notify_one();
    }

    /// Has the services compared with what is wanted, soon.
    pub fn check_services(&self) {
        self.services.notify_one();
    }

    /// Has what nobody needs removed, soon.
    pub fn collect_garbage(&self) {
        self.garbage.notify_one();
    }

    /// Has the scheduled tasks read anew, soon: after whatever changes a release, an app or a setting of theirs.
    pub fn check_cron(&self) {
        self.cron.notify_one();
    }

    /// Has the one-off containers looked after, soon.
    pub fn check_one_offs(&self) {
        self.one_offs.notify_one();
    }

    /// Has automatic certificates looked after, soon: after whatever changes names of apps or who gives certificates.
    pub fn check_certificates(&self) {
        self.certificates.notify_one();
    }
}
