//! Token buckets of client addresses, in memory of a fixed size and without locks.
//!
//! A bucket is one number: when it will be full again (the generic cell rate algorithm, ITU-T I.371). The table has
//! sets of four places; an address has its set, by a hash that nobody outside can foresee. Where all four are taken,
//! the fullest bucket gives way, which costs an attacker's limit nothing and a bystander's at most a few tokens.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::address_key::AddressKey;
use crate::policy::access::Rate;

/// Places in a set.
const WAYS: usize = 4;

/// The buckets.
#[derive(Debug)]
pub(crate) struct RateTable {
    places: Box<[Place]>,
    hasher: RandomState,
    epoch: Instant,
}

#[derive(Debug, Default)]
struct Place {
    /// The hash of the address; zero while nobody has the place.
    owner: AtomicU64,
    /// Nanoseconds since `epoch` at which the bucket is full again.
    full_at: AtomicU64,
}

/// The bucket is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Empty {
    /// When there will be a token.
    pub(crate) next: Duration,
    /// When it will be full.
    pub(crate) full: Duration,
}

impl RateTable {
    /// A table for about `addresses` at a time, rounded up to a power of two. Sixteen bytes for each.
    pub(crate) fn new(addresses: usize) -> Self {
        let count = addresses.max(WAYS).next_power_of_two();
        let places = (0..count).map(|_| Place::default()).collect();
        Self { places, hasher: RandomState::new(), epoch: Instant::now() }
    }

    /// Takes a token out of an address's bucket.
    pub(crate) fn take(&self, key: AddressKey, rate: Rate) -> Result<(), Empty> {
        self.take_at(key, rate, nanoseconds(self.epoch.elapsed()))
    }

    fn take_at(&self, key: AddressKey, rate: Rate, now: u64) -> Result<(), Empty> {
        let interval = nanoseconds(Duration::from_secs(3600)) / u64::from(rate.per_hour.get());
        let capacity = interval.saturating_mul(u64::from(rate.burst.get()));
        let latest = now.saturating_add(capacity);
        let Some(place) = self.place(self.hasher.hash_one(key).max(1)) else { return Ok(()) };
        let taken = |full_at: u64| Some(full_at.max(now) + interval).filter(|after| *after <= latest);
        let before = place.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken);
        before.map(drop).map_err(|full_at| Empty {
            next: Duration::from_nanos((full_at + interval).saturating_sub(latest)),
            full: Duration::from_nanos(full_at.saturating_sub(now)),
        })
    }

    /// The place of an address: its own, or the one of its set whose bucket is fullest.
    ///
    /// Two threads may take a place at once for two addresses, or change a bucket that has just been given away. Then
    /// a token is counted for the wrong one, once.
    fn place(&self, hash: u64) -> Option<&Place> {
        let first = usize::try_from(hash >> 1).unwrap_or_default() % self.places.len() / WAYS * WAYS;
        let set = self.places.get(first..first + WAYS)?;
        if let Some(own) = set.iter().find(|place| place.owner.load(Ordering::Relaxed) == hash) {
            return Some(own);
        }
        let place = set.iter().min_by_key(|place| place.full_at.load(Ordering::Relaxed))?;
        place.owner.store(hash, Ordering::Relaxed);
        place.full_at.store(0, Ordering::Relaxed);
        Some(place)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::num::NonZeroU32;

    use super::*;

    fn rate(per_minute: u32, burst: u32) -> Rate {
        Rate { per_hour: NonZeroU32::new(per_minute * 60).unwrap(), burst: NonZeroU32::new(burst).unwrap() }
    }

    fn key(number: u32) -> AddressKey {
        AddressKey::from(IpAddr::from(number.to_be_bytes()))
    }

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn a_bucket_gives_its_burst_and_then_what_comes_in() {
        let table = RateTable::new(16);
        let rate = rate(60, 3);
        let take = |now| table.take_at(key(1), rate, now);
        assert_eq!([take(0), take(0), take(0)], [Ok(()); 3]);
        let empty = Empty { next: Duration::from_secs(1), full: Duration::from_secs(3) };
        assert_eq!(take(0), Err(empty));
        assert_eq!(take(SECOND / 2).unwrap_err().next, Duration::from_millis(500));
        assert_eq!(take(SECOND), Ok(()));
        assert!(take(SECOND).is_err(), "one came in, and one was taken");
        // However long nothing is taken, there is never more than the burst.
        assert_eq!([take(99 * SECOND), take(99 * SECOND), take(99 * SECOND)], [Ok(()); 3]);
        assert!(take(99 * SECOND).is_err());
        assert_eq!(table.take_at(key(2), rate, 99 * SECOND), Ok(()), "another address has its own");
    }

    #[test]
    fn any_number_of_addresses_take_no_more_memory_and_an_empty_bucket_stays_empty() {
        let table = RateTable::new(1024);
        let strict = rate(1, 1);
        for number in 0..1_000_000 {
            assert_eq!(table.take_at(key(number), strict, 1), Ok(()));
        }
        assert_eq!(table.places.len(), 1024);
        // The addresses that came last are still known.
        let known =
            (999_000..1_000_000).rev().filter(|number| table.take_at(key(*number), strict, 2).is_err());
        assert!(known.count() > 100);
    }

    #[test]
    fn the_fullest_bucket_gives_way() {
        let table = RateTable::new(WAYS);
        for number in 1..=4 {
            for _ in 0..number {
                table.take_at(key(number), rate(1, 4), 0).unwrap();
            }
        }
        table.take_at(key(5), rate(1, 4), 0).unwrap();
        assert!(table.take_at(key(4), rate(1, 4), 0).is_err(), "the emptiest stayed");
    }
}
