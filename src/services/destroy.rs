//! The end of a service. Its files are moved away first and removed last: a kill in between loses nothing unseen.

use crate::app::App;
use crate::command_error::CommandError;
use crate::model::service::{ServiceId, WantedState};
use crate::services::{Service, container, directories};

/// Refuses while an app is linked.
pub async fn check(app: &App, service: &Service) -> Result<(), CommandError> {
    let links = app.store.links_to_service(service.record.id).await?;
    if links.is_empty() {
        return Ok(());
    }
    let record = &service.record;
    let names: Vec<&str> = links.iter().map(|link| link.app_name.as_str()).collect();
    let error = CommandError::user(format!(
        "Cannot delete linked service: {service} is linked to {}",
        names.join(", ")
    ));
    Err(names.iter().fold(error, |error, name| {
        error.hint(format!("Unlink it first: {}:unlink {} {name}", record.engine, record.name))
    }))
}

/// Destroys a service with its data, which nobody is linked to. Its lease is held.
pub async fn discard(app: &App, service: &Service) -> Result<(), CommandError> {
    let id = service.record.id;
    app.store.set_service_wanted(id, WantedState::Stopped).await?;
    let service = service.refreshed(app).await?;
    container::remove(app, &service).await?;
    directories::set_aside(app, &service).await?;
    app.store.delete_service(id).await?;
    if let Err(error) = app.engine.remove_link_network(&service.record.network).await {
        tracing::debug!(%service, %error, "the network of a destroyed service is left to the reconciler");
    }
    sweep(app).await
}

/// Removes what is left of services that are recorded no more.
pub async fn sweep(app: &App) -> Result<(), CommandError> {
    let recorded: Vec<ServiceId> = app.store.services().await?.into_iter().map(|record| record.id).collect();
    directories::discard(app, recorded).await.map_err(|error| {
        CommandError::internal("The files of a destroyed service are not removed yet", error)
            .hint("They are below services/.removed in the server's root, and the server tries again")
    })
}
