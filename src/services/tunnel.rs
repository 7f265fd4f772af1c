//! `ssh -L 5433:slipway-mysql-blogdb:3306`: connections through SSH to services that a key may connect to.

use tokio::net::TcpStream;

use crate::app::App;
use crate::command_error::CommandError;
use crate::forward;
use crate::model::role::{AppAccess, Caller, Role};
use crate::services::{Service, expose};

/// A connection to the service of that host name; nothing if there is none that the caller may connect to, as
/// `connect` has it.
pub async fn open(
    app: &App,
    caller: &Caller,
    host: &str,
    port: u16,
) -> Result<Option<TcpStream>, CommandError> {
    let record = app.store.services().await?.into_iter().find(|record| record.host == host);
    let Some(record) = record.filter(|_| caller.role >= Role::Deployer) else { return Ok(None) };
    let service = Service::of(app, record)?;
    let id = service.record.id;
    if caller.access != AppAccess::All {
        let links = app.store.links_to_service(id).await?;
        if !links.iter().any(|link| caller.access.includes(&link.app_name)) {
            return Ok(None);
        }
    }
    if !service.engine.service.ports.contains(&port) {
        return Ok(None);
    }
    let connected = forward::connect(&expose::locate(app, id, port)).await;
    connected.map(Some).map_err(|error| CommandError::internal(format!("{service} does not answer"), error))
}
