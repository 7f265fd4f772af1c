//! `ports:{add,set,remove,clear}`.

use std::sync::Arc;

use clap::Args;

use crate::app::App;
use crate::command_error::{CommandError, CommandResult};
use crate::commands::ports::list::mappings;
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::{self, Work};
use crate::model::port_mapping::PortMapping;
use crate::model::role::Role;
use crate::urls;

/// Adds port mappings to an app
#[derive(Debug, Args)]
pub struct Add {
    /// The app
    app: String,
    /// scheme:host-port:container-port, for example http:8080:5000
    #[arg(value_name = "MAPPING")]
    mappings: Vec<String>,
}

impl Command for Add {
    const NAME: &'static str = "ports:add";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let new = parse(&self.mappings)?;
        change(&context, |present| Ok([present, new].concat())).await
    }
}

/// Replaces the port mappings of an app
#[derive(Debug, Args)]
pub struct Set {
    /// The app
    app: String,
    /// scheme:host-port:container-port, for example http:80:5000, or grpc:80:50051 for HTTP/2 in clear text
    #[arg(value_name = "MAPPING")]
    mappings: Vec<String>,
}

impl Command for Set {
    const NAME: &'static str = "ports:set";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let mappings = parse(&self.mappings)?;
        change(&context, |_| Ok(mappings)).await
    }
}

/// Removes port mappings of an app
#[derive(Debug, Args)]
pub struct Remove {
    /// The app
    app: String,
    /// A host port, or a whole mapping
    #[arg(value_name = "PORT|MAPPING", required = true)]
    mappings: Vec<String>,
}

impl Command for Remove {
    const NAME: &'static str = "ports:remove";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        change(&context, move |mut mappings| {
            for word in &self.mappings {
                let before = mappings.len();
                mappings
                    .retain(|mapping| mapping.host_port.to_string() != *word && mapping.to_string() != *word);
                if mappings.len() == before {
                    return Err(CommandError::user(format!("There is no port mapping {word}"))
                        .hint(format!("See them: ports:list {}", self.app)));
                }
            }
            Ok(mappings)
        })
        .await
    }
}

/// Forgets the port mappings of an app: its port is detected again
#[derive(Debug, Args)]
pub struct Clear {
    /// The app
    app: String,
}

impl Command for Clear {
    const NAME: &'static str = "ports:clear";
    const SCOPE: Scope = Scope::App;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::One(self.app.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        change(&context, |_| Ok(Vec::new())).await
    }
}

fn parse(words: &[String]) -> Result<Vec<PortMapping>, CommandError> {
    if words.is_empty() {
        return Err(CommandError::user("No port mapping specified").hint("For example: http:80:5000"));
    }
    words.iter().map(|word| word.parse().map_err(CommandError::user)).collect()
}

/// Changes the mappings. Where that changes the port that the app is told, it is restarted with it.
async fn change(
    context: &Context,
    edit: impl FnOnce(Vec<PortMapping>) -> Result<Vec<PortMapping>, CommandError> + Send + 'static,
) -> CommandResult {
    let record = context.target()?;
    let (_, detected) = mappings(context, record).await?;
    let (app, is_deployed) = (Arc::clone(&context.app), record.current_release.is_some());
    let change = move |own: Vec<PortMapping>| {
        // A deployed app's detected ones are among those that a change starts from, or the first mapping that
        // somebody adds would take away the one by which the app is reached.
        let mappings = in_order(edit(if own.is_empty() && is_deployed { detected } else { own })?)?;
        check_ports(&app, &mappings)?;
        Ok::<_, CommandError>(mappings)
    };
    let (before, mappings) = context.app.store.change_ports(record.id, change).await??;
    let release = match record.current_release {
        Some(id) if !record.stopped => context.app.store.release(id).await?,
        _ => None,
    };
    if let Some(release) = release
        && urls::web_port(&before, &release.content) != urls::web_port(&mappings, &release.content)
    {
        let order = context.order(record, Work::Restart(None), "Change port mappings");
        deploy::run(&context.app, order).await?;
    }
    context.app.reconciler.publish_routes().await;
    let shown: Vec<String> = mappings.iter().map(ToString::to_string).collect();
    let shown = if shown.is_empty() { "as detected".to_owned() } else { shown.join(" ") };
    context.console().step(format!("Port mappings for {}: {shown}", record.name)).await;
    Ok(0)
}

/// Sorts mappings, and refuses two of the same port.
fn in_order(mut mappings: Vec<PortMapping>) -> Result<Vec<PortMapping>, CommandError> {
    mappings.sort_unstable_by_key(|mapping| (mapping.scheme.is_encrypted(), mapping.host_port, *mapping));
    mappings.dedup();
    for (one, other) in mappings.iter().zip(mappings.iter().skip(1)) {
        let place = |mapping: &PortMapping| (mapping.scheme.is_encrypted(), mapping.host_port);
        if place(one) == place(other) {
            return Err(CommandError::user(format!(
                "Error validating port mappings: The same scheme:host-port is being reused: {}:{}",
                one.scheme, one.host_port
            )));
        }
    }
    mappings.sort_unstable();
    Ok(mappings)
}

/// Refuses ports of the host that another program has: nobody would learn why they do not answer.
fn check_ports(app: &App, mappings: &[PortMapping]) -> Result<(), CommandError> {
    for mapping in mappings.iter().filter(|mapping| !mapping.is_standard()) {
        app.router.check_port(mapping.host_port).map_err(|error| {
            CommandError::user(format!("Port {} of the host cannot be used: {error}", mapping.host_port))
                .hint("Choose another one, or stop the program that has it")
        })?;
    }
    Ok(())
}
