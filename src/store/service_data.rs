//! Which data directory a service has, with the image that reads it, and which it had before an upgrade.

use rusqlite::OptionalExtension;

use crate::clock;
use crate::model::service::ServiceId;
use crate::store::services::ServiceImage;
use crate::store::{Store, StoreError};

/// The data that a service had before an upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerData {
    /// Its directory.
    pub data: String,
    /// What reads it.
    pub image: ServiceImage,
    /// When it was replaced, in seconds since the Unix epoch.
    pub since: i64,
}

impl Store {
    /// Gives a service another data directory and image; what it had is kept on request.
    pub async fn replace_service_data(
        &self,
        id: ServiceId,
        data: String,
        image: ServiceImage,
        keep: bool,
    ) -> Result<(), StoreError> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            if keep {
                transaction.execute(
                    "INSERT OR REPLACE INTO service_former_data
                     SELECT id, data, image, version, reference, built, ?2 FROM services WHERE id = ?1",
                    (id.0, clock::unix_seconds()),
                )?;
            }
            transaction
                .execute(UPDATE, (id.0, data, image.name, image.version, image.reference, image.built))?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Gives a service back what it had.
    pub async fn return_service_data(
        &self,
        id: ServiceId,
        data: String,
        image: ServiceImage,
    ) -> Result<(), StoreError> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            transaction
                .execute("DELETE FROM service_former_data WHERE service = ?1 AND data = ?2", (id.0, &data))?;
            transaction
                .execute(UPDATE, (id.0, data, image.name, image.version, image.reference, image.built))?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// What a service had before its last upgrade, unless that was confirmed.
    pub async fn former_service_data(&self, id: ServiceId) -> Result<Option<FormerData>, StoreError> {
        self.call(move |connection| {
            let query = "SELECT data, image, version, reference, built, since FROM service_former_data
                         WHERE service = ?1";
            let found = connection.query_row(query, [id.0], |row| {
                Ok(FormerData {
                    data: row.get(0)?,
                    image: ServiceImage {
                        name: row.get(1)?,
                        version: row.get(2)?,
                        reference: row.get(3)?,
                        built: row.get(4)?,
                    },
                    since: row.get(5)?,
                })
            });
            Ok(found.optional()?)
        })
        .await
    }

    /// Forgets what a service had before its last upgrade.
    pub async fn forget_former_service_data(&self, id: ServiceId) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute("DELETE FROM service_former_data WHERE service = ?1", [id.0])?;
            Ok(())
        })
        .await
    }
}

const UPDATE: &str =
    "UPDATE services SET data = ?2, image = ?3, version = ?4, reference = ?5, built = ?6 WHERE id = ?1";
