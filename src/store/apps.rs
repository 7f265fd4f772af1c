//! Apps: their names and what is said of them as a whole.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row};

use crate::clock;
use crate::model::app_name::AppName;
use crate::store::{Store, StoreError, keys, parse, service_links, taken};

/// The number of an app's row, which outlives a renaming.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppId(pub i64);

/// An app as it is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRecord {
    /// Its row.
    pub id: AppId,
    /// Its name.
    pub name: AppName,
    /// When it was made, in seconds since the Unix epoch.
    pub created_at: i64,
    /// Whether deploys are refused (`apps:lock`).
    pub locked: bool,
    /// Whether it was stopped by a person (`ps:stop`).
    pub stopped: bool,
    /// Whether it is reached by host names (`domains:enable`).
    pub vhosts_enabled: bool,
    /// Whether `NAME.DOMAIN` is among its host names.
    pub default_domain: bool,
    /// The row of the release that runs, or ran when it was stopped.
    pub current_release: Option<i64>,
}

const COLUMNS: &str =
    "id, name, created_at, locked, stopped, vhosts_enabled, default_domain, current_release";

impl Store {
    /// Records a new app. [`StoreError::Taken`] if there is one of that name.
    pub async fn create_app(&self, name: &AppName) -> Result<AppRecord, StoreError> {
        let name = name.clone();
        self.call(move |connection| {
            connection
                .execute(
                    "INSERT INTO apps (name, created_at) VALUES (?1, ?2)",
                    (name.as_str(), clock::unix_seconds()),
                )
                .map_err(taken(name.as_str()))?;
            find(connection, &name)?.ok_or_else(|| StoreError::Damaged(name.to_string()))
        })
        .await
    }

    /// The app of that name.
    pub async fn app(&self, name: &AppName) -> Result<Option<AppRecord>, StoreError> {
        let name = name.clone();
        self.call(move |connection| find(connection, &name)).await
    }

    /// The app with that row.
    pub async fn app_by_id(&self, id: AppId) -> Result<Option<AppRecord>, StoreError> {
        self.call(move |connection| {
            connection
                .query_row(&format!("SELECT {COLUMNS} FROM apps WHERE id = ?1"), [id.0], record)
                .optional()?
                .transpose()
        })
        .await
    }

    /// The rows of the apps of these names.
    pub async fn app_numbers(&self, names: Vec<String>) -> Result<HashMap<String, AppId>, StoreError> {
        self.call(|connection| {
            let mut statement = connection.prepare_cached("SELECT id FROM apps WHERE name = ?1")?;
            let mut numbers = HashMap::new();
            for name in names {
                if let Some(id) = statement.query_row([&name], |row| row.get(0)).optional()? {
                    numbers.insert(name, AppId(id));
                }
            }
            Ok(numbers)
        })
        .await
    }

    /// All apps by name.
    pub async fn apps(&self) -> Result<Vec<AppRecord>, StoreError> {
        self.call(|connection| all(connection)).await
    }

    /// Gives the app another name. Keys that open it open it under the new name too, and no longer under the old
    /// one, which the next app of that name would be under.
    pub async fn rename_app(&self, id: AppId, name: &AppName) -> Result<(), StoreError> {
        let name = name.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let old: String =
                transaction.query_row("SELECT name FROM apps WHERE id = ?1", [id.0], |row| row.get(0))?;
            transaction
                .execute("UPDATE apps SET name = ?2 WHERE id = ?1", (id.0, name.as_str()))
                .map_err(taken(name.as_str()))?;
            keys::rename_app(&transaction, &parse(&old)?, &name)?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Forgets the app and all that belongs to it.
    pub async fn delete_app(&self, id: AppId) -> Result<(), StoreError> {
        let key = self.key.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            service_links::depart_all(&transaction, &key, id)?;
            transaction.execute("UPDATE apps SET current_release = NULL WHERE id = ?1", [id.0])?;
            transaction.execute("DELETE FROM instances WHERE app = ?1", [id.0])?;
            transaction.execute("DELETE FROM apps WHERE id = ?1", [id.0])?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Refuses deploys of the app, or allows them again.
    pub async fn set_locked(&self, id: AppId, locked: bool) -> Result<(), StoreError> {
        self.set_flag("locked", id, locked).await
    }

    /// Records whether the app is reached by host names.
    pub async fn set_vhosts_enabled(&self, id: AppId, enabled: bool) -> Result<(), StoreError> {
        self.set_flag("vhosts_enabled", id, enabled).await
    }

    async fn set_flag(&self, column: &'static str, id: AppId, value: bool) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute(&format!("UPDATE apps SET {column} = ?2 WHERE id = ?1"), (id.0, value))?;
            Ok(())
        })
        .await
    }
}

/// All apps by name, within somebody's visit.
pub(super) fn all(connection: &Connection) -> Result<Vec<AppRecord>, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM apps ORDER BY name"))?;
    let rows = statement.query_map([], record)?;
    rows.map(|row| row?).collect()
}

fn find(connection: &Connection, name: &AppName) -> Result<Option<AppRecord>, StoreError> {
    connection
        .query_row(&format!("SELECT {COLUMNS} FROM apps WHERE name = ?1"), [name.as_str()], record)
        .optional()?
        .transpose()
}

type Parsed<T> = rusqlite::Result<Result<T, StoreError>>;

fn record(row: &Row<'_>) -> Parsed<AppRecord> {
    let name: String = row.get(1)?;
    let (id, created_at, current_release) = (AppId(row.get(0)?), row.get(2)?, row.get(7)?);
    let (locked, stopped) = (row.get(3)?, row.get(4)?);
    let (vhosts_enabled, default_domain) = (row.get(5)?, row.get(6)?);
    Ok(parse(&name).map(|name| AppRecord {
        id,
        name,
        created_at,
        locked,
        stopped,
        vhosts_enabled,
        default_domain,
        current_release,
    }))
}
