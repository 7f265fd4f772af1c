//! `ENGINE:destroy`.

use clap::Args;

use crate::command_error::CommandResult;
use crate::commands::confirm::confirm;
use crate::commands::service::{asker, hold};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::services::backup_plan::default_destination;
use crate::services::{backup, destroy};

/// Destroys a service with its data, to which no app may be linked, after a last backup
#[derive(Debug, Args)]
pub struct Destroy {
    /// Do not ask for the service's name
    #[arg(short, long)]
    force: bool,
    /// Make no last backup
    #[arg(long)]
    no_backup: bool,
    /// The service
    service: String,
}

impl Command for Destroy {
    const NAME: &'static str = "service:destroy";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let service = context.service()?.clone();
        destroy::check(&context.app, &service).await?;
        if !self.force {
            let (engine, name) = (&service.record.engine, service.record.name.as_str());
            let kind = format!("{} service", service.title());
            confirm(&mut context, &kind, name, &format!("{engine}:destroy --force {name}")).await?;
        }
        let (_lease, service) = hold(&context).await?;
        destroy::check(&context.app, &service).await?;
        let console = context.console();
        if !self.no_backup && service.engine.dump.is_some() {
            let (made, plan) = backup::last(&context.app, &service, &asker(&context), console).await?;
            let (engine, name) = (&service.record.engine, &service.record.name);
            console.detail(format!("The last backup is {} in {}", made.name, plan.destination)).await;
            let from = match plan.destination == default_destination(&context.app) {
                true => String::new(),
                false => format!(" --from {}", plan.destination),
            };
            console.detail(format!("Back with: {engine}:restore {name}{from}")).await;
        }
        console.step(format!("Deleting {}", service.record.name)).await;
        destroy::discard(&context.app, &service).await?;
        console.headline(format!("{} container deleted: {}", service.title(), service.record.name)).await;
        Ok(0)
    }
}
