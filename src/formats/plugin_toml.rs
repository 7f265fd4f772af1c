//! `plugin.toml`: what a plugin says about itself.

use serde::Deserialize;

/// The version of the contract between Slipway and plugins.
pub const API: u32 = 1;

/// The whole file.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// What it is.
    pub plugin: PluginFacts,
}

/// What a plugin is.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct PluginFacts {
    /// Its name; the folder is called so too.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What it is for, in one line.
    #[serde(default)]
    pub description: String,
    /// The version of the contract that it was written for.
    pub api: u32,
}

/// Why a text is no manifest.
#[derive(Debug, thiserror::Error)]
#[error("invalid plugin.toml: {0}")]
pub struct PluginTomlError(String);

/// Reads the file.
pub fn parse(text: &str) -> Result<Manifest, PluginTomlError> {
    let manifest: Manifest = toml::from_str(text).map_err(|error| PluginTomlError(error.to_string()))?;
    match manifest.plugin.api {
        API => Ok(manifest),
        other => Err(PluginTomlError(format!("it is written for API {other}, this Slipway has {API}"))),
    }
}
