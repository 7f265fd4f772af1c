//! `network:{list,exists,info}`.

use clap::Args;
use serde::Serialize;

use crate::command_error::CommandResult;
use crate::commands::network::{choice, missing};
use crate::commands::table::{Format, print_json};
use crate::commands::{Command, Context, Scope, Target};
use crate::docker::user_network::UserNetwork;
use crate::model::role::Role;

/// Lists the networks that network:create has made
#[derive(Debug, Args)]
pub struct List {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// As Dokku has it; others are never listed
    #[arg(long)]
    dokku_managed: bool,
}

/// Says by its exit status whether there is a network of that name
#[derive(Debug, Args)]
pub struct Exists {
    /// Its name
    network: String,
}

/// Shows what a network is, and who is on it
#[derive(Debug, Args)]
pub struct Info {
    /// Lines, or JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Its name
    network: String,
}

/// A network in the words of `docker network ls`, as Dokku prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Row {
    created_at: String,
    driver: String,
    #[serde(rename = "ID")]
    id: String,
    internal: bool,
    labels: std::collections::BTreeMap<String, String>,
    name: String,
    scope: String,
    subnets: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    containers: Option<Vec<String>>,
    dokku_managed: bool,
}

impl Row {
    fn of(network: UserNetwork, containers: Option<Vec<String>>) -> Self {
        Self {
            created_at: network.created,
            driver: network.driver,
            id: network.id,
            internal: network.internal,
            labels: network.labels,
            name: network.name,
            scope: network.scope,
            subnets: network.subnets,
            containers,
            dokku_managed: network.managed,
        }
    }
}

impl Command for List {
    const NAME: &'static str = "network:list";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        let networks = context.app.engine.user_networks().await?;
        let console = context.console();
        if self.format == Format::Json {
            let rows: Vec<Row> = networks.into_iter().map(|network| Row::of(network, None)).collect();
            print_json(console, &rows).await?;
            return Ok(0);
        }
        console.headline("Networks").await;
        for network in networks {
            console.line(network.name).await;
        }
        Ok(0)
    }
}

impl Command for Exists {
    const NAME: &'static str = "network:exists";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        choice::check_name(&self.network)?;
        let found = context.app.engine.user_network(&self.network).await?;
        found.ok_or_else(|| missing(&self.network))?;
        context.console().line(format!("Network {} exists", self.network)).await;
        Ok(0)
    }
}

impl Command for Info {
    const NAME: &'static str = "network:info";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Viewer;

    fn target(&self) -> Target {
        Target::Server
    }

    async fn run(self, context: Context) -> CommandResult {
        choice::check_name(&self.network)?;
        let engine = &context.app.engine;
        let network = engine.user_network(&self.network).await?.ok_or_else(|| missing(&self.network))?;
        let containers = engine.container_names_on(&network).await?;
        let row = Row::of(network, Some(containers));
        let console = context.console();
        if self.format == Format::Json {
            print_json(console, &row).await?;
            return Ok(0);
        }
        console.headline(format!("{} network information", row.name)).await;
        for (key, value) in [
            ("ID", row.id),
            ("Driver", row.driver),
            ("Scope", row.scope),
            ("Created at", row.created_at),
            ("Subnets", row.subnets.join(" ")),
            ("Containers", row.containers.unwrap_or_default().join(" ")),
            ("Dokku managed", row.dokku_managed.to_string()),
        ] {
            console.line(format!("       {:<31}{value}", format!("{key}:")).trim_end()).await;
        }
        Ok(0)
    }
}
