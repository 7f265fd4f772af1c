//! Public keys and what they open.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::model::app_name::AppName;
use crate::model::key::Key;
use crate::model::role::AppAccess;
use crate::store::{Store, StoreError, parse, parse_json, taken, to_json};

const COLUMNS: &str = "name, fingerprint, public_key, role, access";

impl Store {
    /// All keys by name.
    pub async fn keys(&self) -> Result<Vec<Key>, StoreError> {
        self.call(|connection| {
            let mut statement = connection.prepare(&format!("SELECT {COLUMNS} FROM keys ORDER BY name"))?;
            let rows = statement.query_map([], texts)?;
            rows.map(|row| key(row?)).collect()
        })
        .await
    }

    /// The key with that fingerprint (`SHA256:…`).
    pub async fn key_by_fingerprint(&self, fingerprint: &str) -> Result<Option<Key>, StoreError> {
        let fingerprint = fingerprint.to_owned();
        self.call(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM keys WHERE fingerprint = ?1");
            connection.query_row(&sql, [fingerprint], texts).optional()?.map(key).transpose()
        })
        .await
    }

    /// Adds a key. [`StoreError::Taken`] if its name or the key itself is there already.
    pub async fn add_key(&self, key: Key) -> Result<(), StoreError> {
        self.call(move |connection| {
            let access = to_json(&key.access)?;
            connection
                .execute(
                    "INSERT INTO keys (name, fingerprint, public_key, role, access) VALUES (?1, ?2, ?3, ?4, ?5)",
                    (&key.name, &key.fingerprint, &key.public_key, key.role.to_string(), access),
                )
                .map_err(taken(&key.name))?;
            Ok(())
        })
        .await
    }

    /// Removes the key with that name or fingerprint, and says whether there was one.
    pub async fn remove_key(&self, name_or_fingerprint: &str) -> Result<bool, StoreError> {
        let wanted = name_or_fingerprint.to_owned();
        self.call(move |connection| {
            let removed =
                connection.execute("DELETE FROM keys WHERE name = ?1 OR fingerprint = ?1", [wanted])?;
            Ok(removed > 0)
        })
        .await
    }
}

/// Lets the keys that are limited to an app follow it to its new name.
pub(super) fn rename_app(connection: &Connection, old: &AppName, new: &AppName) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT name, access FROM keys")?;
    let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    for row in rows.collect::<Result<Vec<_>, _>>()? {
        let (key, access) = row;
        if let AppAccess::Only(mut apps) = parse_json(&access)?
            && apps.contains(old)
        {
            apps.retain(|app| app != old && app != new);
            apps.push(new.clone());
            let access = to_json(&AppAccess::Only(apps))?;
            connection.execute("UPDATE keys SET access = ?2 WHERE name = ?1", (key, access))?;
        }
    }
    Ok(())
}

fn texts(row: &Row<'_>) -> rusqlite::Result<[String; 5]> {
    Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?])
}

fn key([name, fingerprint, public_key, role, access]: [String; 5]) -> Result<Key, StoreError> {
    Ok(Key { name, fingerprint, public_key, role: parse(&role)?, access: parse_json(&access)? })
}
