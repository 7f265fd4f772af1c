//! `network:rebuild` and `network:rebuildall`: running instances join and leave networks without a restart.

use std::collections::HashMap;

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::turns::Turns;
use crate::commands::{Command, Context, Scope, Target};
use crate::docker::attachment::Attachment;
use crate::model::additions::Additions;
use crate::model::role::Role;
use crate::run::options::{self, Phase};
use crate::store::apps::AppRecord;
use crate::store::instances::InstanceRecord;

/// Puts an app's running instances on the networks that are set for it, and takes them off all others
#[derive(Debug, Args)]
pub struct Rebuild {
    /// The app
    app: String,
}

/// Does the same for every app
#[derive(Debug, Args)]
pub struct RebuildAll {}

impl Command for Rebuild {
    const NAME: &'static str = "network:rebuild";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        rebuild(&context, context.target()?).await?;
        Ok(0)
    }
}

impl Command for RebuildAll {
    const NAME: &'static str = "network:rebuildall";
    const SCOPE: Scope = Scope::Apps;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Every
    }

    async fn run(self, context: Context) -> CommandResult {
        let mut turns = Turns::new(context.console(), context.targets.len());
        for record in &context.targets {
            turns.note(&record.name, rebuild(&context, record).await).await?;
        }
        turns.finish()
    }
}

async fn rebuild(context: &Context, record: &AppRecord) -> Result<(), CommandError> {
    context.console().step(format!("Rebuilding networks of {}", record.name)).await;
    // A deploy would be replacing the instances meanwhile.
    let lease = context.app.leases.acquire(record.id).await;
    for instance in context.app.store.instances(Some(record.id)).await? {
        match context.app.engine.attachments(&instance.container).await {
            Ok(present) => attach(context, record, &instance, &present).await?,
            // Somebody removed it, and the reconciler will have a new one in its place.
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    drop(lease);
    Ok(())
}

async fn attach(
    context: &Context,
    record: &AppRecord,
    instance: &InstanceRecord,
    present: &HashMap<String, Attachment>,
) -> Result<(), CommandError> {
    let engine = &context.app.engine;
    let process_type = Some(&instance.name.process_type);
    // Plugins add no networks.
    let added = Additions::default();
    let wanted = options::of(&context.app.store, record.id, &added, process_type, Phase::Deploy).await?;
    let joined: Vec<&String> = wanted.networks.iter().chain(&wanted.late_networks).collect();
    for network in joined.iter().filter(|network| !present.contains_key(network.as_str())) {
        engine.join(&instance.container, network, &wanted.aliases).await?;
        context.console().detail(format!("{} joined {network}", instance.name)).await;
    }
    // Others' networks are left alone: somebody may have put the container there for a reason.
    for network in engine.user_networks().await? {
        if present.contains_key(&network.name) && !joined.contains(&&network.name) {
            engine.detach(&instance.container, &network.name).await?;
            context.console().detail(format!("{} left {}", instance.name, network.name)).await;
        }
    }
    Ok(())
}
