//! What `docker-options:add` has added.

use crate::model::additions::AddedOption;
use crate::model::docker_option::DockerOption;
use crate::model::phase::Phase;
use crate::model::process_scope::ProcessScope;
use crate::store::apps::AppId;
use crate::store::{Store, StoreError, parse};

/// An option, and what it holds for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOption {
    /// In which phase.
    pub phase: Phase,
    /// For which process types.
    pub scope: ProcessScope,
    /// The option.
    pub option: DockerOption,
}

impl From<&AddedOption> for StoredOption {
    fn from(added: &AddedOption) -> Self {
        let AddedOption { plugin: _, phase, scope, option } = added.clone();
        Self { phase, scope, option }
    }
}

impl Store {
    /// All options of an app in the order in which they were added.
    pub async fn docker_options(&self, app: AppId) -> Result<Vec<StoredOption>, StoreError> {
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT phase, process_type, flag, value FROM docker_options WHERE app = ?1 ORDER BY id",
            )?;
            let mut rows = statement.query([app.0])?;
            let mut options = Vec::new();
            while let Some(row) = rows.next()? {
                let phase = parse(&row.get::<_, String>(0)?)?;
                let (flag, value): (String, Option<String>) = (row.get(2)?, row.get(3)?);
                let option = DockerOption::from_parts(&flag, value, phase)
                    .map_err(|error| StoreError::Damaged(format!("a docker option ({error})")))?;
                options.push(StoredOption { phase, scope: parse(&row.get::<_, String>(1)?)?, option });
            }
            Ok(options)
        })
        .await
    }

    /// Adds options; one that is there already stays where it is.
    pub async fn add_docker_options(&self, app: AppId, options: Vec<StoredOption>) -> Result<(), StoreError> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            for StoredOption { phase, scope, option } in &options {
                if let Some((name, _)) = option.as_build_argument() {
                    // A build has one value for each argument: the new one.
                    transaction.execute(
                        "DELETE FROM docker_options WHERE app = ?1 AND phase = ?2 AND flag = 'build-arg'
                         AND (value = ?3 OR substr(value, 1, length(?3) + 1) = ?3 || '=')",
                        (app.0, phase.as_str(), name),
                    )?;
                }
                transaction.execute(
                    "INSERT OR IGNORE INTO docker_options (app, phase, process_type, flag, value)
                     VALUES (?1, ?2, ?3, ?4, ?5)",
                    (app.0, phase.as_str(), scope.as_str(), option.name(), option.value()),
                )?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// Removes options.
    pub async fn remove_docker_options(
        &self,
        app: AppId,
        options: Vec<StoredOption>,
    ) -> Result<(), StoreError> {
        self.call(move |connection| {
            let transaction = connection.transaction()?;
            for StoredOption { phase, scope, option } in &options {
                transaction.execute(
                    "DELETE FROM docker_options
                     WHERE app = ?1 AND phase = ?2 AND process_type = ?3 AND flag = ?4 AND value IS ?5",
                    (app.0, phase.as_str(), scope.as_str(), option.name(), option.value()),
                )?;
            }
            transaction.commit()?;
            Ok(())
        })
        .await
    }

    /// The names of the apps that join a network by an option.
    pub async fn apps_with_network_option(&self, network: &str) -> Result<Vec<String>, StoreError> {
        let network = network.to_owned();
        self.call(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT DISTINCT apps.name FROM docker_options JOIN apps ON apps.id = docker_options.app
                 WHERE flag = 'network' AND value = ?1 ORDER BY apps.name",
            )?;
            let names = statement.query_map([network], |row| row.get(0))?;
            Ok(names.collect::<Result<_, _>>()?)
        })
        .await
    }
}
