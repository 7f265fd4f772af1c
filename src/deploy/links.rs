//! Links between apps: a network for each app that others link to, and a name on it under which its instances are
//! found. An instance has the name from when it is healthy until it is replaced.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::app::App;
use crate::console::Console;
use crate::deploy::error::DeployError;
use crate::deploy::{self, Order, Work};
use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::model::config_var::{ConfigValue, ConfigVars};
use crate::model::container_id::ContainerId;
use crate::store::StoreError;
use crate::store::apps::{AppId, AppRecord};
use crate::store::instances::InstanceRecord;
use crate::store::links::{Link, LinkTarget};
use crate::urls;

/// What the names of targets end in, and no other name on a network does.
const SUFFIX: &str = ".web.internal";

/// The engine's network for those that link to an app.
pub fn network(engine: &Engine, target: AppId) -> String {
    format!("{}{}", network_prefix(engine), target.0)
}

fn network_prefix(engine: &Engine) -> String {
    format!("{}-link-", engine.network_name())
}

/// Where those that link to an app find it.
pub async fn url(app: &App, record: &AppRecord, target: &LinkTarget) -> Result<String, StoreError> {
    let release = match record.current_release {
        Some(id) => app.store.release(id).await?,
        None => None,
    };
    let own = app.store.ports(record.id).await?;
    let port = match &release {
        Some(release) => urls::web_port(&own, &release.content),
        None => own.first().map_or(5000, |port| port.container_port),
    };
    Ok(format!("http://{}:{port}", target.host))
}

/// A URL as the value of a config var.
pub fn value(url: &str) -> Result<ConfigValue, StoreError> {
    ConfigValue::from_bytes(url.as_bytes().to_vec()).map_err(|error| StoreError::Damaged(error.to_string()))
}

/// Makes the networks that an app's new containers join, and its own, should they have been removed by hand.
pub async fn ensure_networks(app: &App, record: &AppRecord) -> Result<(), DeployError> {
    let mut networks = app.store.link_networks(record.id).await?;
    networks.extend(own_target(app, record.id).await?.map(|target| target.network));
    for network in networks {
        app.engine.ensure_link_network(&network).await?;
    }
    Ok(())
}

/// Gives healthy instances the name under which others find the app, if others link to it.
pub async fn welcome(app: &App, record: &AppRecord, instances: &[InstanceRecord]) -> Result<(), DeployError> {
    let Some(target) = own_target(app, record.id).await? else { return Ok(()) };
    for instance in instances.iter().filter(|instance| instance.name.process_type.is_web()) {
        app.engine.attach_as(&instance.container, &target.network, &[target.host.clone()]).await?;
    }
    Ok(())
}

/// Takes an old instance's name, so that nobody finds it any more; connections that exist stay.
pub async fn take_leave(app: &App, container: &ContainerId) {
    if let Err(error) = app.engine.withdraw_names(container, SUFFIX).await
        && !error.is_not_found()
    {
        tracing::warn!(%container, %error, "an old instance keeps its name on a link's network");
    }
}

/// The app as a target, if some app links to it now.
async fn own_target(app: &App, id: AppId) -> Result<Option<LinkTarget>, StoreError> {
    if app.store.links().await?.iter().any(|link| link.target == id) {
        app.store.link_target(id).await
    } else {
        Ok(None)
    }
}

/// Has those that link to an app know where it is now: its port may be another one since its last deploy. They are
/// restarted for that in the background.
pub async fn refresh(app: &Arc<App>, record: &AppRecord) {
    if let Err(error) = try_refresh(app, record).await {
        // The deploy itself is done, so this is no failure of it.
        tracing::error!(app = %record.name, %error, "those that link to an app may have its old port");
    }
}

async fn try_refresh(app: &Arc<App>, record: &AppRecord) -> Result<(), StoreError> {
    let Some(target) = own_target(app, record.id).await? else { return Ok(()) };
    let Some(current) = app.store.app_by_id(record.id).await? else { return Ok(()) };
    let url = url(app, &current, &target).await?;
    for link in app.store.links().await?.into_iter().filter(|link| link.target == record.id) {
        let config = app.store.config(Some(link.app)).await?;
        if config.get(&link.key).is_some_and(|value| value.expose() != url) {
            tracing::info!(app = %link.app_name, target = %link.target_name, "a linked app has another port now");
            let value = value(&url)?;
            app.store
                .change_config(Some(link.app), ConfigVars::from([(link.key.clone(), value)]), Vec::new())
                .await?;
            restart_later(app, link);
        }
    }
    Ok(())
}

fn restart_later(app: &Arc<App>, link: Link) {
    let (app, tracker) = (app.clone(), app.tasks.clone());
    tracker.spawn(async move {
        let running = app.store.app_by_id(link.app).await.ok().flatten();
        if running.is_none_or(|record| record.stopped || record.current_release.is_none()) {
            return;
        }
        let (console, mut output) = Console::new();
        let order = Order {
            app: link.app,
            work: Work::Restart(None),
            by: "slipway".to_owned(),
            description: format!("Link to {} has another port", link.target_name),
            console,
            cancel: app.shutdown.clone(),
        };
        let drain = async { while output.recv().await.is_some() {} };
        // Boxed, because a deploy ends in this and this begins one.
        let (result, ()) = tokio::join!(Box::pin(deploy::run(&app, order)), drain);
        if let Err(error) = result {
            tracing::error!(app = %link.app_name, %error, "an app still has the old port of one that it links to");
        }
    });
}

/// Makes networks and names as they should be: those of apps that are linked to, and none of others.
pub async fn settle(app: &Arc<App>) -> Result<(), DeployError> {
    let links = app.store.links().await?;
    let targets: BTreeSet<AppId> = links.iter().map(|link| link.target).collect();
    let running = app.engine.running().await?;
    let mut wanted = BTreeSet::new();
    for target in targets {
        let Some(facts) = app.store.link_target(target).await? else { continue };
        wanted.insert(facts.network.clone());
        // A deploy gives the names itself, at the right moment.
        let Some(_lease) = app.leases.try_acquire(target) else { continue };
        app.engine.ensure_link_network(&facts.network).await?;
        let instances = app.store.instances(Some(target)).await?;
        let web = instances.iter().filter(|instance| instance.name.process_type.is_web());
        for instance in web.filter(|instance| running.contains_key(&instance.container)) {
            app.engine.attach_as(&instance.container, &facts.network, &[facts.host.clone()]).await?;
        }
    }
    for network in app.engine.networks_named(&network_prefix(&app.engine)).await? {
        if !wanted.contains(&network) {
            abandon(app, &network).await?;
        }
    }
    Ok(())
}

/// Takes what serves off a network to which nobody links any more, and removes it once nobody else is on it either:
/// those that linked leave it with their next deploy.
async fn abandon(app: &App, network: &str) -> Result<(), EngineError> {
    for container in app.engine.containers_on(network).await? {
        let names = app.engine.attachments(&container).await?.remove(network).unwrap_or_default().names;
        if names.iter().any(|name| name.ends_with(SUFFIX)) {
            app.engine.detach(&container, network).await?;
        }
    }
    if app.engine.containers_on(network).await?.is_empty() {
        app.engine.remove_link_network(network).await?;
    }
    Ok(())
}
