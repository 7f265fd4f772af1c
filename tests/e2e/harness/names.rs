//! Names that no other test uses.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

static COUNTER: AtomicU32 = AtomicU32::new(0);

/// An app name that begins with `prefix` and that no other running test has.
pub fn unique(prefix: &str) -> String {
    format!("{prefix}-{}-{}", process::id(), COUNTER.fetch_add(1, Ordering::Relaxed))
}

/// A word that no test has ever used: the engine's build cache outlives a run, and process ids come again.
pub fn never_used(prefix: &str) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    format!("{}-{now}", unique(prefix))
}
