//! Where plugins lie below the root.

use std::path::{Path, PathBuf};

use crate::model::plugin::PluginName;

/// The directories of plugins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    root: PathBuf,
}

impl Places {
    /// Those below the server's root.
    pub fn new(root: &Path) -> Self {
        Self { root: root.join("plugins") }
    }

    /// All of it. Repositories that plugins are fetched into are in `repos` below it.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Those that come with Slipway.
    pub fn bundled(&self) -> PathBuf {
        self.root.join("bundled")
    }

    /// An installed plugin.
    pub fn installed(&self, name: &PluginName) -> PathBuf {
        self.root.join("installed").join(name.as_str())
    }

    /// What was in its place before the last update.
    pub fn previous(&self, name: &PluginName) -> PathBuf {
        self.root.join("previous").join(name.as_str())
    }

    /// What may become a plugin, or the next version of one.
    pub fn incoming(&self) -> PathBuf {
        self.root.join("incoming")
    }

    /// What it keeps: its own directory.
    pub fn data(&self, name: &PluginName) -> PathBuf {
        self.root.join("data").join(name.as_str())
    }

    /// Where executables of plugins find the server.
    pub fn socket(&self) -> PathBuf {
        self.root.join("slipway.sock")
    }
}
