//! Paths of hosts that lead to apps.

use std::collections::HashMap;

use rusqlite::Connection;

use crate::model::app_name::AppName;
use crate::model::path_route::{HostPath, PathRoute};
use crate::store::apps::AppId;
use crate::store::{Store, StoreError, parse, taken};

impl Store {
    /// The paths of hosts that lead to an app.
    pub async fn path_routes(&self, app: AppId) -> Result<Vec<PathRoute>, StoreError> {
        self.call(move |connection| Ok(read(connection)?.remove(&app).unwrap_or_default())).await
    }

    /// The app that a path of a host leads to.
    pub async fn path_owner(&self, place: HostPath) -> Result<Option<AppName>, StoreError> {
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT apps.name FROM path_routes JOIN apps ON apps.id = path_routes.app
                 WHERE hostname = ?1 AND path = ?2",
            )?;
            let mut rows = statement.query([place.host.as_str(), place.path()])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            parse(&row.get::<_, String>(0)?).map(Some)
        })
        .await
    }

    /// Leads paths of hosts to an app, or changes how they do: all of them, or none if one is another app's.
    pub async fn add_path_routes(&self, app: AppId, routes: Vec<PathRoute>) -> Result<(), StoreError> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            for PathRoute { place, strip } in routes {
                let of_app = (app.0, place.host.as_str(), place.path());
                let delete = "DELETE FROM path_routes WHERE app = ?1 AND hostname = ?2 AND path = ?3";
                transaction.execute(delete, of_app)?;
                let insert = "INSERT INTO path_routes (app, hostname, path, strip) VALUES (?1, ?2, ?3, ?4)";
                transaction
                    .execute(insert, (of_app.0, of_app.1, of_app.2, strip))
                    .map_err(taken(&place.to_string()))?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Takes paths of hosts away from an app; all that people added with `None`.
    pub async fn remove_path_routes(
        &self,
        app: AppId,
        places: Option<Vec<HostPath>>,
    ) -> Result<(), StoreError> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            let Some(places) = places else {
                transaction.execute("DELETE FROM path_routes WHERE app = ?1 AND plugin IS NULL", [app.0])?;
                return Ok(transaction.commit()?);
            };
            for place in places {
                let sql = "DELETE FROM path_routes
                           WHERE app = ?1 AND hostname = ?2 AND path = ?3 AND plugin IS NULL";
                transaction.execute(sql, (app.0, place.host.as_str(), place.path()))?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }
}

/// All of them, by app, in the order in which they were added.
pub(super) fn read(connection: &Connection) -> Result<HashMap<AppId, Vec<PathRoute>>, StoreError> {
    let sql = "SELECT app, hostname, path, strip FROM path_routes ORDER BY id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut routes: HashMap<AppId, Vec<PathRoute>> = HashMap::new();
    while let Some(row) = rows.next()? {
        let (host, path): (String, String) = (row.get(1)?, row.get(2)?);
        let route = PathRoute { place: parse(&format!("{host}{path}"))?, strip: row.get(3)? };
        routes.entry(AppId(row.get(0)?)).or_default().push(route);
    }
    Ok(routes)
}
