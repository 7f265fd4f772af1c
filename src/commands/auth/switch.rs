//! `auth:on` and `auth:off`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::auth::{check_name, kept_password, password, tell};
use crate::commands::router::change_kept;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::requests::kept::{PEOPLE, People};

/// Asks for name and password before anybody gets an app (basic auth, RFC 7617)
#[derive(Debug, Args)]
pub struct On {
    /// The app
    app: String,
    /// Somebody to be added
    name: Option<String>,
    /// Their password, `-` for standard input; one is made and printed if it is left out
    password: Option<String>,
}

impl Command for On {
    const NAME: &'static str = "auth:on";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let new = match self.name {
            Some(name) => {
                check_name(&name)?;
                Some((name, password(&mut context, self.password).await?))
            }
            None => None,
        };
        let kept = match &new {
            Some((name, password)) => Some((name.clone(), kept_password(&password.text).await?)),
            None => None,
        };
        let app = self.app.clone();
        change_kept(&context, PEOPLE, move |people: &mut People| {
            people.people.extend(kept);
            if people.people.is_empty() {
                return Err(CommandError::user(format!("{app} knows nobody, so nobody could use it"))
                    .hint(format!("Add somebody: auth:add {app} NAME")));
            }
            people.on = true;
            Ok(())
        })
        .await?;
        context.console().step(format!("Basic auth is on for {}", self.app)).await;
        if let Some((name, password)) = &new {
            tell(&context, name, password).await;
        }
        Ok(0)
    }
}

/// Lets everybody use an app; names and passwords are kept
#[derive(Debug, Args)]
pub struct Off {
    /// The app
    app: String,
}

impl Command for Off {
    const NAME: &'static str = "auth:off";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        change_kept(&context, PEOPLE, |people: &mut People| {
            people.on = false;
            Ok(())
        })
        .await?;
        context.console().step(format!("Basic auth is off for {}", self.app)).await;
        Ok(0)
    }
}
