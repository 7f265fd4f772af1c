//! Links: which app reaches which other one, and under which names.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension};

use crate::model::app_name::AppName;
use crate::model::config_var::{ConfigKey, ConfigValue, ConfigVars};
use crate::store::apps::AppId;
use crate::store::{Store, StoreError, config, parse};

/// That an app reaches another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Who reaches.
    pub app: AppId,
    /// Its name.
    pub app_name: AppName,
    /// Who is reached.
    pub target: AppId,
    /// Its name.
    pub target_name: AppName,
    /// The config var of the former that has the URL of the latter.
    pub key: ConfigKey,
}

/// An app to which others link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkTarget {
    /// The app.
    pub app: AppId,
    /// Its name on the network; stays when the app is renamed.
    pub host: String,
    /// The engine's network that it shares with those that link to it.
    pub network: String,
}

/// Why there is no link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkRefusal {
    /// There is one, with this var.
    Exists(ConfigKey),
    /// The var is set already.
    KeyTaken,
    /// The other app reaches this one, over these apps: from this one to this one.
    Cycle(Vec<AppName>),
}

const LINKS: &str = "SELECT links.app, apps.name, links.target, targets.name, links.key FROM links
     JOIN apps ON apps.id = links.app JOIN apps AS targets ON targets.id = links.target
     ORDER BY apps.name, targets.name";

impl Store {
    /// All links, by the names of the apps.
    pub async fn links(&self) -> Result<Vec<Link>, StoreError> {
        self.call(|connection| read(connection)).await
    }

    /// What an app is as a target, if another one ever linked to it.
    pub async fn link_target(&self, app: AppId) -> Result<Option<LinkTarget>, StoreError> {
        self.call(move |connection| target(connection, app)).await
    }

    /// The networks that an app's containers join because it is linked to other apps, and to services.
    pub async fn link_networks(&self, app: AppId) -> Result<Vec<String>, StoreError> {
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT network FROM link_targets JOIN links ON links.target = link_targets.app
                 WHERE links.app = ?1
                 UNION SELECT network FROM services JOIN service_links ON service_links.service = services.id
                 WHERE service_links.app = ?1 ORDER BY network",
            )?;
            let networks = statement.query_map([app.0], |row| row.get(0))?;
            Ok(networks.collect::<Result<_, _>>()?)
        })
        .await
    }

    /// Makes an app a target, if it is none yet. Its host is made from its name, unless another app's is that.
    pub async fn make_link_target(
        &self,
        app: AppId,
        app_name: &AppName,
        network: String,
    ) -> Result<LinkTarget, StoreError> {
        let app_name = app_name.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            if target(&transaction, app)?.is_none() {
                let plain = format!("{app_name}.web.internal");
                let taken: bool = transaction.query_row(
                    "SELECT EXISTS (SELECT 1 FROM link_targets WHERE host = ?1)",
                    [&plain],
                    |row| row.get(0),
                )?;
                let host = if taken { format!("{app_name}-{}.web.internal", app.0) } else { plain };
                transaction.execute(
                    "INSERT INTO link_targets (app, host, network) VALUES (?1, ?2, ?3)",
                    (app.0, host, network),
                )?;
            }
            let made = target(&transaction, app)?;
            transaction.commit()?;
            made.ok_or_else(|| StoreError::Damaged("a link's target".to_owned()))
        })
        .await
    }

    /// Records a link and sets its var, or says why not and changes nothing.
    pub async fn add_link(
        &self,
        (app, target): (AppId, AppId),
        key: ConfigKey,
        value: ConfigValue,
    ) -> Result<Result<(), LinkRefusal>, StoreError> {
        let secret = self.key.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let links = read(&transaction)?;
            if let Some(link) = links.iter().find(|link| (link.app, link.target) == (app, target)) {
                return Ok(Err(LinkRefusal::Exists(link.key.clone())));
            }
            if let Some(way) = way(&links, target, app) {
                return Ok(Err(LinkRefusal::Cycle(way)));
            }
            let taken: bool = transaction.query_row(
                "SELECT EXISTS (SELECT 1 FROM config WHERE (app = ?1 OR app IS NULL) AND key = ?2)",
                (app.0, key.as_str()),
                |row| row.get(0),
            )?;
            if taken {
                return Ok(Err(LinkRefusal::KeyTaken));
            }
            transaction.execute(
                "INSERT INTO links (app, target, key) VALUES (?1, ?2, ?3)",
                (app.0, target.0, key.as_str()),
            )?;
            config::change(&transaction, &secret, Some(app), (ConfigVars::from([(key, value)]), Vec::new()))?;
            transaction.commit()?;
            Ok(Ok(()))
        })
        .await
    }

    /// Forgets a link with its var.
    pub async fn remove_link(&self, link: &Link) -> Result<(), StoreError> {
        let link = link.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            transaction
                .execute("DELETE FROM links WHERE app = ?1 AND target = ?2", (link.app.0, link.target.0))?;
            transaction
                .execute("DELETE FROM config WHERE app = ?1 AND key = ?2", (link.app.0, link.key.as_str()))?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }
}

fn read(connection: &Connection) -> Result<Vec<Link>, StoreError> {
    let mut statement = connection.prepare_cached(LINKS)?;
    let mut rows = statement.query([])?;
    let mut links = Vec::new();
    while let Some(row) = rows.next()? {
        links.push(Link {
            app: AppId(row.get(0)?),
            app_name: parse(&row.get::<_, String>(1)?)?,
            target: AppId(row.get(2)?),
            target_name: parse(&row.get::<_, String>(3)?)?,
            key: parse(&row.get::<_, String>(4)?)?,
        });
    }
    Ok(links)
}

/// The vars of an app that are links.
pub(super) fn keys(connection: &Connection, app: AppId) -> Result<BTreeSet<ConfigKey>, StoreError> {
    let links = read(connection)?.into_iter().filter(|link| link.app == app);
    Ok(links.map(|link| link.key).collect())
}

fn target(connection: &Connection, app: AppId) -> Result<Option<LinkTarget>, StoreError> {
    let found =
        connection.query_row("SELECT app, host, network FROM link_targets WHERE app = ?1", [app.0], |row| {
            Ok(LinkTarget { app: AppId(row.get(0)?), host: row.get(1)?, network: row.get(2)? })
        });
    Ok(found.optional()?)
}

/// The apps on the way from one to another along links, both included, if there is a way.
fn way(links: &[Link], from: AppId, to: AppId) -> Option<Vec<AppName>> {
    // There are no cycles yet, so this ends.
    links.iter().filter(|link| link.app == from).find_map(|link| {
        let rest =
            if link.target == to { vec![link.target_name.clone()] } else { way(links, link.target, to)? };
        Some([vec![link.app_name.clone()], rest].concat())
    })
}
