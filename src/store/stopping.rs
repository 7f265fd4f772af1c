//! Old instances that were told to end, and until when they may take.

use std::collections::HashSet;
use std::time::Duration;

use rusqlite::{OptionalExtension, Row};

use crate::clock;
use crate::model::container_id::ContainerId;
use crate::model::process_type::InstanceName;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError, parse};

/// A container that has had its SIGTERM. Times are seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stopping {
    /// The container.
    pub container: ContainerId,
    /// The app that it was an instance of.
    pub app: AppId,
    /// Which one it was.
    pub instance: InstanceName,
    /// When it was told.
    pub since: i64,
    /// When it is killed.
    pub until: i64,
}

impl Stopping {
    /// What it has left of its time.
    pub fn left(&self) -> Duration {
        Duration::from_secs(u64::try_from(self.until - clock::unix_seconds()).unwrap_or(0))
    }
}

impl Store {
    /// Records that a container was told to end just now and has so long.
    pub async fn begin_stopping(
        &self,
        container: &ContainerId,
        (app, instance): (AppId, InstanceName),
        time: Duration,
    ) -> Result<(), StoreError> {
        let container = container.to_string();
        let since = clock::unix_seconds();
        let until = since.saturating_add(i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
        self.call(move |connection| {
            // An app that was destroyed meanwhile has no record, and its containers go at once.
            connection.execute(
                "INSERT OR REPLACE INTO stopping (container, app, instance, since, until)
                 SELECT ?1, id, ?3, ?4, ?5 FROM apps WHERE id = ?2",
                (container, app.0, instance.to_string(), since, until),
            )?;
            Ok(())
        })
        .await
    }

    /// What is recorded of one container.
    pub async fn stopping_of(&self, container: &ContainerId) -> Result<Option<Stopping>, StoreError> {
        let container = container.to_string();
        self.call(move |connection| {
            let sql = format!("{SELECT} WHERE container = ?1");
            connection.query_row(&sql, [container], |row| Ok(stopping(row))).optional()?.transpose()
        })
        .await
    }

    /// An app's old instances that have not ended yet, in the order in which they were told.
    pub async fn stopping(&self, app: AppId) -> Result<Vec<Stopping>, StoreError> {
        self.call(move |connection| {
            let sql = format!("{SELECT} WHERE app = ?1 ORDER BY since, instance");
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([app.0], |row| Ok(stopping(row)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    /// Forgets a container that is gone.
    pub async fn end_stopping(&self, container: &ContainerId) -> Result<(), StoreError> {
        let container = container.to_string();
        self.call(move |connection| {
            connection.execute("DELETE FROM stopping WHERE container = ?1", [container])?;
            Ok(())
        })
        .await
    }

    /// Forgets all containers but these, which are all that there are.
    pub async fn forget_stopping_but(&self, there: HashSet<ContainerId>) -> Result<(), StoreError> {
        self.call(move |connection| {
            let mut statement = connection.prepare_cached("SELECT container FROM stopping")?;
            let known = statement.query_map([], |row| row.get::<_, String>(0))?;
            for container in known.collect::<Result<Vec<_>, _>>()? {
                if !there.contains(&ContainerId::new(container.clone())) {
                    connection.execute("DELETE FROM stopping WHERE container = ?1", [container])?;
                }
            }
            Ok(())
        })
        .await
    }
}

const SELECT: &str = "SELECT container, app, instance, since, until FROM stopping";

fn stopping(row: &Row<'_>) -> Result<Stopping, StoreError> {
    Ok(Stopping {
        container: ContainerId::new(row.get(0)?),
        app: AppId(row.get(1)?),
        instance: parse(&row.get::<_, String>(2)?)?,
        since: row.get(3)?,
        until: row.get(4)?,
    })
}
