//! `ENGINE:info`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::report::{Rows, Wish};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::model::service::{ServiceProperty, WantedState};
use crate::services::{Service, directories, expose, keys, ready};
use crate::store::service_links::LinkUser;

/// Shows all that is to be known of a service, or one of it
#[derive(Debug, Args)]
pub struct Info {
    /// The service; a flag such as --dsn or --status; --format json
    #[arg(value_name = "SERVICE] [FLAG", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

impl Command for Info {
    const NAME: &'static str = "service:info";
    const SCOPE: Scope = Scope::Service;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        match Wish::parse(&self.words) {
            Ok(Wish { app: Some(service), .. }) => Target::Service(service),
            _ => Target::Nothing,
        }
    }

    async fn run(self, context: Context) -> CommandResult {
        let wish = Wish::parse(&self.words)?;
        let service = context.service()?;
        let rows = rows(&context, service).await?;
        wish.print(context.console(), subject(service), "", rows).await?;
        Ok(0)
    }
}

/// Shows all of it.
pub async fn show(context: &Context, service: &Service) -> Result<(), CommandError> {
    let rows = rows(context, service).await?;
    Wish::default().print(context.console(), subject(service), "", rows).await
}

fn subject(service: &Service) -> String {
    format!("{} {} service", service.record.name, service.record.engine)
}

/// How it stands with the service, in one word.
pub async fn status(context: &Context, service: &Service) -> Result<&'static str, CommandError> {
    let record = &service.record;
    let Some(container) = &record.container else {
        return Ok(if record.wanted == WantedState::Running { "missing" } else { "stopped" });
    };
    let facts = context.app.engine.service_container(container).await?;
    Ok(match facts {
        None => "missing",
        Some(facts) if facts.restarting => "restarting",
        Some(facts) if facts.running && ready::is_ready(&context.app, service, container).await => "running",
        Some(facts) if facts.running => "starting",
        Some(_) if record.wanted == WantedState::Paused => "paused",
        Some(_) => "exited",
    })
}

async fn rows(context: &Context, service: &Service) -> Result<Rows, CommandError> {
    let (app, record) = (&context.app, &service.record);
    let property = |property| record.properties.get(&property).cloned().unwrap_or_default();
    let admin =
        LinkUser { name: service.engine.service.admin_user.clone(), password: record.password.clone() };
    let dsn = keys::url(service, &admin, "", &Default::default())?;
    let address = match &record.container {
        Some(container) => app.engine.service_container(container).await?,
        None => None,
    };
    let address = address.and_then(|facts| facts.networks.get(&record.network).copied().flatten());
    let links = app.store.links_to_service(record.id).await?;
    let links: Vec<String> = links.into_iter().map(|link| link.app_name.to_string()).collect();
    let exposed = expose::shown(&app.store.exposures(Some(record.id)).await?);
    let or_dash = |text: String| if text.is_empty() { "-".to_owned() } else { text };
    let path = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let rows = [
        ("config-dir", path(directories::config(app, service))),
        ("config-options", property(ServiceProperty::ConfigOptions)),
        ("cpu", property(ServiceProperty::Cpu)),
        ("data-dir", path(directories::data(app, service))),
        ("dsn", dsn),
        ("exposed-ports", or_dash(exposed)),
        ("host", record.host.clone()),
        ("id", record.container.as_ref().map(ToString::to_string).unwrap_or_default()),
        ("initial-network", property(ServiceProperty::InitialNetwork)),
        ("internal-ip", address.map(|address| address.to_string()).unwrap_or_default()),
        ("links", or_dash(links.join(" "))),
        ("memory", property(ServiceProperty::Memory)),
        ("post-create-network", property(ServiceProperty::PostCreateNetwork)),
        ("post-start-network", property(ServiceProperty::PostStartNetwork)),
        ("service-root", path(directories::root(app, service))),
        ("shm-size", property(ServiceProperty::ShmSize)),
        ("status", status(context, service).await?.to_owned()),
        ("version", version(service)),
    ];
    Ok(rows.map(|(key, value)| (key.to_owned(), value)).into())
}

/// As Dokku shows it, and what stands in for it.
pub fn version(service: &Service) -> String {
    let image = &service.record.image;
    let built = if image.built { " (built on this host)" } else { "" };
    format!("{}:{}{built}", image.name, image.version)
}
