//! The history of builds and deploys.

use rusqlite::Row;

use crate::clock;
use crate::model::app_name::AppName;
use crate::model::build::{Build, BuildKind, BuildStatus};
use crate::store::apps::AppId;
use crate::store::{Store, StoreError, parse};

const SELECT: &str = "SELECT builds.id, apps.name, kind, status, source, started_by, started_at, finished_at
     FROM builds JOIN apps ON apps.id = builds.app";

/// Which builds of app `?1` are forgotten when `?2` are kept.
const BEYOND: &str = "app = ?1 AND status NOT IN ('running', 'queued') AND id NOT IN
     (SELECT id FROM builds WHERE app = ?1 ORDER BY id DESC LIMIT ?2)";

/// What is counted of an app's deploys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeployFigures {
    /// The app.
    pub app: AppName,
    /// How the last one that ended did, and when, in seconds since the Unix epoch.
    pub last: Option<(BuildStatus, i64)>,
    /// The number of the release that runs, or ran when the app was stopped.
    pub release: Option<i64>,
}

impl Store {
    /// Records that a build or deploy has begun, and returns its number.
    pub async fn begin_build(
        &self,
        app: AppId,
        kind: BuildKind,
        source: &str,
        started_by: &str,
    ) -> Result<i64, StoreError> {
        self.add_build(app, kind, BuildStatus::Running, (source, started_by)).await
    }

    /// Records that a build or deploy waits for its turn, and returns its number.
    pub async fn queue_build(
        &self,
        app: AppId,
        kind: BuildKind,
        source: &str,
        started_by: &str,
    ) -> Result<i64, StoreError> {
        self.add_build(app, kind, BuildStatus::Queued, (source, started_by)).await
    }

    async fn add_build(
        &self,
        app: AppId,
        kind: BuildKind,
        status: BuildStatus,
        (source, started_by): (&str, &str),
    ) -> Result<i64, StoreError> {
        let (source, started_by) = (source.to_owned(), started_by.to_owned());
        self.call(move |connection| {
            connection.execute(
                "INSERT INTO builds (app, kind, status, source, started_by, started_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                (app.0, kind.to_string(), status.to_string(), source, started_by, clock::unix_seconds()),
            )?;
            Ok(connection.last_insert_rowid())
        })
        .await
    }

    /// The last deploy that ended and the release of each app.
    pub async fn deploy_figures(&self) -> Result<Vec<DeployFigures>, StoreError> {
        self.call(|connection| {
            let sql = "SELECT apps.name, builds.status, builds.finished_at, releases.version FROM apps
                       LEFT JOIN builds ON builds.id = (SELECT MAX(id) FROM builds AS own
                           WHERE own.app = apps.id AND own.finished_at IS NOT NULL)
                       LEFT JOIN releases ON releases.id = apps.current_release ORDER BY apps.name";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([])?;
            let mut figures = Vec::new();
            while let Some(row) = rows.next()? {
                let status: Option<String> = row.get(1)?;
                let status = status.map(|status| parse(&status)).transpose()?;
                let app = parse(&row.get::<_, String>(0)?)?;
                figures.push(DeployFigures { app, last: status.zip(row.get(2)?), release: row.get(3)? });
            }
            Ok(figures)
        })
        .await
    }

    /// Records that a build or deploy waits for its turn, or that it has it.
    pub async fn set_build_status(&self, id: i64, status: BuildStatus) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute("UPDATE builds SET status = ?2 WHERE id = ?1", (id, status.to_string()))?;
            Ok(())
        })
        .await
    }

    /// Records how a build or deploy has ended.
    pub async fn finish_build(&self, id: i64, status: BuildStatus) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute(
                "UPDATE builds SET status = ?2, finished_at = ?3 WHERE id = ?1",
                (id, status.to_string(), clock::unix_seconds()),
            )?;
            Ok(())
        })
        .await
    }

    /// Marks what a killed server left running as failed: no build outlives its server.
    pub async fn fail_interrupted_builds(&self) -> Result<(), StoreError> {
        self.call(|connection| {
            connection.execute(
                "UPDATE builds SET status = 'failed', finished_at = ?1
                 WHERE status IN ('running', 'queued')",
                [clock::unix_seconds()],
            )?;
            Ok(())
        })
        .await
    }

    /// The builds of one app or of all, newest first, at most `limit`.
    pub async fn builds(&self, app: Option<AppId>, limit: u32) -> Result<Vec<Build>, StoreError> {
        self.call(move |connection| {
            let sql = format!("{SELECT} WHERE ?1 IS NULL OR app = ?1 ORDER BY builds.id DESC LIMIT ?2");
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map((app.map(|app| app.0), limit), record)?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    /// The numbers of all builds that are known, oldest first.
    pub async fn build_ids(&self) -> Result<Vec<i64>, StoreError> {
        self.call(|connection| {
            let mut statement = connection.prepare_cached("SELECT id FROM builds ORDER BY id")?;
            let ids = statement.query_map([], |row| row.get(0))?;
            Ok(ids.collect::<Result<Vec<i64>, _>>()?)
        })
        .await
    }

    /// The builds that [`Store::prune_builds`] would forget.
    pub async fn builds_beyond(&self, app: AppId, keep: u32) -> Result<Vec<i64>, StoreError> {
        self.call(move |connection| {
            let sql = format!("SELECT id FROM builds WHERE {BEYOND} ORDER BY id");
            let mut statement = connection.prepare_cached(&sql)?;
            let ids = statement.query_map((app.0, keep), |row| row.get(0))?;
            Ok(ids.collect::<Result<Vec<i64>, _>>()?)
        })
        .await
    }

    /// Forgets one build, as if it had never been.
    pub async fn forget_build(&self, id: i64) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute("DELETE FROM builds WHERE id = ?1", [id])?;
            Ok(())
        })
        .await
    }

    /// Forgets all but the newest `keep` ended builds of an app.
    pub async fn prune_builds(&self, app: AppId, keep: u32) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute(&format!("DELETE FROM builds WHERE {BEYOND}"), (app.0, keep))?;
            Ok(())
        })
        .await
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<Result<Build, StoreError>> {
    let (id, app, source, started_by) = (row.get(0)?, row.get(1)?, row.get(4)?, row.get(5)?);
    let (kind, status): (String, String) = (row.get(2)?, row.get(3)?);
    let (started_at, finished_at) = (row.get(6)?, row.get(7)?);
    let build = || {
        let (kind, status) = (parse(&kind)?, parse(&status)?);
        Ok(Build { id, app, kind, status, source, started_by, started_at, finished_at })
    };
    Ok(build())
}
