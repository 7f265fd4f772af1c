//! What containers need to get out of this host: the certificates and the proxies of section `[build]`.

use std::net::IpAddr;
use std::sync::Arc;

use crate::app::App;
use crate::model::surroundings::CaBundle;
use crate::upkeep::doctor::Finding;

const CERTIFICATES: &str = "ca-bundle";
const PROXY: &str = "proxy";

pub(super) async fn examine(app: &Arc<App>) -> Vec<Finding> {
    let mut findings = vec![certificates(app).await];
    for proxy in app.surroundings.proxies() {
        let finding = judge_proxy(&proxy.endpoint.to_string(), &proxy.endpoint.host);
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }
    findings
}

async fn certificates(app: &App) -> Finding {
    let place = match &app.settings.build.ca_bundle {
        CaBundle::Host => "the host's certificates".to_owned(),
        CaBundle::None => return Finding::good(CERTIFICATES, "none", "apps trust what their images trust"),
        CaBundle::File(path) => path.display().to_string(),
    };
    match app.surroundings.copied().await {
        Ok(true) => Finding::good(CERTIFICATES, place, "apps of buildpacks and their builds trust them"),
        Ok(false) => {
            Finding::good(CERTIFICATES, place, "nobody added any: apps trust what their images trust")
        }
        Err(error) => {
            let fix = "Mend the file, or name another: ca-bundle in slipway.toml, section [build]".to_owned();
            Finding::problem(CERTIFICATES, place, (error.to_string(), fix))
        }
    }
}

/// Everybody has a loopback of their own: a proxy on the host's is nobody's in a container.
fn judge_proxy(shown: &str, host: &str) -> Finding {
    let is_loopback = host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback());
    if !is_loopback {
        return Finding::good(PROXY, shown, "containers and builds are told of it");
    }
    let what = "containers cannot reach it: it is on this host's loopback".to_owned();
    let fix = "Let it listen on an address of this host, and write that: http-proxy and https-proxy in slipway.toml, section [build]; or none";
    Finding::problem(PROXY, shown, (what, fix.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upkeep::doctor::State;

    #[test]
    fn a_proxy_on_the_loopback_is_a_problem() {
        for (host, state) in [
            ("localhost", State::Problem),
            ("127.0.0.1", State::Problem),
            ("::1", State::Problem),
            ("192.0.2.1", State::Good),
            ("proxy.example", State::Good),
        ] {
            assert_eq!(judge_proxy("shown", host).state, state, "{host}");
        }
    }
}
