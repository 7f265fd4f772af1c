//! How an app is reached: its ports, its host names, its URLs.

use std::collections::{BTreeSet, HashMap};

use crate::app::App;
use crate::certificates;
use crate::model::app_name::AppName;
use crate::model::hostname::Hostname;
use crate::model::port_mapping::{PortMapping, Scheme};
use crate::model::release::ReleaseContent;
use crate::store::apps::AppRecord;
use crate::store::{Store, StoreError};

/// The port that web processes are told to listen on: of the first mapping, of the config var `PORT`, of the
/// image's lowest `EXPOSE`, else 5000.
pub fn web_port(ports: &[PortMapping], content: &ReleaseContent) -> u16 {
    ports.first().map_or_else(|| content.web_port(), |port| port.container_port)
}

/// The mappings that hold: a person's own, else HTTP to the web port.
///
/// With HTTPS, what is reachable at `http:80` is so at `https:443` (`grpc:80` at `grpcs:443`), too, unless that is mapped to something else;
/// without it, nothing is reachable over HTTPS.
pub fn ports(own: Vec<PortMapping>, web_port: u16, https: bool) -> Vec<PortMapping> {
    let mut ports = own;
    if ports.is_empty() {
        ports.push(PortMapping { scheme: Scheme::Http, host_port: 80, container_port: web_port });
    }
    if !https {
        ports.retain(|port| !port.scheme.is_encrypted());
        return ports;
    }
    let at = |encrypted, host_port| {
        ports.iter().find(move |port| port.scheme.is_encrypted() == encrypted && port.host_port == host_port)
    };
    if let (Some(http), None) = (at(false, 80), at(true, 443)) {
        ports.push(PortMapping { scheme: http.scheme.encrypted(), host_port: 443, ..*http });
    }
    ports
}

/// The host names by which an app is reached; none while they are turned off.
pub async fn hostnames(app: &App, record: &AppRecord) -> Result<Vec<Hostname>, StoreError> {
    if record.vhosts_enabled { all_hostnames(app, record).await } else { Ok(Vec::new()) }
}

/// The host names of an app, also while they are turned off: those below the global domains first, then its own.
///
/// A default name that was added to another app before this one came to have it leads to that app.
pub async fn all_hostnames(app: &App, record: &AppRecord) -> Result<Vec<Hostname>, StoreError> {
    let own = app.store.domains(Some(record.id)).await?;
    let global = global_domains(&app.store, &app.settings.domain).await?;
    Ok(names(record, own, &global, &app.store.domain_owners().await?))
}

/// The host names of an app, also while they are turned off, from what is known of it.
pub fn names(
    record: &AppRecord,
    own: Vec<Hostname>,
    global: &[Hostname],
    owners: &HashMap<Hostname, AppName>,
) -> Vec<Hostname> {
    let mut names = Vec::new();
    if record.default_domain {
        let is_free = |name: &Hostname| owners.get(name).is_none_or(|owner| *owner == record.name);
        names.extend(below(record, global).into_iter().filter(is_free));
    }
    let new: Vec<Hostname> = own.into_iter().filter(|name| !names.contains(name)).collect();
    names.extend(new);
    names
}

/// The app that a host name leads to: by having been added, else as its default name.
pub async fn owner(app: &App, name: &Hostname) -> Result<Option<AppName>, StoreError> {
    if let Some(owner) = app.store.domain_owner(name).await? {
        return Ok(Some(owner));
    }
    for record in app.store.apps().await? {
        if record.default_domain && default_names(app, &record).await?.contains(name) {
            return Ok(Some(record.name));
        }
    }
    Ok(None)
}

/// `NAME.DOMAIN` for each global domain; an app whose name is such a host name already is that name.
pub async fn default_names(app: &App, record: &AppRecord) -> Result<Vec<Hostname>, StoreError> {
    let domains = global_domains(&app.store, &app.settings.domain).await?;
    Ok(below(record, &domains))
}

fn below(record: &AppRecord, domains: &[Hostname]) -> Vec<Hostname> {
    let name = record.name.as_str();
    let host = |domain: &Hostname| {
        let own = name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.'));
        if own { name.parse().ok() } else { format!("{name}.{domain}").parse().ok() }
    };
    domains.iter().filter_map(host).collect()
}

