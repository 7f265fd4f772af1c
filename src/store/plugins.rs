//! Plugins: which there are, what is set of them, and how their executables ended.

use rusqlite::{Connection, OptionalExtension, Row};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;

use crate::clock;
use crate::model::plugin::{PluginName, PluginRecord, PluginSource, USERS};
use crate::store::apps::AppId;
use crate::store::secret::SecretKey;
use crate::store::{Store, StoreError, parse, parse_json, to_json};

/// How many runs of each plugin are remembered.
pub const RUNS_KEPT: i64 = 100;

/// How one run of an executable ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginRun {
    /// Which executable: `hooks/post-deploy`.
    pub executable: String,
    /// The app that it was for.
    pub app: Option<String>,
    /// When it began, in seconds since the Unix epoch.
    pub started_at: i64,
    /// How long it took.
    pub duration_ms: i64,
    /// `ok`, `vetoed`, `failed`.
    pub result: String,
    /// More about that, in one line.
    pub detail: String,
}

impl Store {
    /// Writes down plugins that come with Slipway; those that are known already stay as they are.
    pub async fn add_bundled_plugins(&self, names: Vec<PluginName>) -> Result<(), StoreError> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            for name in &names {
                transaction.execute(
                    // With ON CONFLICT it would count up on each start, for which a full disk has no room.
                    "INSERT INTO plugins (name, enabled, installed_at) SELECT ?1, 1, ?2
                     WHERE NOT EXISTS (SELECT 1 FROM plugins WHERE name = ?1)",
                    (name.as_str(), clock::unix_seconds()),
                )?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// All plugins, by name.
    pub async fn plugins(&self) -> Result<Vec<PluginRecord>, StoreError> {
        self.call(|connection| {
            let sql = "SELECT id, name, source, enabled, installed_at FROM plugins ORDER BY name";
            let mut statement = connection.prepare_cached(sql)?;
            let mut rows = statement.query([])?;
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                records.push(record(row)?);
            }
            Ok(records)
        })
        .await
    }

    /// Writes down a plugin that was installed or updated, and gives the number of its user.
    pub async fn put_plugin(&self, name: &PluginName, source: &PluginSource) -> Result<(), StoreError> {
        let (name, source) = (name.to_string(), to_json(source)?);
        self.call(move |connection| {
            connection.execute(
                "INSERT INTO plugins (name, source, enabled, installed_at) VALUES (?1, ?2, 1, ?3)
                 ON CONFLICT (name) DO UPDATE SET source = excluded.source, installed_at = excluded.installed_at",
                (name, source, clock::unix_seconds()),
            )?;
            Ok(())
        })
        .await
    }

    /// Switches a plugin on or off.
    pub async fn enable_plugin(&self, name: &PluginName, enabled: bool) -> Result<(), StoreError> {
        let name = name.to_string();
        self.call(move |connection| {
            connection.execute("UPDATE plugins SET enabled = ?2 WHERE name = ?1", (name, enabled))?;
            Ok(())
        })
        .await
    }

    /// Forgets a plugin with its settings and runs. Its user's number is never given to another.
    pub async fn remove_plugin(&self, name: &PluginName) -> Result<(), StoreError> {
        let name = name.to_string();
        self.call(move |connection| {
            connection.execute("DELETE FROM plugins WHERE name = ?1", [name])?;
            Ok(())
        })
        .await
    }

