//! The database: a real SQLite file in a directory of the test's own.

mod additions;
mod apps;
mod certificates;
mod config;
mod history;
mod keys_and_domains;
mod opening;
mod options;
mod plugins;
mod services;

use std::collections::BTreeMap;
use std::thread::JoinHandle;

use slipway::model::additions::Additions;
use slipway::model::app_json::AppJson;
use slipway::model::config_var::{ConfigValue, ConfigVars};
use slipway::model::release::{ImageId, ReleaseContent, Source};
use slipway::store::Store;
use slipway::store::apps::AppRecord;
use slipway::store::config::Completion;
use slipway::store::instances::ConfigChange;
use tempfile::TempDir;

/// A database, and the directory that goes with the test.
struct Database {
    store: Store,
    thread: JoinHandle<()>,
    directory: TempDir,
}

impl Database {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (store, thread) = Store::open(directory.path()).unwrap();
        Self { store, thread, directory }
    }

    /// Closes it as the end of the server does, and opens it again.
    fn reopened(self) -> Self {
        let directory = self.closed();
        let (store, thread) = Store::open(directory.path()).unwrap();
        Self { store, thread, directory }
    }

    fn closed(self) -> TempDir {
        drop(self.store);
        self.thread.join().unwrap();
        self.directory
    }

    async fn app(&self, name: &str) -> AppRecord {
        self.store.create_app(&name.parse().unwrap()).await.unwrap()
    }
}

fn vars(pairs: &[(&str, &str)]) -> ConfigVars {
    let pairs = pairs.iter().map(|(key, value)| {
        (key.parse().unwrap(), ConfigValue::from_bytes(value.as_bytes().to_vec()).unwrap())
    });
    pairs.collect()
}

/// A switch that leaves the config vars as they are.
fn same_config() -> ConfigChange {
    ConfigChange::Complete(Completion::default())
}

fn content(image: &str, config: ConfigVars) -> ReleaseContent {
    ReleaseContent {
        image: ImageId(image.to_owned()),
        source: Source::Git { commit: "1f6c3a2".to_owned() },
        config,
        processes: BTreeMap::new(),
        exposed_ports: vec![5000],
        app_json: AppJson::default(),
        additions: Additions::default(),
    }
}
