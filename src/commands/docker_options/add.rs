//! `docker-options:add`.

use clap::Args;

use crate::command_error::CommandResult;
use crate::commands::dispatch::needs_all_apps;
use crate::commands::docker_options::added;
use crate::commands::docker_options::arguments::Arguments;
use crate::commands::network::choice;
use crate::commands::resource;
use crate::commands::storage::attach;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::store::docker_options::StoredOption;

/// Adds Docker options to an app: docker-options:add APP deploy,run "--ulimit nofile=4096"
#[derive(Debug, Args)]
pub struct Add {
    #[command(flatten)]
    arguments: Arguments,
}

impl Command for Add {
    const NAME: &'static str = "docker-options:add";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.arguments.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let store = &context.app.store;
        let wanted = self.arguments.read()?;
        for network in wanted.options.iter().filter_map(|stored| stored.option.as_network()) {
            choice::check(&context, network).await?;
        }
        if wanted.options.iter().any(|stored| stored.option.is_network_alias()) {
            // It might be another app's name, and what that one is asked would come here.
            needs_all_apps(&context.caller, "A name on a network")?;
        }
        let mut all = store.docker_options(record.id).await?;
        all.extend(wanted.options.iter().cloned());
        all.extend(added(&context, record).await?.iter().map(StoredOption::from));
        resource::limits_fit(&context, &all, &store.resources(record.id).await?).await?;
        let mounts = attach::prepare(&context, &wanted.mounts).await?;
        store.add_docker_options(record.id, wanted.options.clone()).await?;
        for mount in mounts {
            context.console().detail(format!("Mounted, see storage:list {}", record.name)).await;
            store.add_mount(record.id, mount).await?;
        }
        for stored in wanted.options.iter() {
            resource::warn_of_unknown(&context, record, &stored.scope).await?;
        }
        tell_what_is_inert(&context, &wanted.options).await;
        resource::tell_when(&context, record).await;
        Ok(0)
    }
}

/// An option that changes nothing is taken, so that what was written for Dokku goes on working.
async fn tell_what_is_inert(context: &Context, options: &[StoredOption]) {
    if options.iter().any(|stored| stored.option.name() == "init") {
        context.console().detail("Every container has an init, with or without --init").await;
    }
}
