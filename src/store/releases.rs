//! Releases. A row is written once; only its status goes from pending to succeeded.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row};

use crate::clock;
use crate::model::config_var::{ConfigValue, ConfigVars};
use crate::model::release::{ImageId, Release, ReleaseContent, ReleaseVersion};
use crate::store::apps::AppId;
use crate::store::secret::SecretKey;
use crate::store::{Store, StoreError, parse, parse_json, to_json};

const COLUMNS: &str = "id, app, version, created_at, created_by, description, image, source, config, processes, exposed_ports, app_json";

impl Store {
    /// Records a release that is about to be run, with the app's next number. It counts only once
    /// [`Store::commit_instances`] has named it.
    pub async fn add_release(
        &self,
        app: AppId,
        content: ReleaseContent,
        created_by: &str,
        description: &str,
    ) -> Result<Release, StoreError> {
        let (key, created_by, description) =
            (self.key.clone(), created_by.to_owned(), description.to_owned());
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let version = next_version(&transaction, app)?;
            let config = key.seal(&place(app.0, version), &plain(&content.config)?)?;
            let created_at = clock::unix_seconds();
            transaction.execute(
                "INSERT INTO releases (app, version, status, created_at, created_by, description, image,
                     source, config, processes, exposed_ports, app_json)
                 VALUES (?1, ?2, 'pending', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                (
                    app.0,
                    version,
                    created_at,
                    &created_by,
                    &description,
                    &content.image.0,
                    to_json(&content.source)?,
                    config,
                    to_json(&content.processes)?,
                    to_json(&content.exposed_ports)?,
                    to_json(&content.app_json)?,
                ),
            )?;
            let id = transaction.last_insert_rowid();
            transaction.commit()?;
            Ok(Release { id, version: ReleaseVersion(version), created_at, created_by, description, content })
        })
        .await
    }

    /// Forgets a release that never served.
    pub async fn discard_release(&self, id: i64) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute("DELETE FROM releases WHERE id = ?1 AND status = 'pending'", [id])?;
            Ok(())
        })
        .await
    }

    /// Forgets the releases that a killed server was about to run.
    pub async fn discard_interrupted_releases(&self) -> Result<(), StoreError> {
        self.call(|connection| {
            connection.execute("DELETE FROM releases WHERE status = 'pending'", [])?;
            Ok(())
        })
        .await
    }

    /// The release with that row.
    pub async fn release(&self, id: i64) -> Result<Option<Release>, StoreError> {
        self.find_release("id = ?1 AND ?2 IS NOT NULL", id, 0).await
    }

    /// The release of an app with that number, if it ever served.
    pub async fn release_by_version(
        &self,
        app: AppId,
        version: ReleaseVersion,
    ) -> Result<Option<Release>, StoreError> {
        self.find_release("app = ?1 AND version = ?2 AND status = 'succeeded'", app.0, version.0).await
    }

    /// The releases of an app that served, newest first.
    pub async fn releases(&self, app: AppId, limit: u32) -> Result<Vec<Release>, StoreError> {
        let key = self.key.clone();
        self.call(move |connection| {
            let sql = format!(
                "SELECT {COLUMNS} FROM releases WHERE app = ?1 AND status = 'succeeded'
                 ORDER BY version DESC LIMIT ?2"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map((app.0, limit), |row| Ok(release(row, &key)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    /// Forgets all but the newest `keep` releases of an app; the one that runs is always kept.
    pub async fn prune_releases(&self, app: AppId, keep: u32) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute(
                "DELETE FROM releases WHERE app = ?1 AND status = 'succeeded'
                 AND id NOT IN (SELECT release FROM instances WHERE app = ?1)
                 AND id IS NOT (SELECT current_release FROM apps WHERE id = ?1)
                 AND id NOT IN (SELECT id FROM releases WHERE app = ?1 ORDER BY version DESC LIMIT ?2)",
                (app.0, keep),
            )?;
            Ok(())
        })
        .await
    }

    /// Every image that some release needs.
    pub async fn images_in_use(&self) -> Result<Vec<ImageId>, StoreError> {
        self.call(|connection| {
            let mut statement = connection.prepare("SELECT DISTINCT image FROM releases")?;
            let images = statement.query_map([], |row| row.get(0).map(ImageId))?;
            Ok(images.collect::<Result<Vec<_>, _>>()?)
        })
        .await
    }

    async fn find_release(
        &self,
        condition: &'static str,
        first: i64,
        second: u32,
    ) -> Result<Option<Release>, StoreError> {
        let key = self.key.clone();
        self.call(move |connection| {
            let sql = format!("SELECT {COLUMNS} FROM releases WHERE {condition}");
            let found = connection.query_row(&sql, (first, second), |row| Ok(release(row, &key)));
            found.optional()?.transpose()
        })
        .await
    }
}

/// One more than the highest number that the app ever gave to a release that is still known.
fn next_version(connection: &Connection, app: AppId) -> Result<u32, StoreError> {
    let sql = "SELECT COALESCE(MAX(version), 0) + 1 FROM releases WHERE app = ?1";
    Ok(connection.query_row(sql, [app.0], |row| row.get(0))?)
}

fn release(row: &Row<'_>, key: &SecretKey) -> Result<Release, StoreError> {
    let (app, version): (i64, u32) = (row.get(1)?, row.get(2)?);
    let (source, processes, exposed_ports, app_json): (String, String, String, String) =
        (row.get(7)?, row.get(9)?, row.get(10)?, row.get(11)?);
    let sealed: Vec<u8> = row.get(8)?;
    let content = ReleaseContent {
        image: ImageId(row.get(6)?),
        source: parse_json(&source)?,
        config: unplain(&key.open(&place(app, version), &sealed)?)?,
        processes: parse_json(&processes)?,
        exposed_ports: parse_json(&exposed_ports)?,
        app_json: parse_json(&app_json)?,
    };
    Ok(Release {
        id: row.get(0)?,
        version: ReleaseVersion(version),
        created_at: row.get(3)?,
        created_by: row.get(4)?,
        description: row.get(5)?,
        content,
    })
}

fn place(app: i64, version: u32) -> String {
    format!("release:{app}:{version}")
}

fn plain(config: &ConfigVars) -> Result<Vec<u8>, StoreError> {
    let texts: BTreeMap<&str, &str> =
        config.iter().map(|(key, value)| (key.as_str(), value.expose())).collect();
    serde_json::to_vec(&texts).map_err(|error| StoreError::Damaged(error.to_string()))
}

fn unplain(bytes: &[u8]) -> Result<ConfigVars, StoreError> {
    let damaged = |error: String| StoreError::Damaged(format!("a release's config ({error})"));
    let texts: BTreeMap<String, String> =
        serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    texts
        .into_iter()
        .map(|(key, value)| {
            let value =
                ConfigValue::from_bytes(value.into_bytes()).map_err(|error| damaged(error.to_string()))?;
            Ok((parse(&key)?, value))
        })
        .collect()
}
