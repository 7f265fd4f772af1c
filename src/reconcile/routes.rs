//! The route table, made anew from the database and the engine's list of containers.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use futures_util::future::join_all;

use crate::app::App;
use crate::certificates::{self, OfApp};
use crate::command_error::CommandError;
use crate::model::app_name::AppName;
use crate::model::container_id::ContainerId;
use crate::model::hostname::Hostname;
use crate::model::path_route::PathRoute;
use crate::model::port_mapping::PortMapping;
use crate::reconcile::told::Told;
use crate::reconcile::{awaited, handshake_hosts, watched};
use crate::requests::policy::{Situation, Values, policy_of};
use crate::run::readiness::Prospect;
use crate::store::apps::AppRecord;
use crate::store::instances::InstanceRecord;
use crate::store::routing::{AppRouteFacts, RouteFacts};
use crate::urls;
use slipway_router::host_pattern::HostPattern;
use slipway_router::policy::Policy;
use slipway_router::table::{
    AppRoutes, AppState, Entrance, HostRoute, InstanceRoute, PortRoute, Protocol, TableSpec,
};

/// Makes a table and hands it to the router. If that fails the router keeps the one it has.
pub(super) async fn publish(app: &Arc<App>, told: &mut Told) -> Result<(), CommandError> {
    let table = table(app).await?;
    let published = app
        .router
        .publish(&table)
        .map_err(|error| CommandError::internal("the route table contradicts itself", error))?;
    told.tell(app, &table);
    for unbound in published.unbound {
        tracing::error!(port = unbound.port, error = %unbound.source, "a port cannot be listened on");
    }
    Ok(())
}

async fn table(app: &Arc<App>) -> Result<TableSpec, CommandError> {
    let running = app.engine.running().await;
    let facts = app.store.route_facts().await?;
    // Certificates need no engine: whoever comes in while it is down learns so over HTTPS, too.
    let (mut facts, hosts, global) = hosts(app, facts);
    publish_certificates(app, &mut facts, &hosts).await?;
    let running = running?;
    let known: HashSet<&ContainerId> =
        facts.iter().flat_map(|app| &app.instances).map(|instance| &instance.container).collect();
    app.readiness.keep_only(|container| known.contains(container));
    let (mut apps, mut to_watch) = (Vec::new(), Vec::new());
    for (of_app, hosts) in facts.into_iter().zip(hosts) {
        to_watch.extend(watched::of(app, &of_app, &running).await?);
        let policy = policy(app, &of_app, &global, &hosts);
        apps.push(routes(app, of_app, (hosts, policy), &running).await?);
    }
    app.wellbeing.watch(to_watch);
    Ok(TableSpec { apps })
}

/// The apps, which hosts are theirs, and what is set for the requests of all.
fn hosts(app: &App, facts: RouteFacts) -> (Vec<AppRouteFacts>, Vec<Vec<Hostname>>, Values) {
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
    let mut claimed = owners.clone();
    let of_app = |of_app: &AppRouteFacts| {
        let mut hosts = match of_app.record.vhosts_enabled {
            true => urls::names(&of_app.record, of_app.domains.clone(), &global, &owners),
            false => Vec::new(),
        };
        keep_own(&of_app.record.name, &mut hosts, &mut claimed);
        hosts
    };
    let hosts = facts.apps.iter().map(of_app).collect();
    (facts.apps, hosts, facts.global_requests)
}

async fn publish_certificates(
    app: &App,
    facts: &mut [AppRouteFacts],
    hosts: &[Vec<Hostname>],
) -> Result<(), CommandError> {
    let places = |(facts, hosts): (&AppRouteFacts, &Vec<Hostname>)| {
        let parts = facts.paths.iter().filter(|_| facts.record.vhosts_enabled);
        (hosts.clone(), parts.map(|route| route.place.host.clone()).collect())
    };
    let places: Vec<_> = facts.iter().zip(hosts).map(places).collect();
    let mut of_apps = Vec::new();
    for (facts, hosts) in facts.iter_mut().zip(handshake_hosts::assign(&places)) {
        if facts.client_certificates {
            facts.paths.retain(|route| has_handshakes(&facts.record, &hosts, &route.place.host));
        }
        of_apps.push(OfApp { app: facts.record.id, hosts, certificates: facts.certificates.clone() });
    }
    if app.https_address.is_some() {
        certificates::publish(app, of_apps).await?;
    }
    Ok(())
}

/// Whether the handshakes for a host go by an app's rules. Where they do not, whoever another app lets in would get to
/// an app that wants certificates of its own clients.
fn has_handshakes(app: &AppRecord, hosts: &[Hostname], host: &Hostname) -> bool {
    let has = hosts.contains(host);
    if !has {
        tracing::warn!(app = %app.name, %host, "a path of another app's host cannot ask for clients' certificates");
    }
    has
}