    /// Remembers a run, and forgets the oldest beyond [`RUNS_KEPT`].
    pub async fn add_plugin_run(&self, name: &PluginName, run: PluginRun) -> Result<(), StoreError> {
        let name = name.to_string();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let id: Option<i64> = transaction
                .query_row("SELECT id FROM plugins WHERE name = ?1", [name], |row| row.get(0))
                .optional()?;
            let Some(id) = id else { return Ok(()) };
            transaction.execute(
                "INSERT INTO plugin_runs (plugin, executable, app, started_at, duration_ms, result, detail)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                (id, run.executable, run.app, run.started_at, run.duration_ms, run.result, run.detail),
            )?;
            transaction.execute(
                "DELETE FROM plugin_runs WHERE plugin = ?1 AND id <= (
                     SELECT id FROM plugin_runs WHERE plugin = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
                (id, RUNS_KEPT),
            )?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// The last runs of a plugin, the newest first.
    pub async fn plugin_runs(&self, name: &PluginName) -> Result<Vec<PluginRun>, StoreError> {
        let name = name.to_string();
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT executable, app, started_at, duration_ms, result, detail FROM plugin_runs
                 WHERE plugin = (SELECT id FROM plugins WHERE name = ?1) ORDER BY id DESC",
            )?;
            let rows = statement.query_map([name], |row| {
                Ok(PluginRun {
                    executable: row.get(0)?,
                    app: row.get(1)?,
                    started_at: row.get(2)?,
                    duration_ms: row.get(3)?,
                    result: row.get(4)?,
                    detail: row.get(5)?,
                })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Sets a setting of a plugin for an app, or for all with `None`; no value unsets it.
    pub async fn set_plugin_setting(
        &self,
        (name, app): (&PluginName, Option<AppId>),
        key: &str,
        value: Option<SecretString>,
    ) -> Result<(), StoreError> {
        let (name, setting, secret) = (name.to_string(), key.to_owned(), self.key.clone());
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let id: i64 =
                transaction.query_row("SELECT id FROM plugins WHERE name = ?1", [name], |row| row.get(0))?;
            let app = app.map(|app| app.0);
            transaction.execute(
                "DELETE FROM plugin_settings WHERE plugin = ?1 AND app IS ?2 AND key = ?3",
                (id, app, &setting),
            )?;
            if let Some(value) = value {
                let sealed = secret.seal(&place(id, app, &setting), value.expose_secret().as_bytes())?;
                transaction.execute(
                    "INSERT INTO plugin_settings (plugin, app, key, value) VALUES (?1, ?2, ?3, ?4)",
                    (id, app, &setting, sealed),
                )?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// What is set of a plugin for an app, or for all with `None`.
    pub async fn plugin_settings(
        &self,
        name: &PluginName,
        app: Option<AppId>,
    ) -> Result<Vec<(String, SecretString)>, StoreError> {
        let (name, secret) = (name.to_string(), self.key.clone());
        self.call(move |connection| {
            let app = app.map(|app| app.0);
            let mut statement = connection.prepare_cached(
                "SELECT plugin, key, value FROM plugin_settings
                 WHERE plugin = (SELECT id FROM plugins WHERE name = ?1) AND app IS ?2 ORDER BY key",
            )?;
            let mut rows = statement.query((name, app))?;
            let mut settings = Vec::new();
            while let Some(row) = rows.next()? {
                let (id, key, sealed): (i64, String, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
                let bytes = secret.open(&place(id, app, &key), &sealed)?;
                let text =
                    String::from_utf8(bytes).map_err(|error| StoreError::Damaged(error.to_string()))?;
                settings.push((key, SecretString::from(text)));
            }
            Ok(settings)
        })
        .await
    }
}

/// Gives what is set of plugins for one app to another one, which is new.
pub(super) fn copy_settings(
    connection: &Connection,
    secret: &SecretKey,
    from: AppId,
    to: AppId,
) -> Result<(), StoreError> {
    let mut statement =
        connection.prepare_cached("SELECT plugin, key, value FROM plugin_settings WHERE app = ?1")?;
    let mut rows = statement.query([from.0])?;
    while let Some(row) = rows.next()? {
        let (plugin, key, sealed): (i64, String, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let value = secret.open(&place(plugin, Some(from.0), &key), &sealed)?;
        let sealed = secret.seal(&place(plugin, Some(to.0), &key), &value)?;
        let insert = "INSERT INTO plugin_settings (plugin, app, key, value) VALUES (?1, ?2, ?3, ?4)";
        connection.execute(insert, (plugin, to.0, key, sealed))?;
    }
    Ok(())
}

fn record(row: &Row<'_>) -> Result<PluginRecord, StoreError> {
    let (id, name, source): (u32, String, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
    Ok(PluginRecord {
        name: parse(&name)?,
        user: USERS.saturating_add(id),
        source: source.map(|source| parse_json(&source)).transpose()?,
        enabled: row.get(3)?,
        installed_at: row.get(4)?,
    })
}

fn place(plugin: i64, app: Option<i64>, key: &str) -> String {
    format!("plugin_settings:{plugin}:{}:{key}", app.unwrap_or(0))
}
