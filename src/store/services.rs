//! Services: what each one is, is to be, and what happened to it. Passwords and variables are sealed.

use rusqlite::{Connection, OptionalExtension, Row};

use crate::clock;
use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};
use crate::model::container_id::ContainerId;
use crate::model::password::Password;
use crate::model::plugin::PluginName;
use crate::model::service::{ServiceId, ServiceName, ServiceProperties, WantedState};
use crate::store::secret::SecretKey;
use crate::store::{Store, StoreError, parse, parse_json, taken, to_json};

/// How many events of each service are kept.
const EVENTS: i64 = 200;

/// What a service is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceImage {
    /// As a person knows it: `mysql`.
    pub name: String,
    /// Its version: `8.4`.
    pub version: String,
    /// What containers are made of: `mysql:8.4`, or an image that was built here.
    pub reference: String,
    /// Whether it was built from the plugin's own Dockerfile.
    pub built: bool,
}

/// A service that is about to be recorded.
#[derive(Clone, Debug)]
pub struct NewService {
    /// Whose engine it is of.
    pub engine: PluginName,
    /// Its name.
    pub name: ServiceName,
    /// What the name of its network begins with; its number follows.
    pub network_prefix: String,
    /// What it is made of.
    pub image: ServiceImage,
    /// What is set of it.
    pub properties: ServiceProperties,
    /// The admin's password.
    pub password: Password,
    /// Variables of its container, beside those of its engine.
    pub environment: ConfigVars,
}

/// A service as it is recorded.
#[derive(Clone, Debug)]
pub struct ServiceRecord {
    /// Its row.
    pub id: ServiceId,
    /// Whose engine it is of.
    pub engine: PluginName,
    /// Its name.
    pub name: ServiceName,
    /// Under which linked apps find it.
    pub host: String,
    /// The engine's network that it shares with those that are linked to it.
    pub network: String,
    /// What it is made of.
    pub image: ServiceImage,
    /// Whether it is to run.
    pub wanted: WantedState,
    /// Its container, if it has one.
    pub container: Option<ContainerId>,
    /// The name of the directory with its data, below its own.
    pub data: String,
    /// What is set of it.
    pub properties: ServiceProperties,
    /// The admin's password.
    pub password: Password,
    /// Variables of its container, beside those of its engine.
    pub environment: ConfigVars,
    /// When it was made, in seconds since the Unix epoch.
    pub created_at: i64,
}

/// Something that happened to a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceEvent {
    /// When, in seconds since the Unix epoch.
    pub at: i64,
    /// Who did it.
    pub who: String,
    /// What it was.
    pub what: String,
}

const COLUMNS: &str = "id, engine, name, host, image, version, reference, built, wanted, container, data, \
                       properties, password, environment, created_at, network";

