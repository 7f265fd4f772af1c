//! `domains:{add,remove,set,clear}-global`: the domains below which apps get their default names.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::domains::parse;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::hostname::Hostname;
use crate::model::role::Role;
use crate::store::domains::DomainsChange;

/// Marks that a person wants no global domain, not even the one of the settings.
const CLEARED: &str = "global-domains-cleared";

/// Adds global domains
#[derive(Debug, Args)]
pub struct AddGlobal {
    /// Host names
    #[arg(required = true)]
    domains: Vec<String>,
}

impl Command for AddGlobal {
    const NAME: &'static str = "domains:add-global";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        let present = context.app.store.domains(None).await?;
        let new: Vec<Hostname> =
            parse(&self.domains)?.into_iter().filter(|name| !present.contains(name)).collect();
        apply(&context, DomainsChange::Add(new.clone())).await?;
        for name in new {
            context.console().step(format!("Added {name}")).await;
        }
        Ok(0)
    }
}

/// Removes global domains
#[derive(Debug, Args)]
pub struct RemoveGlobal {
    /// Host names
    #[arg(required = true)]
    domains: Vec<String>,
}

impl Command for RemoveGlobal {
    const NAME: &'static str = "domains:remove-global";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        let unwanted = parse(&self.domains)?;
        let present = context.app.store.domains(None).await?;
        if let Some(absent) = unwanted.iter().find(|name| !present.contains(name)) {
            return Err(CommandError::user(format!("{absent} is not a global domain")));
        }
        apply(&context, DomainsChange::Remove(unwanted.clone())).await?;
        for name in unwanted {
            context.console().step(format!("Removed {name}")).await;
        }
        Ok(0)
    }
}

/// Replaces the global domains
#[derive(Debug, Args)]
pub struct SetGlobal {
    /// Host names
    #[arg(required = true)]
    domains: Vec<String>,
}

impl Command for SetGlobal {
    const NAME: &'static str = "domains:set-global";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        let mut wanted = parse(&self.domains)?;
        wanted.dedup();
        apply(&context, DomainsChange::Set(wanted.clone())).await?;
        let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        context.console().step(format!("Set {}", names.join(" "))).await;
        Ok(0)
    }
}

/// Removes all global domains: apps have no default host names then
#[derive(Debug, Args)]
pub struct ClearGlobal {}

impl Command for ClearGlobal {
    const NAME: &'static str = "domains:clear-global";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        apply(&context, DomainsChange::Set(Vec::new())).await?;
        context.app.store.set_property(None, CLEARED, Some("true".to_owned())).await?;
        context.app.reconciler.publish_routes().await;
        context.console().step("Cleared global domains").await;
        Ok(0)
    }
}

async fn apply(context: &Context, change: DomainsChange) -> Result<(), CommandError> {
    context.app.store.set_property(None, CLEARED, None).await?;
    context.app.store.change_domains(None, change).await?;
    context.app.reconciler.publish_routes().await;
    Ok(())
}
