//! `ENGINE:links`, `ENGINE:linked` and `ENGINE:app-links`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::dispatch::find_app;
use crate::commands::table::{Format, print_lines};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::services::{Service, link};

/// Lists the apps that a service is linked to
#[derive(Debug, Args)]
pub struct Links {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The service
    service: String,
}

impl Command for Links {
    const NAME: &'static str = "service:links";
    const SCOPE: Scope = Scope::Service;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let service = context.service()?;
        let links = context.app.store.links_to_service(service.record.id).await?;
        let access = &context.caller.access;
        let names: Vec<String> = links
            .into_iter()
            .filter(|link| access.includes(&link.app_name))
            .map(|link| link.app_name.to_string())
            .collect();
        print_lines(context.console(), self.format, &names).await?;
        Ok(0)
    }
}

/// Says whether a service is linked to an app
#[derive(Debug, Args)]
pub struct Linked {
    /// The service
    service: String,
    /// The app
    app: String,
}

impl Command for Linked {
    const NAME: &'static str = "service:linked";
    const SCOPE: Scope = Scope::Service;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = find_app(&context.app, &context.caller, &self.app).await?;
        let service = context.service()?;
        if link::find(&context.app, service, &record).await?.is_none() {
            let message = format!("Service {} is not linked to {}", service.record.name, record.name);
            return Err(CommandError::user(message));
        }
        let message = format!("Service {} is linked to {}", service.record.name, record.name);
        context.console().headline(message).await;
        Ok(0)
    }
}

/// Lists the services that an app is linked to
#[derive(Debug, Args)]
pub struct AppLinks {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// The app
    app: String,
}

impl Command for AppLinks {
    const NAME: &'static str = "service:app-links";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let plugin = context.plugin()?;
        let mut names = Vec::new();
        for link in context.app.store.links_of_app(context.target()?.id).await? {
            if let Some(service) = Service::by_id(&context.app, link.service).await?
                && service.plugin.name == plugin.name
            {
                names.push(service.record.name.to_string());
            }
        }
        print_lines(context.console(), self.format, &names).await?;
        Ok(0)
    }
}
