//! `domains:{add,remove,set,clear,reset,enable,disable}`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::domains::{
    changed, check_free, check_own, parse, paths, tell_of_plugins, warn_of_lost_canonical_host,
};
use crate::commands::{Command, Context, Scope, Target};
use crate::model::hostname::Hostname;
use crate::model::role::Role;
use crate::store::domains::DomainsChange;
use crate::urls;

/// Adds host names to an app
#[derive(Debug, Args)]
pub struct Add {
    /// The app sees paths without the one that is added before them
    #[arg(long)]
    strip: bool,
    /// The app
    app: String,
    /// Host names; `*.example.com` stands for one label, `bücher.example` for `xn--bcher-kva.example`, and
    /// `example.com/api` for a path and all below it
    #[arg(required = true)]
    domains: Vec<String>,
}

impl Command for Add {
    const NAME: &'static str = "domains:add";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let (hosts, places) = paths::part(&self.domains)?;
        if self.strip && places.is_empty() {
            return Err(CommandError::user("--strip is of no use: there is no path to be left out")
                .hint(format!("For example: domains:add {} example.com/api --strip", record.name)));
        }
        let wanted = parse(&hosts)?;
        check_free(&context, record, &wanted).await?;
        paths::check_free(&context, record, &places).await?;
        let present = context.app.store.domains(Some(record.id)).await?;
        let mut new = Vec::new();
        for name in wanted {
            if present.contains(&name) || new.contains(&name) {
                context.console().detail(format!("Skipping: {name} already added to {}", record.name)).await;
            } else {
                new.push(name);
            }
        }
        context.app.store.change_domains(Some(record.id), DomainsChange::Add(new.clone())).await?;
        for name in new {
            context.console().step(format!("Added {} to {}", name.in_both_forms(), record.name)).await;
        }
        paths::add(&context, record, places, self.strip).await?;
        context.app.reconciler.publish_routes().await;
        context.app.reconciler.check_certificates();
        changed(&context, "add", &self.domains).await;
        Ok(0)
    }
}

/// Removes host names from an app
#[derive(Debug, Args)]
pub struct Remove {
    /// The app
    app: String,
    /// Host names, or paths of them
    #[arg(required = true)]
    domains: Vec<String>,
}

impl Command for Remove {
    const NAME: &'static str = "domains:remove";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let (hosts, places) = paths::part(&self.domains)?;
        let unwanted = parse(&hosts)?;
        paths::check_present(&context, record, &places).await?;
        let present = urls::all_hostnames(&context.app, record).await?;
        if let Some(absent) = unwanted.iter().find(|name| !present.contains(name)) {
            return Err(CommandError::user(format!("{absent} is not a domain of {}", record.name))
                .hint(format!("See them: domains:report {}", record.name)));
        }
        let named = unwanted.iter().map(ToString::to_string).chain(places.iter().map(ToString::to_string));
        let added = check_own(&context, record, &named.collect::<Vec<String>>()).await?;
        let own = context.app.store.domains(Some(record.id)).await?;
        let change = if unwanted.iter().all(|name| own.contains(name)) {
            DomainsChange::Remove(unwanted.clone())
        } else {
            // A default name has no row of its own: without it, the others are spelled out.
            let stays = |name: &Hostname| !unwanted.contains(name) && !added.contains(&name.to_string());
            DomainsChange::Set(present.into_iter().filter(stays).collect())
        };
        if !unwanted.is_empty() {
            context.app.store.change_domains(Some(record.id), change).await?;
        }
        for name in unwanted {
            context.console().step(format!("Removed {name} from {}", record.name)).await;
        }
        paths::remove(&context, record, places).await?;
        context.app.reconciler.publish_routes().await;
        context.app.reconciler.check_certificates();
        changed(&context, "remove", &self.domains).await;
        warn_of_lost_canonical_host(&context, &record.name).await?;
        Ok(0)
    }
}

/// Replaces the host names of an app
#[derive(Debug, Args)]
pub struct Set {
    /// The app
    app: String,
    /// Host names
    #[arg(required = true)]
    domains: Vec<String>,
}

impl Command for Set {
    const NAME: &'static str = "domains:set";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let mut wanted = parse(&self.domains)?;
        wanted.sort();
        wanted.dedup();
        check_free(&context, record, &wanted).await?;
        context.app.store.change_domains(Some(record.id), DomainsChange::Set(wanted.clone())).await?;
        let names: Vec<String> = wanted.iter().map(Hostname::in_both_forms).collect();
        context.console().step(format!("Set {} for {}", names.join(" "), record.name)).await;
        tell_of_plugins(&context, record).await?;
        context.app.reconciler.publish_routes().await;
        context.app.reconciler.check_certificates();
        changed(&context, "set", &self.domains).await;
        warn_of_lost_canonical_host(&context, &record.name).await?;
        Ok(0)
    }
}

/// Removes all host names of an app
#[derive(Debug, Args)]
pub struct Clear {
    /// The app
    app: String,
}

impl Command for Clear {
    const NAME: &'static str = "domains:clear";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        context.app.store.change_domains(Some(record.id), DomainsChange::Set(Vec::new())).await?;
        context.app.store.remove_path_routes(record.id, None).await?;
        context.console().step(format!("Cleared domains in {}", record.name)).await;
        tell_of_plugins(&context, record).await?;
        context.app.reconciler.publish_routes().await;
        context.app.reconciler.check_certificates();
        changed(&context, "clear", &[]).await;
        warn_of_lost_canonical_host(&context, &record.name).await?;
        Ok(0)
    }
}

/// Gives an app its default host names again, and no others
#[derive(Debug, Args)]
pub struct Reset {
    /// The app
    app: String,
}

impl Command for Reset {
    const NAME: &'static str = "domains:reset";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let record = context.target()?;
        let defaults = urls::default_names(&context.app, record).await?;
        check_free(&context, record, &defaults).await?;
        context.app.store.change_domains(Some(record.id), DomainsChange::Reset).await?;
        context.app.store.remove_path_routes(record.id, None).await?;
        context.console().step(format!("Reset domains in {}", record.name)).await;
        tell_of_plugins(&context, record).await?;
        context.app.reconciler.publish_routes().await;
        context.app.reconciler.check_certificates();
        changed(&context, "set", &[]).await;
        warn_of_lost_canonical_host(&context, &record.name).await?;
        Ok(0)
    }
}

/// Lets an app be reached by its host names
#[derive(Debug, Args)]
pub struct Enable {
    /// The app
    app: String,
}

impl Command for Enable {
    const NAME: &'static str = "domains:enable";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        set_enabled(&context, true).await
    }
}

/// Stops an app from being reached by any host name
#[derive(Debug, Args)]
pub struct Disable {
    /// The app
    app: String,
}

impl Command for Disable {
    const NAME: &'static str = "domains:disable";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        set_enabled(&context, false).await
    }
}

async fn set_enabled(context: &Context, enabled: bool) -> CommandResult {
    let record = context.target()?;
    context.app.store.set_vhosts_enabled(record.id, enabled).await?;
    let what = if enabled { "Enabled" } else { "Disabled" };
    context.console().step(format!("{what} domains for {}", record.name)).await;
    context.app.reconciler.publish_routes().await;
    context.app.reconciler.check_certificates();
    Ok(0)
}
