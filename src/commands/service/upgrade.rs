//! `ENGINE:upgrade`, `ENGINE:upgrade-confirm` and `ENGINE:upgrade-undo`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::confirm::confirm;
use crate::commands::service::{ContainerFlags, hold};
use crate::commands::{Command, Context, Scope, Target, config};
use crate::model::role::Role;
use crate::services::upgrade::{self, Upgrade as Change, Way};
use crate::services::{Service, image};
use crate::store::services::ServiceImage;

/// Gives a service another image, version or options
#[derive(Debug, Args)]
pub struct Upgrade {
    #[command(flatten)]
    container: ContainerFlags,
    /// Restart the linked apps afterwards
    #[arg(short = 'R', long)]
    restart_apps: bool,
    /// The service
    service: String,
}

impl Command for Upgrade {
    const NAME: &'static str = "service:upgrade";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let (app, console) = (context.app.clone(), context.console());
        let service = {
            let (_lease, service) = hold(&context).await?;
            if app.store.former_service_data(service.record.id).await?.is_some() {
                let (engine, name) = (&service.record.engine, &service.record.name);
                return Err(CommandError::user(format!(
                    "{service} still keeps the data of its last upgrade"
                ))
                .hint(format!(
                    "If all is well: {engine}:upgrade-confirm {name}. Back: {engine}:upgrade-undo {name}"
                )));
            }
            let image =
                image::find(&app, &service.plugin, &service.engine, &self.container.wish(), console).await?;
            refuse_older(&service, &image, &self.container)?;
            let change = Change {
                image,
                properties: self.container.properties(),
                environment: self.container.environment()?,
            };
            upgrade_to(&context, &service, change).await?;
            service
        };
        if self.restart_apps {
            let mut apps = Vec::new();
            for link in app.store.links_to_service(service.record.id).await? {
                apps.extend(app.store.app_by_id(link.app).await?);
            }
            config::restart(&context, apps, &format!("Upgrade {}", service.record.name)).await?;
        }
        Ok(0)
    }
}

async fn upgrade_to(context: &Context, service: &Service, change: Change) -> Result<(), CommandError> {
    let (app, console, record) = (&context.app, context.console(), &service.record);
    let (from, to) = (shown(&record.image), shown(&change.image));
    console.step(format!("Upgrading {} from {from} to {to}", record.name)).await;
    let way = upgrade::upgrade(app, service, change, console).await?;
    app.store
        .note_service_event(record.id, &context.caller.name, format!("upgraded from {from} to {to}"))
        .await?;
    console.headline(format!("{} runs {to}", record.name)).await;
    if way == Way::Dumped {
        let (engine, name) = (&record.engine, &record.name);
        console.detail("The former data is kept until you say that all is well:").await;
        console.detail(format!("{engine}:upgrade-confirm {name}   removes it")).await;
        console.detail(format!("{engine}:upgrade-undo {name}      goes back to it")).await;
    }
    Ok(())
}

/// An older version than the present one comes only of being asked for.
fn refuse_older(service: &Service, to: &ServiceImage, flags: &ContainerFlags) -> Result<(), CommandError> {
    let wish = flags.wish();
    let is_asked = wish.image.is_some() || wish.version.is_some();
    if !is_asked && numbers(&to.version) < numbers(&service.record.image.version) {
        return Err(CommandError::user(format!(
            "{service} runs {}, and {} is what can be had without a word more",
            shown(&service.record.image),
            shown(to)
        ))
        .hint("Name the version: -I VERSION"));
    }
    Ok(())
}

fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok()).collect()
}

fn shown(image: &ServiceImage) -> String {
    format!("{}:{}", image.name, image.version)
}

/// Removes the data that a service had before its last upgrade
#[derive(Debug, Args)]
pub struct UpgradeConfirm {
    /// The service
    service: String,
}

impl Command for UpgradeConfirm {
    const NAME: &'static str = "service:upgrade-confirm";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let (_lease, service) = hold(&context).await?;
        upgrade::confirm(&context.app, &service).await?;
        let (store, id) = (&context.app.store, service.record.id);
        store.note_service_event(id, &context.caller.name, "upgrade confirmed").await?;
        context.console().headline(format!("The former data of {} is removed", service.record.name)).await;
        Ok(0)
    }
}

/// Gives a service back the version and the data that it had before its last upgrade
#[derive(Debug, Args)]
pub struct UpgradeUndo {
    /// Do not ask for the service's name
    #[arg(short, long)]
    force: bool,
    /// The service
    service: String,
}

impl Command for UpgradeUndo {
    const NAME: &'static str = "service:upgrade-undo";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, mut context: Context) -> CommandResult {
        let service = context.service()?.clone();
        if !self.force {
            let (engine, name) = (&service.record.engine, service.record.name.as_str());
            let kind = format!("what was written since the upgrade of the {} service", service.title());
            confirm(&mut context, &kind, name, &format!("{engine}:upgrade-undo --force {name}")).await?;
        }
        let (_lease, service) = hold(&context).await?;
        let now = upgrade::undo(&context.app, &service, context.console()).await?;
        let (store, id) = (&context.app.store, service.record.id);
        store.note_service_event(id, &context.caller.name, "upgrade undone").await?;
        context
            .console()
            .headline(format!("{} runs {} again", now.record.name, shown(&now.record.image)))
            .await;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        assert!(numbers("9.6") < numbers("15"));
        assert!(numbers("10.11") > numbers("10.6.3"));
        assert_eq!(numbers("17-alpine"), numbers("17"));
    }
}