impl Store {
    /// Records a service that is not to run yet. [`StoreError::Taken`] if there is one of that name, or one that linked apps
    /// would find under the same.
    pub async fn create_service(&self, new: NewService) -> Result<ServiceRecord, StoreError> {
        let key = self.key.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let host = new.name.host(&new.engine);
            transaction
                .execute(
                    "INSERT INTO services (engine, name, host, image, version, reference, built, wanted, data,
                         properties, password, environment, created_at, network)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'stopped', 'data', ?8, x'', x'', ?9, '')",
                    (
                        new.engine.as_str(),
                        new.name.as_str(),
                        &host,
                        &new.image.name,
                        &new.image.version,
                        &new.image.reference,
                        new.image.built,
                        to_json(&new.properties)?,
                        clock::unix_seconds(),
                    ),
                )
                .map_err(taken(&host))?;
            let id = transaction.last_insert_rowid();
            let password = key.seal(&place(id, "password"), new.password.expose().as_bytes())?;
            let environment = seal_vars(&key, id, &new.environment)?;
            transaction.execute(
                "UPDATE services SET password = ?2, environment = ?3, network = ?4 WHERE id = ?1",
                (id, password, environment, format!("{}{id}", new.network_prefix)),
            )?;
            let record = by_id(&transaction, &key, ServiceId(id))?;
            transaction.commit()?;
            record.ok_or_else(|| StoreError::Damaged(host))
        })
        .await
    }

    /// The service of that name.
    pub async fn service(
        &self,
        engine: &PluginName,
        name: &ServiceName,
    ) -> Result<Option<ServiceRecord>, StoreError> {
        let (key, engine, name) = (self.key.clone(), engine.clone(), name.clone());
        self.call(move |connection| {
            let query = format!("SELECT {COLUMNS} FROM services WHERE engine = ?1 AND name = ?2");
            let found =
                connection.query_row(&query, (engine.as_str(), name.as_str()), |row| Ok(record(row, &key)));
            found.optional()?.transpose()
        })
        .await
    }

    /// The service with that row.
    pub async fn service_by_id(&self, id: ServiceId) -> Result<Option<ServiceRecord>, StoreError> {
        let key = self.key.clone();
        self.call(move |connection| by_id(connection, &key, id)).await
    }

    /// All services, by engine and name.
    pub async fn services(&self) -> Result<Vec<ServiceRecord>, StoreError> {
        let key = self.key.clone();
        self.call(move |connection| {
            let query = format!("SELECT {COLUMNS} FROM services ORDER BY engine, name");
            let mut statement = connection.prepare_cached(&query)?;
            let rows = statement.query_map([], |row| Ok(record(row, &key)))?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    /// Records which container a service has now.
    pub async fn set_service_container(
        &self,
        id: ServiceId,
        container: Option<ContainerId>,
    ) -> Result<(), StoreError> {
        let container = container.map(|container| container.to_string());
        self.update_service("container", id, container).await
    }

    /// Records whether a service is to run.
    pub async fn set_service_wanted(&self, id: ServiceId, wanted: WantedState) -> Result<(), StoreError> {
        self.update_service("wanted", id, wanted.as_str()).await
    }

    /// Records in which directory a service has its data.
    pub async fn set_service_data(&self, id: ServiceId, data: String) -> Result<(), StoreError> {
        self.update_service("data", id, data).await
    }

    /// Records what is set of a service.
    pub async fn set_service_properties(
        &self,
        id: ServiceId,
        properties: &ServiceProperties,
    ) -> Result<(), StoreError> {
        self.update_service("properties", id, to_json(properties)?).await
    }

    /// Records which variables a service's container has beside those of its engine.
    pub async fn set_service_environment(
        &self,
        id: ServiceId,
        environment: &ConfigVars,
    ) -> Result<(), StoreError> {
        let sealed = seal_vars(&self.key, id.0, environment)?;
        self.update_service("environment", id, sealed).await
    }

    /// Records what a service is made of from its next container on.
    pub async fn set_service_image(&self, id: ServiceId, image: ServiceImage) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute(
                "UPDATE services SET image = ?2, version = ?3, reference = ?4, built = ?5 WHERE id = ?1",
                (id.0, image.name, image.version, image.reference, image.built),
            )?;
            Ok(())
        })
        .await
    }

    /// Forgets a service, to which no app may be linked.
    pub async fn delete_service(&self, id: ServiceId) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute("DELETE FROM services WHERE id = ?1", [id.0])?;
            Ok(())
        })
        .await
    }

    /// Notes what happened to a service; the oldest of many events are forgotten.
    pub async fn note_service_event(
        &self,
        id: ServiceId,
        who: impl Into<String>,
        what: impl Into<String>,
    ) -> Result<(), StoreError> {
        let (who, what) = (who.into(), what.into());
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute(
                "INSERT INTO service_events (service, at, who, what) VALUES (?1, ?2, ?3, ?4)",
                (id.0, clock::unix_seconds(), who, what),
            )?;
            transaction.execute(
                "DELETE FROM service_events WHERE service = ?1 AND id NOT IN
                     (SELECT id FROM service_events WHERE service = ?1 ORDER BY id DESC LIMIT ?2)",
                (id.0, EVENTS),
            )?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// What happened to a service, the oldest first.
    pub async fn service_events(&self, id: ServiceId) -> Result<Vec<ServiceEvent>, StoreError> {
        self.call(move |connection| {
            let mut statement = connection
                .prepare_cached("SELECT at, who, what FROM service_events WHERE service = ?1 ORDER BY id")?;
            let rows = statement.query_map([id.0], |row| {
                Ok(ServiceEvent { at: row.get(0)?, who: row.get(1)?, what: row.get(2)? })
            })?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn update_service<T>(&self, column: &'static str, id: ServiceId, value: T) -> Result<(), StoreError>
    where
        T: rusqlite::ToSql + Send + 'static,
    {
        self.call(move |connection| {
            connection.execute(&format!("UPDATE services SET {column} = ?2 WHERE id = ?1"), (id.0, value))?;
            Ok(())
        })
        .await
    }
}

pub(super) fn by_id(
    connection: &Connection,
    key: &SecretKey,
    id: ServiceId,
) -> Result<Option<ServiceRecord>, StoreError> {
    let query = format!("SELECT {COLUMNS} FROM services WHERE id = ?1");
    connection.query_row(&query, [id.0], |row| Ok(record(row, key))).optional()?.transpose()
}

fn record(row: &Row<'_>, key: &SecretKey) -> Result<ServiceRecord, StoreError> {
    let id: i64 = row.get(0)?;
    let environment = open_vars(key, id, &row.get::<_, Vec<u8>>(13)?)?;
    Ok(ServiceRecord {
        id: ServiceId(id),
        engine: parse(&row.get::<_, String>(1)?)?,
        name: parse(&row.get::<_, String>(2)?)?,
        host: row.get(3)?,
        image: ServiceImage {
            name: row.get(4)?,
            version: row.get(5)?,
            reference: row.get(6)?,
            built: row.get(7)?,
        },
        wanted: parse(&row.get::<_, String>(8)?)?,
        container: row.get::<_, Option<String>>(9)?.map(ContainerId::new),
        data: row.get(10)?,
        properties: parse_json(&row.get::<_, String>(11)?)?,
        password: open_password(key, &place(id, "password"), &row.get::<_, Vec<u8>>(12)?)?,
        environment,
        created_at: row.get(14)?,
        network: row.get(15)?,
    })
}

/// Where a value of a service's is sealed for.
fn place(id: i64, what: &str) -> String {
    format!("service:{id}:{what}")
}

/// Opens a sealed password.
pub(super) fn open_password(key: &SecretKey, place: &str, sealed: &[u8]) -> Result<Password, StoreError> {
    let bytes = key.open(place, sealed)?;
    parse(&String::from_utf8_lossy(&bytes)).map_err(|_| StoreError::Damaged("a password".to_owned()))
}

fn seal_vars(key: &SecretKey, id: i64, vars: &ConfigVars) -> Result<Vec<u8>, StoreError> {
    let pairs: Vec<(&str, &str)> = vars.iter().map(|(key, value)| (key.as_str(), value.expose())).collect();
    Ok(key.seal(&place(id, "environment"), to_json(&pairs)?.as_bytes())?)
}

fn open_vars(key: &SecretKey, id: i64, sealed: &[u8]) -> Result<ConfigVars, StoreError> {
    let damaged = || StoreError::Damaged("a service's variables".to_owned());
    let bytes = key.open(&place(id, "environment"), sealed)?;
    let pairs: Vec<(ConfigKey, String)> = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
    let value = |text: String| ConfigValue::from_bytes(text.into_bytes()).map_err(|_| damaged());
    pairs.into_iter().map(|(key, text)| Ok((key, value(text)?))).collect()
}
