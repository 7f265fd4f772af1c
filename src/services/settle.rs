//! Makes containers, networks and users of services as they should be. May run at any time; where nothing is to be
//! done it takes a question or two to the engine.

use std::collections::{HashMap, HashSet};

use crate::app::App;
use crate::command_error::CommandError;
use crate::console::Console;
use crate::docker::service::{Purpose, ServiceContainer};
use crate::model::container_id::ContainerId;
use crate::model::service::{ServiceId, WantedState};
use crate::services::{Service, container, departures, destroy, expose};
use crate::store::service_links::ServiceLink;
use crate::store::services::ServiceRecord;

/// What was said in the log of services that cannot be mended now: once is enough.
pub type Told = HashMap<ServiceId, String>;

/// Looks at all services. What cannot be mended now hides nothing else.
pub async fn settle(app: &App, told: &mut Told) -> Result<(), CommandError> {
    let records = app.store.services().await?;
    let containers = app.engine.service_containers().await?;
    let present: HashMap<&ContainerId, &ServiceContainer> =
        containers.iter().map(|container| (&container.id, container)).collect();
    for record in &records {
        let found = record.container.as_ref().and_then(|id| present.get(id).copied());
        if is_as_wanted(record, found) {
            told.remove(&record.id);
            continue;
        }
        if let Err(error) = mend(app, record.id).await
            && told.insert(record.id, error.to_string()).is_none_or(|before| before != error.to_string())
        {
            tracing::warn!(service = %record.name, engine = %record.engine, %error, "a service is not as it should be");
        }
    }
    for container in &containers {
        remove_stray(app, container).await?;
    }
    if !records.is_empty() {
        join_again(app, &records).await?;
    }
    expose::settle(app).await?;
    departures::settle(app).await?;
    sweep_networks(app, &records).await?;
    destroy::sweep(app).await
}

fn is_as_wanted(record: &ServiceRecord, found: Option<&ServiceContainer>) -> bool {
    match record.wanted {
        WantedState::Running => found.is_some_and(|container| {
            // Taken off by hand, nobody would find it.
            container.running && container.networks.contains_key(&record.network)
        }),
        WantedState::Paused => found.is_none_or(|container| !container.running),
        WantedState::Stopped => record.container.is_none(),
    }
}

/// Brings one service to where it is wanted, unless somebody is at it.
async fn mend(app: &App, id: ServiceId) -> Result<(), CommandError> {
    let Some(_lease) = app.service_leases.try_acquire(id) else { return Ok(()) };
    // Read again under the lease.
    let Some(service) = Service::by_id(app, id).await? else { return Ok(()) };
    let found = match &service.record.container {
        Some(container) => app.engine.service_container(container).await?,
        None => None,
    };
    if is_as_wanted(&service.record, found.as_ref()) {
        return Ok(());
    }
    match service.record.wanted {
        WantedState::Running => {
            if let Some(container) = &found
                && will_do(app, &service, container).await?
            {
                return Ok(());
            }
            tracing::info!(%service, "a service that should run does not, and gets a new container");
            let (console, mut output) = Console::new();
            let drain = async { while output.recv().await.is_some() {} };
            let begin = async {
                let begun = container::begin(app, &service, &console).await;
                drop(console);
                begun
            };
            let (begun, ()) = tokio::join!(begin, drain);
            begun?;
            app.store.note_service_event(id, "slipway", "its container was made again").await?;
            Ok(())
        }
        WantedState::Paused => container::pause(app, &service).await,
        WantedState::Stopped => container::remove(app, &service).await,
    }
}

