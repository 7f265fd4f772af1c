//! What a build container may talk to: everything but this host, and but what answers for it.
//!
//! Other containers it cannot reach anyway: on the owner's network they are kept apart, and between networks the
//! engine forwards nothing.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use nix::ifaddrs::getifaddrs;
use tokio::net::lookup_host;

use crate::model::endpoint::Endpoint;

/// Where clouds answer questions about the host, credentials included: link-local addresses (RFC 3927), and those of
/// Amazon and Alibaba that are not.
const METADATA: [&str; 3] = ["169.254.0.0/16", "fd00:ec2::254/128", "100.100.100.200/32"];
/// Where a host says whom it asks for addresses; the second is systemd-resolved's own source.
const RESOLVERS: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// The ways of a build container, in the words of `buildpacks/stack/enter`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ways {
    /// Networks that are closed, separated by spaces.
    pub closed: String,
    /// `tcp|udp ADDRESS PORT`, each closed by the above and open all the same; separated by commas.
    pub open: String,
}

impl Ways {
    /// Closes what is this host's, but for name servers and what is said to stay open.
    pub async fn of_host(open: &[Endpoint]) -> Self {
        let own = own_addresses();
        let mut found = Vec::new();
        for endpoint in open {
            match lookup_host((endpoint.host.as_str(), endpoint.port)).await {
                Ok(addresses) => found.extend(addresses),
                // It may have a name only where the container is; what cannot be found cannot be opened.
                Err(error) => {
                    tracing::debug!(%endpoint, %error, "a host that builds may reach has no address")
                }
            }
        }
        let texts = RESOLVERS.iter().filter_map(|path| fs::read_to_string(path).ok());
        Self::new(&own, &found, &texts.collect::<String>())
    }

    fn new(own: &[IpAddr], open: &[SocketAddr], resolvers: &str) -> Self {
        let host = |address: &IpAddr| format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 });
        let closed: Vec<String> = own.iter().map(host).chain(METADATA.map(str::to_owned)).collect();
        let mut ways = BTreeSet::new();
        for name_server in name_servers(resolvers) {
            ways.extend(["tcp", "udp"].map(|protocol| format!("{protocol} {name_server} 53")));
        }
        ways.extend(open.iter().map(|at| format!("tcp {} {}", at.ip(), at.port())));
        Self { closed: closed.join(" "), open: ways.into_iter().collect::<Vec<_>>().join(",") }
    }
}

/// The addresses of this host, but for those that no other host can mean.
pub fn own_addresses() -> Vec<IpAddr> {
    let mut found = BTreeSet::new();
    for address in getifaddrs().into_iter().flatten().filter_map(|interface| interface.address) {
        let four = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        let address = four.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())));
        found.extend(address.filter(|address| !address.is_loopback()));
    }
    found.into_iter().collect()
}

/// The name servers of a resolver's settings that are not on the loopback: the engine asks those for the container.
fn name_servers(text: &str) -> impl Iterator<Item = IpAddr> {
    let servers = text.lines().filter_map(|line| line.trim().strip_prefix("nameserver")?.trim().parse().ok());
    servers.filter(|address: &IpAddr| !address.is_loopback() && *address != Ipv4Addr::UNSPECIFIED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_closed_and_its_name_server_and_proxy_are_open() {
        let own = ["192.0.2.2".parse().unwrap(), "2001:db8::2".parse().unwrap()];
        let open = ["192.0.2.2:3128".parse().unwrap()];
        let resolvers =
            "# one\nnameserver 127.0.0.53\nnameserver 169.254.169.254\nsearch x\n nameserver 192.0.2.2\n";
        let ways = Ways::new(&own, &open, resolvers);
        assert_eq!(
            ways.closed,
            "192.0.2.2/32 2001:db8::2/128 169.254.0.0/16 fd00:ec2::254/128 100.100.100.200/32"
        );
        assert_eq!(
            ways.open,
            "tcp 169.254.169.254 53,tcp 192.0.2.2 3128,tcp 192.0.2.2 53,udp 169.254.169.254 53,udp 192.0.2.2 53"
        );
    }

    #[tokio::test]
    async fn what_has_no_address_opens_nothing() {
        let ways = Ways::of_host(&["nowhere.invalid:1".parse().unwrap()]).await;
        assert!(!ways.open.contains(" 1"), "{}", ways.open);
        assert!(ways.closed.contains("169.254.0.0/16"));
    }
}