/// Leaves each host name to one app: to the one that it was added to, else to the first by name. A default name may
/// be another app's by `domains:add`, or come to be by a new global domain; that must not stop the other routes.
fn keep_own(app: &AppName, hosts: &mut Vec<Hostname>, claimed: &mut HashMap<Hostname, AppName>) {
    hosts.retain(|host| {
        let owner = claimed.entry(host.clone()).or_insert_with(|| app.clone());
        if owner != app {
            tracing::warn!(%host, %app, %owner, "a host name is another app's");
        }
        owner == app
    });
}

/// A path of a host.
fn path_route(route: &PathRoute) -> Option<HostRoute> {
    let path = route.place.path().parse();
    let path = path.inspect_err(|error| tracing::error!(%error, "a path cannot be routed")).ok()?;
    Some(HostRoute { path, strip: route.strip, ..host_route(&route.place.host)? })
}

/// All paths of a host. What is a host name here is one for the router.
fn host_route(host: &Hostname) -> Option<HostRoute> {
    match host.as_str().parse::<HostPattern>() {
        Ok(host) => Some(host.into()),
        Err(error) => {
            tracing::error!(%error, "a host cannot be routed");
            None
        }
    }
}

/// What holds for an app's requests.
fn policy(app: &App, facts: &AppRouteFacts, global: &Values, hosts: &[Hostname]) -> Arc<Policy> {
    let https_port = app.https_address.map(|address| address.port());
    let has_certificate = !facts.certificates.is_empty();
    let mut policy = policy_of(&facts.requests, global, Situation { https_port, has_certificate });
    forget_lost_canonical_host(&mut policy, hosts);
    if !has_certificate && !facts.client_certificates {
        return policy;
    }
    let mut policy = Arc::unwrap_or_clone(policy);
    let coverage = certificates::coverage_of(app, &facts.certificates);
    let left_out = hosts.iter().filter(|host| !coverage.includes(host));
    policy.redirects.https_not_for = left_out.filter_map(|host| host.as_str().parse().ok()).collect();
    policy.access.client_certificate = facts.client_certificates;
    Arc::new(policy)
}

/// A canonical host counts only while it is the app's: once it was removed, or the app renamed, all requests would be
/// sent to where nobody answers, or to another app.
fn forget_lost_canonical_host(policy: &mut Arc<Policy>, hosts: &[Hostname]) {
    let canonical = policy.redirects.canonical_host.as_ref();
    if canonical.is_some_and(|canonical| !hosts.iter().any(|host| host.covers(canonical.as_str()))) {
        Arc::make_mut(policy).redirects.canonical_host = None;
    }
}

async fn routes(
    app: &Arc<App>,
    facts: AppRouteFacts,
    (hosts, policy): (Vec<Hostname>, Arc<Policy>),
    running: &HashMap<ContainerId, Ipv4Addr>,
) -> Result<AppRoutes, CommandError> {
    let AppRouteFacts { record, ports: own, instances, paths, .. } = facts;
    let paths = if record.vhosts_enabled { paths } else { Vec::new() };
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
        app: Arc::from(record.name.as_str()),
        hosts: hosts.iter().filter_map(host_route).chain(paths.iter().filter_map(path_route)).collect(),
        ports: ports.iter().copied().map(port_route).collect(),
        instances: reachable(app, listening),
        state,
        policy,
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
    let entrance = match (mapping.scheme.is_encrypted(), mapping.host_port) {
        (false, 80) => Entrance::Http,
        (true, 443) => Entrance::Https,
        (false, port) => Entrance::Port(port),
        (true, port) => Entrance::EncryptedPort(port),
    };
    let protocol = if mapping.scheme.is_h2c() { Protocol::H2c } else { Protocol::Http1 };
    PortRoute { entrance, container_port: mapping.container_port, protocol }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_a_canonical_host_that_is_not_the_app_s() {
        let kept = |hosts: &[&str]| {
            let mut policy = Arc::new(Policy::default());
            Arc::make_mut(&mut policy).redirects.canonical_host = Some("www.x".parse().unwrap());
            let hosts: Vec<Hostname> = hosts.iter().map(|host| host.parse().unwrap()).collect();
            forget_lost_canonical_host(&mut policy, &hosts);
            policy.redirects.canonical_host.is_some()
        };
        assert_eq!([kept(&["a.x", "www.x"]), kept(&["*.x"])], [true, true]);
        assert_eq!([kept(&["a.x"]), kept(&["x"]), kept(&[])], [false, false, false]);
    }

    #[test]
    fn a_host_name_goes_to_whom_it_was_added_to_else_to_the_first() {
        let mut claimed = HashMap::from([("a.x".parse().unwrap(), "b".parse().unwrap())]);
        let mut kept = |app: &str, hosts: &[&str]| {
            let mut hosts: Vec<Hostname> = hosts.iter().map(|host| host.parse().unwrap()).collect();
            keep_own(&app.parse().unwrap(), &mut hosts, &mut claimed);
            hosts.iter().map(Hostname::to_string).collect::<Vec<_>>()
        };
        assert_eq!(kept("a", &["a.x", "shared.x"]), ["shared.x"]);
        assert_eq!(kept("b", &["a.x", "b.x", "shared.x"]), ["a.x", "b.x"]);
        assert!(kept("c", &["b.x"]).is_empty());
    }
}
