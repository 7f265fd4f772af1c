//! Services: databases and the like, which plugins with a `service.toml` describe. Records are the store's, containers
//! the engine's; here is what makes the one of the other, and the links to apps.
//!
//! Whoever changes a service holds its lease, as the reconciler does.

pub mod apart;
pub mod backup;
pub mod backup_plan;
pub mod backup_schedule;
pub mod container;
pub mod contents;
pub mod create;
pub mod departures;
pub mod destroy;
pub mod directories;
pub mod dump;
pub mod exec;
pub mod expose;
pub mod fresh;
pub mod image;
pub mod keys;
pub mod leftovers;
pub mod link;
pub mod program;
pub mod ready;
pub mod restoring;
pub mod rotate;
pub mod settle;
pub mod template;
pub mod tunnel;
pub mod upgrade;

use std::sync::Arc;

use crate::app::App;
use crate::command_error::CommandError;
use crate::model::engine::Engine;
use crate::model::service::{ServiceId, ServiceName};
use crate::plugin::Plugin;
use crate::services::template::Values;
use crate::store::services::ServiceRecord;

/// A service and the engine that it runs on.
#[derive(Clone, Debug)]
pub struct Service {
    /// As it is recorded.
    pub record: ServiceRecord,
    /// The plugin whose engine it is of.
    pub plugin: Arc<Plugin>,
    /// The engine, as the plugin describes it now.
    pub engine: Arc<Engine>,
}

impl Service {
    /// The service of a record, if its plugin is still there.
    pub fn of(app: &App, record: ServiceRecord) -> Result<Self, CommandError> {
        let plugin = app.plugins.find(record.engine.as_str());
        let found = plugin.and_then(|plugin| plugin.engine.clone().map(|engine| (plugin, engine)));
        let Some((plugin, engine)) = found else {
            return Err(CommandError::user(format!(
                "The plugin {} of the service {} is missing",
                record.engine, record.name
            ))
            .hint(format!("Install or enable it: plugin:enable {}", record.engine)));
        };
        Ok(Self { record, plugin, engine })
    }

    /// The plugin's service of that name.
    pub async fn find(app: &App, plugin: &Arc<Plugin>, name: &str) -> Result<Self, CommandError> {
        let engine = engine_of(plugin)?;
        let missing = || {
            CommandError::user(format!("{} service {name} does not exist", engine.service.title))
                .hint(format!("See `{}:list` for those that do", plugin.name))
        };
        let name: ServiceName = name.parse().map_err(|_| missing())?;
        let record = app.store.service(&plugin.name, &name).await?.ok_or_else(missing)?;
        Ok(Self { record, plugin: plugin.clone(), engine })
    }

    /// The service with that row.
    pub async fn by_id(app: &App, id: ServiceId) -> Result<Option<Self>, CommandError> {
        app.store.service_by_id(id).await?.map(|record| Self::of(app, record)).transpose()
    }

    /// The same, as it is recorded now.
    pub async fn refreshed(&self, app: &App) -> Result<Self, CommandError> {
        let gone = || CommandError::user(format!("{self} was destroyed meanwhile"));
        let record = app.store.service_by_id(self.record.id).await?.ok_or_else(gone)?;
        Ok(Self { record, ..self.clone() })
    }

    /// What its engine is called: `MySQL`.
    pub fn title(&self) -> &str {
        &self.engine.service.title
    }

    /// What placeholders in the engine's description stand for.
    pub fn values(&self) -> Values {
        Values::of(self)
    }
}

/// As messages name it: `MySQL service blogdb`.
impl std::fmt::Display for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} service {}", self.title(), self.record.name)
    }
}

/// The engine that a plugin describes.
pub fn engine_of(plugin: &Plugin) -> Result<Arc<Engine>, CommandError> {
    plugin
        .engine
        .clone()
        .ok_or_else(|| CommandError::user(format!("The plugin {} describes no engine", plugin.name)))
}
