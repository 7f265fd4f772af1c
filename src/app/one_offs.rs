//! The one-off containers whose clients are connected. One that is not among them was left by a killed server.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// One-off containers with a client, by name.
#[derive(Debug, Default)]
pub struct OneOffs {
    /// Protects the set only; never held across an await.
    names: Mutex<HashSet<String>>,
    changed: Notify,
}

/// A client's claim to a container. Dropping it gives the container up.
#[derive(Debug)]
pub struct Claim<'a> {
    one_offs: &'a OneOffs,
    name: String,
}

impl OneOffs {
    /// Claims a container, before it is made.
    pub fn claim(&self, name: &str) -> Claim<'_> {
        self.names().insert(name.to_owned());
        Claim { one_offs: self, name: name.to_owned() }
    }

    /// Whether a container has a client.
    pub fn contains(&self, name: &str) -> bool {
        self.names().contains(name)
    }

    /// The containers that have a client.
    pub fn all(&self) -> Vec<String> {
        self.names().iter().cloned().collect()
    }

    /// Returns when a client has given its container up.
    pub async fn given_up(&self) {
        self.changed.notified().await;
    }

    fn names(&self) -> MutexGuard<'_, HashSet<String>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.one_offs.names().remove(&self.name);
        self.one_offs.changed.notify_one();
    }
}
