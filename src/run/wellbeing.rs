//! Which running instances are asked whether they are well, and which are not ready for requests.
//!
//! Holds state only, in memory: after a restart of the server every instance counts as ready until it was asked.

use std::collections::{BTreeSet, HashMap};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::model::app_name::AppName;
use crate::model::container_id::ContainerId;
use crate::model::health_check::HealthCheck;
use crate::model::process_type::InstanceName;
use crate::run::check::Subject;
use crate::store::apps::AppId;

/// A running instance with checks that go on.
#[derive(Clone, Debug)]
pub struct Watched {
    /// The app.
    pub app: AppId,
    /// The app's name.
    pub app_name: AppName,
    /// The instance.
    pub name: InstanceName,
    /// What is asked.
    pub subject: Subject,
    /// Readiness and liveness.
    pub checks: Vec<HealthCheck>,
    /// What it has to pass after it was restarted; without any, the default holds.
    pub startup: Vec<HealthCheck>,
    /// How long it has for that.
    pub deadline: Duration,
}

impl Watched {
    /// Whether the same is asked in the same way.
    pub fn is_as(&self, other: &Self) -> bool {
        let (one, two) = (&self.subject, &other.subject);
        one.container == two.container
            && (one.address, one.port, &one.host, one.https) == (two.address, two.port, &two.host, two.https)
            && self.checks == other.checks
    }
}

/// Why an instance gets no requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// The check with this number fails.
    Check(usize),
    /// It is being restarted.
    Restart,
}

/// What is known of the instances that are watched.
#[derive(Debug)]
pub struct Wellbeing {
    watched: watch::Sender<Arc<Vec<Watched>>>,
    /// Protects the map only; never held across an await.
    unready: Mutex<HashMap<ContainerId, BTreeSet<Reason>>>,
}

impl Default for Wellbeing {
    fn default() -> Self {
        Self { watched: watch::Sender::new(Arc::default()), unready: Mutex::default() }
    }
}

impl Wellbeing {
    /// Says which instances are to be watched from now on. No effect if they are already, and in the same way.
    pub fn watch(&self, instances: Vec<Watched>) {
        self.watched.send_if_modified(|now| {
            let same = now.len() == instances.len()
                && now.iter().zip(&instances).all(|(one, other)| one.is_as(other));
            if !same {
                *now = Arc::new(instances);
            }
            !same
        });
    }

    /// The instances that are to be watched, now and later.
    pub fn watched(&self) -> watch::Receiver<Arc<Vec<Watched>>> {
        self.watched.subscribe()
    }

    /// Where a container that is watched answers, also while it does not run: it keeps its address.
    pub fn address(&self, container: &ContainerId) -> Option<Ipv4Addr> {
        let watched = self.watched.borrow();
        let subject = watched.iter().map(|watched| &watched.subject);
        subject.filter(|subject| subject.container == *container).map(|subject| subject.address).next()
    }

    /// Whether requests can go to a container, as far as is known.
    pub fn is_ready(&self, container: &ContainerId) -> bool {
        !self.lock().contains_key(container)
    }

    /// Notes that a container is not ready; false if it was not anyway.
    pub fn set_unready(&self, container: &ContainerId, reason: Reason) -> bool {
        let mut unready = self.lock();
        let new = !unready.contains_key(container);
        unready.entry(container.clone()).or_default().insert(reason);
        new
    }

    /// Notes that a reason is gone; true if it was the last one.
    pub fn clear(&self, container: &ContainerId, reason: Reason) -> bool {
        let mut unready = self.lock();
        let Some(reasons) = unready.get_mut(container) else { return false };
        reasons.remove(&reason);
        reasons.is_empty() && unready.remove(container).is_some()
    }

    /// Forgets what it knows of a container.
    pub fn forget(&self, container: &ContainerId) {
        self.lock().remove(container);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ContainerId, BTreeSet<Reason>>> {
        self.unready.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_ready_again_when_the_last_reason_is_gone() {
        let (wellbeing, container) = (Wellbeing::default(), ContainerId::new("c".to_owned()));
        assert!(wellbeing.is_ready(&container));
        assert!(wellbeing.set_unready(&container, Reason::Check(0)));
        assert!(!wellbeing.set_unready(&container, Reason::Restart));
        assert!(!wellbeing.clear(&container, Reason::Check(0)));
        assert!(!wellbeing.is_ready(&container));
        assert!(wellbeing.clear(&container, Reason::Restart));
        assert!(!wellbeing.clear(&container, Reason::Restart));
        assert!(wellbeing.is_ready(&container));
    }
}
