//! `certs:set`.

use clap::Args;

use crate::certificates::{CLIENT_AUTHORITY, CLIENT_CERTIFICATES, TLS_VERSIONS};
use crate::command_error::{CommandError, CommandResult};
use crate::commands::property::{self, Property};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;

const PROPERTIES: &[Property] = &[
    Property { key: "tls-versions", name: TLS_VERSIONS, check: check_versions },
    Property { key: "client-certificates", name: CLIENT_CERTIFICATES, check: check_clients },
];

/// Sets how clients connect: tls-versions (modern, intermediate), client-certificates (off, optional, required)
#[derive(Debug, Args)]
pub struct Set {
    #[command(flatten)]
    arguments: property::SetArguments,
}

impl Command for Set {
    const NAME: &'static str = "certs:set";
    const SCOPE: Scope = Scope::AppOrServer;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.arguments.target()
    }

    async fn run(self, context: Context) -> CommandResult {
        let (key, value) = self.arguments.key_and_value();
        if key == "client-certificates" && matches!(value.as_str(), "optional" | "required") {
            check_authority(&context).await?;
        }
        property::set(&context, &self.arguments, PROPERTIES).await?;
        context.app.reconciler.publish_routes().await;
        Ok(0)
    }
}

/// Who issues them has to be known first, and each app has its own clients.
async fn check_authority(context: &Context) -> Result<(), CommandError> {
    let Some(app) = context.targets.first() else {
        return Err(CommandError::user(
            "Each app has clients of its own: client-certificates is not for all apps",
        )
        .hint("Name the app: certs:set APP client-certificates required"));
    };
    if context.app.store.property(Some(app.id), CLIENT_AUTHORITY).await?.is_some() {
        return Ok(());
    }
    let name = &app.name;
    Err(CommandError::user(format!("Nobody knows yet who issues the certificates of {name}'s clients"))
        .hint(format!("Say so first: ssh HOST certs:client-authority {name} < ca.crt")))
}

fn check_versions(value: &str) -> Result<(), CommandError> {
    match value {
        "modern" | "intermediate" => Ok(()),
        _ => Err(CommandError::user(format!("{value} is neither modern nor intermediate"))
            .hint("modern is TLS 1.3 alone, intermediate TLS 1.2 as well")),
    }
}

fn check_clients(value: &str) -> Result<(), CommandError> {
    match value {
        "off" | "optional" | "required" => Ok(()),
        _ => Err(CommandError::user(format!("{value} is none of off, optional and required"))
            .hint("For example: certs:set APP client-certificates required")),
    }
}
