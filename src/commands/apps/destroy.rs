//! `apps:destroy`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::confirm::confirm;
use crate::commands::{Command, Context, Scope, Target, links};
use crate::deploy::destroy;
use crate::deploy::error::vetoed;
use crate::hooks::Scene;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::mount::MountSource;
use crate::model::role::Role;
use crate::store::apps::AppRecord;

/// Destroys an app with its containers, releases, repository and build cache
#[derive(Debug, Args)]
pub struct Destroy {
    /// The app
    app: String,
    /// Do not ask for the app's name
    #[arg(long)]
    force: bool,
}

impl Command for Destroy {
    const NAME: &'static str = "apps:destroy";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let record = context.target()?.clone();
        if !self.force {
            // Refused while others link to it; with --force their links go, once nobody says no.
            links::release(&context, &record, false).await?;
        }
        tell_of_storage(&context, &record).await?;
        if context.app.engine.caches().await?.contains(&record.id.0) {
            context.console().headline(format!("The build cache of {} goes with it", record.name)).await;
        }
        if !self.force {
            let name = record.name.as_str();
            confirm(&mut context, "app", name, &format!("apps:destroy --force {name}")).await?;
        }
        let console = context.console();
        let event = || Event::PreDelete { app: record.name.clone(), by: context.caller.name.clone() };
        let asked = context.app.hooks.ask(Hook::PreDelete, Scene::command(console), event).await;
        asked.map_err(|veto| vetoed(&veto))?;
        links::release(&context, &record, self.force).await?;
        console.step(format!("Destroying {} (including all add-ons)", record.name)).await;
        destroy::destroy(&context.app, &record, console).await?;
        let event = || Event::PostDelete { app: record.name.clone(), by: context.caller.name.clone() };
        context.app.hooks.tell(Hook::PostDelete, Scene::command(console), event).await;
        Ok(0)
    }
}

/// Says what the app has mounted. It is not destroyed with the app: data is the last thing to lose by a slip.
async fn tell_of_storage(context: &Context, record: &AppRecord) -> Result<(), CommandError> {
    let mounts = context.app.store.mounts(record.id).await?;
    if mounts.is_empty() {
        return Ok(());
    }
    let console = context.console();
    console.headline(format!("Storage of {}, which stays", record.name)).await;
    for mount in mounts {
        let after = match &mount.source {
            MountSource::Named(name) => format!("afterwards, to lose its data: storage:destroy {name}"),
            MountSource::Directory(_) => "a directory of the host".to_owned(),
        };
        console.detail(format!("{} on {} ({after})", mount.source, mount.target)).await;
    }
    Ok(())
}
