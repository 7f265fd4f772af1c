//! `apps:create`.

use clap::Args;

use crate::app::App;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::domains::warn_of_taken;
use crate::commands::{Command, Context, Scope, Target};
use crate::git::error::GitError;
use crate::hooks::Scene;
use crate::model::app_name::AppName;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// Creates an app: its name, its repository and its host name
#[derive(Debug, Args)]
pub struct Create {
    /// The name: lowercase letters, digits, dots and hyphens
    app: String,
}

impl Command for Create {
    const NAME: &'static str = "apps:create";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        let name: AppName = self.app.parse().map_err(CommandError::user)?;
        if context.app.store.app(&name).await?.is_some() {
            return Err(CommandError::user("Name is already taken").hint("Choose another one"));
        }
        context.console().step(format!("Creating {name}...")).await;
        let record = create(&context, &name).await?;
        warn_of_taken(&context, &record).await?;
        Ok(0)
    }
}

/// Makes the repository of an app that has none: the server was killed while the app was made or destroyed.
pub async fn ensure_repository(app: &App, name: &AppName) -> Result<(), CommandError> {
    if app.repositories.exists(name).await {
        return Ok(());
    }
    match app.repositories.create(name).await {
        // Two pushes at once: the other one was quicker.
        Err(GitError::Exists) => Ok(()),
        result => Ok(result?),
    }
}

/// Makes an app: its record, and its repository.
pub async fn create(context: &Context, name: &AppName) -> Result<AppRecord, CommandError> {
    let app = &context.app;
    let record = app.store.create_app(name).await?;
    if let Err(error) = app.repositories.create(name).await {
        app.store.delete_app(record.id).await?;
        return Err(error.into());
    }
    // Its host is known from now on, and says that nothing was deployed yet.
    app.reconciler.publish_routes().await;
    // Its default name may want one.
    app.reconciler.check_certificates();
    let event = || Event::PostCreate { app: name.clone(), by: context.caller.name.clone() };
    app.hooks.tell(Hook::PostCreate, Scene::command(context.console()), event).await;
    Ok(record)
}
