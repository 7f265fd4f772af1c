//! Which app reaches which service, as whom, and in which of its config vars it finds it. A link changes together
//! with the vars.

use std::collections::BTreeSet;

use rusqlite::Connection;

use crate::model::app_name::AppName;
use crate::model::config_var::{ConfigKey, ConfigVars};
use crate::model::password::Password;
use crate::model::service::ServiceId;
use crate::store::apps::AppId;
use crate::store::secret::SecretKey;
use crate::store::services::open_password;
use crate::store::{Store, StoreError, config, parse, parse_json, taken, to_json};

/// As whom a service is reached.
#[derive(Clone, Debug)]
pub struct LinkUser {
    /// The user.
    pub name: String,
    /// Its password.
    pub password: Password,
}

/// That an app reaches a service.
#[derive(Clone, Debug)]
pub struct ServiceLink {
    /// Who is reached.
    pub service: ServiceId,
    /// Who reaches.
    pub app: AppId,
    /// Its name.
    pub app_name: AppName,
    /// As whom.
    pub user: LinkUser,
    /// What stands behind the URL's `?`; empty if nothing does.
    pub query: String,
    /// The app's config vars that were set for it.
    pub keys: Vec<ConfigKey>,
}

/// A user that is to be removed from an engine once nobody has its password any longer.
#[derive(Clone, Debug)]
pub struct Departure {
    /// Its row.
    pub id: i64,
    /// The service.
    pub service: ServiceId,
    /// The app that had it, unless that is destroyed.
    pub app: Option<AppId>,
    /// What the app was called.
    pub app_name: String,
    /// The user.
    pub user: LinkUser,
}

/// What a change of a link does to its app's config vars.
#[derive(Clone, Debug, Default)]
pub struct VarChange {
    /// Vars that it gets.
    pub set: ConfigVars,
    /// Vars that it loses.
    pub unset: Vec<ConfigKey>,
}

const LINKS: &str = "SELECT service_links.service, service_links.app, apps.name, service_links.user,
         service_links.password, service_links.query, service_links.keys
     FROM service_links JOIN apps ON apps.id = service_links.app
     JOIN services ON services.id = service_links.service
     ORDER BY services.engine, services.name, apps.name";

impl Store {
    /// All links, by the names of services and apps.
    pub async fn service_links(&self) -> Result<Vec<ServiceLink>, StoreError> {
        let key = self.key.clone();
        self.call(move |connection| read(connection, &key)).await
    }

    /// The links of one service, by the names of apps.
    pub async fn links_to_service(&self, service: ServiceId) -> Result<Vec<ServiceLink>, StoreError> {
        let links = self.service_links().await?;
        Ok(links.into_iter().filter(|link| link.service == service).collect())
    }

    /// The links of one app, by the names of services.
    pub async fn links_of_app(&self, app: AppId) -> Result<Vec<ServiceLink>, StoreError> {
        let links = self.service_links().await?;
        Ok(links.into_iter().filter(|link| link.app == app).collect())
    }

