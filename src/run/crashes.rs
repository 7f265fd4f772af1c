//! How often instances have ended by themselves lately: what tells a crash loop from an accident.
//!
//! In memory only. A server that was restarted learns it anew from the engine's count of restarts and from what
//! happens next.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::docker::facts::{ContainerFacts, RunState};
use crate::model::container_id::ContainerId;

/// So many exits within [`WINDOW`] are a crash loop.
const LOOP: usize = 5;
/// How long an exit is remembered. The engine starts a crashing container again at most a minute after it ended, so
/// one that goes on crashing has more than enough exits in it.
const WINDOW: Duration = Duration::from_secs(600);
/// Within this time, an exit and a lack of memory are one thing, of which several may tell.
const SAME: Duration = Duration::from_secs(2);
/// Whoever stays up that long is not in a loop any more.
const STAYED_UP: Duration = Duration::from_secs(60);

/// What is known of all instances.
#[derive(Debug)]
pub struct Crashes {
    /// Since when there has been somebody to count.
    since: Instant,
    /// Protects the map only; never held across an await.
    containers: Mutex<HashMap<ContainerId, Record>>,
}

impl Default for Crashes {
    fn default() -> Self {
        Self { since: Instant::now(), containers: Mutex::default() }
    }
}

#[derive(Debug, Default)]
struct Record {
    exits: VecDeque<Instant>,
    /// With which status it ended last.
    code: i64,
    /// When it was started last, while it runs.
    started: Option<Instant>,
    /// When the kernel last ended something of it for want of memory.
    out_of_memory: Option<Instant>,
}

/// What is to be told of one instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Whether it keeps exiting.
    pub looping: bool,
    /// How often it was started again.
    pub restarts: u32,
    /// The status of its last exit.
    pub code: Option<i64>,
    /// How long ago it ran out of memory, if it did lately.
    pub out_of_memory: Option<Duration>,
    /// Whether its last exit was for that reason.
    pub ended_by_that: bool,
}

impl Crashes {
    /// Takes note of an exit; says how many there were if this one makes a loop of them.
    pub fn ended(&self, container: &ContainerId, code: i64) -> Option<usize> {
        self.lock().entry(container.clone()).or_default().end(Instant::now(), code)
    }

    /// Takes note of a start.
    pub fn started(&self, container: &ContainerId) {
        if let Some(record) = self.lock().get_mut(container) {
            record.started = Some(Instant::now());
        }
    }

    /// Takes note of a lack of memory; false if that is known already.
    pub fn out_of_memory(&self, container: &ContainerId) -> bool {
        self.lock().entry(container.clone()).or_default().lack_memory(Instant::now())
    }

    /// Forgets a container that is gone.
    pub fn forget(&self, container: &ContainerId) {
        self.lock().remove(container);
    }

    /// Whether it keeps exiting, as far as was seen.
    pub fn is_looping(&self, container: &ContainerId) -> bool {
        self.lock().get(container).is_some_and(|record| record.is_looping(Instant::now()))
    }

