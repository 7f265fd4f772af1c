//! `letsencrypt:auto-renew` and `letsencrypt:cron-job`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::letsencrypt::obtain;
use crate::commands::{Command, Context, Scope, Target};
use crate::issuance::choice::Choice;
use crate::issuance::obtain::Request;
use crate::model::role::Role;

/// Renews at once what is due, of one app or of all; it also happens by itself
#[derive(Debug, Args)]
pub struct AutoRenew {
    /// The app; all if none is named
    app: Option<String>,
}

impl Command for AutoRenew {
    const NAME: &'static str = "letsencrypt:auto-renew";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        self.app.clone().map_or(Target::Every, Target::One)
    }

    async fn run(self, context: Context) -> CommandResult {
        let mut failed = Vec::new();
        for record in &context.targets {
            let enabled = Choice::of(&context.app.store, record.id).await?.enabled;
            if !enabled {
                if self.app.is_some() {
                    return Err(CommandError::user(format!(
                        "Automatic certificates of {} are off",
                        record.name
                    ))
                    .hint(format!("Turn them on: letsencrypt:enable {}", record.name)));
                }
                continue;
            }
            match obtain(&context, record, Request { at_once: true, ..Request::default() }).await {
                Ok(obtained) if obtained.issued == 0 => {
                    context.console().step(format!("{} needs nothing yet", record.name)).await;
                }
                Ok(_) => context.console().step(format!("{} is renewed", record.name)).await,
                Err(error) => {
                    context.console().warn(error.lines()).await;
                    failed.push(record.name.to_string());
                }
            }
        }
        if failed.is_empty() {
            return Ok(0);
        }
        Err(CommandError::user(format!("Not renewed: {}", failed.join(", ")))
            .hint("The reasons stand above; it is tried again by itself"))
    }
}

/// Of no effect: certificates are renewed by the server itself
#[derive(Debug, Args)]
pub struct CronJob {
    /// As Dokku's plugin has it
    #[arg(long)]
    add: bool,
    /// As Dokku's plugin has it
    #[arg(long)]
    remove: bool,
}

impl Command for CronJob {
    const NAME: &'static str = "letsencrypt:cron-job";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        if self.remove {
            return Err(CommandError::user("Renewal is no scheduled task that could be removed")
                .hint("Turn automatic certificates off: certs:auto APP|--all off"));
        }
        context.console().line("The server renews certificates by itself; no scheduled task is needed").await;
        Ok(0)
    }
}
