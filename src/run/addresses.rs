//! Which address a new container gets on Slipway's own network.
//!
//! Addresses are given out in turn over the whole subnet, so one that was an app's is not another app's until
//! tens of thousands of containers later: no request that is still on its way can reach the wrong app.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};

/// Gives out addresses of one subnet.
#[derive(Debug)]
pub struct Addresses {
    first: u32,
    count: u32,
    next: AtomicU32,
}

/// The subnet has no free address.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("all {0} addresses of the containers' network are in use")]
pub struct NoAddress(u32);

impl Addresses {
    /// Covers a subnet, less its network, gateway and broadcast addresses. Starts at a random place, so that a
    /// restarted server does not begin with those that it gave out last.
    pub fn new(network: Ipv4Addr, prefix: u8) -> Self {
        let size = 1_u32.checked_shl(32 - u32::from(prefix.min(30))).unwrap_or(u32::MAX);
        let count = size - 3;
        let next = AtomicU32::new(rand::random_range(0..count));
        Self { first: u32::from(network) + 2, count, next }
    }

    /// The next address that no container has.
    pub fn next(&self, in_use: &HashSet<Ipv4Addr>) -> Result<Ipv4Addr, NoAddress> {
        for _ in 0..self.count {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.count;
            let address = Ipv4Addr::from(self.first + turn);
            if !in_use.contains(&address) {
                return Ok(address);
            }
        }
        Err(NoAddress(self.count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_comes_once_before_any_comes_again() {
        let addresses = Addresses::new(Ipv4Addr::new(172, 18, 0, 0), 28);
        let mut seen = HashSet::new();
        for _ in 0..13 {
            assert!(seen.insert(addresses.next(&HashSet::new()).unwrap()));
        }
        for reserved in [0, 1, 15] {
            assert!(!seen.contains(&Ipv4Addr::new(172, 18, 0, reserved)));
        }
        assert_eq!(addresses.next(&seen), Err(NoAddress(13)));
    }
}
