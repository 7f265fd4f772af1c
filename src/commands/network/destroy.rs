//! `network:destroy`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::confirm::confirm;
use crate::commands::network::missing;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::run::options::{ATTACH_POST_CREATE, ATTACH_POST_DEPLOY, INITIAL_NETWORK};

/// Destroys a network that no app joins any more
#[derive(Debug, Args)]
pub struct Destroy {
    /// Its name
    network: String,
    /// Do not ask for the network's name
    #[arg(long)]
    force: bool,
}

impl Command for Destroy {
    const NAME: &'static str = "network:destroy";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Admin;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let name = &self.network;
        let network = context.app.engine.user_network(name).await?.ok_or_else(|| missing(name))?;
        if !network.managed {
            return Err(CommandError::user(format!("Network {name} was not made by network:create"))
                .hint("Only what Slipway has made is Slipway's to destroy: docker network rm, on the host"));
        }
        let users = users(&context, name).await?;
        if !users.is_empty() {
            return Err(CommandError::user(format!("Network {name} is in use by {}", users.join(", ")))
                .hint("Take them off first: network:report shows where it is set, network:set APP KEY unsets it"));
        }
        let containers = context.app.engine.container_names_on(&network).await?;
        if !containers.is_empty() {
            return Err(CommandError::user(format!("Network {name} still has {}", containers.join(", ")))
                .hint("Let them leave it: network:rebuild APP"));
        }
        if !self.force {
            confirm(&mut context, "network", name, &format!("network:destroy --force {name}")).await?;
        }
        context.console().step(format!("Destroying network {name}")).await;
        context.app.engine.remove_user_network(&network).await?;
        Ok(0)
    }
}

/// Who is set to join it: the names of apps, and `--global`.
async fn users(context: &Context, network: &str) -> Result<Vec<String>, CommandError> {
    let store = &context.app.store;
    let mut users = store.apps_with_network_option(network).await?;
    let apps = store.apps().await?;
    let all = apps.iter().map(|record| (Some(record.id), record.name.to_string()));
    for (app, name) in all.chain([(None, "--global".to_owned())]) {
        for property in [INITIAL_NETWORK, ATTACH_POST_CREATE, ATTACH_POST_DEPLOY] {
            let networks = store.property(app, property).await?.unwrap_or_default();
            if networks.split_whitespace().any(|joined| joined == network) {
                users.push(name.clone());
            }
        }
    }
    users.sort_unstable();
    users.dedup();
    Ok(users)
}
