//! How many connections one address and one key may have at a time.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Counts who uses what at the moment. Cheap to clone; clones share the count.
#[derive(Clone, Debug)]
pub struct Occupancy<K: Eq + Hash> {
    // How many slots each name holds; names without one have no entry. Held only for a lookup.
    slots: Arc<Mutex<HashMap<K, usize>>>,
    most: usize,
}

/// One of the places; free again when dropped.
#[derive(Debug)]
pub struct Slot<K: Eq + Hash> {
    occupancy: Occupancy<K>,
    name: K,
}

impl<K: Clone + Eq + Hash> Occupancy<K> {
    /// Allows `most` slots for each name.
    pub fn new(most: usize) -> Self {
        Self { slots: Arc::default(), most }
    }

    /// Takes a slot, if the name has not taken all of its own.
    pub fn enter(&self, name: K) -> Option<Slot<K>> {
        let mut slots = self.lock();
        let taken = slots.entry(name.clone()).or_default();
        if *taken >= self.most {
            // A limit of zero would otherwise leave an entry behind.
            if *taken == 0 {
                slots.remove(&name);
            }
            return None;
        }
        *taken += 1;
        Some(Slot { occupancy: self.clone(), name })
    }
}

impl<K: Eq + Hash> Occupancy<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Eq + Hash> Drop for Slot<K> {
    fn drop(&mut self) {
        let mut slots = self.occupancy.lock();
        if let Some(taken) = slots.get_mut(&self.name) {
            *taken = taken.saturating_sub(1);
            if *taken == 0 {
                slots.remove(&self.name);
            }
        }
    }
}

/// The address as one client has it: the first 64 bits of IPv6, because whoever has one such address has them all.
pub fn client_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_free_again_when_it_is_dropped() {
        let occupancy = Occupancy::new(2);
        let first = occupancy.enter("a").unwrap();
        let _second = occupancy.enter("a").unwrap();
        assert!(occupancy.enter("a").is_none());
        let _other = occupancy.enter("b").unwrap();
        drop(first);
        assert!(occupancy.enter("a").is_some());
    }

    #[test]
    fn nothing_is_kept_for_those_who_left() {
        let occupancy = Occupancy::new(1);
        drop(occupancy.enter("a"));
        drop(Occupancy::new(0).enter("b"));
        assert!(occupancy.lock().is_empty());
    }

    #[test]
    fn an_ipv6_client_cannot_hop_through_its_own_network() {
        let address = |text: &str| client_address(text.parse().unwrap());
        assert_eq!(address("2001:db8::1"), address("2001:db8::ffff:2"));
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert_ne!(address("192.0.2.1"), address("192.0.2.2"));
    }
}
