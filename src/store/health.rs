//! What the database says of itself, and of the clock by which it was written.

use std::collections::BTreeMap;

use crate::model::app_name::AppName;
use crate::store::{Store, StoreError, parse};

impl Store {
    /// Looks for damage (`PRAGMA quick_check`); nothing if there is none.
    pub async fn check(&self) -> Result<Vec<String>, StoreError> {
        self.call(|connection| {
            let mut statement = connection.prepare("PRAGMA quick_check(10)")?;
            let lines = statement.query_map([], |row| row.get(0))?;
            let mut faults = lines.collect::<Result<Vec<String>, _>>()?;
            faults.retain(|line| line != "ok");
            Ok(faults)
        })
        .await
    }

    /// The newest time in any record, in seconds since the Unix epoch.
    pub async fn newest_record(&self) -> Result<i64, StoreError> {
        self.call(|connection| {
            let sql = "SELECT MAX(COALESCE((SELECT MAX(created_at) FROM releases), 0),
                           COALESCE((SELECT MAX(started_at) FROM builds), 0),
                           COALESCE((SELECT MAX(created_at) FROM apps), 0))";
            Ok(connection.query_row(sql, [], |row| row.get(0))?)
        })
        .await
    }

    /// The host ports that apps are mapped to by hand, each with one of its apps.
    pub async fn mapped_ports(&self) -> Result<BTreeMap<u16, AppName>, StoreError> {
        self.call(|connection| {
            let sql = "SELECT host_port, apps.name FROM ports JOIN apps ON apps.id = ports.app
                       WHERE apps.stopped = 0 AND apps.current_release IS NOT NULL";
            let mut statement = connection.prepare(sql)?;
            let mut rows = statement.query([])?;
            let mut ports = BTreeMap::new();
            while let Some(row) = rows.next()? {
                ports.insert(row.get(0)?, parse(&row.get::<_, String>(1)?)?);
            }
            Ok(ports)
        })
        .await
    }
}
