//! One deploy at a time for each app, one push that moves its branches; one change at a time for each service. A lease
//! lives in a task: when that ends, however it ends, the lease is free.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::model::service::ServiceId;
use crate::store::apps::AppId;

tokio::task_local! {
    /// What this task must not wait for.
    static HELD: Held;
}

/// A lease that somebody has who waits for this task.
#[derive(Clone, Debug)]
struct Held {
    app: AppId,
    /// Cancelled when it is waited for all the same.
    is_waited_for: CancellationToken,
}

/// Does something for somebody who has an app's lease. If it waits for that lease, it waits for ever, since neither
/// could go on; `is_waited_for` is cancelled then.
pub async fn while_held<T>(app: AppId, is_waited_for: CancellationToken, work: impl Future<Output = T>) -> T {
    HELD.scope(Held { app, is_waited_for }, work).await
}

/// Hands out leases, by the numbers of what they are for.
#[derive(Debug)]
pub struct Leases<K = AppId> {
    /// Protects the map only; never held across an await.
    owners: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// The right to change what runs of one app or service, or where an app's branches point. Dropping it gives it back.
#[derive(Debug)]
pub struct Lease {
    #[expect(dead_code, reason = "held for its drop")]
    permit: OwnedSemaphorePermit,
}

impl<K> Default for Leases<K> {
    fn default() -> Self {
        Self { owners: Mutex::default() }
    }
}

impl<K: Copy + Eq + Hash> Leases<K> {
    /// The lease, if nobody has it.
    pub fn try_acquire(&self, owner: K) -> Option<Lease> {
        let permit = self.semaphore(owner).try_acquire_owned().ok()?;
        Some(Lease { permit })
    }

    async fn wait(&self, owner: K) -> Lease {
        loop {
            // The semaphore is never closed, so the first turn of the loop is the last.
            if let Ok(permit) = self.semaphore(owner).acquire_owned().await {
                return Lease { permit };
            }
        }
    }

    fn semaphore(&self, owner: K) -> Arc<Semaphore> {
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        owners.entry(owner).or_insert_with(|| Arc::new(Semaphore::new(1))).clone()
    }
}

impl Leases<AppId> {
    /// Waits for the lease; whoever asked first gets it first.
    pub async fn acquire(&self, app: AppId) -> Lease {
        let held = HELD.try_with(Clone::clone).ok();
        if let Some(held) = held.filter(|held| held.app == app) {
            held.is_waited_for.cancel();
            std::future::pending::<()>().await;
        }
        self.wait(app).await
    }
}

impl Leases<ServiceId> {
    /// Waits for the lease; whoever asked first gets it first.
    pub async fn acquire(&self, service: ServiceId) -> Lease {
        self.wait(service).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_app_has_one_lease_and_others_are_not_held_up() {
        let leases = Leases::default();
        let first = leases.try_acquire(AppId(1));
        assert!(first.is_some());
        assert!(leases.try_acquire(AppId(1)).is_none());
        assert!(leases.try_acquire(AppId(2)).is_some());
        drop(first);
        leases.acquire(AppId(1)).await;
    }

    #[tokio::test]
    async fn who_is_waited_for_learns_that_it_would_wait_in_turn() {
        let leases: Leases<AppId> = Leases::default();
        let held = leases.acquire(AppId(1)).await;
        let waits = CancellationToken::new();
        while_held(AppId(1), waits.clone(), leases.acquire(AppId(2))).await;
        assert!(!waits.is_cancelled());
        let acquired = while_held(AppId(1), waits.clone(), leases.acquire(AppId(1)));
        assert!(waits.run_until_cancelled(acquired).await.is_none());
        drop(held);
    }
}
