//! What an app's settings add to the request for a container, in the engine's words.

use std::collections::BTreeMap;

use bollard::models::{ContainerCreateBody, HostConfig, Mount as EngineMount, MountType, ResourcesUlimits};

use crate::model::container_options::{ContainerOptions, EngineOptions, Limits, Mount, Ulimit};
use crate::model::resource::Swap;

/// Adds the options to a request that has everything else.
pub(super) fn extend(body: &mut ContainerCreateBody, options: &ContainerOptions) {
    let engine = &options.engine;
    // What is made for a purpose of its own (a one-off command) keeps the entry point that fits it.
    if let (None, Some(entrypoint)) = (&body.entrypoint, &engine.entrypoint) {
        body.entrypoint = Some(vec![entrypoint.clone()]);
    }
    body.hostname = body.hostname.take().or_else(|| engine.hostname.clone());
    body.user = engine.user.clone();
    body.working_dir = engine.working_directory.clone();
    body.stop_signal = engine.stop_signal.clone();
    extend_environment(body.env.get_or_insert_default(), &engine.environment);
    let labels = body.labels.get_or_insert_default();
    for (key, value) in &engine.labels {
        labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
    let host = body.host_config.get_or_insert_default();
    limit(host, &options.limits);
    extend_host(host, engine);
    host.mounts = some(options.mounts.iter().map(mount).collect());
}

/// A variable that is given twice would be there twice.
fn extend_environment(pairs: &mut Vec<String>, own: &BTreeMap<String, String>) {
    pairs.retain(|pair| pair.split('=').next().is_none_or(|key| !own.contains_key(key)));
    pairs.extend(own.iter().map(|(key, value)| format!("{key}={value}")));
}

fn limit(host: &mut HostConfig, limits: &Limits) {
    host.memory = limits.memory.map(signed);
    // Docker's own default is as much swap again: an app at its limit would make the whole host slow before it ends.
    host.memory_swap = match limits.memory_and_swap {
        Some(Swap::Unlimited) => Some(-1),
        Some(Swap::Limit(both)) => Some(signed(both)),
        None => host.memory,
    };
    host.memory_reservation = limits.reserved_memory.map(signed);
    host.nano_cpus = limits.nano_cpus.map(signed);
    host.cpu_shares = limits.cpu_shares.map(signed);
    host.cpuset_cpus = limits.cpuset.clone();
}

fn extend_host(host: &mut HostConfig, engine: &EngineOptions) {
    host.ulimits = some(engine.ulimits.iter().map(ulimit).collect());
    host.shm_size = engine.shm_size.map(signed);
    host.tmpfs = (!engine.tmpfs.is_empty()).then(|| engine.tmpfs.clone().into_iter().collect());
    host.extra_hosts = some(engine.hosts.clone());
    host.dns = some(engine.dns.clone());
    host.dns_search = some(engine.dns_search.clone());
    host.dns_options = some(engine.dns_options.clone());
    host.readonly_rootfs = engine.read_only.then_some(true);
    host.sysctls = (!engine.sysctls.is_empty()).then(|| engine.sysctls.clone().into_iter().collect());
    host.oom_score_adj = engine.oom_score;
    let capabilities = host.cap_add.get_or_insert_default();
    let drops_all = engine.dropped_capabilities.iter().any(|name| name == "ALL");
    capabilities.retain(|name| !drops_all && !engine.dropped_capabilities.contains(name));
    capabilities.extend(engine.added_capabilities.iter().cloned());
    capabilities.sort_unstable();
    capabilities.dedup();
}

fn mount(mount: &Mount) -> EngineMount {
    EngineMount {
        typ: Some(if mount.is_directory() { MountType::BIND } else { MountType::VOLUME }),
        source: Some(mount.source.clone()),
        target: Some(mount.target.clone()),
        read_only: Some(mount.read_only),
        ..EngineMount::default()
    }
}

fn ulimit(ulimit: &Ulimit) -> ResourcesUlimits {
    ResourcesUlimits { name: Some(ulimit.name.clone()), soft: Some(ulimit.soft), hard: Some(ulimit.hard) }
}

fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    (!list.is_empty()).then_some(list)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extended(options: &ContainerOptions) -> ContainerCreateBody {
        let mut body = ContainerCreateBody {
            env: Some(vec!["A=1".to_owned(), "B=2".to_owned()]),
            host_config: Some(HostConfig {
                cap_add: Some(vec!["CHOWN".to_owned(), "KILL".to_owned()]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        extend(&mut body, options);
        body
    }

    #[test]
    fn a_limit_of_memory_is_one_of_swap_too() {
        let mut options = ContainerOptions::default();
        options.limits.memory = Some(64 << 20);
        let host = extended(&options).host_config.unwrap();
        assert_eq!((host.memory, host.memory_swap), (Some(64 << 20), Some(64 << 20)));
        options.limits.memory_and_swap = Some(Swap::Unlimited);
        assert_eq!(extended(&options).host_config.unwrap().memory_swap, Some(-1));
        assert_eq!(extended(&ContainerOptions::default()).host_config.unwrap().memory_swap, None);
    }

    #[test]
    fn a_variable_is_there_once_and_capabilities_come_and_go() {
        let mut options = ContainerOptions::default();
        options.engine.environment.insert("A".to_owned(), "3".to_owned());
        options.engine.dropped_capabilities.push("KILL".to_owned());
        options.engine.added_capabilities.push("NET_RAW".to_owned());
        let body = extended(&options);
        assert_eq!(body.env.unwrap(), ["B=2", "A=3"]);
        assert_eq!(body.host_config.unwrap().cap_add.unwrap(), ["CHOWN", "NET_RAW"]);
        options.engine.dropped_capabilities.push("ALL".to_owned());
        assert_eq!(extended(&options).host_config.unwrap().cap_add.unwrap(), ["NET_RAW"]);
    }
}
