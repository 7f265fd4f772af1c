//! `ENGINE:start`, `ENGINE:stop`, `ENGINE:restart` and `ENGINE:pause`.

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::service::hold;
use crate::commands::{Command, Context, Scope, Target};
use crate::model::role::Role;
use crate::model::service::WantedState;
use crate::services::{Service, container};

/// Starts a service that was stopped or paused
#[derive(Debug, Args)]
pub struct Start {
    /// The service
    service: String,
}

impl Command for Start {
    const NAME: &'static str = "service:start";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let (_lease, service) = hold(&context).await?;
        if runs(&context, &service).await? {
            context.console().step(format!("Service {} is already running", service.record.name)).await;
            return Ok(0);
        }
        start(&context, &service, "started").await?;
        Ok(0)
    }
}

/// Starts a service anew, with what was set of it since it was last started
#[derive(Debug, Args)]
pub struct Restart {
    /// The service
    service: String,
}

impl Command for Restart {
    const NAME: &'static str = "service:restart";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let (_lease, service) = hold(&context).await?;
        start(&context, &service, "restarted").await?;
        Ok(0)
    }
}

/// Stops a service and removes its container; its data stays
#[derive(Debug, Args)]
pub struct Stop {
    /// The service
    service: String,
}

impl Command for Stop {
    const NAME: &'static str = "service:stop";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let (_lease, service) = hold(&context).await?;
        halt(&context, &service, WantedState::Stopped, "stopped").await?;
        Ok(0)
    }
}

/// Stops a service and leaves its container
#[derive(Debug, Args)]
pub struct Pause {
    /// The service
    service: String,
}

impl Command for Pause {
    const NAME: &'static str = "service:pause";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Service(self.service.clone())
    }

    async fn run(self, context: Context) -> CommandResult {
        let (_lease, service) = hold(&context).await?;
        halt(&context, &service, WantedState::Paused, "paused").await?;
        Ok(0)
    }
}

async fn runs(context: &Context, service: &Service) -> Result<bool, CommandError> {
    match &service.record.container {
        Some(container) if service.record.wanted == WantedState::Running => {
            let facts = context.app.engine.service_container(container).await?;
            Ok(facts.is_some_and(|facts| facts.running))
        }
        _ => Ok(false),
    }
}

async fn start(context: &Context, service: &Service, what: &str) -> Result<(), CommandError> {
    let (app, console, id) = (&context.app, context.console(), service.record.id);
    console.step(format!("Starting container of {}", service.record.name)).await;
    // First what is wanted: should this be cut off, the reconciler goes on.
    app.store.set_service_wanted(id, WantedState::Running).await?;
    container::run(app, service, console).await?;
    app.store.note_service_event(id, &context.caller.name, what).await?;
    console.headline(format!("Container of {} started", service.record.name)).await;
    Ok(())
}

async fn halt(
    context: &Context,
    service: &Service,
    wanted: WantedState,
    what: &str,
) -> Result<(), CommandError> {
    let (app, console, id) = (&context.app, context.console(), service.record.id);
    for link in app.store.links_to_service(id).await? {
        console.warn(format!("{} is linked to it and cannot reach it now", link.app_name)).await;
    }
    console.step(format!("Stopping container of {}", service.record.name)).await;
    app.store.set_service_wanted(id, wanted).await?;
    if wanted == WantedState::Paused {
        container::pause(app, service).await?;
    } else {
        container::remove(app, service).await?;
    }
    app.store.note_service_event(id, &context.caller.name, what).await?;
    console.headline(format!("Container of {} {what}", service.record.name)).await;
    Ok(())
}
