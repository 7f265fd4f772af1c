//! `apps:clone`.

use std::collections::BTreeSet;

use clap::Args;

use crate::command_error::{CommandError, CommandResult};
use crate::commands::apps::create::create;
use crate::commands::dispatch::find_app;
use crate::commands::domains::warn_of_taken;
use crate::commands::ps::run_state;
use crate::commands::service::hold_service;
use crate::commands::{Command, Context, Scope, Target};
use crate::deploy::{self, Work, destroy};
use crate::hooks::Scene;
use crate::model::app_name::AppName;
use crate::model::hook::Hook;
use crate::model::hook::event::Event;
use crate::model::role::Role;
use crate::services::Service;
use crate::services::link::{self, LinkWish};
use crate::store::apps::AppRecord;
use crate::store::drains::DrainProgress;
use crate::store::service_links::ServiceLink;

/// Makes a second app of an app's code and settings, with host names of its own, and deploys it
#[derive(Debug, Args)]
pub struct Clone {
    /// Do not deploy the new app
    #[arg(long)]
    skip_deploy: bool,
    /// Do nothing, and succeed, if there is an app of that name
    #[arg(long)]
    ignore_existing: bool,
    /// The app
    old_app: String,
    /// The name of the new one
    new_app: String,
}

impl Command for Clone {
    const NAME: &'static str = "apps:clone";
    const SCOPE: Scope = Scope::Server;
    const ROLE: Role = Role::Deployer;

    fn target(&self) -> Target {
        Target::Nothing
    }

    async fn run(self, context: Context) -> CommandResult {
        let old = find_app(&context.app, &context.caller, &self.old_app).await?;
        let name: AppName = self.new_app.parse().map_err(CommandError::user)?;
        if context.app.store.app(&name).await?.is_some() {
            if self.ignore_existing {
                context.console().warn("Name is already taken").await;
                return Ok(0);
            }
            return Err(CommandError::user("Name is already taken").hint("Choose another one"));
        }
        context.console().step(format!("Cloning {} to {name}", old.name)).await;
        let new = create(&context, &name).await?;
        if let Err(error) = copy(&context, &old, &new).await {
            destroy::destroy(&context.app, &new, context.console()).await?;
            return Err(error);
        }
        link_services(&context, &old, &new).await?;
        context.app.reconciler.publish_routes().await;
        tell(&context, &old, &new).await?;
        let event = || Event::PostAppClone {
            app: name.clone(),
            old: old.name.clone(),
            by: context.caller.name.clone(),
        };
        context.app.hooks.tell(Hook::PostAppClone, Scene::command(context.console()), event).await;
        if !self.skip_deploy {
            start(&context, &old, &new).await?;
        }
        Ok(0)
    }
}

/// The repository and the settings.
async fn copy(context: &Context, old: &AppRecord, new: &AppRecord) -> Result<(), CommandError> {
    let app = &context.app;
    app.repositories.copy_all(&old.name, &new.name).await?;
    app.store.copy_settings(old.id, new.id).await?;
    for drain in app.store.drains(Some(old.id)).await? {
        app.store.add_drain(new.id, drain.url, drain.authority, DrainProgress::default()).await?;
    }
    app.drains.changed();
    for link in app.store.links().await?.into_iter().filter(|link| link.app == old.id) {
        let (Some(target), Some(other)) =
            (app.store.link_target(link.target).await?, app.store.app_by_id(link.target).await?)
        else {
            continue;
        };
        let url = deploy::links::url(app, &other, &target).await?;
        let added = app.store.add_link((new.id, other.id), link.key.clone(), deploy::links::value(&url)?);
        if added.await?.is_err() {
            let linking = format!("links:add {} {}", new.name, other.name);
            context.console().warn(format!("{} is not linked to {}: {linking}", new.name, other.name)).await;
        }
    }
    Ok(deploy::links::settle(app).await?)
}

/// Links the new app to the services of the old one, as a user of its own. One that takes no user now does not hold
/// up the others.
async fn link_services(context: &Context, old: &AppRecord, new: &AppRecord) -> Result<(), CommandError> {
    for link in context.app.store.links_of_app(old.id).await? {
        let Some(service) = Service::by_id(&context.app, link.service).await? else { continue };
        let (engine, name) = (&service.record.engine, &service.record.name);
        match link_service(context, &service, link, new).await {
            Ok(key) => {
                context
                    .console()
                    .detail(format!("Linked to {service} as {key}: both apps share its data"))
                    .await;
            }
            Err(error) => {
                context.console().warn(error.lines()).await;
                let warning = format!("{} is not linked: {engine}:link {name} {}", new.name, new.name);
                context.console().warn(warning).await;
            }
        }
    }
    Ok(())
}

async fn link_service(
    context: &Context,
    service: &Service,
    link: ServiceLink,
    new: &AppRecord,
) -> Result<String, CommandError> {
    let (_lease, service) = hold_service(context, service).await?;
    let alias = link.keys.iter().find_map(|key| key.as_str().strip_suffix("_URL")).map(str::to_owned);
    let wish = LinkWish { alias, query: link.query };
    let linked = link::add(&context.app, &service, new, &wish, &context.caller.name).await?;
    Ok(linked.key.to_string())
}

/// Says what a person may not expect: what is shared, and what did not come along.
async fn tell(context: &Context, old: &AppRecord, new: &AppRecord) -> Result<(), CommandError> {
    let (store, console) = (&context.app.store, context.console());
    let mut told = BTreeSet::new();
    for mount in store.mounts(old.id).await? {
        let source = &mount.source;
        if mount.exclusive {
            let command = format!("storage:mount {} OTHER:{}", new.name, mount.target);
            console
                .warn(format!("{source} is for one instance and stays with {}: {command}", old.name))
                .await;
        } else if told.insert(source.clone()) {
            console.detail(format!("Both apps share the storage {source}")).await;
        }
    }
    let names = store.domains(Some(old.id)).await?;
    let paths = store.path_routes(old.id).await?;
    if !names.is_empty() || !paths.is_empty() {
        console
            .detail(format!("The domains of {} stay with it: domains:add {} HOST", old.name, new.name))
            .await;
    }
    if !store.certificates(Some(old.id)).await?.is_empty() {
        console.detail(format!("So do its certificates: certs:add {}", new.name)).await;
    }
    warn_of_taken(context, new).await
}

/// Builds and deploys what the old app runs.
async fn start(context: &Context, old: &AppRecord, new: &AppRecord) -> Result<(), CommandError> {
    if old.current_release.is_none() {
        let said = format!("{} was never deployed, and neither is {}: push to it", old.name, new.name);
        context.console().detail(said).await;
        return Ok(());
    }
    let again = |error: CommandError| {
        error.hint(format!(
            "{} is there with all its settings; to try again: ps:rebuild {}",
            new.name, new.name
        ))
    };
    let source = run_state::source(context, new, old.current_release).await.map_err(again)?;
    let order = context.order(new, Work::Build(source), &format!("Clone of {}", old.name));
    deploy::run(&context.app, order).await.map_err(|error| again(error.into()))
}
