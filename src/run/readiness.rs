//! Which instances take requests now. Only what was seen since the server started: nothing of it is recorded.
//!
//! A container that the engine has started again runs long before its process listens. Requests wait for it
//! meanwhile, but not for ever: an instance that does not come up in its time is not expected any more.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::container_id::ContainerId;

/// What is known of recorded instances, by container.
#[derive(Debug, Default)]
pub struct Readiness {
    /// Protects the map only; never held across an await.
    instances: Mutex<HashMap<ContainerId, Life>>,
}

/// One container's present life.
#[derive(Clone, Debug)]
struct Life {
    stage: Stage,
    /// When it last stopped being ready, or was first heard of.
    since: Instant,
    /// Where it may be asked whether it listens, while it runs.
    addresses: Vec<SocketAddr>,
    /// Whether somebody asks.
    watched: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// It listens, as far as is known.
    Ready,
    /// It does not listen yet.
    Coming,
    /// It is about to be stopped, and its successor will serve.
    Leaving,
}

/// What may be hoped of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prospect {
    /// It takes requests.
    Ready,
    /// It, or its successor, will soon.
    Expected,
    /// It has had its time to come up and has not.
    Overdue,
}

impl Readiness {
    /// Notes that an instance listens.
    pub fn set_ready(&self, container: &ContainerId) {
        let mut instances = self.lock();
        let life = instances.entry(container.clone()).or_insert_with(Life::new);
        // One that is leaving goes on listening until it is stopped.
        if life.stage != Stage::Leaving {
            life.stage = Stage::Ready;
        }
    }

    /// Notes that an instance is about to be stopped for its successor: from the next table on requests wait.
    pub fn set_leaving(&self, container: &ContainerId) {
        self.lock().entry(container.clone()).or_insert_with(Life::new).leave(Stage::Leaving);
    }

    /// Notes that an instance's process has ended.
    pub fn note_death(&self, container: &ContainerId) {
        if let Some(life) = self.lock().get_mut(container)
            && life.stage != Stage::Leaving
        {
            life.leave(Stage::Coming);
        }
    }

    /// Notes that an instance's process was started, whatever was thought of it before.
    pub fn note_start(&self, container: &ContainerId) {
        if let Some(life) = self.lock().get_mut(container) {
            life.stage = Stage::Coming;
            life.since = Instant::now();
        }
    }

    /// Notes that nobody knows what has happened to the instances: the engine was away.
    pub fn doubt_all(&self) {
        for life in self.lock().values_mut().filter(|life| life.stage != Stage::Leaving) {
            *life = Life { watched: life.watched, ..Life::new() };
        }
    }

    /// Whether an instance is about to be stopped, so that its end is no crash.
    pub fn is_leaving(&self, container: &ContainerId) -> bool {
        self.lock().get(container).is_some_and(|life| life.stage == Stage::Leaving)
    }

    /// Forgets containers that are no instances any more.
    pub fn keep_only(&self, is_instance: impl Fn(&ContainerId) -> bool) {
        self.lock().retain(|container, _| is_instance(container));
    }

    /// What may be hoped of an instance that has `limit` to come up. `addresses` is where it can be asked now.
    pub fn prospect(&self, container: &ContainerId, addresses: Vec<SocketAddr>, limit: Duration) -> Prospect {
        let mut instances = self.lock();
        let life = instances.entry(container.clone()).or_insert_with(Life::new);
        life.addresses = addresses;
        life.prospect(limit)
    }

    /// Takes on the asking of an instance whether it listens; false if somebody does that already.
    pub fn watch(&self, container: &ContainerId) -> bool {
        let mut instances = self.lock();
        instances.get_mut(container).is_some_and(|life| !std::mem::replace(&mut life.watched, true))
    }

    /// Where to ask next; `None` once there is nothing more to be asked, and the watch is over.
    pub fn next_question(&self, container: &ContainerId, limit: Duration) -> Option<Vec<SocketAddr>> {
        let mut instances = self.lock();
        let life = instances.get_mut(container)?;
        if life.stage == Stage::Coming && life.prospect(limit) == Prospect::Expected {
            return Some(life.addresses.clone());
        }
        life.watched = false;
        None
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ContainerId, Life>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Life {
    fn new() -> Self {
        Self { stage: Stage::Coming, since: Instant::now(), addresses: Vec::new(), watched: false }
    }

    fn leave(&mut self, stage: Stage) {
        if self.stage == Stage::Ready {
            self.since = Instant::now();
        }
        self.stage = stage;
    }

    fn prospect(&self, limit: Duration) -> Prospect {
        match self.stage {
            Stage::Ready => Prospect::Ready,
            // Whoever stops it sees to the end of this.
            Stage::Leaving => Prospect::Expected,
            Stage::Coming if self.since.elapsed() >= limit => Prospect::Overdue,
            Stage::Coming => Prospect::Expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    fn id() -> ContainerId {
        ContainerId::new("c".to_owned())
    }

    #[test]
    fn an_instance_is_expected_until_it_listens_and_again_when_it_dies() {
        let readiness = Readiness::default();
        let prospect = |limit| readiness.prospect(&id(), Vec::new(), limit);
        assert_eq!(prospect(LONG), Prospect::Expected);
        readiness.set_ready(&id());
        assert_eq!(prospect(LONG), Prospect::Ready);
        readiness.note_death(&id());
        assert_eq!(prospect(LONG), Prospect::Expected);
        assert_eq!(prospect(Duration::ZERO), Prospect::Overdue);
        readiness.set_ready(&id());
        readiness.doubt_all();
        assert_eq!(prospect(LONG), Prospect::Expected);
    }

    #[test]
    fn one_that_leaves_takes_no_more_requests_although_it_listens() {
        let readiness = Readiness::default();
        readiness.set_ready(&id());
        readiness.set_leaving(&id());
        readiness.set_ready(&id());
        readiness.note_death(&id());
        assert_eq!(readiness.prospect(&id(), Vec::new(), Duration::ZERO), Prospect::Expected);
        assert!(readiness.watch(&id()) && !readiness.watch(&id()));
        assert_eq!(readiness.next_question(&id(), LONG), None, "nobody asks one that leaves");
        readiness.note_start(&id());
        assert!(readiness.next_question(&id(), LONG).is_some());
        readiness.keep_only(|_| false);
        assert_eq!(readiness.next_question(&id(), LONG), None);
    }
}
