//! `links:add`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::dispatch::find_app;
use crate::commands::{Command, Context, Scope, Target, links};
use crate::deploy;
use crate::model::config_var::ConfigKey;
use crate::model::role::Role;
use crate::store::apps::AppRecord;
use crate::store::links::{Link, LinkRefusal};

/// Lets an app reach another one, whose URL it gets as NAME_URL
#[derive(Debug, Args)]
pub struct Add {
    /// Do not restart the app
    #[arg(long)]
    no_restart: bool,
    /// What stands before _URL in the config var's name; without it the other app's name
    #[arg(long = "as", value_name = "NAME")]
    alias: Option<String>,
    /// The app that reaches
    app: String,
    /// The app that is reached
    other: String,
}

impl Command for Add {
    const NAME: &'static str = "links:add";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?.clone();
        let other = find_app(&context.app, &context.caller, &self.other).await?;
        if record.id == other.id {
            return Err(CommandError::user(format!("{} cannot be linked to itself", record.name))
                .hint("An app's processes reach one another over the network of some service, or a queue"));
        }
        let key = key(self.alias.as_deref(), &other)?;
        let store = &context.app.store;
        let network = deploy::links::network(&context.app.engine, other.id);
        let target = store.make_link_target(other.id, &other.name, network).await?;
        let url = deploy::links::url(&context.app, &other, &target).await?;
        let value = deploy::links::value(&url)?;
        context.console().step(format!("Linking {} to {}", record.name, other.name)).await;
        let added = store.add_link((record.id, other.id), key.clone(), value).await?;
        added.map_err(|refusal| refused(refusal, &record, &other, &key))?;
        if let Err(error) = deploy::links::settle(&context.app).await {
            store.remove_link(&link(&record, &other, key)).await?;
            return Err(error.into());
        }
        context.console().detail(format!("{key}: {url}")).await;
        links::restart(&context, &key, true, self.no_restart).await?;
        Ok(0)
    }
}

fn link(record: &AppRecord, other: &AppRecord, key: ConfigKey) -> Link {
    Link {
        app: record.id,
        app_name: record.name.clone(),
        target: other.id,
        target_name: other.name.clone(),
        key,
    }
}

/// `NAME_URL`, of the name that was asked for or of the other app's.
fn key(alias: Option<&str>, other: &AppRecord) -> Result<ConfigKey, CommandError> {
    let name = match alias {
        Some(alias) => alias.to_owned(),
        None => other.name.as_str().to_ascii_uppercase().replace(['-', '.'], "_"),
    };
    let hint = format!("Name the config var yourself: links:add APP {} --as NAME", other.name);
    format!("{name}_URL").parse().map_err(|error| CommandError::user(error).hint(hint))
}

fn refused(refusal: LinkRefusal, record: &AppRecord, other: &AppRecord, key: &ConfigKey) -> CommandError {
    match refusal {
        LinkRefusal::Exists(key) => {
            CommandError::user(format!("{} is linked to {} already, as {key}", record.name, other.name)).hint(
                format!("For another name: links:remove {} {}, then links:add", record.name, other.name),
            )
        }
        LinkRefusal::KeyTaken => {
            CommandError::user(format!("The config var {key} of {} is set already", record.name)).hint(
                format!(
                    "Choose another name: links:add {} {} --as NAME, or unset it: config:unset {} {key}",
                    record.name, other.name, record.name
                ),
            )
        }
        LinkRefusal::Cycle(way) => {
            let names: Vec<&str> = way.iter().map(|name| name.as_str()).collect();
            CommandError::user(format!(
                "{} already reaches {}: {}",
                other.name,
                record.name,
                names.join(" -> ")
            ))
            .hint("Apps in a circle cannot be started one after the other: remove one of these links")
        }
    }
}
