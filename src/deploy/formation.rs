//! How many instances of each process type a deploy is to run, and what of that is recorded.

use std::collections::BTreeMap;

use crate::deploy::Work;
use crate::model::process_type::ProcessType;
use crate::model::release::{Release, ReleaseContent};
use crate::run::plan;
use crate::store::formation::Formation;

/// What is wanted, and what is new about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantities {
    /// For each process type of the release.
    pub wanted: BTreeMap<ProcessType, u32>,
    /// What is recorded at the switch.
    pub changes: Formation,
}

/// The quantities that hold for a release: those of its app.json, if that has any; else those that were set, changed
/// as the work says.
///
/// What a deploy dropped from the Procfile has no quantity any more. A rollback to a release that had it gives it
/// the one that it ran in then.
pub fn quantities(
    work: &Work,
    content: &ReleaseContent,
    current: Option<&Release>,
    set: Formation,
) -> Quantities {
    let types = || content.processes.keys();
    if !content.app_json.formation.is_empty() {
        let wanted = plan::wanted(types(), &fixed(content));
        return Quantities { changes: wanted.clone(), wanted };
    }
    let changes = match work {
        Work::Scale(changes) => changes.clone(),
        Work::Rollback { to, .. } => {
            let dropped = |name: &ProcessType| {
                current.is_some_and(|current| !current.content.processes.contains_key(name))
            };
            let then = to.formation.iter().filter(|(name, _)| dropped(name) && !set.contains_key(*name));
            then.map(|(name, quantity)| (name.clone(), *quantity)).collect()
        }
        _ => Formation::new(),
    };
    let mut all = set;
    all.extend(changes.clone());
    Quantities { wanted: plan::wanted(types(), &all), changes }
}

/// The quantities of an app.json that has some: process types that it does not name are not run.
fn fixed(content: &ReleaseContent) -> Formation {
    let quantity = |name: &ProcessType| match content.app_json.formation.get(name) {
        Some(entry) => entry.quantity.unwrap_or(u32::from(name.is_web())),
        None => 0,
    };
    content.processes.keys().map(|name| (name.clone(), quantity(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::additions::Additions;
    use crate::model::app_json::{AppJson, FormationEntry};
    use crate::model::config_var::ConfigVars;
    use crate::model::release::{ImageId, ProcessCommand, ReleaseVersion, Source};

    fn content(types: &[&str], formation: &[(&str, Option<u32>)]) -> ReleaseContent {
        let entry = |quantity: Option<u32>| FormationEntry { quantity, max_parallel: None };
        let formation = formation.iter().map(|(name, count)| (name.parse().unwrap(), entry(*count)));
        ReleaseContent {
            image: ImageId("sha256:0".to_owned()),
            source: Source::Image { reference: "x".to_owned() },
            config: ConfigVars::new(),
            processes: types.iter().map(|name| (name.parse().unwrap(), ProcessCommand::Image)).collect(),
            exposed_ports: Vec::new(),
            app_json: AppJson { formation: formation.collect(), ..AppJson::default() },
            additions: Additions::default(),
        }
    }

    fn release(types: &[&str], ran: &[(&str, u32)]) -> Release {
        Release {
            id: 1,
            version: ReleaseVersion(1),
            created_at: 0,
            created_by: String::new(),
            description: String::new(),
            content: content(types, &[]),
            formation: numbers(ran),
        }
    }

    fn numbers(pairs: &[(&str, u32)]) -> Formation {
        pairs.iter().map(|(name, quantity)| (name.parse().unwrap(), *quantity)).collect()
    }

    #[test]
    fn an_app_json_with_a_formation_says_all_of_it() {
        let content = content(&["clock", "release", "web", "worker"], &[("web", None), ("worker", Some(3))]);
        let set = numbers(&[("web", 5), ("clock", 5)]);
        let found = quantities(&Work::Scale(numbers(&[("web", 7)])), &content, None, set);
        assert_eq!(found.wanted, numbers(&[("clock", 0), ("web", 1), ("worker", 3)]));
        assert_eq!(found.changes, found.wanted);
    }

    #[test]
    fn without_one_it_is_what_was_set_and_what_is_asked_for() {
        let content = content(&["web", "worker"], &[]);
        let set = numbers(&[("worker", 2)]);
        let scaled = quantities(&Work::Scale(numbers(&[("web", 0)])), &content, None, set.clone());
        assert_eq!(scaled.wanted, numbers(&[("web", 0), ("worker", 2)]));
        assert_eq!(scaled.changes, numbers(&[("web", 0)]));
        let restarted = quantities(&Work::Restart(None), &content, None, set);
        assert_eq!(restarted.wanted, numbers(&[("web", 1), ("worker", 2)]));
        assert_eq!(restarted.changes, Formation::new());
    }

    #[test]
    fn a_rollback_brings_back_what_the_procfile_had_lost() {
        let to = release(&["web", "worker"], &[("web", 4), ("worker", 2)]);
        let current = release(&["web"], &[("web", 1)]);
        let content = to.content.clone();
        let work = Work::Rollback { to: Box::new(to), keep_config: false };
        let found = quantities(&work, &content, Some(&current), numbers(&[("web", 1)]));
        assert_eq!(found.wanted, numbers(&[("web", 1), ("worker", 2)]));
        assert_eq!(found.changes, numbers(&[("worker", 2)]));
    }
}