    /// What is to be told of a container of which the engine says this.
    pub fn history(&self, facts: &ContainerFacts) -> History {
        let now = Instant::now();
        let mut history = History { restarts: facts.restart_count, ..History::default() };
        let containers = self.lock();
        if let Some(record) = containers.get(&facts.id) {
            let exits = u32::try_from(record.exits.len()).unwrap_or(u32::MAX);
            history.looping = record.is_looping(now);
            history.restarts = history.restarts.max(exits);
            history.code = (!record.exits.is_empty()).then_some(record.code);
            let ago = record.out_of_memory.map(|at| now.duration_since(at));
            history.out_of_memory = ago.filter(|ago| *ago < WINDOW);
            history.ended_by_that = record.ended_by_lack_of_memory();
        }
        if let RunState::Exited(code) = facts.state {
            history.code = Some(code);
        }
        if facts.oom_killed && history.out_of_memory.is_none() && facts.state != RunState::Running {
            (history.out_of_memory, history.ended_by_that) = (Some(Duration::ZERO), true);
        }
        // Too short a time to have seen it all: then the engine's count has to do.
        let restarts = usize::try_from(facts.restart_count).unwrap_or(usize::MAX);
        if now.duration_since(self.since) < WINDOW && restarts >= LOOP {
            history.looping |= facts.up_for().is_none_or(|up| up < STAYED_UP);
        }
        history
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ContainerId, Record>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    fn end(&mut self, now: Instant, code: i64) -> Option<usize> {
        let before = self.is_looping(now);
        self.forget_old(now);
        self.exits.push_back(now);
        self.code = code;
        self.started = None;
        (!before && self.is_looping(now)).then_some(self.exits.len())
    }

    fn lack_memory(&mut self, now: Instant) -> bool {
        let known = self.out_of_memory.is_some_and(|at| now.duration_since(at) < SAME);
        self.out_of_memory = Some(now);
        !known
    }

    fn is_looping(&self, now: Instant) -> bool {
        let recent = self.exits.iter().filter(|exit| now.duration_since(**exit) < WINDOW).count();
        recent >= LOOP && !self.stayed_up(now)
    }

    fn stayed_up(&self, now: Instant) -> bool {
        self.started.is_some_and(|start| now.duration_since(start) >= STAYED_UP)
    }

    fn ended_by_lack_of_memory(&self) -> bool {
        let (Some(exit), Some(lack)) = (self.exits.back(), self.out_of_memory) else { return false };
        exit.duration_since(lack).max(lack.duration_since(*exit)) < SAME
    }

    fn forget_old(&mut self, now: Instant) {
        if self.stayed_up(now) {
            self.exits.clear();
        }
        self.exits.retain(|exit| now.duration_since(*exit) < WINDOW);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record, and a time that goes on only when told.
    struct Story {
        record: Record,
        now: Instant,
    }

    impl Story {
        fn new() -> Self {
            Self { record: Record::default(), now: Instant::now() }
        }

        fn wait(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }

        fn crash_after(&mut self, seconds: u64) -> Option<usize> {
            self.record.started = Some(self.now);
            self.wait(seconds);
            self.record.end(self.now, 1)
        }

        fn is_looping(&self) -> bool {
            self.record.is_looping(self.now)
        }
    }

    #[test]
    fn a_loop_is_told_once_and_ends_when_it_stays_up() {
        let mut story = Story::new();
        for _ in 0..4 {
            assert_eq!(story.crash_after(1), None);
        }
        assert!(!story.is_looping());
        assert_eq!(story.crash_after(1), Some(5));
        // As slowly as the engine starts it in the end.
        for _ in 0..20 {
            story.wait(60);
            assert_eq!(story.crash_after(1), None);
            assert!(story.is_looping());
        }
        story.record.started = Some(story.now);
        story.wait(60);
        assert!(!story.is_looping());
        assert_eq!(story.record.end(story.now, 1), None, "what was before is forgotten");
        assert_eq!(story.record.exits.len(), 1);
    }

    #[test]
    fn accidents_far_apart_are_no_loop() {
        let mut story = Story::new();
        for _ in 0..20 {
            assert_eq!(story.crash_after(90), None);
        }
        assert!(!story.is_looping());
    }

    #[test]
    fn a_lack_of_memory_is_told_once_and_goes_with_the_exit_beside_it() {
        let mut story = Story::new();
        assert!(story.record.lack_memory(story.now));
        assert_eq!(story.record.end(story.now, 137), None);
        assert!(!story.record.lack_memory(story.now));
        assert!(story.record.ended_by_lack_of_memory());
        story.crash_after(5);
        assert!(!story.record.ended_by_lack_of_memory());
        assert!(story.record.lack_memory(story.now));
        assert!(story.record.ended_by_lack_of_memory());
    }
}
