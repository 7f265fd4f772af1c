//! Which address a new container gets on Slipway's own network.
//!
//! Addresses are given out in turn over the whole list, so one that was an app's is not another app's until
//! tens of thousands of containers later: no request that is still on its way can reach the wrong app.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Gives out addresses of a list.
#[derive(Debug)]
pub struct Addresses {
    all: Vec<Ipv4Addr>,
    next: AtomicUsize,
}

/// The addresses of the network as it is now.
#[derive(Debug, Default)]
pub struct CurrentAddresses {
    /// Protects the two only; never held across an await.
    known: Mutex<Option<(String, Arc<Addresses>)>>,
}

impl CurrentAddresses {
    /// Those of a network, by the text of its subnet; the same as the last time unless that has changed.
    pub fn of(&self, subnet: String, all: impl FnOnce() -> Vec<Ipv4Addr>) -> Arc<Addresses> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.as_ref().filter(|(of, _)| *of == subnet) {
            Some((_, addresses)) => addresses.clone(),
            None => {
                let addresses = Arc::new(Addresses::new(all()));
                *known = Some((subnet, addresses.clone()));
                addresses
            }
        }
    }
}

/// No address is free.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("all {0} addresses of the containers' network are in use")]
pub struct NoAddress(usize);

impl Addresses {
    /// Takes the addresses that may be given out. Starts at a random place, so that a restarted server does not
    /// begin with those that it gave out last.
    pub fn new(all: Vec<Ipv4Addr>) -> Self {
        let next = AtomicUsize::new(rand::random_range(0..all.len().max(1)));
        Self { all, next }
    }

    /// The next address that no container has.
    pub fn next(&self, in_use: &HashSet<Ipv4Addr>) -> Result<Ipv4Addr, NoAddress> {
        for _ in 0..self.all.len() {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.all.len();
            if let Some(address) = self.all.get(turn).filter(|address| !in_use.contains(address)) {
                return Ok(*address);
            }
        }
        Err(NoAddress(self.all.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_go_on_in_turn_until_the_network_is_another() {
        let current = CurrentAddresses::default();
        let of = |third| move || (2..15).map(|last| Ipv4Addr::new(172, 18, third, last)).collect();
        let first = current.of("172.18.0.0/28".to_owned(), of(0));
        assert!(Arc::ptr_eq(&first, &current.of("172.18.0.0/28".to_owned(), of(0))));
        let other = current.of("172.18.1.0/28".to_owned(), of(1));
        assert_eq!(other.next(&HashSet::new()).unwrap().octets()[2], 1);
    }

    #[test]
    fn every_address_comes_once_before_any_comes_again() {
        let addresses = Addresses::new((2..15).map(|last| Ipv4Addr::new(172, 18, 0, last)).collect());
        let mut seen = HashSet::new();
        for _ in 0..13 {
            assert!(seen.insert(addresses.next(&HashSet::new()).unwrap()));
        }
        assert_eq!(addresses.next(&seen), Err(NoAddress(13)));
    }
}
