//! Properties: what `NAMESPACE:set` sets, per app or globally.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension};

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

    /// All properties of an app's requests, or those that hold for all apps with `None`, by their stored names.
    pub async fn request_properties(
        &self,
        app: Option<AppId>,
    ) -> Result<BTreeMap<String, String>, StoreError> {
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT name, value FROM properties WHERE app IS ?1 AND name LIKE 'router-%'",
            )?;
            let rows = statement.query_map([app.map(|app| app.0)], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Changes an app's property in one step, so that nobody else changes it meanwhile; an error of the change
    /// leaves it as it is. The change gives the value that is to be and what else it has to say.
    pub async fn change_property<T, E>(
        &self,
        app: AppId,
        name: &'static str,
        change: impl FnOnce(Option<String>) -> Result<(Option<String>, T), E> + Send + 'static,
    ) -> Result<Result<T, E>, StoreError>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        self.call(move |connection| {
            let value = connection
                .query_row(
                    "SELECT value FROM properties WHERE app = ?1 AND name = ?2",
                    (app.0, name),
                    |row| row.get(0),
                )
                .optional()?;
            let (value, result) = match change(value) {
                Ok(changed) => changed,
                Err(error) => return Ok(Err(error)),
            };
            write(connection, Some(app.0), name, value)?;
            Ok(Ok(result))
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
        self.call(move |connection| write(connection, app.map(|app| app.0), &name, value)).await
    }
}

fn write(
    connection: &Connection,
    app: Option<i64>,
    name: &str,
    value: Option<String>,
) -> Result<(), StoreError> {
    match value {
        Some(value) => connection.execute(
            "INSERT INTO properties (app, name, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (COALESCE(app, 0), name) DO UPDATE SET value = excluded.value",
            (app, name, value),
        )?,
        None => connection.execute("DELETE FROM properties WHERE app IS ?1 AND name = ?2", (app, name))?,
    };
    Ok(())
}
