//! The route table, made anew from the database and the engine's list of containers.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::app::App;
use crate::command_error::CommandError;
use crate::deploy::checks::rules;
use crate::model::app_name::AppName;
use crate::model::container_id::ContainerId;
use crate::model::hostname::Hostname;
use crate::model::port_mapping::{PortMapping, Scheme};
use crate::route::table::{AppRoutes, AppState, Entrance, InstanceRoute, PortRoute, TableSpec};
use crate::run::check::Subject;
use crate::run::check_rules::{running_checks, startup_checks};
use crate::run::wellbeing::Watched;
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
    let (mut apps, mut watched) = (Vec::new(), Vec::new());
    for of_app in facts.apps {
        let hosts = match of_app.record.vhosts_enabled {
            true => urls::names(&of_app.record, of_app.domains.clone(), &global, &owners),
            false => Vec::new(),
        };
        watched.extend(watched_of(app, &of_app, &running).await?);
        apps.push(routes(app, of_app, hosts, &running).await?);
    }
    app.wellbeing.watch(watched);
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
    let web = || instances.iter().filter(|instance| instance.name.process_type.is_web());
    let state = if record.stopped {
        AppState::Stopped
    } else if record.current_release.is_none() {
        AppState::NeverDeployed
    } else if web().any(|instance| app.crashes.is_looping(&instance.container)) {
        AppState::Crashed
    } else {
        AppState::Running
    };
    Ok(AppRoutes {
        app: record.name.clone(),
        hosts,
        ports: urls::ports(own, web_port, app.https_address.is_some()).into_iter().map(port_route).collect(),
        instances: reachable(app, web(), running),
        state,
    })
}

/// The running instances that are ready; where none is, all of them: bad answers are better than none.
fn reachable<'a>(
    app: &App,
    instances: impl Iterator<Item = &'a InstanceRecord>,
    running: &HashMap<ContainerId, Ipv4Addr>,
) -> Vec<InstanceRoute> {
    let running = instances.filter_map(|instance| Some((instance, *running.get(&instance.container)?)));
    let (ready, unready): (Vec<_>, Vec<_>) =
        running.partition(|(instance, _)| app.wellbeing.is_ready(&instance.container));
    let chosen = if ready.is_empty() { unready } else { ready };
    let route = |(instance, address): (&InstanceRecord, Ipv4Addr)| InstanceRoute {
        id: instance.container.to_string(),
        label: instance.name.to_string(),
        address: IpAddr::V4(address),
    };
    chosen.into_iter().map(route).collect()
}

/// The instances with checks that go on. One that is just being restarted goes on being watched.
async fn watched_of(
    app: &App,
    facts: &AppRouteFacts,
    running: &HashMap<ContainerId, Ipv4Addr>,
) -> Result<Vec<Watched>, CommandError> {
    let record = &facts.record;
    // Most apps have none, and then their release need not be opened.
    let release = match record.current_release.filter(|_| facts.has_running_checks) {
        Some(id) => app.store.release(id).await?,
        None => None,
    };
    let Some(release) = release.map(|release| release.content) else { return Ok(Vec::new()) };
    let release = &release;
    let checked =
        |instance: &&InstanceRecord| !running_checks(release, &instance.name.process_type).is_empty();
    let checked: Vec<_> = facts.instances.iter().filter(checked).collect();
    let rules = rules(app, record).await?;
    let port = urls::web_port(&facts.ports, release);
    let watched = checked.into_iter().filter_map(|instance| {
        let process_type = &instance.name.process_type;
        let address = running.get(&instance.container).copied();
        let address = address.or_else(|| app.wellbeing.address(&instance.container))?;
        Some(Watched {
            app: record.id,
            app_name: record.name.clone(),
            name: instance.name.clone(),
            subject: Subject {
                engine: app.engine.clone(),
                container: instance.container.clone(),
                address,
                port,
                host: rules.host.clone(),
                https: rules.https,
                config: release.config.clone(),
            },
            checks: running_checks(release, process_type),
            startup: startup_checks(release, process_type),
            deadline: rules.deadline,
        })
    });
    Ok(watched.filter(|watched| rules.hold_for(&watched.name.process_type)).collect())
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