    /// Records a link with its vars. A departure of the same user is none any more: it was noted before the user was
    /// made, so that no crash leaves one that nobody knows. [`StoreError::Taken`] if there is such a link.
    pub async fn add_service_link(&self, link: ServiceLink, vars: VarChange) -> Result<(), StoreError> {
        let secret = self.key.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let user = &link.user;
            let sealed = seal(&secret, link.service, user)?;
            transaction
                .execute(
                    "INSERT INTO service_links (service, app, user, password, query, keys)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                    (link.service.0, link.app.0, &user.name, sealed, &link.query, to_json(&link.keys)?),
                )
                .map_err(taken(&format!("the link of {}", link.app_name)))?;
            keep(&transaction, link.service, user)?;
            config::change(&transaction, &secret, Some(link.app), (vars.set, vars.unset))?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Changes a link's keys, and those of other links of the same app, with the vars.
    pub async fn change_service_keys(
        &self,
        links: Vec<ServiceLink>,
        vars: VarChange,
    ) -> Result<(), StoreError> {
        let secret = self.key.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            for link in &links {
                set_keys(&transaction, link)?;
            }
            if let Some(app) = links.first().map(|link| link.app) {
                config::change(&transaction, &secret, Some(app), (vars.set, vars.unset))?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Gives a link another user; the former one is to depart.
    pub async fn change_service_user(
        &self,
        link: ServiceLink,
        user: LinkUser,
        vars: VarChange,
    ) -> Result<(), StoreError> {
        let secret = self.key.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let sealed = seal(&secret, link.service, &user)?;
            transaction.execute(
                "UPDATE service_links SET user = ?3, password = ?4 WHERE service = ?1 AND app = ?2",
                (link.service.0, link.app.0, &user.name, sealed),
            )?;
            set_keys(&transaction, &link)?;
            keep(&transaction, link.service, &user)?;
            depart(&transaction, &secret, &link)?;
            config::change(&transaction, &secret, Some(link.app), (vars.set, vars.unset))?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Forgets a link with its vars; its user is to depart.
    pub async fn remove_service_link(&self, link: ServiceLink, vars: VarChange) -> Result<(), StoreError> {
        let secret = self.key.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute(
                "DELETE FROM service_links WHERE service = ?1 AND app = ?2",
                (link.service.0, link.app.0),
            )?;
            depart(&transaction, &secret, &link)?;
            config::change(&transaction, &secret, Some(link.app), (vars.set, vars.unset))?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Notes that the link's user is to be removed, unless the link comes to be.
    pub async fn note_departure(&self, link: &ServiceLink) -> Result<(), StoreError> {
        let (secret, link) = (self.key.clone(), link.clone());
        self.call(move |connection| depart(connection, &secret, &link)).await
    }

    /// Users that are to be removed.
    pub async fn departures(&self) -> Result<Vec<Departure>, StoreError> {
        let key = self.key.clone();
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, service, app, app_name, user, password FROM service_departures ORDER BY id",
            )?;
            let mut rows = statement.query([])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let (service, name) = (ServiceId(row.get(1)?), row.get::<_, String>(4)?);
                let password = open(&key, service, &name, &row.get::<_, Vec<u8>>(5)?)?;
                found.push(Departure {
                    id: row.get(0)?,
                    service,
                    app: row.get::<_, Option<i64>>(2)?.map(AppId),
                    app_name: row.get(3)?,
                    user: LinkUser { name, password },
                });
            }
            Ok(found)
        })
        .await
    }

    /// Forgets a user that is removed.
    pub async fn forget_departure(&self, id: i64) -> Result<(), StoreError> {
        self.call(move |connection| {
            connection.execute("DELETE FROM service_departures WHERE id = ?1", [id])?;
            Ok(())
        })
        .await
    }
}

fn read(connection: &Connection, key: &SecretKey) -> Result<Vec<ServiceLink>, StoreError> {
    let mut statement = connection.prepare_cached(LINKS)?;
    let mut rows = statement.query([])?;
    let mut links = Vec::new();
    while let Some(row) = rows.next()? {
        let (service, name) = (ServiceId(row.get(0)?), row.get::<_, String>(3)?);
        let password = open(key, service, &name, &row.get::<_, Vec<u8>>(4)?)?;
        links.push(ServiceLink {
            service,
            app: AppId(row.get(1)?),
            app_name: parse(&row.get::<_, String>(2)?)?,
            user: LinkUser { name, password },
            query: row.get(5)?,
            keys: parse_json(&row.get::<_, String>(6)?)?,
        });
    }
    Ok(links)
}

/// The vars of an app that are links to services.
pub(super) fn keys(connection: &Connection, app: AppId) -> Result<BTreeSet<ConfigKey>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT keys FROM service_links WHERE app = ?1")?;
    let mut rows = statement.query([app.0])?;
    let mut keys = BTreeSet::new();
    while let Some(row) = rows.next()? {
        keys.extend(parse_json::<Vec<ConfigKey>>(&row.get::<_, String>(0)?)?);
    }
    Ok(keys)
}

/// Has the users of an app's links depart, before the app is forgotten and its links with it.
pub(super) fn depart_all(connection: &Connection, key: &SecretKey, app: AppId) -> Result<(), StoreError> {
    for link in read(connection, key)?.iter().filter(|link| link.app == app) {
        depart(connection, key, link)?;
    }
    connection.execute("UPDATE service_departures SET app = NULL WHERE app = ?1", [app.0])?;
    Ok(())
}

fn depart(connection: &Connection, key: &SecretKey, link: &ServiceLink) -> Result<(), StoreError> {
    connection.execute(
        "INSERT INTO service_departures (service, app, app_name, user, password) VALUES (?1, ?2, ?3, ?4, ?5)",
        (
            link.service.0,
            link.app.0,
            link.app_name.as_str(),
            &link.user.name,
            seal(key, link.service, &link.user)?,
        ),
    )?;
    Ok(())
}

fn keep(connection: &Connection, service: ServiceId, user: &LinkUser) -> Result<(), StoreError> {
    connection.execute(
        "DELETE FROM service_departures WHERE service = ?1 AND user = ?2",
        (service.0, &user.name),
    )?;
    Ok(())
}

fn set_keys(connection: &Connection, link: &ServiceLink) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE service_links SET keys = ?3 WHERE service = ?1 AND app = ?2",
        (link.service.0, link.app.0, to_json(&link.keys)?),
    )?;
    Ok(())
}

fn seal(key: &SecretKey, service: ServiceId, user: &LinkUser) -> Result<Vec<u8>, StoreError> {
    Ok(key.seal(&place(service, &user.name), user.password.expose().as_bytes())?)
}

fn open(key: &SecretKey, service: ServiceId, user: &str, sealed: &[u8]) -> Result<Password, StoreError> {
    open_password(key, &place(service, user), sealed)
}

fn place(service: ServiceId, user: &str) -> String {
    format!("service:{}:user:{user}", service.0)
}
