//! Releases. A row is written once; only its status goes from pending to succeeded.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row};

use crate::clock;
use crate::model::app_name::AppName;
use crate::model::config_var::{ConfigValue, ConfigVars};
use crate::model::release::{ImageId, Release, ReleaseContent, ReleaseVersion};
use crate::store::apps::AppId;
use crate::store::secret::SecretKey;
use crate::store::{Store, StoreError, parse, parse_json, to_json};

const COLUMNS: &str = "id, app, version, created_at, created_by, description, image, source, config, processes, exposed_ports, app_json, formation, additions";

/// Which releases of app `?1` are forgotten when `?2` are kept. Not what runs, nor what is about to.
const BEYOND_RETENTION: &str = "app = ?1 AND status = 'succeeded'
     AND id NOT IN (SELECT release FROM instances WHERE app = ?1)
     AND id IS NOT (SELECT current_release FROM apps WHERE id = ?1)
     AND id NOT IN (SELECT id FROM releases WHERE app = ?1 ORDER BY version DESC LIMIT ?2)";

/// A release that needs an image: the newest of its app that does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageUser {
    /// The image.
    pub image: ImageId,
    /// The app.
    pub app: AppName,
    /// The release.
    pub version: ReleaseVersion,
    /// Whether one of the app's releases that need it is the current one.
    pub current: bool,
}

impl Store {
    /// Records a release that is about to be run, with the app's next number. It counts only once
    /// [`Store::commit_switch`] has named it.
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
                     source, config, processes, exposed_ports, app_json, web_port, additions)
                 VALUES (?1, ?2, 'pending', ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
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
                    content.web_port(),
                    to_json(&content.additions)?,
                ),
            )?;
            let id = transaction.last_insert_rowid();
            transaction.commit()?;
            let (version, formation) = (ReleaseVersion(version), BTreeMap::new());
            Ok(Release { id, version, created_at, created_by, description, content, formation })
        })
        .await
    }

    /// The number that the app's next release will have.
    pub async fn next_version(&self, app: AppId) -> Result<ReleaseVersion, StoreError> {
        self.call(move |connection| Ok(ReleaseVersion(next_version(connection, app)?))).await
    }

    /// Forgets a release that never served.
    pub async fn discard_release(&self, id: i64) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute("DELETE FROM releases WHERE id = ?1 AND status = 'pending'", [id])?;
            Ok(())
        })
        .await
    }

    /// The apps that have a release which is about to be run, or was when something broke off.
    pub async fn apps_with_pending_release(&self) -> Result<Vec<AppId>, StoreError> {
        self.call(|connection| {
            let mut statement =
                connection.prepare_cached("SELECT DISTINCT app FROM releases WHERE status = 'pending'")?;
            let apps = statement.query_map([], |row| row.get(0).map(AppId))?;
            Ok(apps.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Forgets an app's releases that are about to be run. For whoever has its lease: then nobody is running them.
    pub async fn discard_pending_releases(&self, app: AppId) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute("DELETE FROM releases WHERE status = 'pending' AND app = ?1", [app.0])?;
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
            let sql = format!("DELETE FROM releases WHERE {BEYOND_RETENTION}");
            connection.execute(&sql, (app.0, keep))?;
            Ok(())
        })
        .await
    }

    /// The releases that [`Store::prune_releases`] would forget, with their images.
    pub async fn releases_beyond(
        &self,
        app: AppId,
        keep: u32,
    ) -> Result<Vec<(ReleaseVersion, ImageId)>, StoreError> {
        self.call(move |connection| {
            let sql =
                format!("SELECT version, image FROM releases WHERE {BEYOND_RETENTION} ORDER BY version");
            let mut statement = connection.prepare(&sql)?;
            let rows = statement
                .query_map((app.0, keep), |row| Ok((ReleaseVersion(row.get(0)?), ImageId(row.get(1)?))))?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The numbers of an app's releases that served, oldest first.
    pub async fn release_versions(&self, app: AppId) -> Result<Vec<ReleaseVersion>, StoreError> {
        self.call(move |connection| {
            let mut statement = connection.prepare(
                "SELECT version FROM releases WHERE app = ?1 AND status = 'succeeded' ORDER BY version",
            )?;
            let versions = statement.query_map([app.0], |row| row.get(0).map(ReleaseVersion))?;
            Ok(versions.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// The images that releases need, each with the app and the newest number that does.
    pub async fn image_users(&self) -> Result<Vec<ImageUser>, StoreError> {
        self.call(|connection| {
            let mut statement = connection.prepare(
                "SELECT image, apps.name, MAX(version),
                     MAX(releases.id = COALESCE(apps.current_release, 0)) FROM releases
                 JOIN apps ON apps.id = releases.app GROUP BY image, apps.id ORDER BY apps.name, MAX(version)",
            )?;
            let mut rows = statement.query([])?;
            let mut users = Vec::new();
            while let Some(row) = rows.next()? {
                users.push(ImageUser {
                    image: ImageId(row.get(0)?),
                    app: parse(&row.get::<_, String>(1)?)?,
                    version: ReleaseVersion(row.get(2)?),
                    current: row.get(3)?,
                });
            }
            Ok(users)
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
    let formation: String = row.get(12)?;
    let sealed: Vec<u8> = row.get(8)?;
    let content = ReleaseContent {
        image: ImageId(row.get(6)?),
        source: parse_json(&source)?,
        config: unplain(&key.open(&place(app, version), &sealed)?)?,
        processes: parse_json(&processes)?,
        exposed_ports: parse_json(&exposed_ports)?,
        app_json: parse_json(&app_json)?,
        additions: parse_json(&row.get::<_, String>(13)?)?,
    };
    Ok(Release {
        id: row.get(0)?,
        version: ReleaseVersion(version),
        created_at: row.get(3)?,
        created_by: row.get(4)?,
        description: row.get(5)?,
        content,
        formation: parse_json(&formation)?,
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
