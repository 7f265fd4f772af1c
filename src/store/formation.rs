//! The formation: how many instances of each process type are wanted.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::model::process_type::ProcessType;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError, parse};

/// Wanted quantities by process type, as a person has set them.
pub type Formation = BTreeMap<ProcessType, u32>;

impl Store {
    /// What was set for the app; a process type without an entry has its default.
    pub async fn formation(&self, app: AppId) -> Result<Formation, StoreError> {
        self.call(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT process_type, quantity FROM formation WHERE app = ?1")?;
            let mut rows = statement.query([app.0])?;
            let mut formation = Formation::new();
            while let Some(row) = rows.next()? {
                formation.insert(parse(&row.get::<_, String>(0)?)?, row.get(1)?);
            }
            Ok(formation)
        })
        .await
    }

    /// Sets the quantities of some process types and leaves the others.
    pub async fn set_formation(&self, app: AppId, changes: Formation) -> Result<(), StoreError> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            set(&transaction, app, &changes)?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }
}

/// Forgets the quantities of process types that a release does not have, within somebody's transaction.
pub(super) fn forget_others(connection: &Connection, app: AppId, release: i64) -> Result<(), StoreError> {
    connection.execute(
        "DELETE FROM formation WHERE app = ?1 AND process_type NOT IN
         (SELECT key FROM json_each((SELECT processes FROM releases WHERE id = ?2)))",
        (app.0, release),
    )?;
    Ok(())
}

/// Sets quantities within somebody's transaction.
pub(super) fn set(connection: &Connection, app: AppId, changes: &Formation) -> Result<(), StoreError> {
    for (process_type, quantity) in changes {
        connection.execute(
            "INSERT INTO formation (app, process_type, quantity) VALUES (?1, ?2, ?3)
             ON CONFLICT (app, process_type) DO UPDATE SET quantity = excluded.quantity",
            (app.0, process_type.as_str(), quantity),
        )?;
    }
    Ok(())
}
