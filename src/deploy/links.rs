//! Links between apps: a network for each app that others link to, and a name on it under which its instances are
//! found. An instance has the name from when it is healthy until it is replaced.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

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
/// How long an old instance goes on accepting after it has lost its name. A connection that is begun at the moment at
/// which it is off its network gets through with TCP's first retransmission, after a second (RFC 6298, section 2.1).
const LINGER: Duration = Duration::from_secs(2);

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
        let names = std::slice::from_ref(&target.host);
        app.engine.attach_as(&instance.container, &target.network, names).await?;
    }
    Ok(())
}

/// Takes an old instance's name, so that nobody finds it any more; connections that exist stay. Returns when those
/// that found it just before have connected.
pub async fn take_leave(app: &App, container: &ContainerId) {
    match app.engine.withdraw_names(container, SUFFIX).await {
        Ok(true) => sleep(LINGER).await,
        Ok(false) => {}
        Err(error) if error.is_not_found() => {}
        Err(error) => {
            tracing::warn!(%container, %error, "an old instance keeps its name on a link's network");
        }
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

/// Makes networks and names as they should be: those of apps that are linked to, and none of others. Where nothing is
/// to be done it takes a question or two to the engine.
pub async fn settle(app: &Arc<App>) -> Result<(), DeployError> {
    let links = app.store.links().await?;
    let targets: BTreeSet<AppId> = links.iter().map(|link| link.target).collect();
    let present = app.engine.networks_named(&network_prefix(&app.engine)).await?;
    let mut wanted = BTreeSet::new();
    for id in targets {
        let Some(target) = app.store.link_target(id).await? else { continue };
        if !present.contains(&target.network) {
            app.engine.ensure_link_network(&target.network).await?;
        }
        if !nameless(app, &target).await?.is_empty() {
            name_instances(app, &target).await?;
        }
        wanted.insert(target.network);
    }
    for network in present.iter().filter(|network| !wanted.contains(*network)) {
        abandon(app, network).await?;
    }
    Ok(())
}

/// The running web instances that others cannot find.
async fn nameless(app: &App, target: &LinkTarget) -> Result<Vec<ContainerId>, DeployError> {
    let running = app.engine.running().await?;
    let instances = app.store.instances(Some(target.app)).await?;
    let web = instances.into_iter().filter(|instance| instance.name.process_type.is_web());
    let mut nameless = Vec::new();
    for container in web.map(|instance| instance.container).filter(|id| running.contains_key(id)) {
        let attachment = app.engine.attachments(&container).await?.remove(&target.network);
        if !attachment.is_some_and(|attachment| attachment.names.contains(&target.host)) {
            nameless.push(container);
        }
    }
    Ok(nameless)
}

/// Gives the name to instances that lack it. An app that is being deployed is left alone: the deploy gives the names
/// itself, at the right moment.
async fn name_instances(app: &Arc<App>, target: &LinkTarget) -> Result<(), DeployError> {
    let Some(_lease) = app.leases.try_acquire(target.app) else { return Ok(()) };
    // Asked again under the lease, or an instance could get the name that has just lost it.
    for container in nameless(app, target).await? {
        let names = std::slice::from_ref(&target.host);
        app.engine.attach_as(&container, &target.network, names).await?;
    }
    Ok(())
}

/// Takes what serves off a network to which nobody links any more, and removes it once nobody else is on it either:
/// those that linked leave it with their next deploy.
async fn abandon(app: &App, network: &str) -> Result<(), EngineError> {
    for container in app.engine.running_on(network).await? {
        let names = app.engine.attachments(&container).await?.remove(network).unwrap_or_default().names;
        if names.iter().any(|name| name.ends_with(SUFFIX)) {
            app.engine.detach(&container, network).await?;
        }
    }
    if app.engine.running_on(network).await?.is_empty() {
        app.engine.remove_link_network(network).await?;
    }
    Ok(())
}
