//! How many of something each client address has under way: connections to the router, requests of an app.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::address_key::AddressKey;

/// Parts with a lock of their own, so that cores seldom meet at one.
const SHARDS: usize = 16;

/// The counts. An address that has nothing under way takes no memory.
#[derive(Debug, Default)]
pub(crate) struct AddressCounts {
    /// Each protects a map against two changes at once, for a look-up in it; never held across an await.
    shards: [Mutex<HashMap<AddressKey, u32>>; SHARDS],
}

/// One that is under way. Dropping it ends the count, whatever way it ended.
#[derive(Debug)]
pub(crate) struct AddressPlace {
    counts: Arc<AddressCounts>,
    key: AddressKey,
}

impl AddressCounts {
    /// Counts one more, unless the address has as many as it may.
    pub(crate) fn enter(counts: &Arc<Self>, key: AddressKey, most: NonZeroU32) -> Option<AddressPlace> {
        let mut shard = counts.shard(key);
        let count = shard.entry(key).or_insert(0);
        if *count >= most.get() {
            return None;
        }
        *count += 1;
        Some(AddressPlace { counts: Arc::clone(counts), key })
    }

    fn shard(&self, key: AddressKey) -> MutexGuard<'_, HashMap<AddressKey, u32>> {
        let [first, ..] = &self.shards;
        let shard = self.shards.get(key.spread() % SHARDS).unwrap_or(first);
        // Whoever panicked while holding it left a map that is whole: every change is one step.
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        if let Entry::Occupied(mut entry) = self.counts.shard(self.key).entry(self.key) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    fn tracked(counts: &AddressCounts) -> usize {
        counts.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }

    #[test]
    fn each_address_has_a_count_of_its_own_that_ends_with_the_last() {
        let counts = Arc::new(AddressCounts::default());
        let most = NonZeroU32::new(2).unwrap();
        let [one, other] =
            [[192, 0, 2, 1], [192, 0, 2, 2]].map(|address| AddressKey::from(IpAddr::from(address)));
        let first = AddressCounts::enter(&counts, one, most).unwrap();
        let second = AddressCounts::enter(&counts, one, most).unwrap();
        assert!(AddressCounts::enter(&counts, one, most).is_none());
        let third = AddressCounts::enter(&counts, other, most).unwrap();
        drop(first);
        let again = AddressCounts::enter(&counts, one, most).unwrap();
        drop((second, third, again));
        assert_eq!(tracked(&counts), 0);
    }

    #[test]
    fn counts_of_many_threads_come_out_at_zero() {
        let counts = Arc::new(AddressCounts::default());
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let counts = &counts;
                scope.spawn(move || {
                    for round in 0..2000_u32 {
                        let key = AddressKey::from(IpAddr::from([10, 0, thread % 2, (round % 5) as u8]));
                        drop(AddressCounts::enter(counts, key, NonZeroU32::MIN));
                    }
                });
            }
        });
        assert_eq!(tracked(&counts), 0);
    }
}
