//! Which one-off containers are meant: an app's, or the one of that name.

use clap::Args;

use crate::command_error::CommandError;
use crate::commands::{Context, Target};
use crate::docker::facts::ContainerFacts;
use crate::store::one_offs::OneOffRecord;

/// `APP [CONTAINER]` or `--container CONTAINER`.
#[derive(Debug, Args)]
pub struct Which {
    /// Only this one; the app is known from its name
    #[arg(long = "container", value_name = "CONTAINER", conflicts_with = "name")]
    container: Option<String>,
    /// The app
    app: Option<String>,
    /// Only this one
    #[arg(value_name = "CONTAINER")]
    name: Option<String>,
}

/// A one-off container, as it is recorded and as the engine knows it.
#[derive(Clone, Debug)]
pub struct OneOffContainer {
    /// The record.
    pub record: OneOffRecord,
    /// The container.
    pub facts: ContainerFacts,
}

impl Which {
    /// The app that is named, or that the container's name begins with.
    pub fn target(&self) -> Target {
        let of_container = || self.container.as_ref()?.rsplit_once(".run.").map(|(app, _)| app.to_owned());
        match self.app.clone().or_else(of_container) {
            Some(app) => Target::One(app),
            None => Target::Nothing,
        }
    }

    /// The containers that are meant, oldest first; one that was named has to be there.
    pub async fn find(&self, context: &Context) -> Result<Vec<OneOffContainer>, CommandError> {
        let name = self.container.as_ref().or(self.name.as_ref());
        if self.app.is_none() && self.container.is_some() && context.targets.is_empty() {
            return Err(missing(name.map_or("", String::as_str)).hint("See them: run:list APP"));
        }
        let mut found = of_app(context).await?;
        if let Some(name) = name {
            found.retain(|container| container.record.name == *name);
            if found.is_empty() {
                return Err(missing(name).hint(format!("See them: run:list {}", context.target()?.name)));
            }
        }
        Ok(found)
    }
}

fn missing(name: &str) -> CommandError {
    CommandError::user(format!("There is no one-off container {name}"))
}

/// The one-off containers of the command's app, oldest first.
pub async fn of_app(context: &Context) -> Result<Vec<OneOffContainer>, CommandError> {
    let mut found = Vec::new();
    for record in context.app.store.one_offs(Some(context.target()?.id)).await? {
        match context.app.engine.inspect(record.container.as_str()).await {
            Ok(facts) => found.push(OneOffContainer { record, facts }),
            // Removed just now: the reconciler forgets it.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}
