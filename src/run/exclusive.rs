//! Storage that at most one instance may hold at a time.

use std::collections::BTreeMap;

use crate::model::phase::Phase;
use crate::model::process_type::ProcessType;
use crate::store::storage::MountRecord;

/// More instances are wanted than may hold the same storage.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{source_name} is mounted for one instance at a time, and {wanted} would hold it: {holders}")]
pub struct TooManyHolders {
    /// The storage.
    pub source_name: String,
    /// How many would hold it.
    pub wanted: u32,
    /// Which, for example `web=2 worker=1`.
    pub holders: String,
}

/// Refuses quantities with which two instances would hold storage that is for one.
pub fn check(mounts: &[MountRecord], wanted: &BTreeMap<ProcessType, u32>) -> Result<(), TooManyHolders> {
    for exclusive in mounts.iter().filter(|mount| mount.exclusive) {
        let same =
            |mount: &&MountRecord| mount.place == exclusive.place && mount.phases.contains(&Phase::Deploy);
        let holds = |process_type: &ProcessType| {
            mounts.iter().filter(same).any(|mount| mount.scope.includes(process_type))
        };
        let holders: Vec<(&ProcessType, u32)> = wanted
            .iter()
            .filter(|(process_type, quantity)| **quantity > 0 && holds(process_type))
            .map(|(process_type, quantity)| (process_type, *quantity))
            .collect();
        let total = holders.iter().map(|(_, quantity)| quantity).sum();
        if total > 1 {
            let holders: Vec<String> =
                holders.iter().map(|(name, quantity)| format!("{name}={quantity}")).collect();
            return Err(TooManyHolders {
                source_name: exclusive.source.to_string(),
                wanted: total,
                holders: holders.join(" "),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::storage::Place;

    fn mount(name: &str, scope: &str, exclusive: bool) -> MountRecord {
        MountRecord {
            source: name.parse().unwrap(),
            place: Place::Volume(name.to_owned()),
            target: "/data".parse().unwrap(),
            read_only: false,
            exclusive,
            scope: scope.parse().unwrap(),
            phases: vec![Phase::Deploy, Phase::Run],
        }
    }

    fn wanted(pairs: &[(&str, u32)]) -> BTreeMap<ProcessType, u32> {
        pairs.iter().map(|(name, quantity)| (name.parse().unwrap(), *quantity)).collect()
    }

    #[test]
    fn all_that_would_hold_the_same_storage_are_counted_together() {
        let mounts = [mount("data", "_default_", true)];
        assert_eq!(check(&mounts, &wanted(&[("web", 1), ("worker", 0)])), Ok(()));
        let error = check(&mounts, &wanted(&[("web", 1), ("worker", 1)])).unwrap_err();
        assert_eq!((error.wanted, error.holders.as_str()), (2, "web=1 worker=1"));
        let mounts =
            [mount("data", "web", true), mount("data", "worker", false), mount("other", "clock", true)];
        assert!(check(&mounts, &wanted(&[("web", 2)])).is_err());
        assert!(check(&mounts, &wanted(&[("web", 1), ("worker", 1)])).is_err());
        assert_eq!(check(&mounts, &wanted(&[("web", 1), ("clock", 1), ("free", 9)])), Ok(()));
    }

    #[test]
    fn storage_that_is_shared_is_not_counted() {
        assert_eq!(check(&[mount("data", "_default_", false)], &wanted(&[("web", 9)])), Ok(()));
    }
}
