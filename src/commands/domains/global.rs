//! `domains:{add,remove,set,clear}-global`: the domains below which apps get their default names.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::domains::{changed, parse, warn_of_lost_canonical_host, warn_of_taken};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::hostname::Hostname;
use crate::model::role::Role;
use crate::store::domains::DomainsChange;
use crate::urls;

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
        let mut names = present(&context).await?;
        let before = names.len();
        for name in parse_global(&self.domains)? {
            if names.contains(&name) {
                context.console().detail(format!("Skipping: {name} already added")).await;
            } else {
                names.push(name);
            }
        }
        replace(&context, names.clone()).await?;
        for name in names.iter().skip(before) {
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
        let mut names = present(&context).await?;
        if let Some(absent) = unwanted.iter().find(|name| !names.contains(name)) {
            return Err(CommandError::user(format!("{absent} is not a global domain"))
                .hint("See them: domains:report --global"));
        }
        names.retain(|name| !unwanted.contains(name));
        replace(&context, names).await?;
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
        let mut wanted = Vec::new();
        for name in parse_global(&self.domains)? {
            if !wanted.contains(&name) {
                wanted.push(name);
            }
        }
        replace(&context, wanted.clone()).await?;
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
        replace(&context, Vec::new()).await?;
        context.console().step("Cleared global domains").await;
        Ok(0)
    }
}

/// Reads domains below which names can be made.
fn parse_global(words: &[String]) -> Result<Vec<Hostname>, CommandError> {
    let domains = parse(words)?;
    if let Some(address) = domains.iter().find(|domain| domain.is_literal()) {
        return Err(CommandError::user(format!("{address} is an address, no app can have a name below it"))
            .hint("Write a domain whose names lead to this host, for example apps.example.com"));
    }
    match domains.iter().find(|domain| domain.is_wildcard()) {
        Some(wildcard) => {
            Err(CommandError::user(format!("{wildcard} is a wildcard, no app can have a name below it"))
                .hint("Write the domain without `*.`: every app is below it anyway"))
        }
        None => Ok(domains),
    }
}

/// The global domains that hold, whether they were set or are the one of the settings.
async fn present(context: &Context) -> Result<Vec<Hostname>, CommandError> {
    Ok(urls::global_domains(&context.app.store, &context.app.settings.domain).await?)
}

/// Makes these the global domains: from now on the one of the settings is none unless it is among them.
async fn replace(context: &Context, names: Vec<Hostname>) -> Result<(), CommandError> {
    let store = &context.app.store;
    store.set_property(None, CLEARED, names.is_empty().then(|| "true".to_owned())).await?;
    let shown: Vec<String> = names.iter().map(ToString::to_string).collect();
    store.change_domains(None, DomainsChange::Set(names)).await?;
    context.app.reconciler.publish_routes().await;
    context.app.reconciler.check_certificates();
    changed(context, "set", &shown).await;
    for record in store.apps().await? {
        warn_of_taken(context, &record).await?;
        warn_of_lost_canonical_host(context, &record.name).await?;
    }
    Ok(())
}
