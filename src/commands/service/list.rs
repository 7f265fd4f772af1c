//! `ENGINE:list` and `ENGINE:exists`.

use clap::Args;
use serde::Serialize;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::service::info;
use crate::commands::table::{Format, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::{AppAccess, Role};
use crate::services::{Service, engine_of};
use crate::store::service_links::ServiceLink;

/// Lists the services that your key opens
#[derive(Debug, Args)]
pub struct List {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Debug, Serialize)]
struct Row {
    engine: String,
    service: String,
    version: String,
    status: &'static str,
    links: Vec<String>,
}

impl Command for List {
    const NAME: &'static str = "service:list";
    const SCOPE: Scope = Scope::Anyone;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        let plugin = context.plugin()?;
        let title = engine_of(plugin)?.service.title.clone();
        let mut services = visible(&context).await?;
        services.retain(|(service, _)| service.plugin.name == plugin.name);
        print(&context, self.format, services, &title).await
    }
}

/// The services that the caller may know of, with their links to apps that he may know of.
pub async fn visible(context: &Context) -> Result<Vec<(Service, Vec<ServiceLink>)>, CommandError> {
    let links = context.app.store.service_links().await?;
    let access = &context.caller.access;
    let mut found = Vec::new();
    for record in context.app.store.services().await? {
        let own: Vec<ServiceLink> = links
            .iter()
            .filter(|link| link.service == record.id && access.includes(&link.app_name))
            .cloned()
            .collect();
        if *access != AppAccess::All && own.is_empty() {
            continue;
        }
        match Service::of(&context.app, record) {
            Ok(service) => found.push((service, own)),
            Err(error) => context.console().warn(error.lines()).await,
        }
    }
    Ok(found)
}

/// Prints a list of services.
pub async fn print(
    context: &Context,
    format: Format,
    services: Vec<(Service, Vec<ServiceLink>)>,
    title: &str,
) -> CommandResult {
    let console = context.console();
    if format == Format::Json {
        let mut rows = Vec::new();
        for (service, links) in services {
            rows.push(Row {
                engine: service.record.engine.to_string(),
                service: service.record.name.to_string(),
                version: info::version(&service),
                status: info::status(context, &service).await?,
                links: links.into_iter().map(|link| link.app_name.to_string()).collect(),
            });
        }
        print_json(console, &rows).await?;
        return Ok(0);
    }
    if services.is_empty() {
        console.warn(format!("There are no {title} services")).await;
        return Ok(0);
    }
    console.headline(format!("{title} services")).await;
    for (service, _) in services {
        console.line(&service.record.name).await;
    }
    Ok(0)
}

/// Says whether there is a service of that name
#[derive(Debug, Args)]
pub struct Exists {
    /// The service
    service: String,
}

impl Command for Exists {
    const NAME: &'static str = "service:exists";
    const SCOPE: Scope = Scope::Service;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let service = context.service()?;
        context.console().headline(format!("Service {} exists", service.record.name)).await;
        Ok(0)
    }
}
