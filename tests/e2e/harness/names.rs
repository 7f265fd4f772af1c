//! Names that no other test uses.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// An app name that begins with `prefix` and that no other running test has.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{}-{}", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}
