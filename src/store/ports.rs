//! Port mappings that a person has set; without any, they are detected from the image.

use crate::model::port_mapping::PortMapping;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError, parse};

impl Store {
    /// The app's own port mappings, sorted.
    pub async fn ports(&self, app: AppId) -> Result<Vec<PortMapping>, StoreError> {
        self.call(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT scheme, host_port, container_port FROM ports WHERE app = ?1")?;
            let mut rows = statement.query([app.0])?;
            let mut ports = Vec::new();
            while let Some(row) = rows.next()? {
                let scheme = parse(&row.get::<_, String>(0)?)?;
                ports.push(PortMapping { scheme, host_port: row.get(1)?, container_port: row.get(2)? });
            }
            ports.sort_unstable();
            Ok(ports)
        })
        .await
    }

    /// Replaces the app's own port mappings; none means that they are detected again.
    pub async fn set_ports(&self, app: AppId, ports: Vec<PortMapping>) -> Result<(), StoreError> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM ports WHERE app = ?1", [app.0])?;
            for port in ports {
                transaction.execute(
                    "INSERT INTO ports (app, scheme, host_port, container_port) VALUES (?1, ?2, ?3, ?4)",
                    (app.0, port.scheme.to_string(), port.host_port, port.container_port),
                )?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }
}
