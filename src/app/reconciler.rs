//! The handle that wakes the reconcilers; what they do stands in `reconcile`.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};

/// Callers that may wait for the next route table.
pub const BACKLOG: usize = 256;

/// Wakes the reconcilers.
#[derive(Debug)]
pub struct Reconciler {
    routes: mpsc::Sender<oneshot::Sender<()>>,
    containers: Arc<Notify>,
    garbage: Arc<Notify>,
}

/// What the reconcilers are woken by; `reconcile::run` takes it.
#[derive(Debug)]
pub struct Wakings {
    /// Whoever waits for the next route table.
    pub routes: mpsc::Receiver<oneshot::Sender<()>>,
    /// The containers may not be as they should.
    pub containers: Arc<Notify>,
    /// Something may not be needed any more.
    pub garbage: Arc<Notify>,
}

impl Reconciler {
    /// Makes the two ends. Nothing runs yet.
    pub fn new() -> (Self, Wakings) {
        let (sender, routes) = mpsc::channel(BACKLOG);
        let (containers, garbage) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let wakings = Wakings { routes, containers: containers.clone(), garbage: garbage.clone() };
        (Self { routes: sender, containers, garbage }, wakings)
    }

    /// Publishes a route table that was made after this call, and returns when it is in force.
    pub async fn publish_routes(&self) {
        let (done, published) = oneshot::channel();
        if self.routes.send(done).await.is_ok() && published.await.is_err() {
            tracing::debug!("the server stops, no routes are published any more");
        }
    }

    /// Has the containers compared with what is wanted, soon.
    pub fn check_containers(&self) {
        self.containers.notify_one();
    }

    /// Has what nobody needs removed, soon.
    pub fn collect_garbage(&self) {
        self.garbage.notify_one();
    }
}