/// The global domains: those set by `domains:set-global`, else the one of the settings.
pub async fn global_domains(store: &Store, of_settings: &Hostname) -> Result<Vec<Hostname>, StoreError> {
    let set = store.domains(None).await?;
    let cleared = store.property(None, "global-domains-cleared").await?.is_some();
    Ok(if set.is_empty() && !cleared { vec![of_settings.clone()] } else { set })
}

/// The URLs of an app, each once: for every host name and every port mapping, those with HTTPS last, and only where the
/// host has a certificate that clients may trust.
pub async fn of(app: &App, record: &AppRecord) -> Result<Vec<String>, StoreError> {
    let own = app.store.ports(record.id).await?;
    let port = match record.current_release {
        Some(id) => app.store.release(id).await?.map(|release| web_port(&own, &release.content)),
        None => None,
    };
    let mappings = ports(own, port.unwrap_or(5000), app.https_address.is_some());
    let mut urls = BTreeSet::new();
    let mut ordered = Vec::new();
    let names = hostnames(app, record).await?;
    let main_ports = (app.http_address.port(), app.https_address.map_or(443, |address| address.port()));
    let coverage = certificates::coverage(app, record).await?;
    for scheme in [Scheme::Http, Scheme::Https] {
        for name in names.iter().filter(|name| !scheme.is_encrypted() || coverage.includes(name)) {
            let is_meant = |mapping: &&PortMapping| mapping.scheme.is_encrypted() == scheme.is_encrypted();
            for mapping in mappings.iter().filter(is_meant) {
                let url = url(mapping, name, main_ports);
                if urls.insert(url.clone()) {
                    ordered.push(url);
                }
            }
        }
    }
    Ok(ordered)
}

/// One URL. Host ports 80 and 443 are the router's HTTP and HTTPS listeners, wherever these really listen.
fn url(mapping: &PortMapping, name: &Hostname, (http_port, https_port): (u16, u16)) -> String {
    let (scheme, default) =
        if mapping.scheme.is_encrypted() { (Scheme::Https, 443) } else { (Scheme::Http, 80) };
    let port = match (mapping.scheme.is_encrypted(), mapping.host_port) {
        (false, 80) => http_port,
        (true, 443) => https_port,
        (_, port) => port,
    };
    if port == default { format!("{scheme}://{name}") } else { format!("{scheme}://{name}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(own: &[&str], https: bool) -> Vec<String> {
        let own = own.iter().map(|text| text.parse().unwrap()).collect();
        ports(own, 3000, https).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn with_https_port_80_has_its_likeness_at_port_443() {
        assert_eq!(mapped(&[], true), ["http:80:3000", "https:443:3000"]);
        assert_eq!(mapped(&["http:80:5000"], true), ["http:80:5000", "https:443:5000"]);
        assert_eq!(mapped(&["http:80:1", "https:443:2"], true), ["http:80:1", "https:443:2"]);
        assert_eq!(mapped(&["grpc:80:1"], true), ["grpc:80:1", "grpcs:443:1"]);
        assert_eq!(mapped(&["http:8080:1"], true), ["http:8080:1"]);
    }

    #[test]
    fn without_https_nothing_is_reachable_over_it() {
        assert_eq!(mapped(&[], false), ["http:80:3000"]);
        assert_eq!(mapped(&["http:80:1", "https:443:2"], false), ["http:80:1"]);
    }

    #[test]
    fn a_url_has_the_port_on_which_the_router_really_listens() {
        let url = |mapping: &str, ports| url(&mapping.parse().unwrap(), &"a.example".parse().unwrap(), ports);
        assert_eq!(url("http:80:1", (80, 443)), "http://a.example");
        assert_eq!(url("https:443:1", (80, 443)), "https://a.example");
        assert_eq!(url("http:80:1", (8080, 8443)), "http://a.example:8080");
        assert_eq!(url("https:443:1", (8080, 8443)), "https://a.example:8443");
        assert_eq!(url("grpcs:443:1", (80, 443)), "https://a.example");
        assert_eq!(url("https:444:1", (8080, 8443)), "https://a.example:444");
    }
}
