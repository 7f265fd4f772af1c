//! `services:link`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::dispatch::find_app;
use crate::commands::service::link::{restart, show_vars};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::services::Service;
use crate::services::link::{self, LinkWish};

/// Links several services to an app, which is restarted once
#[derive(Debug, Args)]
pub struct Link {
    /// Do not restart the app
    #[arg(short, long)]
    no_restart: bool,
    /// The app
    app: String,
    /// The services, with their engines: mysql:blogdb redis:cache
    #[arg(required = true)]
    services: Vec<String>,
}

impl Command for Link {
    const NAME: &'static str = "services:link";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = find_app(&context.app, &context.caller, &self.app).await?;
        let mut services = Vec::new();
        for text in &self.services {
            services.push(named(&context, text).await?);
        }
        let mut keys = Vec::new();
        let mut failure = None;
        for service in services {
            let _lease = context.app.service_leases.acquire(service.record.id).await;
            let service = service.refreshed(&context.app).await?;
            let by = &context.caller.name;
            match link::add(&context.app, &service, &record, &LinkWish::default(), by).await {
                Ok(linked) => {
                    show_vars(&context, &linked.vars).await;
                    keys.push(linked.key.to_string());
                }
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        if !keys.is_empty() {
            restart(&context, &record, &format!("Set {}", keys.join(", ")), self.no_restart).await?;
        }
        failure.map_or(Ok(0), Err)
    }
}

/// The service of a text such as `mysql:blogdb`.
async fn named(context: &Context, text: &str) -> Result<Service, CommandError> {
    let unknown = || {
        CommandError::user(format!("{text} is no service of an engine"))
            .hint("Write them as mysql:blogdb redis:cache")
    };
    let (engine, name) = text.split_once(':').ok_or_else(unknown)?;
    let plugin = context.app.plugins.find(engine).filter(|plugin| plugin.engine.is_some());
    Service::find(&context.app, &plugin.ok_or_else(unknown)?, name).await
}
