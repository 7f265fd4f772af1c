//! `service.toml`: an engine, as docs/service-toml.md describes it.

use crate::model::engine::Engine;

/// Why a text is no engine.
#[derive(Debug, thiserror::Error)]
#[error("invalid service.toml: {0}")]
pub struct ServiceTomlError(String);

/// Reads the file.
pub fn parse(text: &str) -> Result<Engine, ServiceTomlError> {
    let engine: Engine = toml::from_str(text).map_err(|error| ServiceTomlError(error.to_string()))?;
    if engine.service.ports.is_empty() {
        return Err(ServiceTomlError("service.ports needs at least the engine's own port".to_owned()));
    }
    Ok(engine)
}
