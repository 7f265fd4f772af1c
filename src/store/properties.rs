//! Properties: what `NAMESPACE:set` sets, per app or globally.

use rusqlite::OptionalExtension;

use crate::store::apps::AppId;
use crate::store::{Store, StoreError};

impl Store {
    /// A property as it was set for the app, or globally with `None`.
    pub async fn property(
        &self,
        app: Option<AppId>,
        name: impl Into<String>,
    ) -> Result<Option<String>, StoreError> {
        let name = name.into();
        self.call(move |connection| {
            let value = connection
                .query_row(
                    "SELECT value FROM properties WHERE app IS ?1 AND name = ?2",
                    (app.map(|app| app.0), name),
                    |row| row.get(0),
                )
                .optional()?;
            Ok(value)
        })
        .await
    }

    /// A property as it holds for the app: its own, else the global one.
    pub async fn computed_property(
        &self,
        app: AppId,
        name: impl Into<String>,
    ) -> Result<Option<String>, StoreError> {
        let name = name.into();
        match self.property(Some(app), name.as_str()).await? {
            Some(value) => Ok(Some(value)),
            None => self.property(None, name).await,
        }
    }

    /// A property as it was set for each app, and globally (`None`).
    pub async fn property_values(
        &self,
        name: &'static str,
    ) -> Result<Vec<(Option<AppId>, String)>, StoreError> {
        self.call(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT app, value FROM properties WHERE name = ?1")?;
            let rows = statement
                .query_map([name], |row| Ok((row.get::<_, Option<i64>>(0)?.map(AppId), row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Sets a property, or unsets it with `None`.
    pub async fn set_property(
        &self,
        app: Option<AppId>,
        name: impl Into<String>,
        value: Option<String>,
    ) -> Result<(), StoreError> {
        let name = name.into();
        self.call(move |connection| {
            let app = app.map(|app| app.0);
            match value {
                Some(value) => connection.execute(
                    "INSERT INTO properties (app, name, value) VALUES (?1, ?2, ?3)
                     ON CONFLICT (COALESCE(app, 0), name) DO UPDATE SET value = excluded.value",
                    (app, name, value),
                )?,
                None => {
                    connection.execute("DELETE FROM properties WHERE app IS ?1 AND name = ?2", (app, name))?
                }
            };
            Ok(())
        })
        .await
    }
}
