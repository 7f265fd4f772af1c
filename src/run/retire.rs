//! Taking old instances out of service: drain, SIGTERM, SIGKILL, remove. Never holds up a deploy.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::handover::predecessors::Predecessors;
use crate::model::container_id::ContainerId;
use crate::model::process_type::InstanceName;
use crate::store::Store;
use crate::store::apps::AppId;
use slipway_router::RouterHandle;

/// How long a server that stops waits for what was told to end. Most do so within a moment.
const AT_SHUTDOWN: Duration = Duration::from_secs(3);

/// The containers that are being retired, so that no two tasks do it at once.
#[derive(Debug, Default)]
pub struct Retiring {
    /// Protects the set only; never held across an await.
    containers: Mutex<HashSet<ContainerId>>,
}

impl Retiring {
    /// Whether somebody is at it.
    pub fn contains(&self, container: &ContainerId) -> bool {
        self.lock().contains(container)
    }

    /// Takes a container on; false if somebody is at it already.
    pub fn enter(&self, container: &ContainerId) -> bool {
        self.lock().insert(container.clone())
    }

    /// Says that nobody is at it any more.
    pub fn leave(&self, container: &ContainerId) {
        self.lock().remove(container);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<ContainerId>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long an old instance gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grace {
    /// For requests that are still running.
    pub drain: Duration,
    /// Between SIGTERM and SIGKILL; may be hours.
    pub stop: Duration,
}

/// What retiring needs of the world.
#[derive(Clone, Copy, Debug)]
pub struct Retirement<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The router, which knows the requests that are running.
    pub router: &'a RouterHandle,
    /// Replaced servers, whose routers may still have some.
    pub predecessors: &'a Predecessors,
    /// Where it is recorded what was told to end, and until when it may take.
    pub store: &'a Store,
    /// Cancelled when the server stops.
    pub shutdown: &'a CancellationToken,
}

impl Retirement<'_> {
    /// Drains, stops and removes one container. The routes no longer lead to it.
    ///
    /// What was told to end by a server that is gone keeps its time and is not told again: to some programs a second
    /// SIGTERM means that there is no time left. When this server stops, whatever takes longer is left to the next.
    pub async fn retire(&self, container: &ContainerId, was: Option<(AppId, InstanceName)>, grace: Grace) {
        let result = match self.told_before(container).await {
            Some(left) => self.wait_for_end(container, left).await,
            None => self.drain_and_stop(container, was, grace).await,
        };
        match result {
            Ok(true) => self.remove(container).await,
            Ok(false) => {}
            Err(error) if error.is_not_found() => self.remove(container).await,
            Err(error) => {
                tracing::warn!(%container, %error, "an old instance does not stop; the reconciler will try again");
            }
        }
    }

    /// What is left of the time of a container that has had its SIGTERM since it was last started.
    async fn told_before(&self, container: &ContainerId) -> Option<Duration> {
        let stopping = self.store.stopping_of(container).await;
        let stopping = stopping.inspect_err(|error| {
            tracing::error!(%container, %error, "it cannot be told whether an old instance was told to end");
        });
        let stopping = stopping.ok().flatten()?;
        let facts = self.engine.inspect(container.as_str()).await.ok()?;
        facts.started_at.is_none_or(|started| started <= stopping.since).then(|| stopping.left())
    }

    /// Says whether it may be removed.
    async fn drain_and_stop(
        &self,
        container: &ContainerId,
        was: Option<(AppId, InstanceName)>,
        grace: Grace,
    ) -> Result<bool, EngineError> {
        let ids = [container.to_string()];
        let (drained, ()) =
            tokio::join!(self.router.drain(&ids, grace.drain), self.predecessors.drain(&ids, grace.drain));
        if !drained.is_complete() {
            tracing::info!(%container, "an old instance still had requests when its time was over");
        }
        let facts = self.engine.inspect(container.as_str()).await?;
        let signal = facts.stop_signal.as_deref().unwrap_or("SIGTERM");
        match self.engine.kill(container, signal).await {
            Ok(()) => {}
            // It does not run, or is about to be started again after a crash.
            Err(EngineError::Conflict(_)) => return Ok(true),
            Err(error) => return Err(error),
        }
        if let Some(was) = was
            && let Err(error) = self.store.begin_stopping(container, was, grace.stop).await
        {
            tracing::error!(%container, %error, "until when an old instance may take is not recorded");
        }
        self.wait_for_end(container, grace.stop).await
    }

    /// Waits until the process has ended or its time is over; false if the server stops before.
    async fn wait_for_end(&self, container: &ContainerId, left: Duration) -> Result<bool, EngineError> {
        let stopping = async {
            self.shutdown.cancelled().await;
            sleep(AT_SHUTDOWN).await;
        };
        tokio::select! {
            ended = timeout(left, self.engine.wait(container)) => match ended {
                Ok(ended) => ended.map(|_| true),
                Err(_) => {
                    tracing::info!(%container, "an old instance did not end in its time and is killed");
                    Ok(true)
                }
            },
            () = stopping => Ok(false),
        }
    }

    async fn remove(&self, container: &ContainerId) {
        if let Err(error) = self.engine.remove(container).await {
            tracing::warn!(%container, %error, "an old instance is not removed; the reconciler will try again");
            return;
        }
        if let Err(error) = self.store.end_stopping(container).await {
            tracing::error!(%container, %error, "an old instance that is gone is still recorded");
        }
    }
}
