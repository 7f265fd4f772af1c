//! Host names, and paths of hosts, that plugins add to a release: kept beside those that people add, so that all who
//! ask what leads where find them, and so that no place is two apps'.

use rusqlite::Connection;

use crate::model::additions::{AddedPlace, AddedRoute, Additions};
use crate::model::plugin::PluginName;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError, parse, parse_json, taken};

impl Store {
    /// The places that plugins added to an app's release, as text, and which plugins.
    pub async fn added_places(&self, app: AppId) -> Result<Vec<(String, PluginName)>, StoreError> {
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT hostname, plugin FROM domains WHERE app = ?1 AND plugin IS NOT NULL
                 UNION SELECT hostname || path, plugin FROM path_routes
                 WHERE app = ?1 AND plugin IS NOT NULL ORDER BY 1",
            )?;
            let mut rows = statement.query([app.0])?;
            let mut places = Vec::new();
            while let Some(row) = rows.next()? {
                places.push((row.get(0)?, parse(&row.get::<_, String>(1)?)?));
            }
            Ok(places)
        })
        .await
    }
}

/// Gives an app what a release has, in the place of what the release before had, within somebody's transaction.
pub(super) fn replace(connection: &Connection, app: AppId, release: i64) -> Result<(), StoreError> {
    for table in ["domains", "path_routes"] {
        let sql = format!("DELETE FROM {table} WHERE app = ?1 AND plugin IS NOT NULL");
        connection.execute(&sql, [app.0])?;
    }
    let sql = "SELECT additions FROM releases WHERE id = ?1";
    let text: String = connection.query_row(sql, [release], |row| row.get(0))?;
    for route in parse_json::<Additions>(&text)?.routes {
        add(connection, app, &route).map_err(taken(&route.place.to_string()))?;
    }
    Ok(())
}

/// Adds one, unless a person has added the same to the app.
fn add(connection: &Connection, app: AppId, route: &AddedRoute) -> rusqlite::Result<usize> {
    let plugin = route.plugin.as_str();
    match &route.place {
        AddedPlace::Host(host) => connection.execute(
            "INSERT INTO domains (app, hostname, plugin) SELECT ?1, ?2, ?3
             WHERE NOT EXISTS (SELECT 1 FROM domains WHERE app = ?1 AND hostname = ?2)",
            (app.0, host.as_str(), plugin),
        ),
        AddedPlace::Path(place) => connection.execute(
            "INSERT INTO path_routes (app, hostname, path, strip, plugin) SELECT ?1, ?2, ?3, ?4, ?5
             WHERE NOT EXISTS (SELECT 1 FROM path_routes WHERE app = ?1 AND hostname = ?2 AND path = ?3)",
            (app.0, place.host.as_str(), place.path(), route.strip, plugin),
        ),
    }
}
