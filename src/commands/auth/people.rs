//! `auth:add` and `auth:remove`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::auth::{check_name, kept_password, password, tell};
use crate::commands::router::change_kept;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::requests::kept::{PEOPLE, People};

/// Gives somebody a password for an app; the first one turns basic auth on
#[derive(Debug, Args)]
pub struct Add {
    /// The app
    app: String,
    /// Their name
    name: String,
    /// Their password, `-` for standard input; one is made and printed if it is left out
    password: Option<String>,
}

impl Command for Add {
    const NAME: &'static str = "auth:add";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        check_name(&self.name)?;
        let password = password(&mut context, self.password).await?;
        let (name, kept) = (self.name.clone(), kept_password(&password.text).await?);
        let on = change_kept(&context, PEOPLE, move |people: &mut People| {
            people.on |= people.people.is_empty();
            people.people.insert(name, kept);
            Ok(people.on)
        })
        .await?;
        context.console().step(format!("{} may use {}", self.name, self.app)).await;
        if !on {
            context.console().warn(format!("Nobody is asked yet: auth:on {}", self.app)).await;
        }
        tell(&context, &self.name, &password).await;
        Ok(0)
    }
}

/// Takes somebody's password for an app away
#[derive(Debug, Args)]
pub struct Remove {
    /// The app
    app: String,
    /// Their name
    name: String,
}

impl Command for Remove {
    const NAME: &'static str = "auth:remove";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let (app, name) = (self.app.clone(), self.name.clone());
        change_kept(&context, PEOPLE, move |people: &mut People| {
            if !people.people.contains_key(&name) {
                return Err(CommandError::user(format!("{app} knows nobody called {name}"))
                    .hint(format!("See them: auth:report {app}")));
            }
            // Without anybody to be let in, everybody would be.
            if people.on && people.people.len() == 1 {
                return Err(CommandError::user(format!("{name} is the only one who may use {app}"))
                    .hint(format!("Add somebody else first, or open it to everybody: auth:off {app}")));
            }
            people.people.remove(&name);
            Ok(())
        })
        .await?;
        context.console().step(format!("{} may not use {} any more", self.name, self.app)).await;
        Ok(0)
    }
}
