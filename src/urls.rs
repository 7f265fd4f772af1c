//! How an app is reached: its ports, its host names, its URLs.

use std::collections::BTreeSet;

use crate::app::App;
use crate::model::hostname::Hostname;
use crate::model::port_mapping::{PortMapping, Scheme};
use crate::model::release::ReleaseContent;
use crate::store::apps::AppRecord;
use crate::store::{Store, StoreError};

/// The port that web processes are told to listen on: of the first mapping, of the config var `PORT`, of the
/// image's lowest `EXPOSE`, else 5000.
pub fn web_port(ports: &[PortMapping], content: &ReleaseContent) -> u16 {
    let config = content.config.iter().find(|(key, _)| key.as_str() == "PORT");
    let of_config = config.and_then(|(_, value)| value.expose().parse().ok());
    let of_mapping = ports.first().map(|port| port.container_port);
    of_mapping.or(of_config).unwrap_or_else(|| content.web_port())
}

/// The mappings that hold: a person's own, else HTTP to the web port.
pub fn ports(own: Vec<PortMapping>, web_port: u16) -> Vec<PortMapping> {
    if own.is_empty() {
        vec![PortMapping { scheme: Scheme::Http, host_port: 80, container_port: web_port }]
    } else {
        own
    }
}

/// The host names by which an app is reached; none while they are turned off.
pub async fn hostnames(app: &App, record: &AppRecord) -> Result<Vec<Hostname>, StoreError> {
    if record.vhosts_enabled { all_hostnames(app, record).await } else { Ok(Vec::new()) }
}

/// The host names of an app, also while they are turned off: those below the global domains first, then its own.
pub async fn all_hostnames(app: &App, record: &AppRecord) -> Result<Vec<Hostname>, StoreError> {
    let own = app.store.domains(Some(record.id)).await?;
    let mut names = if record.default_domain { default_names(app, record).await? } else { Vec::new() };
    let new: Vec<Hostname> = own.into_iter().filter(|name| !names.contains(name)).collect();
    names.extend(new);
    Ok(names)
}

/// `NAME.DOMAIN` for each global domain; an app whose name is such a host name already is that name.
pub async fn default_names(app: &App, record: &AppRecord) -> Result<Vec<Hostname>, StoreError> {
    let name = record.name.as_str();
    let domains = global_domains(&app.store, &app.settings.domain).await?;
    let host = |domain: &Hostname| {
        let own = name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.'));
        if own { name.parse().ok() } else { format!("{name}.{domain}").parse().ok() }
    };
    Ok(domains.iter().filter_map(host).collect())
}

/// The global domains: those set by `domains:set-global`, else the one of the settings.
pub async fn global_domains(store: &Store, of_settings: &Hostname) -> Result<Vec<Hostname>, StoreError> {
    let set = store.domains(None).await?;
    let cleared = store.property(None, "global-domains-cleared").await?.is_some();
    Ok(if set.is_empty() && !cleared { vec![of_settings.clone()] } else { set })
}

/// The URLs of an app, each once: for every host name and every port mapping.
pub async fn of(app: &App, record: &AppRecord) -> Result<Vec<String>, StoreError> {
    let own = app.store.ports(record.id).await?;
    let port = match record.current_release {
        Some(id) => app.store.release(id).await?.map(|release| web_port(&own, &release.content)),
        None => None,
    };
    let mappings = ports(own, port.unwrap_or(5000));
    let mut urls = BTreeSet::new();
    let mut ordered = Vec::new();
    for name in hostnames(app, record).await? {
        for mapping in &mappings {
            let url = url(mapping, &name, app.http_address.port());
            if urls.insert(url.clone()) {
                ordered.push(url);
            }
        }
    }
    Ok(ordered)
}

/// One URL. Host port 80 is the router's HTTP listener, wherever it really listens.
fn url(mapping: &PortMapping, name: &Hostname, http_port: u16) -> String {
    let (scheme, default) = match mapping.scheme {
        Scheme::Http => ("http", 80),
        Scheme::Https => ("https", 443),
    };
    let port = match (mapping.scheme, mapping.host_port) {
        (Scheme::Http, 80) => http_port,
        (_, port) => port,
    };
    if port == default { format!("{scheme}://{name}") } else { format!("{scheme}://{name}:{port}") }
}
