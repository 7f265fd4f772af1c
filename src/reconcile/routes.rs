//! The route table, made anew from the database and the engine's list of containers.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures_util::future::join_all;

use crate::app::App;
use crate::command_error::CommandError;
use crate::model::app_name::AppName;
use crate::model::container_id::ContainerId;
use crate::model::hostname::Hostname;
use crate::model::port_mapping::{PortMapping, Scheme};
use crate::reconcile::{awaited, watched};
use crate::route::table::{AppRoutes, AppState, Entrance, InstanceRoute, PortRoute, TableSpec};
use crate::run::readiness::Prospect;
use crate::store::instances::InstanceRecord;
use crate::store::routing::AppRouteFacts;
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
    let facts = app.store.route_facts().await?;
    let known: HashSet<&ContainerId> =
        facts.apps.iter().flat_map(|app| &app.instances).map(|instance| &instance.container).collect();
    app.readiness.keep_only(|container| known.contains(container));
    let global = if facts.global_domains.is_empty() && !facts.global_domains_cleared {
        vec![app.settings.domain.clone()]
    } else {
        facts.global_domains
    };
    let owners: HashMap<Hostname, AppName> = facts
        .apps
        .iter()
        .flat_map(|app| app.domains.iter().map(|name| (name.clone(), app.record.name.clone())))
        .collect();
    let (mut apps, mut to_watch) = (Vec::new(), Vec::new());
    for of_app in facts.apps {
        let hosts = match of_app.record.vhosts_enabled {
            true => urls::names(&of_app.record, of_app.domains.clone(), &global, &owners),
            false => Vec::new(),
        };
        to_watch.extend(watched::of(app, &of_app, &running).await?);
        apps.push(routes(app, of_app, hosts, &running).await?);
    }
    app.wellbeing.watch(to_watch);
    settle_conflicts(&mut apps, &owners);
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
    facts: AppRouteFacts,
    hosts: Vec<Hostname>,
    running: &HashMap<ContainerId, Ipv4Addr>,
) -> Result<AppRoutes, CommandError> {
    let AppRouteFacts { record, ports: own, instances, .. } = facts;
    let web_port = match (own.first(), facts.web_port, record.current_release) {
        (Some(mapping), _, _) => mapping.container_port,
        (None, Some(port), _) => port,
        // Recorded by an older version, which did not say.
        (None, None, Some(id)) => {
            app.store.release(id).await?.map_or(5000, |release| release.content.web_port())
        }
        (None, None, None) => 5000,
    };
    let ports = urls::ports(own, web_port, app.https_address.is_some());
    let web = instances.iter().filter(|instance| instance.name.process_type.is_web());
    let ports = ports.as_slice();
    let asked = web.map(|instance| async move {
        let address = running.get(&instance.container).copied();
        let prospect = awaited::prospect(app, &instance.container, address, ports).await;
        (instance, address, prospect)
    });
    let web = join_all(asked).await;
    let state = if record.stopped {
        AppState::Stopped
    } else if record.current_release.is_none() {
        AppState::NeverDeployed
    } else if web.iter().any(|(instance, ..)| app.crashes.is_looping(&instance.container)) {
        AppState::Crashed
    } else if web.iter().any(|(.., prospect)| *prospect == Prospect::Expected) {
        AppState::Starting
    } else if web.is_empty() {
        AppState::Running
    } else {
        AppState::Crashed
    };
    // One that is overdue gets requests all the same: a connection that is refused says more than we know.
    let listening = web.into_iter().filter(|(.., prospect)| *prospect != Prospect::Expected);
    let listening = listening.filter_map(|(instance, address, _)| Some((instance, address?)));
    Ok(AppRoutes {
        app: record.name.clone(),
        hosts,
        ports: ports.iter().copied().map(port_route).collect(),
        instances: reachable(app, listening),
        state,
    })
}

/// The listening instances that are ready; where none is, all of them: bad answers are better than none.
fn reachable<'a>(
    app: &App,
    listening: impl Iterator<Item = (&'a InstanceRecord, Ipv4Addr)>,
) -> Vec<InstanceRoute> {
    let (ready, unready): (Vec<_>, Vec<_>) =
        listening.partition(|(instance, _)| app.wellbeing.is_ready(&instance.container));
    let chosen = if ready.is_empty() { unready } else { ready };
    let route = |(instance, address): (&InstanceRecord, Ipv4Addr)| InstanceRoute {
        id: instance.container.to_string(),
        label: instance.name.to_string(),
        address: IpAddr::V4(address),
    };
    chosen.into_iter().map(route).collect()
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
