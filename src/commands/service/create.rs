//! `ENGINE:create`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::service::{ContainerFlags, info};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::password::{Password, PasswordError};
use crate::model::role::Role;
use crate::model::service::ServiceName;
use crate::services::create::{self, Creation};

/// Creates a service and waits until it can be used
#[derive(Debug, Args)]
pub struct Create {
    #[command(flatten)]
    container: ContainerFlags,
    /// The password of the service's own user, in place of a generated one
    #[arg(short, long)]
    password: Option<String>,
    /// The same; it wins over --password
    #[arg(short, long)]
    root_password: Option<String>,
    /// The service's name
    service: String,
}

impl Command for Create {
    const NAME: &'static str = "service:create";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        let name: ServiceName = self.service.parse().map_err(CommandError::user)?;
        let password = self.root_password.or(self.password).map(|text| text.parse::<Password>());
        let password = password.transpose().map_err(|error: PasswordError| CommandError::user(error))?;
        let creation = Creation {
            plugin: context.plugin()?.clone(),
            name,
            wish: self.container.wish(),
            properties: self.container.properties(),
            environment: self.container.environment()?,
            password,
            by: context.caller.name.clone(),
        };
        let service = create::create(&context.app, creation, context.console()).await?;
        let console = context.console();
        console.headline(format!("{} container created: {}", service.title(), service.record.name)).await;
        info::show(&context, &service).await?;
        Ok(0)
    }
}
