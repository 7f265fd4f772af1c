//! Ports of the host that lead to services.

use std::net::SocketAddr;

use ipnet::IpNet;

use crate::model::service::ServiceId;
use crate::store::{Store, StoreError, parse, parse_json, taken, to_json};

/// A port of the host that leads to a service's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// The service.
    pub service: ServiceId,
    /// Its port, inside its container.
    pub port: u16,
    /// Where connections are taken.
    pub listen: SocketAddr,
    /// From whom.
    pub allow: Vec<IpNet>,
}

impl Store {
    /// What is exposed of a service, or of all.
    pub async fn exposures(&self, service: Option<ServiceId>) -> Result<Vec<Exposure>, StoreError> {
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT service, port, listen, allow FROM service_exposures
                 WHERE ?1 IS NULL OR service = ?1 ORDER BY service, port",
            )?;
            let mut rows = statement.query([service.map(|id| id.0)])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                found.push(Exposure {
                    service: ServiceId(row.get(0)?),
                    port: row.get(1)?,
                    listen: parse(&row.get::<_, String>(2)?)?,
                    allow: parse_json(&row.get::<_, String>(3)?)?,
                });
            }
            Ok(found)
        })
        .await
    }

    /// Replaces what is exposed of a service. [`StoreError::Taken`] where another one has the address.
    pub async fn set_exposures(
        &self,
        service: ServiceId,
        exposures: Vec<Exposure>,
    ) -> Result<(), StoreError> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM service_exposures WHERE service = ?1", [service.0])?;
            for exposure in exposures {
                let listen = exposure.listen.to_string();
                transaction
                    .execute(
                        "INSERT INTO service_exposures (service, port, listen, allow) VALUES (?1, ?2, ?3, ?4)",
                        (service.0, exposure.port, &listen, to_json(&exposure.allow)?),
                    )
                    .map_err(taken(&listen))?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }
}
