//! The time as instances keep it: milliseconds since the process began to ask, in one word that can be atomic.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since the beginning. Never zero, so that zero may mean "not at all".
pub(crate) fn now() -> u64 {
    milliseconds(BEGINNING.elapsed()).saturating_add(1)
}

/// A duration in the same unit.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
