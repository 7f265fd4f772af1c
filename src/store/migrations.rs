//! The schema, as the list of steps that lead to it. A step that was released is never edited.

use rusqlite::Connection;

use crate::store::StoreError;

/// Step n leads from `PRAGMA user_version` n to n + 1.
const STEPS: &[&str] = &[
    include_str!("schema_1.sql"),
    // What a release's app.json asks for.
    "ALTER TABLE releases ADD COLUMN app_json TEXT NOT NULL DEFAULT '{}'",
    // One-off processes and scheduled tasks.
    include_str!("schema_tasks.sql"),
];

/// Brings the database to this binary's version, each step in a transaction.
pub fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer { found, known });
    }
    for (version, step) in (1..).zip(STEPS).skip(usize::try_from(found).unwrap_or(0)) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}
