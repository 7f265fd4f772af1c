//! Scheduled tasks: what is remembered of each, and the history of their runs.

use rusqlite::{Connection, Row};

use crate::model::app_json::{AppJson, CronEntry};
use crate::model::app_name::AppName;
use crate::model::container_id::ContainerId;
use crate::model::cron::{CronStatus, CronTaskId, CronTrigger};
use crate::store::apps::AppId;
use crate::store::{Store, StoreError, parse, parse_json};

/// An app whose current release has scheduled tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronApp {
    /// The app.
    pub id: AppId,
    /// Its name.
    pub name: AppName,
    /// Whether it was stopped by a person.
    pub stopped: bool,
    /// The tasks of its current release.
    pub entries: Vec<CronEntry>,
}

/// What is remembered of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronTaskState {
    /// The app.
    pub app: AppId,
    /// The task.
    pub task: CronTaskId,
    /// Whether somebody suspended it.
    pub suspended: bool,
    /// Up to when its due times were dealt with, in seconds since the Unix epoch.
    pub accounted: i64,
}

/// A run, or one that did not take place. Times are seconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronRun {
    /// Its number, unique over all apps; 0 for one that is not recorded yet.
    pub id: i64,
    /// The app.
    pub app: AppId,
    /// The task.
    pub task: CronTaskId,
    /// What the task's command was.
    pub command: String,
    /// Why it ran.
    pub trigger: CronTrigger,
    /// How it stands.
    pub status: CronStatus,
    /// When it began, or would have.
    pub started_at: i64,
    /// When it ended, if it has.
    pub finished_at: Option<i64>,
    /// With what its process ended.
    pub exit_code: Option<i64>,
    /// Its container, while there is one.
    pub container: Option<ContainerId>,
    /// When it is ended.
    pub deadline: i64,
    /// How many due times it stands for.
    pub times: u32,
    /// What else is to be said of it.
    pub note: Option<String>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CronEnd {
    /// How it stands now.
    pub status: CronStatus,
    /// When.
    pub finished_at: i64,
    /// With what its process ended, if it was started.
    pub exit_code: Option<i64>,
    /// What else is to be said of it.
    pub note: Option<String>,
}

const COLUMNS: &str = "id, app, task, command, triggered_by, status, started_at, finished_at, exit_code, container, deadline, times, note";

