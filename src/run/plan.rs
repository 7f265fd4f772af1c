//! Which instances a deploy starts, keeps and retires. Pure.

use std::collections::BTreeMap;

use crate::model::process_type::{InstanceName, ProcessType};
use crate::store::formation::Formation;
use crate::store::instances::InstanceRecord;

/// Which of the running instances have to give way to new ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replace {
    /// All: there is a new release.
    All,
    /// Those of one process type.
    Only(ProcessType),
    /// None: only the numbers change.
    None,
}

/// What has to be done to reach the formation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Instances to start.
    pub start: Vec<InstanceName>,
    /// Instances that stay as they are.
    pub keep: Vec<InstanceRecord>,
    /// Instances to drain and stop once the new ones serve.
    pub retire: Vec<InstanceRecord>,
    /// Those of `retire` that have to be stopped before their successors start.
    pub stop_first: Vec<InstanceRecord>,
}

impl Plan {
    /// Says of which process types the old instances are stopped first: of these, if there is something to start.
    pub fn stop_first(&mut self, includes: impl Fn(&ProcessType) -> bool) {
        let starts =
            |process_type: &ProcessType| self.start.iter().any(|name| name.process_type == *process_type);
        let first = |instance: &&InstanceRecord| {
            let process_type = &instance.name.process_type;
            includes(process_type) && starts(process_type)
        };
        self.stop_first = self.retire.iter().filter(first).cloned().collect();
    }
}

/// Compares what is wanted with what there is. `alive` are the recorded instances whose containers run.
pub fn plan(
    wanted: &BTreeMap<ProcessType, u32>,
    recorded: Vec<InstanceRecord>,
    alive: impl Fn(&InstanceRecord) -> bool,
    replace: &Replace,
) -> Plan {
    let mut plan = Plan::default();
    for instance in recorded {
        let process_type = &instance.name.process_type;
        let still_wanted = wanted.get(process_type).is_some_and(|quantity| instance.name.index <= *quantity);
        let replaced = match replace {
            Replace::All => true,
            Replace::Only(only) => only == process_type,
            Replace::None => false,
        };
        if still_wanted && !replaced && alive(&instance) {
            plan.keep.push(instance);
        } else {
            plan.retire.push(instance);
        }
    }
    for (process_type, quantity) in wanted {
        for index in 1..=*quantity {
            let name = InstanceName { process_type: process_type.clone(), index };
            if !plan.keep.iter().any(|kept| kept.name == name) {
                plan.start.push(name);
            }
        }
    }
    plan
}

/// The quantities that hold for a release's process types: as set, else one `web` and none of the others. The
/// release phase has no instances.
pub fn wanted<'a>(
    process_types: impl Iterator<Item = &'a ProcessType>,
    formation: &Formation,
) -> BTreeMap<ProcessType, u32> {
    process_types
        .filter(|process_type| !process_type.is_release())
        .map(|process_type| {
            let default = u32::from(process_type.is_web());
            (process_type.clone(), formation.get(process_type).copied().unwrap_or(default))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::container_id::ContainerId;
    use crate::store::apps::AppId;

    fn record(name: &str) -> InstanceRecord {
        InstanceRecord {
            app: AppId(1),
            name: name.parse().unwrap(),
            container: ContainerId::new(format!("c-{name}")),
            release: 1,
        }
    }

    fn quantities(pairs: &[(&str, u32)]) -> BTreeMap<ProcessType, u32> {
        pairs.iter().map(|(name, quantity)| (name.parse().unwrap(), *quantity)).collect()
    }

    fn names(records: &[InstanceRecord]) -> Vec<String> {
        records.iter().map(|record| record.name.to_string()).collect()
    }

    #[test]
    fn only_what_gives_way_to_something_is_stopped_first() {
        let recorded = || vec![record("web.1"), record("worker.1"), record("clock.1")];
        let wanted = quantities(&[("web", 1), ("worker", 1), ("clock", 0)]);
        let mut plan = plan(&wanted, recorded(), |_| true, &Replace::All);
        plan.stop_first(|process_type| process_type.as_str() != "web");
        assert_eq!(names(&plan.stop_first), ["worker.1"]);
        assert_eq!(plan.retire.len(), 3);
    }

    #[test]
    fn scaling_up_starts_only_what_is_missing() {
        let plan = plan(&quantities(&[("web", 3)]), vec![record("web.1")], |_| true, &Replace::None);
        let started: Vec<String> = plan.start.iter().map(ToString::to_string).collect();
        assert_eq!(started, ["web.2", "web.3"]);
        assert_eq!((names(&plan.keep), names(&plan.retire)), (vec!["web.1".to_owned()], vec![]));
    }

    #[test]
    fn scaling_down_retires_the_highest_numbers() {
        let recorded = vec![record("web.1"), record("web.2"), record("worker.1")];
        let plan = plan(&quantities(&[("web", 1), ("worker", 0)]), recorded, |_| true, &Replace::None);
        assert!(plan.start.is_empty());
        assert_eq!(names(&plan.retire), ["web.2", "worker.1"]);
    }

    #[test]
    fn dead_instances_and_process_types_that_are_gone_are_replaced_and_retired() {
        let recorded = vec![record("web.1"), record("old.1")];
        let plan = plan(&quantities(&[("web", 1)]), recorded, |_| false, &Replace::None);
        assert_eq!(plan.start.len(), 1);
        assert_eq!(names(&plan.retire), ["web.1", "old.1"]);
    }

    #[test]
    fn one_process_type_can_be_replaced_alone() {
        let recorded = vec![record("web.1"), record("worker.1")];
        let only = Replace::Only("worker".parse().unwrap());
        let plan = plan(&quantities(&[("web", 1), ("worker", 1)]), recorded, |_| true, &only);
        assert_eq!(names(&plan.keep), ["web.1"]);
        assert_eq!(names(&plan.retire), ["worker.1"]);
    }

    #[test]
    fn only_web_runs_unless_the_formation_says_otherwise() {
        let types: Vec<ProcessType> =
            ["release", "web", "worker"].iter().map(|name| name.parse().unwrap()).collect();
        assert_eq!(wanted(types.iter(), &Formation::new()), quantities(&[("web", 1), ("worker", 0)]));
        let formation = quantities(&[("worker", 2), ("gone", 1), ("release", 1)]);
        assert_eq!(wanted(types.iter(), &formation), quantities(&[("web", 1), ("worker", 2)]));
    }
}
