//! Whether an instance is to get requests, by what came of the last ones. Time is given to it, so that it can be
//! tested; it knows nothing of other instances, so that whoever chooses has to fail open.
//!
//! ```text
//!            failures in a row                 time is over             one request fails: twice the time
//! healthy ──────────────────────▶ ejected ─────────────────▶ half-open ─────────────────────────────────▶ ejected
//!    ▲                                                          │ it succeeds
//!    └──────────────────────────────────────────────────────────┘
//! ```
//!
//! Quarantine is the shorter way: an instance that refuses a connection is left alone for a while after one failure,
//! since it costs nothing to send the request somewhere else.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::milliseconds;

/// How long an instance that could not be connected to is used only if there is no other.
const QUARANTINE: Duration = Duration::from_secs(5);
/// How long an instance is ejected for the first time; each further time is twice as long.
const FIRST_EJECTION: Duration = Duration::from_secs(5);
const LONGEST_EJECTION: Duration = Duration::from_secs(60);

/// What an instance is known for.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Failures since the last answer.
    failures: AtomicU32,
    /// Ejections since it was healthy.
    ejections: AtomicU32,
    /// When a request may try it again; zero while it is not ejected.
    ejected_until: AtomicU64,
    /// Whether one does.
    probed: AtomicBool,
    /// When its quarantine is over; zero while there is none.
    quarantined_until: AtomicU64,
    /// When it began to refuse connections; zero while it does not.
    refusing_since: AtomicU64,
}

/// Why an instance was chosen, which says what its answer proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It was one of the healthy ones.
    Healthy,
    /// It was ejected, and this request finds out whether it is still bad.
    Probe,
    /// All are bad.
    NoOther,
}

/// What is thought of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Condition {
    /// It gets requests.
    Healthy,
    /// It refused a connection a moment ago, and gets requests if there is no other.
    Quarantined,
    /// It failed too often in a row, and gets requests if there is no other.
    Ejected,
    /// It was ejected, and the next request tries it, or one does so now.
    HalfOpen,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Healthy, Self::Quarantined, Self::Ejected, Self::HalfOpen];

    /// Its name, as in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Quarantined => "quarantined",
            Self::Ejected => "ejected",
            Self::HalfOpen => "half-open",
        }
    }
}

impl Health {
    /// What is thought of it now.
    pub(crate) fn condition(&self, now: u64) -> Condition {
        let ejected_until = self.ejected_until.load(Ordering::Relaxed);
        if ejected_until != 0 {
            return if now < ejected_until { Condition::Ejected } else { Condition::HalfOpen };
        }
        let quarantined_until = self.quarantined_until.load(Ordering::Relaxed);
        if quarantined_until != 0 && now < quarantined_until {
            return Condition::Quarantined;
        }
        Condition::Healthy
    }

    /// Whether it has done nothing wrong, in whose case nobody has to ask what time it is.
    pub(crate) fn is_sound(&self) -> bool {
        self.ejected_until.load(Ordering::Relaxed) == 0
    }

    /// Whether the time is over that it was to be left alone, and nobody tries it yet.
    pub(crate) fn is_probe_due(&self, now: u64) -> bool {
        let ejected_until = self.ejected_until.load(Ordering::Relaxed);
        ejected_until != 0 && now >= ejected_until && !self.probed.load(Ordering::Relaxed)
    }

    /// Makes a request the one that tries it. False if another one does.
    pub(crate) fn begin_probe(&self) -> bool {
        !self.probed.swap(true, Ordering::AcqRel)
    }

    /// Lets another request try it: the one that did has come to nothing, for reasons of its own.
    pub(crate) fn give_up_probe(&self) {
        self.probed.store(false, Ordering::Release);
    }