/// Whether the very container will do: it only has to be found again, or the engine starts it, by itself or when it is
/// told to. One that somebody stopped or killed by hand it leaves alone otherwise.
async fn will_do(app: &App, service: &Service, container: &ServiceContainer) -> Result<bool, CommandError> {
    if container.restarting {
        return Ok(true);
    }
    if container.running {
        // It was taken off its network by hand, or that was removed: there is no need to stop it.
        let record = &service.record;
        app.engine.ensure_link_network(&record.network).await?;
        app.engine.attach_as(&container.id, &record.network, std::slice::from_ref(&record.host)).await?;
        return Ok(true);
    }
    if !container.networks.contains_key(&service.record.network) {
        return Ok(false);
    }
    // Its network or its image may be gone: then another one is made.
    match app.engine.start(&container.id).await {
        Ok(()) => {
            tracing::info!(%service, "a service that should run is started again");
            app.store.note_service_event(service.record.id, "slipway", "started again").await?;
            Ok(true)
        }
        Err(error) => {
            tracing::info!(%service, %error, "the container of a service does not start");
            Ok(false)
        }
    }
}

/// Removes a container that no record knows: of a service that is destroyed, or of work that a killed server left. Who
/// works beside a service now removes what it has made by itself.
async fn remove_stray(app: &App, container: &ServiceContainer) -> Result<(), CommandError> {
    if container.purpose == Purpose::Helper && container.recent {
        return Ok(());
    }
    // Whoever makes a container has the lease until it is recorded.
    let Some(_lease) = app.service_leases.try_acquire(container.service) else { return Ok(()) };
    let own = app.store.service_by_id(container.service).await?.and_then(|record| record.container);
    if container.purpose == Purpose::Service && own.as_ref() == Some(&container.id) {
        return Ok(());
    }
    tracing::info!(container = %container.id, "a container that no service knows is removed");
    Ok(app.engine.remove(&container.id).await?)
}

/// Puts running instances of linked apps on the network of the service, which they have left if it was removed by hand.
async fn join_again(app: &App, records: &[ServiceRecord]) -> Result<(), CommandError> {
    let links = app.store.service_links().await?;
    let networks: HashMap<ServiceId, &str> =
        records.iter().map(|record| (record.id, record.network.as_str())).collect();
    let running = app.engine.running().await?;
    for link in &links {
        let Some(network) = networks.get(&link.service) else { continue };
        let instances = app.store.instances(Some(link.app)).await?;
        let missing = missing(app, network, instances.iter().map(|instance| &instance.container)).await?;
        if !missing.iter().any(|container| running.contains_key(container)) {
            continue;
        }
        attach(app, link, network).await?;
    }
    Ok(())
}

async fn attach(app: &App, link: &ServiceLink, network: &str) -> Result<(), CommandError> {
    let Some(_lease) = app.leases.try_acquire(link.app) else { return Ok(()) };
    let running = app.engine.running().await?;
    // Read again under the lease: what a deploy has replaced joins nothing any more.
    let instances = app.store.instances(Some(link.app)).await?;
    let still = instances.iter().map(|instance| &instance.container);
    for container in missing(app, network, still).await? {
        if running.contains_key(&container) {
            app.engine.attach_as(&container, network, &[]).await?;
        }
    }
    Ok(())
}

async fn missing(
    app: &App,
    network: &str,
    containers: impl Iterator<Item = &ContainerId>,
) -> Result<Vec<ContainerId>, CommandError> {
    let on: HashSet<ContainerId> = match app.engine.running_on(network).await {
        Ok(on) => on.into_iter().collect(),
        // The service makes it when it is started.
        Err(error) if error.is_not_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    Ok(containers.filter(|container| !on.contains(container)).cloned().collect())
}

/// Removes networks of services that are no more, once the last container has left them.
async fn sweep_networks(app: &App, records: &[ServiceRecord]) -> Result<(), CommandError> {
    for network in app.engine.networks_named(&container::network_prefix(app)).await? {
        if records.iter().any(|record| record.network == network) {
            continue;
        }
        // One that was made just now is recorded: asked again.
        let known = app.store.services().await?.into_iter().any(|record| record.network == network);
        if !known && let Err(error) = app.engine.remove_link_network(&network).await {
            tracing::debug!(network, %error, "a network of a destroyed service is still in use");
        }
    }
    Ok(())
}
