//! One-off containers: which belong to which app, and until when they may run.

use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::model::container_id::ContainerId;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError};

/// A one-off container as it is recorded. The values of its own variables are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OneOffRecord {
    /// The engine's id of the container.
    pub container: ContainerId,
    /// The app.
    pub app: AppId,
    /// Its name, for example `blog.run.1234`.
    pub name: String,
    /// Whether it runs without a client.
    pub detached: bool,
    /// The person's words, quoted as for a shell.
    pub command: String,
    /// Who asked for it.
    pub started_by: String,
    /// When it was made, in seconds since the Unix epoch.
    pub created_at: i64,
    /// After how many seconds it is ended.
    pub ttl_seconds: u64,
    /// Whether it was.
    pub timed_out: bool,
}

impl OneOffRecord {
    /// When it is ended, in seconds since the Unix epoch.
    pub fn deadline(&self) -> i64 {
        self.created_at.saturating_add(i64::try_from(self.ttl_seconds).unwrap_or(i64::MAX))
    }
}

impl Store {
    /// Records a container.
    pub async fn add_one_off(&self, record: OneOffRecord) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute(
                "INSERT INTO one_offs
                 (container, app, name, detached, command, started_by, created_at, ttl_seconds)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                (
                    record.container.as_str(),
                    record.app.0,
                    &record.name,
                    record.detached,
                    &record.command,
                    &record.started_by,
                    record.created_at,
                    i64::try_from(record.ttl_seconds).unwrap_or(i64::MAX),
                ),
            )?;
            Ok(())
        })
        .await
    }

    /// The containers of one app, or of all, oldest first.
    pub async fn one_offs(&self, app: Option<AppId>) -> Result<Vec<OneOffRecord>, StoreError> {
        self.call(move |connection| read(connection, app)).await
    }

    /// The app that a one-off container or a run of a scheduled task belongs to, under whatever name it has now.
    pub async fn task_owner(&self, container: &ContainerId) -> Result<Option<AppId>, StoreError> {
        let container = container.to_string();
        self.call(move |connection| {
            let sql = "SELECT app FROM one_offs WHERE container = ?1
                       UNION SELECT app FROM cron_runs WHERE container = ?1";
            let found = connection.query_row(sql, [container], |row| row.get(0)).optional()?;
            Ok(found.map(AppId))
        })
        .await
    }

    /// The containers of one-off processes and of scheduled tasks' runs, of one app or of all.
    pub async fn task_containers(&self, app: Option<AppId>) -> Result<Vec<ContainerId>, StoreError> {
        self.call(move |connection| {
            let sql = "SELECT container FROM one_offs WHERE ?1 IS NULL OR app = ?1
                       UNION SELECT container FROM cron_runs
                       WHERE container IS NOT NULL AND (?1 IS NULL OR app = ?1)";
            let mut statement = connection.prepare_cached(sql)?;
            let found =
                statement.query_map([app.map(|app| app.0)], |row| Ok(ContainerId::new(row.get(0)?)))?;
            Ok(found.collect::<Result<Vec<_>, _>>()?)
        })
        .await
    }

    /// Records that a container was ended because its time was over.
    pub async fn set_one_off_timed_out(&self, container: &ContainerId) -> Result<(), StoreError> {
        self.change("UPDATE one_offs SET timed_out = 1 WHERE container = ?1", container).await
    }

    /// Forgets a container.
    pub async fn forget_one_off(&self, container: &ContainerId) -> Result<(), StoreError> {
        self.change("DELETE FROM one_offs WHERE container = ?1", container).await
    }

    async fn change(&self, sql: &'static str, container: &ContainerId) -> Result<(), StoreError> {
        let container = container.to_string();
        self.call(move |connection| {
            connection.execute(sql, [container])?;
            Ok(())
        })
        .await
    }
}

fn read(connection: &Connection, app: Option<AppId>) -> Result<Vec<OneOffRecord>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT container, app, name, detached, command, started_by, created_at, ttl_seconds, timed_out
         FROM one_offs WHERE ?1 IS NULL OR app = ?1 ORDER BY created_at, rowid",
    )?;
    let rows = statement.query_map([app.map(|app| app.0)], record)?;
    Ok(rows.collect::<Result<Vec<_>, _>>()?)
}

fn record(row: &Row<'_>) -> rusqlite::Result<OneOffRecord> {
    Ok(OneOffRecord {
        container: ContainerId::new(row.get(0)?),
        app: AppId(row.get(1)?),
        name: row.get(2)?,
        detached: row.get(3)?,
        command: row.get(4)?,
        started_by: row.get(5)?,
        created_at: row.get(6)?,
        ttl_seconds: u64::try_from(row.get::<_, i64>(7)?).unwrap_or(0),
        timed_out: row.get(8)?,
    })
}
