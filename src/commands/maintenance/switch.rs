//! `maintenance:on` and `maintenance:off`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::router::change_kept;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::requests::kept::{Closure, MAINTENANCE};
use crate::requests::values::{duration, networks};
use crate::urls;

/// Answers all requests of an app with a maintenance page (503); its instances go on
#[derive(Debug, Args)]
pub struct On {
    /// When clients come back, for example 10m
    #[arg(long, value_name = "TIME")]
    retry_after: Option<String>,
    /// An address or a network whose clients get the app
    #[arg(long, value_name = "CIDR")]
    allow: Vec<String>,
    /// Print a secret URL, by which a browser gets the app
    #[arg(long)]
    bypass: bool,
    /// The app
    app: String,
}

impl Command for On {
    const NAME: &'static str = "maintenance:on";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let wrong = |example: &'static str| {
            let app = self.app.clone();
            move |error| {
                CommandError::user(error).hint(format!("For example: maintenance:on {app} {example}"))
            }
        };
        let retry_after =
            self.retry_after.as_deref().map(duration).transpose().map_err(wrong("--retry-after 10m"))?;
        let allow = networks(&self.allow.join(" ")).map_err(wrong("--allow 203.0.113.7"))?;
        let bypass = self.bypass.then(|| format!("{:032x}", rand::random::<u128>()));
        let closure = Closure {
            on: true,
            retry_after: retry_after.map(|time| time.as_secs().max(1)),
            allow,
            bypass: bypass.clone(),
        };
        change_kept(&context, MAINTENANCE, move |kept| {
            *kept = closure;
            Ok(())
        })
        .await?;
        context.console().step(format!("Maintenance is on for {}", self.app)).await;
        if let Some(secret) = bypass {
            for url in
                urls::of(&context.app, context.target()?).await?.iter().filter(|url| !url.contains('*'))
            {
                context.console().line(format!("{url}/?maintenance-bypass={secret}")).await;
            }
        }
        Ok(0)
    }
}

/// Lets requests reach an app again; its maintenance page is kept
#[derive(Debug, Args)]
pub struct Off {
    /// The app
    app: String,
}

impl Command for Off {
    const NAME: &'static str = "maintenance:off";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        change_kept(&context, MAINTENANCE, |kept: &mut Closure| {
            *kept = Closure::default();
            Ok(())
        })
        .await?;
        context.console().step(format!("Maintenance is off for {}", self.app)).await;
        Ok(0)
    }
}
