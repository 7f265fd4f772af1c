//! Port mappings that a person has set; without any, they are detected from the image.

use rusqlite::Connection;

use crate::model::port_mapping::PortMapping;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError, parse};

impl Store {
    /// The app's own port mappings, sorted.
    pub async fn ports(&self, app: AppId) -> Result<Vec<PortMapping>, StoreError> {
        self.call(move |connection| read(connection, app)).await
    }

    /// Changes the app's own port mappings, with nobody else's change in between, and gives those before and after;
    /// none means that they are detected again. An error changes nothing.
    pub async fn change_ports<E: Send + 'static>(
        &self,
        app: AppId,
        change: impl FnOnce(Vec<PortMapping>) -> Result<Vec<PortMapping>, E> + Send + 'static,
    ) -> Result<Result<(Vec<PortMapping>, Vec<PortMapping>), E>, StoreError> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let before = read(&transaction, app)?;
            let after = match change(before.clone()) {
                Ok(after) => after,
                Err(error) => return Ok(Err(error)),
            };
            transaction.execute("DELETE FROM ports WHERE app = ?1", [app.0])?;
            for port in &after {
                transaction.execute(
                    "INSERT INTO ports (app, scheme, host_port, container_port) VALUES (?1, ?2, ?3, ?4)",
                    (app.0, port.scheme.to_string(), port.host_port, port.container_port),
                )?;
            }
            transaction.commit()?;
            Ok(Ok((before, after)))
        })
        .await
    }
}

fn read(connection: &Connection, app: AppId) -> Result<Vec<PortMapping>, StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT scheme, host_port, container_port FROM ports WHERE app = ?1")?;
    let mut rows = statement.query([app.0])?;
    let mut ports = Vec::new();
    while let Some(row) = rows.next()? {
        let scheme = parse(&row.get::<_, String>(0)?)?;
        ports.push(PortMapping { scheme, host_port: row.get(1)?, container_port: row.get(2)? });
    }
    ports.sort_unstable();
    Ok(ports)
}