    /// Notes that it answered.
    ///
    /// What was sent before an ejection says nothing about the time after it, so only those that were chosen all the
    /// same end it.
    pub(crate) fn succeeded(&self, reason: Reason) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if reason != Reason::Healthy && self.ejected_until.load(Ordering::Relaxed) != 0 {
            self.ejections.store(0, Ordering::Relaxed);
            self.ejected_until.store(0, Ordering::Relaxed);
            self.give_up_probe();
        }
    }

    /// Notes that it failed, and says whether it is ejected for that.
    pub(crate) fn failed(&self, reason: Reason, eject_after: Option<NonZeroU32>, now: u64) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        let is_ejected = self.ejected_until.load(Ordering::Relaxed) != 0;
        let again = reason == Reason::Probe && is_ejected;
        let enough = !is_ejected && eject_after.is_some_and(|limit| failures >= limit.get());
        if !again && !enough {
            return false;
        }
        let before = self.ejections.fetch_add(1, Ordering::Relaxed);
        let time = FIRST_EJECTION.saturating_mul(1 << before.min(16)).min(LONGEST_EJECTION);
        self.ejected_until.store(now + milliseconds(time), Ordering::Relaxed);
        self.give_up_probe();
        true
    }

    /// Notes that it could not be connected to.
    pub(crate) fn refused(&self, now: u64) {
        let until = self.quarantined_until.swap(now + milliseconds(QUARANTINE), Ordering::Relaxed);
        if self.refusing_since.load(Ordering::Relaxed) == 0 || now > until + milliseconds(QUARANTINE) {
            // It refuses for the first time, or for the first time again: nobody knows what was in between.
            self.refusing_since.store(now, Ordering::Relaxed);
        }
    }

    /// Notes that it could be connected to.
    pub(crate) fn accepted(&self) {
        self.quarantined_until.store(0, Ordering::Relaxed);
        self.refusing_since.store(0, Ordering::Relaxed);
    }

    /// For how long it has refused connections, if it does.
    pub(crate) fn refusing_for(&self, now: u64) -> Option<Duration> {
        let since = self.refusing_since.load(Ordering::Relaxed);
        (since != 0).then(|| Duration::from_millis(now.saturating_sub(since)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER: Option<NonZeroU32> = NonZeroU32::new(3);

    fn ejected(now: u64) -> Health {
        let health = Health::default();
        assert!(!health.failed(Reason::Healthy, AFTER, now));
        assert!(!health.failed(Reason::Healthy, AFTER, now));
        assert!(health.failed(Reason::Healthy, AFTER, now), "the third in a row");
        health
    }

    #[test]
    fn failures_in_a_row_eject_and_others_do_not() {
        let health = Health::default();
        for _ in 0..10 {
            health.failed(Reason::Healthy, AFTER, 1);
            health.failed(Reason::Healthy, AFTER, 1);
            health.succeeded(Reason::Healthy);
        }
        assert_eq!(health.condition(1), Condition::Healthy);
        assert_eq!(ejected(1).condition(1), Condition::Ejected);
        for _ in 0..100 {
            assert!(!health.failed(Reason::Healthy, None, 1), "it was switched off");
        }
    }

    #[test]
    fn one_request_tries_and_its_success_ends_it() {
        let health = ejected(1);
        assert!(!health.is_probe_due(5_000));
        assert!(health.is_probe_due(5_001));
        assert_eq!(health.condition(5_001), Condition::HalfOpen);
        assert!(health.begin_probe() && !health.begin_probe());
        assert!(!health.is_probe_due(5_001), "one at a time");
        health.succeeded(Reason::Healthy);
        assert_eq!(health.condition(5_001), Condition::HalfOpen, "that one was sent before");
        health.succeeded(Reason::Probe);
        assert_eq!(health.condition(5_001), Condition::Healthy);
    }

    #[test]
    fn each_failed_try_doubles_the_time_up_to_a_minute() {
        let health = ejected(1);
        let mut now = 1;
        for seconds in [5, 10, 20, 40, 60, 60] {
            assert!(!health.is_probe_due(now + seconds * 1_000 - 1), "{seconds}");
            now += seconds * 1_000;
            assert!(health.is_probe_due(now), "{seconds}");
            assert!(health.begin_probe());
            assert!(!health.failed(Reason::NoOther, AFTER, now), "others do not lengthen it");
            assert!(health.failed(Reason::Probe, AFTER, now));
        }
        health.begin_probe();
        health.succeeded(Reason::Probe);
        assert!(!health.failed(Reason::Healthy, AFTER, now) && !health.failed(Reason::Healthy, AFTER, now));
        assert!(health.failed(Reason::Healthy, AFTER, now));
        assert!(health.is_probe_due(now + 5_000), "the next time begins with the shortest");
    }

    #[test]
    fn a_try_that_came_to_nothing_leaves_it_to_the_next() {
        let health = ejected(1);
        assert!(health.begin_probe());
        health.give_up_probe();
        assert!(health.is_probe_due(5_001) && health.begin_probe());
    }

    #[test]
    fn when_all_are_bad_an_answer_ends_it_as_well() {
        let health = ejected(1);
        health.succeeded(Reason::NoOther);
        assert_eq!(health.condition(1), Condition::Healthy);
    }

    #[test]
    fn a_refused_connection_is_a_quarantine() {
        let health = Health::default();
        health.refused(1);
        assert_eq!(health.condition(5_000), Condition::Quarantined);
        assert_eq!(health.condition(5_001), Condition::Healthy);
        health.refused(6_001);
        assert_eq!(health.refusing_for(7_001), Some(Duration::from_secs(7)), "it has not stopped");
        health.refused(60_001);
        assert_eq!(health.refusing_for(60_001), Some(Duration::ZERO), "nobody knows what was in between");
        health.accepted();
        assert_eq!((health.condition(60_001), health.refusing_for(60_001)), (Condition::Healthy, None));
    }
}
