//! Which containers' files are waited for. Where the kernel gives no notices, all are looked at now and then.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use crate::logs::watch::{Watch, Watches};
use crate::model::container_id::ContainerId;

/// What became of the wish to wait for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// A notice will come.
    Notice,
    /// The file is gone: that is told by the engine's events.
    Gone,
    /// No notice will come: look again.
    Look,
}

/// The files that are waited for.
#[derive(Debug, Default)]
pub(super) struct Watchlist {
    watched: HashMap<Watch, ContainerId>,
    watches: Option<Watches>,
}

impl Watchlist {
    /// Asks the kernel for notices. Has to be called on the runtime that will wait.
    pub(super) fn open() -> Self {
        match Watches::new() {
            Ok(watches) => Self { watches: Some(watches), ..Self::default() },
            Err(error) => {
                tracing::warn!(%error, "logs are looked at every second: the kernel gives no notices");
                Self::default()
            }
        }
    }

    /// Whether notices come at all.
    pub(super) fn gives_notices(&self) -> bool {
        self.watches.is_some()
    }

    /// Waits for notices, and says whose files have grown; for ever if none come.
    pub(super) async fn next(&mut self) -> Vec<ContainerId> {
        let Some(watches) = &self.watches else { return std::future::pending().await };
        match watches.next().await {
            Ok(ended) => ended.iter().filter_map(|watch| self.watched.remove(watch)).collect(),
            Err(error) => {
                tracing::warn!(%error, "logs are looked at every second: the kernel gives no notices");
                self.watches = None;
                Vec::new()
            }
        }
    }

    /// Waits for a file to grow.
    pub(super) fn add(&mut self, id: &ContainerId, path: &Path) -> Waiting {
        match self.watches.as_ref().map(|watches| watches.add(path)) {
            Some(Ok(watch)) => {
                self.watched.insert(watch, id.clone());
                Waiting::Notice
            }
            Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Waiting::Gone,
            Some(Err(error)) => {
                tracing::debug!(container = %id, %error, "a log cannot be watched");
                Waiting::Look
            }
            None => Waiting::Look,
        }
    }
}
