//! What `resource:limit` and `resource:reserve` have set.

use std::collections::BTreeMap;

use crate::model::process_scope::ProcessScope;
use crate::model::resource::{Bound, Resource};
use crate::store::apps::AppId;
use crate::store::{Store, StoreError, parse};

/// Amounts as they were typed, by what they hold for.
pub type Resources = BTreeMap<ProcessScope, BTreeMap<(Bound, Resource), String>>;

impl Store {
    /// All amounts of an app.
    pub async fn resources(&self, app: AppId) -> Result<Resources, StoreError> {
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT process_type, bound, resource, amount FROM resources WHERE app = ?1",
            )?;
            let mut rows = statement.query([app.0])?;
            let mut resources = Resources::new();
            while let Some(row) = rows.next()? {
                let scope = parse(&row.get::<_, String>(0)?)?;
                let key = (parse(&row.get::<_, String>(1)?)?, parse(&row.get::<_, String>(2)?)?);
                resources.entry(scope).or_default().insert(key, row.get(3)?);
            }
            Ok(resources)
        })
        .await
    }

    /// Replaces all amounts of an app.
    pub async fn set_resources(&self, app: AppId, resources: Resources) -> Result<(), StoreError> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            transaction.execute("DELETE FROM resources WHERE app = ?1", [app.0])?;
            for (scope, amounts) in &resources {
                for ((bound, resource), amount) in amounts {
                    transaction.execute(
                        "INSERT INTO resources (app, process_type, bound, resource, amount)
                         VALUES (?1, ?2, ?3, ?4, ?5)",
                        (app.0, scope.as_str(), bound.as_str(), resource.as_str(), amount),
                    )?;
                }
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }
}
