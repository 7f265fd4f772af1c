//! Config vars, sealed. `None` as the app stands for the global ones.

use std::collections::BTreeSet;

use rusqlite::Connection;

use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};
use crate::store::apps::AppId;
use crate::store::secret::SecretKey;
use crate::store::{Store, StoreError, links, parse, service_links};

/// Config vars that an app.json gives to its app.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completion {
    /// Set if there is none of that name.
    pub defaults: ConfigVars,
    /// Set whatever was there.
    pub synced: ConfigVars,
}

impl Store {
    /// The config vars of one app (without the global ones), or the global ones.
    pub async fn config(&self, app: Option<AppId>) -> Result<ConfigVars, StoreError> {
        let key = self.key.clone();
        self.call(move |connection| read(connection, &key, app)).await
    }

    /// The config vars that the app's processes are given: the global ones, overridden by its own.
    pub async fn merged_config(&self, app: AppId) -> Result<ConfigVars, StoreError> {
        let key = self.key.clone();
        self.call(move |connection| {
            let mut merged = read(connection, &key, None)?;
            merged.extend(read(connection, &key, Some(app))?);
            Ok(merged)
        })
        .await
    }

    /// Those of an app's config vars that are its links to apps and services.
    pub async fn linked_config(&self, app: AppId) -> Result<ConfigVars, StoreError> {
        let key = self.key.clone();
        self.call(move |connection| {
            let linked = linked(connection, app)?;
            let own = read(connection, &key, Some(app))?;
            Ok(own.into_iter().filter(|(key, _)| linked.contains(key)).collect())
        })
        .await
    }

    /// Sets and unsets config vars at once: all of it, or nothing.
    pub async fn change_config(
        &self,
        app: Option<AppId>,
        set: ConfigVars,
        unset: Vec<ConfigKey>,
    ) -> Result<(), StoreError> {
        let secret = self.key.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            change(&transaction, &secret, app, (set, unset))?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }
}

/// Makes the config vars of a release the app's own again, within somebody's transaction. What is the same as the
/// global one stays global.
pub(super) fn restore(
    connection: &Connection,
    secret: &SecretKey,
    app: AppId,
    wanted: ConfigVars,
) -> Result<(), StoreError> {
    let (own, global) = (read(connection, secret, Some(app))?, read(connection, secret, None)?);
    // A link is as it is now, whatever it was then.
    let linked = linked(connection, app)?;
    let unset = own.into_keys().filter(|key| !wanted.contains_key(key) && !linked.contains(key)).collect();
    let set = wanted
        .into_iter()
        .filter(|(key, value)| global.get(key) != Some(value) && !linked.contains(key))
        .collect();
    change(connection, secret, Some(app), (set, unset))
}

/// The vars of an app that are its links.
pub(super) fn linked(connection: &Connection, app: AppId) -> Result<BTreeSet<ConfigKey>, StoreError> {
    let mut keys = links::keys(connection, app)?;
    keys.extend(service_links::keys(connection, app)?);
    Ok(keys)
}

/// Adds what an app.json gives, within somebody's transaction. What a person set meanwhile stays.
pub(super) fn complete(
    connection: &Connection,
    secret: &SecretKey,
    app: AppId,
    completion: Completion,
) -> Result<(), StoreError> {
    let mut set = completion.synced;
    let own = read(connection, secret, Some(app))?;
    set.extend(completion.defaults.into_iter().filter(|(key, _)| !own.contains_key(key)));
    change(connection, secret, Some(app), (set, Vec::new()))
}

/// Sets and unsets vars within somebody's transaction.
pub(super) fn change(
    connection: &Connection,
    secret: &SecretKey,
    app: Option<AppId>,
    (set, unset): (ConfigVars, Vec<ConfigKey>),
) -> Result<(), StoreError> {
    for key in unset {
        connection.execute("DELETE FROM config WHERE app IS ?1 AND key = ?2", (row(app), key.as_str()))?;
    }
    for (key, value) in set {
        let sealed = secret.seal(&place(app, key.as_str()), value.expose().as_bytes())?;
        connection.execute(
            "INSERT INTO config (app, key, value) VALUES (?1, ?2, ?3)
             ON CONFLICT (COALESCE(app, 0), key) DO UPDATE SET value = excluded.value",
            (row(app), key.as_str(), sealed),
        )?;
    }
    Ok(())
}

pub(super) fn read(
    connection: &Connection,
    secret: &SecretKey,
    app: Option<AppId>,
) -> Result<ConfigVars, StoreError> {
    let mut statement = connection.prepare_cached("SELECT key, value FROM config WHERE app IS ?1")?;
    let mut rows = statement.query([row(app)])?;
    let mut config = ConfigVars::new();
    while let Some(found) = rows.next()? {
        let key: String = found.get(0)?;
        let sealed: Vec<u8> = found.get(1)?;
        let bytes = secret.open(&place(app, &key), &sealed)?;
        let value = ConfigValue::from_bytes(bytes).map_err(|error| StoreError::Damaged(error.to_string()))?;
        config.insert(parse(&key)?, value);
    }
    Ok(config)
}

fn row(app: Option<AppId>) -> Option<i64> {
    app.map(|app| app.0)
}

fn place(app: Option<AppId>, key: &str) -> String {
    format!("config:{}:{key}", row(app).unwrap_or(0))
}
