//! The settings of an app, given to another one as well.
//!
//! What can only be one app's is left out: host names, certificates, links, releases; so is what is no setting but a
//! memory of something that happened.

use rusqlite::Connection;

use crate::store::apps::AppId;
use crate::store::{Store, StoreError, config, plugins};

/// Tables whose rows are copied: their columns, and which rows.
const TABLES: [(&str, &str, &str); 6] = [
    ("formation", "process_type, quantity", "TRUE"),
    ("resources", "process_type, bound, resource, amount", "TRUE"),
    ("docker_options", "phase, process_type, flag, value", "TRUE"),
    ("ports", "scheme, host_port, container_port", "TRUE"),
    (
        "mounts",
        "storage, place, root, target, read_only, exclusive, process_type, in_deploy, in_run",
        // Storage for one instance at a time cannot be two apps'.
        "NOT exclusive",
    ),
    (
        "properties",
        "name, value",
        // Not what leads to a host of the other app, what is of its certificates, what its first deploy still owes.
        "name NOT IN ('router-canonical-host', 'first-deploy-owed') AND name NOT LIKE 'acme-%'",
    ),
];

impl Store {
    /// Gives the settings of one app to another one, which is new: all of them, or none.
    pub async fn copy_settings(&self, from: AppId, to: AppId) -> Result<(), StoreError> {
        let key = self.key.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            copy_tables(&transaction, from, to)?;
            // Sealed values are bound to their place.
            let linked = config::linked(&transaction, from)?;
            let mut own = config::read(&transaction, &key, Some(from))?;
            own.retain(|key, _| !linked.contains(key));
            config::change(&transaction, &key, Some(to), (own, Vec::new()))?;
            plugins::copy_settings(&transaction, &key, from, to)?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }
}

fn copy_tables(connection: &Connection, from: AppId, to: AppId) -> Result<(), StoreError> {
    for (table, columns, which) in TABLES {
        let sql = format!(
            "INSERT INTO {table} (app, {columns}) SELECT ?2, {columns} FROM {table} WHERE app = ?1 AND {which}"
        );
        connection.execute(&sql, (from.0, to.0))?;
    }
    let flag =
        "UPDATE apps SET vhosts_enabled = (SELECT vhosts_enabled FROM apps WHERE id = ?1) WHERE id = ?2";
    connection.execute(flag, (from.0, to.0))?;
    Ok(())
}
