//! Plugins: folders with a manifest and executables. Which there are, in one immutable set that is replaced as a whole.
//!
//! What hooks and commands mean is not known here.

pub mod bundled;
pub mod copy;
pub mod folder;
pub mod order;
pub mod places;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::formats::plugin_toml::Manifest;
use crate::model::engine::Engine;
use crate::model::hook::Hook;
use crate::model::hook::contract::CONTRACTS;
use crate::model::plugin::{PluginName, PluginRecord};
use crate::plugin::folder::PluginError;
use crate::plugin::places::Places;

/// One plugin that can be used.
#[derive(Clone, Debug)]
pub struct Plugin {
    /// Its name.
    pub name: PluginName,
    /// Where it lies.
    pub folder: PathBuf,
    /// What it says about itself.
    pub manifest: Manifest,
    /// The engine that it describes, if people get services of it.
    pub engine: Option<Arc<Engine>>,
    /// Whether it comes with Slipway.
    pub bundled: bool,
    /// The number of the user that its executables run as.
    pub user: u32,
}

/// All plugins that can be used, by name.
pub type PluginSet = BTreeMap<PluginName, Arc<Plugin>>;

/// The plugins that there are now. Clones are one and the same.
#[derive(Clone, Debug)]
pub struct Plugins {
    current: Arc<ArcSwap<Snapshot>>,
    places: Places,
    is_taken: fn(&str) -> bool,
    /// Held by whoever changes folders or records.
    change: Arc<Mutex<()>>,
}

/// The plugins at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    usable: Arc<PluginSet>,
    unusable: BTreeMap<PluginName, String>,
    /// By the hook's place in the table of contracts, in the order in which they run.
    hooks: Vec<Vec<Arc<Plugin>>>,
}

impl Plugins {
    /// Unpacks the bundled plugins; none is known yet. `is_taken` tells names that are commands or their namespaces.
    pub fn open(places: Places, is_taken: fn(&str) -> bool) -> io::Result<Self> {
        bundled::unpack(&places.bundled())?;
        Ok(Self { current: Arc::default(), places, is_taken, change: Arc::default() })
    }

    /// Where plugins lie.
    pub fn places(&self) -> &Places {
        &self.places
    }

    /// The names of those that come with Slipway.
    pub fn bundled(&self) -> io::Result<Vec<PluginName>> {
        let folders = bundled::folders(&self.places.bundled())?;
        Ok(folders.iter().filter_map(|folder| folder.file_name()?.to_str()?.parse().ok()).collect())
    }

    /// The right to change what is installed: one at a time.
    pub async fn change(&self) -> OwnedMutexGuard<()> {
        self.change.clone().lock_owned().await
    }

    /// Whether a name cannot be a plugin's, because it is Slipway's own.
    pub fn is_taken(&self, name: &str) -> bool {
        (self.is_taken)(name)
    }

    /// Reads those that are recorded. One that cannot be used is left out, with the reason.
    pub fn reload(&self, records: &[PluginRecord]) {
        let (mut usable, mut unusable) = (PluginSet::new(), BTreeMap::new());
        for record in records.iter().filter(|record| record.enabled) {
            match self.read(record) {
                Ok(plugin) => {
                    usable.insert(record.name.clone(), Arc::new(plugin));
                }
                Err(error) => {
                    tracing::warn!(plugin = %record.name, error = &error as &dyn std::error::Error, "a plugin cannot be used");
                    unusable.insert(record.name.clone(), chain(&error));
                }
            }
        }
        for (name, reason) in order::remove_cycles(&mut usable) {
            tracing::warn!(plugin = %name, reason, "a plugin cannot be used");
            unusable.insert(name, reason);
        }
        let hooks = CONTRACTS.iter().map(|contract| order::sorted(&usable, contract.hook)).collect();
        self.current.store(Arc::new(Snapshot { usable: Arc::new(usable), unusable, hooks }));
    }

    /// All of them, as they are at this moment.
    pub fn all(&self) -> Arc<PluginSet> {
        self.current.load().usable.clone()
    }

    /// All that cannot be used although nobody switched them off, and why.
    pub fn unusable(&self) -> BTreeMap<PluginName, String> {
        self.current.load().unusable.clone()
    }

    /// The plugin of that name.
    pub fn find(&self, name: &str) -> Option<Arc<Plugin>> {
        self.current.load().usable.get(&name.parse::<PluginName>().ok()?).cloned()
    }

    /// Those that have a hook, in the order in which they run.
    pub fn with_hook(&self, hook: Hook) -> Vec<Arc<Plugin>> {
        self.current.load().hooks.get(hook as usize).cloned().unwrap_or_default()
    }

    /// Whether any has the hook: one look into a list.
    pub fn has_hook(&self, hook: Hook) -> bool {
        self.current.load().hooks.get(hook as usize).is_some_and(|plugins| !plugins.is_empty())
    }

    fn read(&self, record: &PluginRecord) -> Result<Plugin, PluginError> {
        let is_bundled = record.source.is_none();
        let folder = match is_bundled {
            true => self.places.bundled().join(record.name.as_str()),
            false => self.places.installed(&record.name),
        };
        let (manifest, engine) = folder::read(&folder)?;
        if self.is_taken(record.name.as_str()) {
            return Err(PluginError::Taken(record.name.clone()));
        }
        let (name, user) = (record.name.clone(), record.user);
        Ok(Plugin { name, folder, manifest, engine, bundled: is_bundled, user })
    }
}

/// An error with all that is below it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    message
}
