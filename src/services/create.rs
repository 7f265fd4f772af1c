//! Making a service: image, record, container, and nothing of it left if it does not come to run.

use std::sync::Arc;

use crate::app::App;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::model::config_var::ConfigVars;
use crate::model::password::Password;
use crate::model::service::{ServiceName, ServiceProperties, WantedState};
use crate::plugin::Plugin;
use crate::services::image::Wish;
use crate::services::{Service, container, destroy, engine_of, image};
use crate::store::StoreError;
use crate::store::services::NewService;

/// What is to be made.
#[derive(Clone, Debug)]
pub struct Creation {
    /// Whose engine it is of.
    pub plugin: Arc<Plugin>,
    /// Its name.
    pub name: ServiceName,
    /// Image and version, if others than the engine's.
    pub wish: Wish,
    /// What is set of it.
    pub properties: ServiceProperties,
    /// Variables of its container.
    pub environment: ConfigVars,
    /// The admin's password; without one it is generated.
    pub password: Option<Password>,
    /// Who makes it.
    pub by: String,
}

/// Makes the service and waits until it serves.
pub async fn create(app: &App, creation: Creation, console: &Console) -> Result<Service, CommandError> {
    let engine = engine_of(&creation.plugin)?;
    let plugin = &creation.plugin;
    let taken = || {
        CommandError::user(format!("{} service {} already exists", engine.service.title, creation.name))
            .hint(format!("Choose another name, or look at it: {}:info {}", plugin.name, creation.name))
    };
    container::check(&creation.properties)?;
    if app.store.service(&plugin.name, &creation.name).await?.is_some() {
        return Err(taken());
    }
    let image = image::find(app, plugin, &engine, &creation.wish, console).await?;
    let new = NewService {
        engine: plugin.name.clone(),
        name: creation.name.clone(),
        network_prefix: container::network_prefix(app),
        image,
        properties: creation.properties,
        password: creation.password.unwrap_or_else(Password::generate),
        environment: creation.environment,
    };
    let record = match app.store.create_service(new).await {
        Err(StoreError::Taken(host)) => {
            return Err(taken().hint(format!("Or one is found under the same host name, {host}")));
        }
        record => record?,
    };
    let id = record.id;
    let _lease = app.service_leases.acquire(id).await;
    let service = Service { record, plugin: plugin.clone(), engine: engine.clone() };
    match container::run(app, &service, console).await {
        Ok(service) => {
            app.store.set_service_wanted(id, WantedState::Running).await?;
            app.store.note_service_event(id, creation.by, "created").await?;
            service.refreshed(app).await
        }
        Err(error) => {
            // What went wrong first is what counts.
            if let Err(left) = destroy::discard(app, &service).await {
                tracing::warn!(%service, error = %left, "a service that did not come to run is left");
                return Err(
                    error.hint(format!("It is left behind: {}:destroy {}", plugin.name, creation.name))
                );
            }
            Err(error)
        }
    }
}
