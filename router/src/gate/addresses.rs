//! Clients that may send requests, by address.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::fault::Fault;
use crate::gate::Arriving;

pub(super) fn check(arriving: Arriving<'_>) -> Result<(), Fault> {
    let access = &arriving.route.policy.access;
    let address = arriving.origin.address;
    let is_allowed = access.allow.is_empty() || contains(&access.allow, address);
    if is_allowed && !contains(&access.deny, address) { Ok(()) } else { Err(Fault::AddressDenied) }
}

/// Whether one of the networks has the address.
pub(super) fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}
