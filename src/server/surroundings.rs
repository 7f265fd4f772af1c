//! What the settings say of this host's certificates and proxies, put together for containers.

use crate::build::buildpacks::network::own_addresses;
use crate::model::surroundings::ProxyChoice;
use crate::run::surroundings::{HostSurroundings, Wanted};
use crate::settings::Settings;

/// What containers get of this host's certificates and proxies, as the settings have it.
pub fn of_host(settings: &Settings, host_name: String) -> HostSurroundings {
    let build = &settings.build;
    let proxy = |choice: &Option<ProxyChoice>| match choice {
        Some(ProxyChoice::Proxy(proxy)) => Some(proxy.clone()),
        Some(ProxyChoice::None) | None => None,
    };
    let addresses = own_addresses().into_iter().map(|address| address.to_string());
    let domain = settings.domain.as_str();
    let wanted = Wanted {
        bundle: build.ca_bundle.clone(),
        http_proxy: proxy(&build.http_proxy),
        https_proxy: proxy(&build.https_proxy),
        no_proxy: build.no_proxy.clone().unwrap_or_default(),
        names: [host_name, domain.to_owned(), format!(".{domain}")].into_iter().chain(addresses).collect(),
        reachable: build.reachable.clone(),
    };
    HostSurroundings::new(wanted, settings.root.join("certificates"))
}
