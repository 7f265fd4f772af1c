//! In which order plugins run at a hook: by name, and as they ask to be after or before others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::hook::Hook;
use crate::model::hook::contract::CONTRACTS;
use crate::model::plugin::PluginName;
use crate::plugin::{Plugin, PluginSet};

/// Those that have the hook, in order. What stands in a circle comes last, by name.
pub fn sorted(plugins: &PluginSet, hook: Hook) -> Vec<Arc<Plugin>> {
    let (mut sorted, circle) = sort(plugins, hook);
    sorted.extend(circle);
    sorted
}

/// Takes out those that want to be before each other, and says why.
pub fn remove_cycles(plugins: &mut PluginSet) -> Vec<(PluginName, String)> {
    let mut removed = Vec::new();
    for contract in CONTRACTS {
        let (_, circle) = sort(plugins, contract.hook);
        let names: Vec<String> = circle.iter().map(|plugin| plugin.name.to_string()).collect();
        for plugin in circle {
            plugins.remove(&plugin.name);
            let reason = format!(
                "hooks.{}: after and before lead in a circle among {}: enable only some of them",
                contract.hook,
                names.join(", ")
            );
            removed.push((plugin.name.clone(), reason));
        }
    }
    removed
}

/// Those that can be put in order, and those that cannot.
fn sort(plugins: &PluginSet, hook: Hook) -> (Vec<Arc<Plugin>>, Vec<Arc<Plugin>>) {
    let mut waiting: BTreeMap<&str, &Arc<Plugin>> = BTreeMap::new();
    for plugin in plugins.values().filter(|plugin| plugin.manifest.hooks.contains_key(&hook)) {
        waiting.insert(plugin.name.as_str(), plugin);
    }
    // Who has to come before whom; those that are not there do not count.
    let mut first: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (name, plugin) in &waiting {
        let Some(facts) = plugin.manifest.hooks.get(&hook) else { continue };
        for other in facts.after.iter().filter(|other| waiting.contains_key(other.as_str())) {
            first.entry(name).or_default().insert(other);
        }
        for other in facts.before.iter().filter(|other| waiting.contains_key(other.as_str())) {
            first.entry(other).or_default().insert(name);
        }
    }
    let mut sorted = Vec::new();
    loop {
        let is_free = |name: &str| {
            first.get(name).is_none_or(|others| others.iter().all(|other| !waiting.contains_key(other)))
        };
        let Some(next) = waiting.keys().copied().find(|name| is_free(name)) else { break };
        sorted.extend(waiting.remove(next).cloned());
    }
    (sorted, circle(&waiting, &first))
}

/// Of those that are left, only what is in a circle itself: who merely waits for one is not at fault.
fn circle(left: &BTreeMap<&str, &Arc<Plugin>>, first: &BTreeMap<&str, BTreeSet<&str>>) -> Vec<Arc<Plugin>> {
    let reaches_itself = |start: &str| {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![start]);
        while let Some(name) = todo.pop() {
            for other in first.get(name).into_iter().flatten().copied() {
                if other == start {
                    return true;
                }
                if left.contains_key(other) && seen.insert(other) {
                    todo.push(other);
                }
            }
        }
        false
    };
    left.iter().filter(|(name, _)| reaches_itself(name)).map(|(_, plugin)| Arc::clone(plugin)).collect()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::formats::plugin_toml;

    fn set(plugins: &[(&str, &str)]) -> PluginSet {
        let plugin = |(name, rest): &(&str, &str)| {
            let text =
                format!("[plugin]\nname = '{name}'\nversion = '1'\napi = 1\n[hooks.pre-deploy]\n{rest}");
            let plugin = Plugin {
                name: name.parse().unwrap(),
                folder: PathBuf::new(),
                manifest: plugin_toml::parse(&text).unwrap(),
                engine: None,
                bundled: false,
                user: 0,
            };
            (plugin.name.clone(), Arc::new(plugin))
        };
        plugins.iter().map(plugin).collect()
    }

    fn names(plugins: &PluginSet) -> Vec<String> {
        sorted(plugins, Hook::PreDeploy).iter().map(|plugin| plugin.name.to_string()).collect()
    }

    #[test]
    fn by_name_and_as_they_ask() {
        assert_eq!(names(&set(&[("c", ""), ("a", ""), ("b", "")])), ["a", "b", "c"]);
        assert_eq!(names(&set(&[("a", "after = ['c', 'gone']"), ("b", ""), ("c", "")])), ["b", "c", "a"]);
        assert_eq!(names(&set(&[("a", ""), ("b", ""), ("c", "before = ['a']")])), ["b", "c", "a"]);
        assert!(sorted(&set(&[("a", "")]), Hook::Daily).is_empty());
    }

    #[test]
    fn only_those_in_a_circle_are_taken_out() {
        let mut plugins = set(&[
            ("a", "after = ['b']"),
            ("b", "after = ['c']"),
            ("c", "after = ['a']"),
            ("d", "after = ['a']"),
            ("e", ""),
        ]);
        let removed = remove_cycles(&mut plugins);
        assert_eq!(removed.len(), 3);
        assert!(removed[0].1.contains("in a circle among a, b, c"), "{}", removed[0].1);
        assert_eq!(names(&plugins), ["d", "e"]);
    }
}
