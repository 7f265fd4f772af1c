//! `ENGINE:connect` and `ENGINE:enter`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::run::stream::exec_in;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::config_var::ConfigVars;
use crate::model::role::Role;
use crate::services::exec;

/// Opens the engine's own client, as the one who may do everything
#[derive(Debug, Args)]
pub struct Connect {
    /// The service
    service: String,
}

impl Command for Connect {
    const NAME: &'static str = "service:connect";
    const SCOPE: Scope = Scope::Service;
    const ROLE: Role = Role::Deployer;
    const TAKES_SIGNALS: bool = true;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let service = context.service()?.clone();
        let Some(client) = &service.engine.client else {
            return Err(CommandError::user(format!("{} has no client of its own", service.title()))
                .hint(format!("A shell: {}:enter {}", service.record.engine, service.record.name)));
        };
        let values = service.values();
        let variables = values.environment(&client.environment)?;
        let container = exec::container(&service)?;
        exec_in(context, container, values.fill_all(&client.command), variables).await
    }
}

/// Runs a command, or a shell, inside the service's container
#[derive(Debug, Args)]
pub struct Enter {
    /// The service
    service: String,
    /// The command; a shell if not given
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

impl Command for Enter {
    const NAME: &'static str = "service:enter";
    const SCOPE: Scope = Scope::Service;
    const ROLE: Role = Role::Deployer;
    const TAKES_SIGNALS: bool = true;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let service = context.service()?.clone();
        let command = if self.command.is_empty() { vec!["/bin/sh".to_owned()] } else { self.command };
        exec_in(context, exec::container(&service)?, command, ConfigVars::new()).await
    }
}
