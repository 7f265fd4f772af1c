//! How the host is reached: ports, and what the apps' host names resolve to.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use nix::ifaddrs::getifaddrs;
use tokio::net::lookup_host;
use tokio::time::timeout;

use crate::app::App;
use crate::model::hostname::Hostname;
use crate::store::StoreError;
use crate::upkeep::doctor::Finding;
use crate::upkeep::sockets;
use crate::urls;

/// How long one name may take to resolve, and how many are asked for at a time.
const RESOLVE: Duration = Duration::from_secs(3);
const AT_ONCE: usize = 16;
/// More names than these are not asked for: a doctor must come to an end.
const MOST_NAMES: usize = 200;

pub(super) async fn examine(app: &Arc<App>) -> Vec<Finding> {
    let mut findings = ports(app).await;
    match hostnames(app).await {
        Ok(names) => findings.extend(resolve(names).await),
        Err(error) => findings.push(super::unknown("dns", "the apps' host names", &error)),
    }
    findings
}

/// The ports that somebody was told of: the router's two, and those that apps are mapped to.
async fn ports(app: &Arc<App>) -> Vec<Finding> {
    let listening = match tokio::task::spawn_blocking(sockets::listening).await {
        Ok(Ok(listening)) => listening,
        Ok(Err(error)) => return vec![super::unknown("ports", "/proc/net/tcp", &error)],
        Err(error) => return vec![super::unknown("ports", "/proc/net/tcp", &error)],
    };
    let mut wanted = BTreeMap::from([(app.http_address.port(), "HTTP".to_owned())]);
    wanted.extend(app.https_address.map(|address| (address.port(), "HTTPS".to_owned())));
    match app.store.mapped_ports().await {
        Ok(mapped) => {
            let mapped = mapped.into_iter().filter(|(port, _)| ![80, 443].contains(port));
            wanted.extend(mapped.map(|(port, name)| (port, format!("app {name}"))));
        }
        Err(error) => return vec![super::unknown("ports", "the apps' ports", &error)],
    }
    let mut findings: Vec<Finding> =
        wanted.iter().map(|(port, what)| judge_port(*port, what, &listening)).collect();
    let usual = [(80, "http-listen"), (443, "https-listen")];
    for (port, setting) in usual.into_iter().filter(|(port, _)| !wanted.contains_key(port)) {
        let holder = listening.get(&port).map(|sockets| sockets::owner(sockets).unwrap_or_default());
        let what = match holder {
            Some(holder) if holder.is_empty() => "another process listens on it".to_owned(),
            Some(holder) => format!("{holder} listens on it"),
            None => format!("nobody listens on it; it could be the router's ({setting})"),
        };
        findings.push(Finding::good("ports", format!("port {port}"), what));
    }
    findings
}

fn judge_port(port: u16, what: &str, listening: &HashMap<u16, HashSet<u64>>) -> Finding {
    let place = format!("port {port} ({what})");
    match listening.get(&port) {
        Some(sockets) if sockets::is_own(sockets) => {
            Finding::good("ports", place, "the router listens on it")
        }
        Some(sockets) => {
            let holder = sockets::owner(sockets).unwrap_or_else(|| "another process".to_owned());
            let fix = "Stop that, or give the app another port: ports:set".to_owned();
            Finding::problem("ports", place, (format!("{holder} has it, not the router"), fix))
        }
        None => {
            let fix = "The server's log says why; restart the server when that is mended".to_owned();
            Finding::problem("ports", place, ("nobody listens on it".to_owned(), fix))
        }
    }
}

/// The names of deployed apps that are meant to be resolved by others. `localhost` and what is below it never leaves
/// the host (RFC 6761, section 6.3).
async fn hostnames(app: &App) -> Result<Vec<(Hostname, String)>, StoreError> {
    let mut names = Vec::new();
    for record in app.store.apps().await?.iter().filter(|record| record.current_release.is_some()) {
        for name in urls::hostnames(app, record).await? {
            let is_local = name.as_str() == "localhost" || name.as_str().ends_with(".localhost");
            if !is_local {
                names.push((name, record.name.to_string()));
            }
        }
    }
    names.truncate(MOST_NAMES);
    Ok(names)
}

async fn resolve(names: Vec<(Hostname, String)>) -> Vec<Finding> {
    let own = own_addresses();
    let own = &own;
    let asking = stream::iter(names).map(|(name, app)| async move {
        let answer = timeout(RESOLVE, lookup_host((name.as_str(), 80))).await;
        let addresses = match answer {
            Ok(Ok(addresses)) => addresses.map(|address| address.ip()).collect(),
            Ok(Err(_)) | Err(_) => HashSet::new(),
        };
        judge_name(&name, &app, &addresses, own)
    });
    asking.buffered(AT_ONCE).collect().await
}

fn judge_name(name: &Hostname, app: &str, found: &HashSet<IpAddr>, own: &HashSet<IpAddr>) -> Finding {
    let place = format!("{name} (app {app})");
    let mut shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    shown.sort();
    let shown = shown.join(", ");
    if found.is_empty() {
        let fix = format!("Add a DNS record for it, or remove it: domains:remove {app} {name}");
        return Finding::warning("dns", place, ("it does not resolve".to_owned(), fix));
    }
    if found.is_disjoint(own) {
        let what = format!("it leads to {shown}, which is no address of this host");
        let fix = "Change its DNS record, unless a load balancer or a NAT there leads here".to_owned();
        return Finding::warning("dns", place, (what, fix));
    }
    Finding::good("dns", place, format!("it leads to {shown}"))
}

fn own_addresses() -> HashSet<IpAddr> {
    let Ok(interfaces) = getifaddrs() else { return HashSet::new() };
    let address = |storage: nix::sys::socket::SockaddrStorage| {
        let four = storage.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        four.or_else(|| storage.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    interfaces.filter_map(|interface| address(interface.address?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upkeep::doctor::State;

    #[test]
    fn names_that_lead_elsewhere_or_nowhere_are_warnings() {
        let own = HashSet::from(["192.0.2.1".parse().unwrap()]);
        let judge = |found: &[&str]| {
            let found = found.iter().map(|text| text.parse().unwrap()).collect();
            judge_name(&"blog.example".parse().unwrap(), "blog", &found, &own).state
        };
        assert_eq!(judge(&["192.0.2.1", "192.0.2.2"]), State::Good);
        assert_eq!(judge(&["192.0.2.2"]), State::Warning);
        assert_eq!(judge(&[]), State::Warning);
    }

    #[test]
    fn this_host_has_its_loopback_address() {
        assert!(own_addresses().contains(&"127.0.0.1".parse().unwrap()));
    }

    #[test]
    fn a_port_of_another_process_is_a_problem() {
        let taken = HashMap::from([(8080, HashSet::from([0]))]);
        assert_eq!(judge_port(8080, "app blog", &taken).state, State::Problem);
        assert_eq!(judge_port(8081, "app blog", &taken).state, State::Problem);
    }
}
