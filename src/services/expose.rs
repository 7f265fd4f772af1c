//! Ports of the host that lead to services: by the record, so they are there again after a restart of the server.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use crate::app::App;
use crate::command_error::CommandError;
use crate::docker::Engine;
use crate::forward::{Locate, Place, Wanted};
use crate::model::service::ServiceId;
use crate::store::Store;
use crate::store::exposures::Exposure;

/// Opens the ports that are recorded, and closes the others.
pub async fn settle(app: &App) -> Result<(), CommandError> {
    for (listen, error) in apply(app).await? {
        tracing::warn!(%listen, %error, "a port for a service cannot be opened; trying again");
    }
    Ok(())
}

/// The same; gives what could not be opened.
pub async fn apply(app: &App) -> Result<Vec<(SocketAddr, io::Error)>, CommandError> {
    // A server that makes room for another one opens nothing.
    if app.shutdown.is_cancelled() {
        return Ok(Vec::new());
    }
    let exposures = app.store.exposures(None).await?;
    let wanted = |exposure: Exposure| Wanted {
        listen: exposure.listen,
        allow: exposure.allow,
        locate: locate(app, exposure.service, exposure.port),
    };
    Ok(app.forwards.settle(exposures.into_iter().map(wanted).collect()).await)
}

/// Asks where a service's port is, for each connection anew: addresses change with containers.
pub fn locate(app: &App, service: ServiceId, port: u16) -> Locate {
    let (store, engine) = (app.store.clone(), app.engine.clone());
    Arc::new(move || -> Place {
        let (store, engine) = (store.clone(), engine.clone());
        Box::pin(async move {
            let found = address(&store, &engine, service).await;
            let found =
                found.inspect_err(|error| tracing::warn!(%error, "a service's address cannot be had"));
            Some(SocketAddr::new(found.ok()??, port))
        })
    })
}

/// Where a service's container is now, if it runs.
pub async fn address(
    store: &Store,
    engine: &Engine,
    service: ServiceId,
) -> Result<Option<IpAddr>, CommandError> {
    let Some(record) = store.service_by_id(service).await? else { return Ok(None) };
    let Some(container) = record.container else { return Ok(None) };
    let facts = engine.service_container(&container).await?;
    let running = facts.filter(|facts| facts.running);
    Ok(running.and_then(|facts| facts.networks.get(&record.network).copied().flatten()).map(IpAddr::V4))
}

/// As Dokku shows them: `3306->4242`, with the address of the host where it is not all of them.
pub fn shown(exposures: &[Exposure]) -> String {
    let one = |exposure: &Exposure| format!("{}->{}", exposure.port, exposure.listen);
    exposures.iter().map(one).collect::<Vec<_>>().join(" ")
}
