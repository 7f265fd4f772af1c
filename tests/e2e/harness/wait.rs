//! Waiting for a condition with a bound, never for a time.

use std::thread;
use std::time::{Duration, Instant};

/// How often a condition is looked at.
const INTERVAL: Duration = Duration::from_millis(10);

/// Waits until `condition` holds; panics with `what` when the bound is over.
pub fn wait_until(what: &str, bound: Duration, mut condition: impl FnMut() -> bool) {
    wait_for(what, bound, || condition().then_some(()));
}

/// Waits until `attempt` gives something; panics with `what` when the bound is over.
pub fn wait_for<T>(what: &str, bound: Duration, mut attempt: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + bound;
    loop {
        if let Some(value) = attempt() {
            return value;
        }
        assert!(Instant::now() < deadline, "waited {bound:?} in vain: {what}");
        thread::sleep(INTERVAL);
    }
}
