//! Host names of apps, and the global domains below which apps get their default names.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension};

use crate::model::app_name::AppName;
use crate::model::hostname::Hostname;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError, parse};

/// A change to an app's host names. Those that a plugin adds to its release stay.
#[derive(Clone, Debug)]
pub enum DomainsChange {
    /// Adds these.
    Add(Vec<Hostname>),
    /// Removes these.
    Remove(Vec<Hostname>),
    /// These and no others, `NAME.DOMAIN` only if it is among them.
    Set(Vec<Hostname>),
    /// `NAME.DOMAIN` and no others.
    Reset,
}

impl Store {
    /// The host names added to an app, or the global domains, in the order in which they were added.
    pub async fn domains(&self, app: Option<AppId>) -> Result<Vec<Hostname>, StoreError> {
        self.call(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT hostname FROM domains WHERE app IS ?1 ORDER BY id")?;
            let mut rows = statement.query([app.map(|app| app.0)])?;
            let mut domains = Vec::new();
            while let Some(row) = rows.next()? {
                domains.push(parse(&row.get::<_, String>(0)?)?);
            }
            Ok(domains)
        })
        .await
    }

    /// The host names that were added to apps, and to which.
    pub async fn domain_owners(&self) -> Result<HashMap<Hostname, AppName>, StoreError> {
        self.call(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT hostname, apps.name FROM domains JOIN apps ON apps.id = domains.app",
            )?;
            let mut rows = statement.query([])?;
            let mut owners = HashMap::new();
            while let Some(row) = rows.next()? {
                owners.insert(parse(&row.get::<_, String>(0)?)?, parse(&row.get::<_, String>(1)?)?);
            }
            Ok(owners)
        })
        .await
    }

    /// The name of the app that a host name was added to.
    pub async fn domain_owner(&self, hostname: &Hostname) -> Result<Option<AppName>, StoreError> {
        let hostname = hostname.clone();
        self.call(move |connection| {
            let name: Option<String> = connection
                .query_row(
                    "SELECT apps.name FROM domains JOIN apps ON apps.id = domains.app WHERE hostname = ?1",
                    [hostname.as_str()],
                    |row| row.get(0),
                )
                .optional()?;
            name.map(|name| parse(&name)).transpose()
        })
        .await
    }

    /// Changes an app's host names, or the global domains with `None`: all of it, or nothing.
    ///
    /// The caller has checked that no other app has them; if one has all the same, nothing changes.
    pub async fn change_domains(&self, app: Option<AppId>, change: DomainsChange) -> Result<(), StoreError> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            apply(&transaction, app.map(|app| app.0), change)?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }
}

fn apply(connection: &Connection, app: Option<i64>, change: DomainsChange) -> Result<(), StoreError> {
    let default = match &change {
        DomainsChange::Set(_) => Some(false),
        DomainsChange::Reset => Some(true),
        DomainsChange::Add(_) | DomainsChange::Remove(_) => None,
    };
    if let Some(default) = default {
        connection.execute("DELETE FROM domains WHERE app IS ?1 AND plugin IS NULL", [app])?;
        connection.execute("UPDATE apps SET default_domain = ?2 WHERE id IS ?1", (app, default))?;
    }
    match change {
        DomainsChange::Add(hostnames) | DomainsChange::Set(hostnames) => {
            for hostname in hostnames {
                // What a plugin has added to the same app is a person's from now on.
                let sql = "DELETE FROM domains WHERE app IS ?1 AND hostname = ?2 AND plugin IS NOT NULL";
                connection.execute(sql, (app, hostname.as_str()))?;
                let sql = "INSERT INTO domains (app, hostname) VALUES (?1, ?2)";
                connection
                    .execute(sql, (app, hostname.as_str()))
                    .map_err(crate::store::taken(hostname.as_str()))?;
            }
        }
        DomainsChange::Remove(hostnames) => {
            for hostname in hostnames {
                let sql = "DELETE FROM domains WHERE app IS ?1 AND hostname = ?2 AND plugin IS NULL";
                connection.execute(sql, (app, hostname.as_str()))?;
            }
        }
        DomainsChange::Reset => {}
    }
    Ok(())
}
