//! `ENGINE:link`, `ENGINE:unlink` and `ENGINE:promote`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::dispatch::find_app;
use crate::commands::service::hold;
use crate::commands::{Command, Context, Scope, Target, config};
use crate::model::config_var::ConfigVars;
use crate::model::role::Role;
use crate::services::link::{self, LinkWish};
use crate::store::apps::AppRecord;

/// Links a service to an app, which gets its URL as a config var
#[derive(Debug, Args)]
pub struct Link {
    /// What stands before _URL in the config var's name: BLUE_DATABASE
    #[arg(short, long)]
    alias: Option<String>,
    /// What stands behind the URL's question mark: "pool=5"
    #[arg(short, long, default_value = "", hide_default_value = true)]
    querystring: String,
    /// Do not restart the app
    #[arg(short, long)]
    no_restart: bool,
    /// The service
    service: String,
    /// The app
    app: String,
}

impl Command for Link {
    const NAME: &'static str = "service:link";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = find_app(&context.app, &context.caller, &self.app).await?;
        let wish = LinkWish { alias: self.alias, query: self.querystring };
        let linked = {
            let (_lease, service) = hold(&context).await?;
            link::add(&context.app, &service, &record, &wish, &context.caller.name).await?
        };
        show_vars(&context, &linked.vars).await;
        restart(&context, &record, &format!("Set {}", linked.key), self.no_restart).await?;
        Ok(0)
    }
}

/// Shows config vars as `config:set` does.
pub async fn show_vars(context: &Context, vars: &ConfigVars) {
    let console = context.console();
    console.step("Setting config vars").await;
    for (key, value) in vars {
        console.detail(format!("{key}:  {}", value.expose())).await;
    }
}

/// Runs the app with its new vars, unless it is not to be restarted.
pub async fn restart(
    context: &Context,
    record: &AppRecord,
    description: &str,
    no_restart: bool,
) -> Result<(), CommandError> {
    if no_restart {
        context.console().detail("Takes effect with the next deploy or restart").await;
        return Ok(());
    }
    config::restart(context, vec![record.clone()], description).await
}

/// Takes the link of a service to an app away, with its config vars
#[derive(Debug, Args)]
pub struct Unlink {
    /// Do not restart the app
    #[arg(short, long)]
    no_restart: bool,
    /// The service
    service: String,
    /// The app
    app: String,
}

impl Command for Unlink {
    const NAME: &'static str = "service:unlink";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = find_app(&context.app, &context.caller, &self.app).await?;
        let unset = {
            let (_lease, service) = hold(&context).await?;
            link::remove(&context.app, &service, &record, &context.caller.name).await?
        };
        context.console().step("Unsetting config vars").await;
        let names: Vec<String> = unset.iter().map(ToString::to_string).collect();
        for name in &names {
            context.console().detail(name).await;
        }
        let description = format!("Unset {}", names.join(", "));
        restart(&context, &record, &description, self.no_restart).await?;
        context.app.reconciler.check_services();
        Ok(0)
    }
}

/// Gives the link of a service the plain name, DATABASE_URL
#[derive(Debug, Args)]
pub struct Promote {
    /// The service
    service: String,
    /// The app
    app: String,
}

impl Command for Promote {
    const NAME: &'static str = "service:promote";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = find_app(&context.app, &context.caller, &self.app).await?;
        let key = {
            let (_lease, service) = hold(&context).await?;
            link::promote(&context.app, &service, &record, &context.caller.name).await?
        };
        context.console().step(format!("Promoting {} to {key}", self.service)).await;
        restart(&context, &record, &format!("Set {key}"), false).await?;
        Ok(0)
    }
}
