//! How much a build writes. The engine has no limit for that on most file systems, so it is looked at now and then.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::docker::Engine;
use crate::model::container_id::ContainerId;

/// How long after its begin, and after each look, the next one comes at the earliest.
const INTERVAL: Duration = Duration::from_secs(2);
/// Looking may take one part in so many of the time: a build with many files is not to be slowed down by it.
const SHARE: u32 = 20;

/// Returns when the container has written more than so many bytes, together with what is in a volume of its; never if
/// that is 0. What cannot be looked at counts nothing.
pub async fn exceeded(engine: &Engine, container: &ContainerId, volume: Option<&str>, limit: u64) {
    let directory = match volume {
        Some(volume) => engine.volume_directory(volume).await.ok(),
        None => None,
    };
    let mut pause = INTERVAL;
    loop {
        sleep(pause).await;
        let began = Instant::now();
        let own = engine.written_bytes(container).await.unwrap_or_else(|error| {
            tracing::debug!(%error, "the size of a build container is not known");
            0
        });
        let cache = match directory.clone() {
            Some(path) => tokio::task::spawn_blocking(move || size(&path)).await.unwrap_or(0),
            None => 0,
        };
        if limit > 0 && own.saturating_add(cache) > limit {
            return;
        }
        pause = INTERVAL.max(began.elapsed() * SHARE);
    }
}

/// What all files below a path take on the disk. Links are not followed, and what vanishes meanwhile counts nothing.
fn size(path: &Path) -> u64 {
    let mut total = 0;
    let mut directories = vec![path.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let Ok(facts) = entry.metadata() else { continue };
            total += facts.blocks() * 512;
            if facts.is_dir() {
                directories.push(entry.path());
            }
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_counts_itself_and_not_what_it_leads_to() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::write(root.path().join("a/b/file"), vec![1; 1 << 20]).unwrap();
        let before = size(root.path());
        assert!(before >= 1 << 20, "{before}");
        std::os::unix::fs::symlink(root.path().join("a"), root.path().join("link")).unwrap();
        assert!(size(root.path()) < before + (1 << 19));
    }
}
