//! `ENGINE:rotate`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::dispatch::find_app;
use crate::commands::service::hold;
use crate::commands::{Command, Context, Scope, Target, config};
use crate::model::role::Role;
use crate::services::rotate;
use crate::store::apps::AppRecord;

/// Gives linked apps new credentials, without a failed request
#[derive(Debug, Args)]
pub struct Rotate {
    /// Do not restart the apps: their instances keep the former credentials until they are replaced
    #[arg(short, long)]
    no_restart: bool,
    /// The service
    service: String,
    /// The app; all that are linked if not given
    app: Option<String>,
}

impl Command for Rotate {
    const NAME: &'static str = "service:rotate";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        rotate::expect_users(context.service()?)?;
        let mut apps: Vec<AppRecord> = Vec::new();
        match &self.app {
            Some(name) => apps.push(find_app(&context.app, &context.caller, name).await?),
            None => {
                for link in context.app.store.links_to_service(context.service()?.record.id).await? {
                    apps.extend(context.app.store.app_by_id(link.app).await?);
                }
            }
        }
        if apps.is_empty() {
            let (engine, name) = (&context.service()?.record.engine, &context.service()?.record.name);
            return Err(CommandError::user(format!("{} is linked to no app", context.service()?))
                .hint(format!("Link one: {engine}:link {name} APP")));
        }
        {
            let (_lease, service) = hold(&context).await?;
            for record in &apps {
                let by = &context.caller.name;
                let changed = rotate::rotate(&context.app, &service, record, by).await?;
                let names: Vec<String> = changed.iter().map(ToString::to_string).collect();
                let console = context.console();
                console.step(format!("New credentials for {}: {}", record.name, names.join(", "))).await;
            }
        }
        if self.no_restart {
            context.console().detail("Takes effect with the next deploy or restart").await;
            return Ok(0);
        }
        config::restart(&context, apps, &format!("Rotate {}", self.service)).await?;
        context.app.reconciler.check_services();
        Ok(0)
    }
}
