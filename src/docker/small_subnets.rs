//! Small subnets for the networks of links and services. The engine's own pools have room for about thirty networks;
//! these come out of one range, as many as are needed.

use std::fs;

use bollard::query_parameters::ListNetworksOptions;
use ipnet::Ipv4Net;

use crate::docker::Engine;
use crate::docker::error::EngineError;

/// 61 containers to a network.
const PREFIX: u8 = 26;
/// The host's routes, as proc_net_route(5) has them.
const ROUTES: &str = "/proc/net/route";

impl Engine {
    /// Sets the range that small subnets come from; the first one stays.
    pub fn take_subnets_from(&self, range: Ipv4Net) {
        if self.inner.subnets.set(range).is_err() {
            tracing::error!("the range of links' networks is set already");
        }
    }

    /// A small subnet that neither the engine nor the host uses, so many behind the first; `None` if the range is used
    /// up, or there is none.
    pub(super) async fn free_small_subnet(&self, skipped: usize) -> Result<Option<Ipv4Net>, EngineError> {
        let Some(range) = self.inner.subnets.get() else { return Ok(None) };
        let networks = self.client().await?.list_networks(None::<ListNetworksOptions>).await?;
        let configs = networks.into_iter().filter_map(|network| network.ipam?.config).flatten();
        let mut taken: Vec<Ipv4Net> = configs.filter_map(|config| config.subnet?.parse().ok()).collect();
        match fs::read_to_string(ROUTES) {
            Ok(routes) => taken.extend(routes.lines().filter_map(route)),
            Err(error) => tracing::debug!(%error, "the host's routes cannot be read"),
        }
        Ok(free(*range, &taken, skipped))
    }
}

/// A small subnet of a range that overlaps nothing that is taken, so many behind the first; the last one if there are
/// not so many.
fn free(range: Ipv4Net, taken: &[Ipv4Net], skipped: usize) -> Option<Ipv4Net> {
    let overlaps =
        |one: &Ipv4Net, other: &Ipv4Net| one.contains(&other.network()) || other.contains(&one.network());
    let taken: Vec<&Ipv4Net> = taken.iter().filter(|subnet| overlaps(subnet, &range)).collect();
    let subnets = range.subnets(PREFIX.max(range.prefix_len())).ok()?;
    subnets.filter(|subnet| !taken.iter().any(|taken| overlaps(subnet, taken))).take(skipped + 1).last()
}

/// A line of the table: interface, destination, gateway, flags, counts, metric, mask, …; addresses as this machine
/// holds them in memory. The default route is everywhere and takes nothing.
fn route(line: &str) -> Option<Ipv4Net> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let word = |index: usize| u32::from_str_radix(fields.get(index)?, 16).ok().map(u32::to_ne_bytes);
    let (destination, mask) = (word(1)?, word(7)?);
    let subnet = Ipv4Net::with_netmask(destination.into(), mask.into()).ok()?;
    (subnet.prefix_len() > 0).then_some(subnet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_that_overlaps_nothing_is_taken() {
        let range = net("10.213.0.0/16");
        assert_eq!(free(range, &[], 0), Some(net("10.213.0.0/26")));
        assert_eq!(free(range, &[], 2), Some(net("10.213.0.128/26")));
        let taken = [net("10.213.0.0/24"), net("10.213.1.16/28"), net("172.17.0.0/16")];
        assert_eq!(free(range, &taken, 0), Some(net("10.213.1.64/26")));
        assert_eq!(free(range, &[net("10.0.0.0/8")], 0), None);
        assert_eq!(free(net("10.0.0.0/28"), &[], 5), Some(net("10.0.0.0/28")));
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn routes_of_the_host_are_read() {
        let line = "wg0\t0000D50A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0";
        assert_eq!(route(line), Some(net("10.213.0.0/16")));
        assert_eq!(route("eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0"), None);
        assert_eq!(route("Iface\tDestination\tGateway \tFlags"), None);
    }
}
