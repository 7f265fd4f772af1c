//! The route table, made anew from the database and the engine's list of containers.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures_util::future::join_all;

use crate::app::App;
use crate::command_error::CommandError;
use crate::model::app_name::AppName;
use crate::model::container_id::ContainerId;
use crate::model::hostname::Hostname;
use crate::model::port_mapping::{PortMapping, Scheme};
use crate::model::release::Release;
use crate::reconcile::{awaited, watched};
use crate::route::table::{AppRoutes, AppState, Entrance, InstanceRoute, PortRoute, TableSpec};
use crate::run::readiness::Prospect;
use crate::store::apps::AppRecord;
use crate::store::instances::InstanceRecord;
use crate::urls;

/// Makes a table and hands it to the router. If that fails the router keeps the one it has.
pub async fn publish(app: &Arc<App>) -> Result<(), CommandError> {
    let table = table(app).await?;
    let published = app
        .router
        .publish(&table)
        .map_err(|error| CommandError::internal("the route table contradicts itself", error))?;
    for unbound in published.unbound {
        tracing::error!(port = unbound.port, error = %unbound.source, "a port cannot be listened on");
    }
    Ok(())
}

async fn table(app: &Arc<App>) -> Result<TableSpec, CommandError> {
    let running = app.engine.running().await?;
    let instances = app.store.instances(None).await?;
    app.readiness.keep_only(|container| instances.iter().any(|instance| instance.container == *container));
    let (mut apps, mut to_watch) = (Vec::new(), Vec::new());
    for record in app.store.apps().await? {
        let own: Vec<&InstanceRecord> = instances.iter().filter(|i| i.app == record.id).collect();
        let release = match record.current_release {
            Some(id) => app.store.release(id).await?,
            None => None,
        };
        if let Some(release) = &release {
            to_watch.extend(watched::of(app, &record, release, &own, &running).await?);
        }
        let web: Vec<&InstanceRecord> =
            own.into_iter().filter(|instance| instance.name.process_type.is_web()).collect();
        apps.push(routes(app, &record, release.as_ref(), &web, &running).await?);
    }
    app.wellbeing.watch(to_watch);
    settle_conflicts(&mut apps, &app.store.domain_owners().await?);
    Ok(TableSpec { apps })
}

/// Leaves each host name to one app: to the one that it was added to, else to the first by name. A default name may
/// be another app's by `domains:add`, or come to be by a new global domain; that must not stop the other routes.
fn settle_conflicts(apps: &mut [AppRoutes], added: &HashMap<Hostname, AppName>) {
    let mut claimed: HashMap<Hostname, AppName> = added.clone();
    for routes in apps {
        let app_name = routes.app.clone();
        routes.hosts.retain(|host| {
            let owner = claimed.entry(host.clone()).or_insert_with(|| app_name.clone());
            if *owner != app_name {
                tracing::warn!(%host, app = %app_name, %owner, "a host name is another app's");
            }
            *owner == app_name
        });
    }
}

async fn routes(
    app: &Arc<App>,
    record: &AppRecord,
    release: Option<&Release>,
    instances: &[&InstanceRecord],
    running: &HashMap<ContainerId, Ipv4Addr>,
) -> Result<AppRoutes, CommandError> {
    let own = app.store.ports(record.id).await?;
    let web_port = release.map_or(5000, |release| urls::web_port(&own, &release.content));
    let ports = urls::ports(own, web_port, app.https_address.is_some());
    let asked = instances.iter().map(|instance| async {
        let address = running.get(&instance.container).copied();
        let prospect = awaited::prospect(app, &instance.container, address, &ports).await;
        (*instance, address, prospect)
    });
    let found = join_all(asked).await;
    let reachable = found.iter().filter_map(|(instance, address, prospect)| {
        // One that is overdue gets requests all the same: a connection that is refused says more than we know.
        let wanted = matches!(prospect, Prospect::Ready | Prospect::Overdue);
        Some(InstanceRoute {
            id: instance.container.to_string(),
            label: instance.name.to_string(),
            address: IpAddr::V4(address.filter(|_| wanted)?),
        })
    });
    let prospects: Vec<Prospect> = found.iter().map(|(_, _, prospect)| *prospect).collect();
    Ok(AppRoutes {
        app: record.name.clone(),
        hosts: urls::hostnames(app, record).await?,
        instances: ready_ones(app, reachable.collect()),
        ports: ports.into_iter().map(port_route).collect(),
        state: state(record, &prospects),
    })
}

/// Those that pass their readiness checks; where none does, all of them: bad answers are better than none.
fn ready_ones(app: &App, reachable: Vec<InstanceRoute>) -> Vec<InstanceRoute> {
    let is_ready = |route: &InstanceRoute| app.wellbeing.is_ready(&ContainerId::new(route.id.clone()));
    if !reachable.iter().any(is_ready) {
        return reachable;
    }
    reachable.into_iter().filter(is_ready).collect()
}

/// What a request is told, or waits for, while there is no instance.
fn state(record: &AppRecord, prospects: &[Prospect]) -> AppState {
    if record.stopped {
        AppState::Stopped
    } else if record.current_release.is_none() {
        AppState::NeverDeployed
    } else if prospects.contains(&Prospect::Expected) {
        AppState::Starting
    } else if prospects.iter().any(|prospect| *prospect != Prospect::Ready) {
        AppState::Crashed
    } else {
        AppState::Running
    }
}

fn port_route(mapping: PortMapping) -> PortRoute {
    let entrance = match (mapping.scheme, mapping.host_port) {
        (Scheme::Http, 80) => Entrance::Http,
        (Scheme::Https, 443) => Entrance::Https,
        (Scheme::Http, port) => Entrance::Port(port),
        (Scheme::Https, port) => Entrance::EncryptedPort(port),
    };
    PortRoute { entrance, container_port: mapping.container_port }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(app: &str, hosts: &[&str]) -> AppRoutes {
        AppRoutes {
            app: app.parse().unwrap(),
            hosts: hosts.iter().map(|host| host.parse().unwrap()).collect(),
            ports: Vec::new(),
            instances: Vec::new(),
            state: AppState::Running,
        }
    }

    #[test]
    fn a_host_name_goes_to_whom_it_was_added_to_else_to_the_first() {
        let mut apps = [
            routes("a", &["a.x", "shared.x"]),
            routes("b", &["a.x", "b.x", "shared.x"]),
            routes("c", &["b.x"]),
        ];
        let added = HashMap::from([("a.x".parse().unwrap(), "b".parse().unwrap())]);
        settle_conflicts(&mut apps, &added);
        let hosts: Vec<Vec<&str>> =
            apps.iter().map(|routes| routes.hosts.iter().map(Hostname::as_str).collect()).collect();
        assert_eq!(hosts, [vec!["shared.x"], vec!["a.x", "b.x"], vec![]]);
    }
}