impl Store {
    /// The apps whose current release has scheduled tasks.
    pub async fn cron_apps(&self) -> Result<Vec<CronApp>, StoreError> {
        self.call(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT apps.id, apps.name, apps.stopped, releases.app_json
                 FROM apps JOIN releases ON releases.id = apps.current_release ORDER BY apps.name",
            )?;
            let mut rows = statement.query([])?;
            let mut apps = Vec::new();
            while let Some(row) = rows.next()? {
                let entries = parse_json::<AppJson>(&row.get::<_, String>(3)?)?.cron;
                if !entries.is_empty() {
                    let name = parse(&row.get::<_, String>(1)?)?;
                    apps.push(CronApp { id: AppId(row.get(0)?), name, stopped: row.get(2)?, entries });
                }
            }
            Ok(apps)
        })
        .await
    }

    /// What is remembered of all tasks.
    pub async fn cron_states(&self) -> Result<Vec<CronTaskState>, StoreError> {
        self.call(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT app, task, suspended, accounted FROM cron_tasks")?;
            let mut rows = statement.query([])?;
            let mut states = Vec::new();
            while let Some(row) = rows.next()? {
                let (app, task) = (AppId(row.get(0)?), parse(&row.get::<_, String>(1)?)?);
                states.push(CronTaskState { app, task, suspended: row.get(2)?, accounted: row.get(3)? });
            }
            Ok(states)
        })
        .await
    }

    /// Remembers that a task's due times up to then were dealt with. No effect if the app is gone.
    pub async fn set_cron_accounted(
        &self,
        app: AppId,
        task: &CronTaskId,
        accounted: i64,
    ) -> Result<(), StoreError> {
        let task = task.clone();
        self.call(move |connection| set_accounted(connection, app, &task, accounted)).await
    }

    /// Remembers whether a task is suspended; a new one is accounted for up to `now`.
    pub async fn set_cron_suspended(
        &self,
        app: AppId,
        task: &CronTaskId,
        suspended: bool,
        now: i64,
    ) -> Result<(), StoreError> {
        let task = task.clone();
        self.call(move |connection| {
            connection.execute(
                "INSERT INTO cron_tasks (app, task, suspended, accounted) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (app, task) DO UPDATE SET suspended = excluded.suspended",
                (app.0, task.as_str(), suspended, now),
            )?;
            Ok(())
        })
        .await
    }

    /// Forgets tasks that are in no release any more. That somebody suspended one stays, should it come back.
    pub async fn forget_cron_tasks(&self, gone: Vec<(AppId, CronTaskId)>) -> Result<(), StoreError> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            for (app, task) in gone {
                transaction.execute(
                    "DELETE FROM cron_tasks WHERE app = ?1 AND task = ?2 AND suspended = 0",
                    (app.0, task.as_str()),
                )?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Records a run and returns its number; `None` if the app is gone. With `accounted` its task's due times up to
    /// then are dealt with from the same moment on.
    pub async fn add_cron_run(
        &self,
        run: CronRun,
        accounted: Option<i64>,
    ) -> Result<Option<i64>, StoreError> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let added = insert(&transaction, &run)?;
            if let Some(accounted) = accounted {
                set_accounted(&transaction, run.app, &run.task, accounted)?;
            }
            let id = transaction.last_insert_rowid();
            transaction.commit()?;
            Ok((added > 0).then_some(id))
        })
        .await
    }

    /// Records in which container a run takes place; false if the run is not known any more.
    pub async fn set_cron_container(&self, run: i64, container: &ContainerId) -> Result<bool, StoreError> {
        let container = container.to_string();
        self.call(move |connection| {
            let sql = "UPDATE cron_runs SET container = ?2 WHERE id = ?1";
            Ok(connection.execute(sql, (run, container))? > 0)
        })
        .await
    }

    /// Records how a run ended; false if the run is not known any more, because its app was destroyed.
    pub async fn finish_cron_run(&self, run: i64, end: CronEnd) -> Result<bool, StoreError> {
        self.call(move |connection| {
            let changed = connection.execute(
                "UPDATE cron_runs SET status = ?2, finished_at = ?3, exit_code = ?4, note = ?5, container = NULL
                 WHERE id = ?1",
                (run, end.status.to_string(), end.finished_at, end.exit_code, end.note),
            )?;
            Ok(changed > 0)
        })
        .await
    }

    /// The runs of an app, or of one of its tasks, newest first.
    pub async fn cron_runs(
        &self,
        app: AppId,
        task: Option<CronTaskId>,
        limit: u32,
    ) -> Result<Vec<CronRun>, StoreError> {
        let task = task.map(|task| task.to_string());
        let condition = "app = ?1 AND (?2 IS NULL OR task = ?2) ORDER BY id DESC LIMIT ?3";
        self.call(move |connection| select(connection, condition, (app.0, task, limit))).await
    }

    /// The run of an app with that number.
    pub async fn cron_run(&self, app: AppId, run: i64) -> Result<Option<CronRun>, StoreError> {
        self.call(move |connection| Ok(select(connection, "app = ?1 AND id = ?2", (app.0, run))?.pop())).await
    }

    /// The newest run of each task of an app, in no order.
    pub async fn last_cron_runs(&self, app: AppId) -> Result<Vec<CronRun>, StoreError> {
        let condition = "id IN (SELECT MAX(id) FROM cron_runs WHERE app = ?1 GROUP BY task)";
        self.call(move |connection| select(connection, condition, [app.0])).await
    }

    /// The runs of all apps that have not ended, oldest first.
    pub async fn unfinished_cron_runs(&self) -> Result<Vec<CronRun>, StoreError> {
        self.call(|connection| select(connection, "status = 'running' ORDER BY id", [])).await
    }

    /// Forgets all but the newest `keep` ended runs of an app.
    pub async fn prune_cron_runs(&self, app: AppId, keep: u32) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute(
                "DELETE FROM cron_runs WHERE app = ?1 AND status <> 'running' AND id NOT IN
                 (SELECT id FROM cron_runs WHERE app = ?1 ORDER BY id DESC LIMIT ?2)",
                (app.0, keep),
            )?;
            Ok(())
        })
        .await
    }

    /// The numbers of all runs that are known.
    pub async fn cron_run_ids(&self) -> Result<Vec<i64>, StoreError> {
        self.call(|connection| {
            let mut statement = connection.prepare_cached("SELECT id FROM cron_runs")?;
            let ids = statement.query_map([], |row| row.get(0))?;
            Ok(ids.collect::<Result<Vec<i64>, _>>()?)
        })
        .await
    }
}

/// The app may be gone by now, and then there is nothing to remember.
fn set_accounted(
    connection: &Connection,
    app: AppId,
    task: &CronTaskId,
    accounted: i64,
) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO cron_tasks (app, task, accounted)
         SELECT id, ?2, ?3 FROM apps WHERE id = ?1
         ON CONFLICT (app, task) DO UPDATE SET accounted = excluded.accounted",
        (app.0, task.as_str(), accounted),
    )?;
    Ok(())
}

fn insert(connection: &Connection, run: &CronRun) -> Result<usize, StoreError> {
    Ok(connection.execute(
        "INSERT INTO cron_runs (app, task, command, triggered_by, status, started_at, finished_at, deadline, times, note)
         SELECT id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10 FROM apps WHERE id = ?1",
        (
            run.app.0,
            run.task.as_str(),
            &run.command,
            run.trigger.to_string(),
            run.status.to_string(),
            run.started_at,
            run.finished_at,
            run.deadline,
            run.times,
            &run.note,
        ),
    )?)
}

fn select(
    connection: &Connection,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<CronRun>, StoreError> {
    let mut statement =
        connection.prepare_cached(&format!("SELECT {COLUMNS} FROM cron_runs WHERE {condition}"))?;
    let rows = statement.query_map(parameters, |row| Ok(record(row)))?;
    rows.map(|row| row?).collect()
}

fn record(row: &Row<'_>) -> Result<CronRun, StoreError> {
    let text = |index: usize| row.get::<_, String>(index);
    Ok(CronRun {
        id: row.get(0)?,
        app: AppId(row.get(1)?),
        task: parse(&text(2)?)?,
        command: text(3)?,
        trigger: parse(&text(4)?)?,
        status: parse(&text(5)?)?,
        started_at: row.get(6)?,
        finished_at: row.get(7)?,
        exit_code: row.get(8)?,
        container: row.get::<_, Option<String>>(9)?.map(ContainerId::new),
        deadline: row.get(10)?,
        times: row.get(11)?,
        note: row.get(12)?,
    })
}
