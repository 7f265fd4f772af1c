//! Plugins: folders with a manifest and executables. Which there are, in one immutable set that is replaced as a whole.
//!
//! What hooks and commands mean is not known here.

mod bundled;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::formats::plugin_toml::{self, Manifest};
use crate::formats::service_toml;
use crate::model::engine::Engine;
use crate::model::plugin::PluginName;

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
}

/// All plugins that can be used, by name.
pub type PluginSet = BTreeMap<PluginName, Arc<Plugin>>;

/// The plugins that there are now.
#[derive(Debug)]
pub struct Plugins {
    current: ArcSwap<PluginSet>,
}

/// Why a folder is no plugin.
#[derive(Debug, thiserror::Error)]
pub enum PluginError {
    /// A file could not be read.
    #[error("{0} cannot be read")]
    Unreadable(PathBuf, #[source] io::Error),
    /// A file says what it cannot.
    #[error(transparent)]
    Manifest(#[from] plugin_toml::PluginTomlError),
    /// The same for the engine.
    #[error(transparent)]
    Engine(#[from] service_toml::ServiceTomlError),
    /// Its name is none.
    #[error("plugin.name: {0}")]
    Name(#[from] crate::model::plugin::PluginNameError),
}

impl Plugins {
    /// Unpacks the bundled plugins below `root` and reads them.
    pub fn load(root: &Path) -> Result<Self, PluginError> {
        let folder = root.join("plugins/bundled");
        bundled::unpack(&folder).map_err(|error| PluginError::Unreadable(folder.clone(), error))?;
        let mut set = PluginSet::new();
        for folder in bundled::folders(&folder).map_err(|error| PluginError::Unreadable(folder, error))? {
            let plugin = read(&folder, true)?;
            set.insert(plugin.name.clone(), Arc::new(plugin));
        }
        Ok(Self { current: ArcSwap::from_pointee(set) })
    }

    /// All of them, as they are at this moment.
    pub fn all(&self) -> Arc<PluginSet> {
        self.current.load_full()
    }

    /// The plugin of that name.
    pub fn find(&self, name: &str) -> Option<Arc<Plugin>> {
        self.current.load().get(&name.parse::<PluginName>().ok()?).cloned()
    }
}

/// Reads a plugin's folder.
pub fn read(folder: &Path, bundled: bool) -> Result<Plugin, PluginError> {
    let manifest = plugin_toml::parse(&text(&folder.join("plugin.toml"))?)?;
    let engine = folder.join("service.toml");
    let engine = if engine.exists() { Some(Arc::new(service_toml::parse(&text(&engine)?)?)) } else { None };
    let name = manifest.plugin.name.parse()?;
    Ok(Plugin { name, folder: folder.to_owned(), manifest, engine, bundled })
}

fn text(path: &Path) -> Result<String, PluginError> {
    std::fs::read_to_string(path).map_err(|error| PluginError::Unreadable(path.to_owned(), error))
}
