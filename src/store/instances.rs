//! Which container is which instance: the record that decides what is adopted and what is an orphan.

use rusqlite::Connection;

use crate::model::config_var::ConfigVars;
use crate::model::container_id::ContainerId;
use crate::model::process_type::InstanceName;
use crate::store::apps::AppId;
use crate::store::config::{self, Completion};
use crate::store::formation::{self, Formation};
use crate::store::{Store, StoreError, added_routes, parse, to_json};

/// A container that belongs to an app's formation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceRecord {
    /// The app.
    pub app: AppId,
    /// Its place in the formation.
    pub name: InstanceName,
    /// The engine's id of the container.
    pub container: ContainerId,
    /// The row of the release it runs.
    pub release: i64,
}

/// What becomes of an app's own config vars at the switch.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigChange {
    /// Those of another release become the app's own again, and all others go.
    Restore(ConfigVars),
    /// Those that app.json gives join them.
    Complete(Completion),
}

impl Store {
    /// The instances of one app, or of all, in the order of their names.
    pub async fn instances(&self, app: Option<AppId>) -> Result<Vec<InstanceRecord>, StoreError> {
        self.call(move |connection| read(connection, app)).await
    }

    /// The switch: from here on this release and these containers are the app, in these quantities as far as
    /// they were changed. The app's config vars change with it, so that a deploy that fails leaves none behind, and no
    /// restart ever brings back those of another release. One transaction, on the disk when it returns; before it,
    /// the old ones are.
    pub async fn commit_switch(
        &self,
        app: AppId,
        release: i64,
        instances: Vec<InstanceRecord>,
        (changes, config): (Formation, ConfigChange),
    ) -> Result<(), StoreError> {
        let key = self.key.clone();
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            switch(&transaction, app, release, &instances)?;
            formation::set(&transaction, app, &changes)?;
            formation::forget_others(&transaction, app, release)?;
            match config {
                ConfigChange::Restore(wanted) => config::restore(&transaction, &key, app, wanted)?,
                ConfigChange::Complete(completion) => {
                    config::complete(&transaction, &key, app, completion)?;
                }
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Records that a person stopped the app: none of its containers is wanted any more.
    pub async fn stop_app(&self, app: AppId) -> Result<(), StoreError> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            replace(&transaction, app, &[])?;
            transaction.execute("UPDATE apps SET stopped = 1 WHERE id = ?1", [app.0])?;
            transaction.commit()?;
            Ok(())
        })
        .await
    }
}

pub(super) fn read(connection: &Connection, app: Option<AppId>) -> Result<Vec<InstanceRecord>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT app, process_type, number, container, release FROM instances
         WHERE ?1 IS NULL OR app = ?1 ORDER BY app, process_type, number",
    )?;
    let mut rows = statement.query([app.map(|app| app.0)])?;
    let mut instances = Vec::new();
    while let Some(row) = rows.next()? {
        let name = InstanceName { process_type: parse(&row.get::<_, String>(1)?)?, index: row.get(2)? };
        instances.push(InstanceRecord {
            app: AppId(row.get(0)?),
            name,
            container: ContainerId::new(row.get(3)?),
            release: row.get(4)?,
        });
    }
    Ok(instances)
}

fn switch(
    connection: &Connection,
    app: AppId,
    release: i64,
    instances: &[InstanceRecord],
) -> Result<(), StoreError> {
    replace(connection, app, instances)?;
    added_routes::replace(connection, app, release)?;
    let mut quantities: Formation = Formation::new();
    for instance in instances {
        *quantities.entry(instance.name.process_type.clone()).or_default() += 1;
    }
    connection.execute(
        "UPDATE releases SET status = 'succeeded', formation = ?2 WHERE id = ?1",
        (release, to_json(&quantities)?),
    )?;
    connection
        .execute("UPDATE apps SET current_release = ?2, stopped = 0 WHERE id = ?1", (app.0, release))?;
    Ok(())
}

fn replace(connection: &Connection, app: AppId, instances: &[InstanceRecord]) -> Result<(), StoreError> {
    connection.execute("DELETE FROM instances WHERE app = ?1", [app.0])?;
    for instance in instances {
        connection.execute(
            "INSERT INTO instances (app, process_type, number, container, release) VALUES (?1, ?2, ?3, ?4, ?5)",
            (
                app.0,
                instance.name.process_type.as_str(),
                instance.name.index,
                instance.container.as_str(),
                instance.release,
            ),
        )?;
    }
    Ok(())
}
