//! Named storage, and what apps mount.

use rusqlite::{Connection, Row};

use crate::clock;
use crate::model::app_name::AppName;
use crate::model::mount::{MountSource, MountTarget, StorageName};
use crate::model::phase::Phase;
use crate::model::process_scope::ProcessScope;
use crate::model::process_type::ProcessType;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError, parse, taken};

/// Where storage is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A volume of the engine's, by its name there.
    Volume(String),
    /// A directory of the host.
    Directory {
        /// Its path.
        path: String,
        /// Below which directory it was allowed.
        root: String,
    },
}

/// Named storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRecord {
    /// Its name.
    pub name: StorageName,
    /// Where it is.
    pub place: Place,
    /// When it was made, seconds since the Unix epoch.
    pub created_at: i64,
}

/// A mount of an app's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountRecord {
    /// What is mounted, as a person names it.
    pub source: MountSource,
    /// Where that is.
    pub place: Place,
    /// Where in the container.
    pub target: MountTarget,
    /// Whether it cannot be written to.
    pub read_only: bool,
    /// Whether at most one instance may hold it.
    pub exclusive: bool,
    /// For which process types.
    pub scope: ProcessScope,
    /// In which phases, ascending.
    pub phases: Vec<Phase>,
}

impl MountRecord {
    /// Whether instances of a process type hold it, and only one may at a time.
    pub fn is_exclusive_to(&self, process_type: &ProcessType) -> bool {
        self.exclusive && self.phases.contains(&Phase::Deploy) && self.scope.includes(process_type)
    }
}

impl Place {
    /// What the engine is given.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Volume(name) => name,
            Self::Directory { path, .. } => path,
        }
    }

    fn parts(&self) -> (&str, Option<&str>) {
        match self {
            Self::Volume(name) => (name, None),
            Self::Directory { path, root } => (path, Some(root)),
        }
    }

    fn from_parts(place: String, root: Option<String>) -> Self {
        match root {
            None => Self::Volume(place),
            Some(root) => Self::Directory { path: place, root },
        }
    }
}

impl Store {
    /// Records named storage. [`StoreError::Taken`] if there is some of that name.
    pub async fn create_storage(&self, name: &StorageName, place: Place) -> Result<(), StoreError> {
        let name = name.clone();
        self.call(move |connection| {
            let (path, root) = place.parts();
            let sql = "INSERT INTO storage (name, place, root, created_at) VALUES (?1, ?2, ?3, ?4)";
            connection
                .execute(sql, (name.as_str(), path, root, clock::unix_seconds()))
                .map_err(taken(name.as_str()))?;
            Ok(())
        })
        .await
    }

    /// All named storage by name.
    pub async fn storage(&self) -> Result<Vec<StorageRecord>, StoreError> {
        self.call(|connection| {
            let mut statement = connection
                .prepare_cached("SELECT name, place, root, created_at FROM storage ORDER BY name")?;
            let mut rows = statement.query([])?;
            let mut records = Vec::new();
            while let Some(row) = rows.next()? {
                records.push(StorageRecord {
                    name: parse(&row.get::<_, String>(0)?)?,
                    place: Place::from_parts(row.get(1)?, row.get(2)?),
                    created_at: row.get(3)?,
                });
            }
            Ok(records)
        })
        .await
    }

    /// Forgets named storage; refused by the database while something mounts it.
    pub async fn delete_storage(&self, name: &StorageName) -> Result<(), StoreError> {
        let name = name.clone();
        self.call(move |connection| {
            connection.execute("DELETE FROM storage WHERE name = ?1", [name.as_str()])?;
            Ok(())
        })
        .await
    }

    /// What an app mounts, in the order in which it was added.
    pub async fn mounts(&self, app: AppId) -> Result<Vec<MountRecord>, StoreError> {
        let all = self.call(move |connection| mounts(connection, Some(app))).await?;
        Ok(all.into_iter().map(|(_, mount)| mount).collect())
    }

    /// What all apps mount.
    pub async fn all_mounts(&self) -> Result<Vec<(AppName, MountRecord)>, StoreError> {
        self.call(|connection| mounts(connection, None)).await
    }

    /// Adds a mount.
    pub async fn add_mount(&self, app: AppId, mount: MountRecord) -> Result<(), StoreError> {
        self.call(move |connection| {
            let (name, place, root) = match &mount.source {
                MountSource::Named(name) => (Some(name.as_str()), None, None),
                MountSource::Directory(_) => {
                    let (place, root) = mount.place.parts();
                    (None, Some(place), root)
                }
            };
            let in_phase = |phase| mount.phases.contains(&phase);
            connection.execute(
                "INSERT INTO mounts
                 (app, storage, place, root, target, read_only, exclusive, process_type, in_deploy, in_run)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                rusqlite::params![
                    app.0,
                    name,
                    place,
                    root,
                    mount.target.as_str(),
                    mount.read_only,
                    mount.exclusive,
                    mount.scope.as_str(),
                    in_phase(Phase::Deploy),
                    in_phase(Phase::Run),
                ],
            )?;
            Ok(())
        })
        .await
    }

    /// Removes a mount.
    pub async fn remove_mount(&self, app: AppId, mount: MountRecord) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute(
                "DELETE FROM mounts
                 WHERE app = ?1 AND COALESCE(storage, place) = ?2 AND target = ?3 AND process_type = ?4",
                (app.0, mount.source.as_str(), mount.target.as_str(), mount.scope.as_str()),
            )?;
            Ok(())
        })
        .await
    }
}

fn mounts(connection: &Connection, app: Option<AppId>) -> Result<Vec<(AppName, MountRecord)>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT apps.name, COALESCE(mounts.storage, mounts.place), COALESCE(storage.place, mounts.place),
                COALESCE(storage.root, mounts.root), target, read_only, exclusive, process_type,
                in_deploy, in_run
         FROM mounts JOIN apps ON apps.id = mounts.app LEFT JOIN storage ON storage.name = mounts.storage
         WHERE ?1 IS NULL OR mounts.app = ?1
         ORDER BY apps.name, mounts.id",
    )?;
    let mut rows = statement.query([app.map(|app| app.0)])?;
    let mut mounts = Vec::new();
    while let Some(row) = rows.next()? {
        mounts.push((parse(&row.get::<_, String>(0)?)?, mount(row)?));
    }
    Ok(mounts)
}

fn mount(row: &Row<'_>) -> Result<MountRecord, StoreError> {
    let phases = [(Phase::Deploy, row.get(8)?), (Phase::Run, row.get(9)?)];
    Ok(MountRecord {
        source: parse(&row.get::<_, String>(1)?)?,
        place: Place::from_parts(row.get(2)?, row.get(3)?),
        target: parse(&row.get::<_, String>(4)?)?,
        read_only: row.get(5)?,
        exclusive: row.get(6)?,
        scope: parse(&row.get::<_, String>(7)?)?,
        phases: phases.into_iter().filter(|(_, set)| *set).map(|(phase, _)| phase).collect(),
    })
}
