//! What an app's settings add to its containers, whatever these run: instances, release tasks, one-off processes.

use std::path::Path;

use crate::model::additions::Additions;
use crate::model::container_options::{ContainerOptions, Limits, Mount};
use crate::model::docker_option::OptionError;
use crate::model::phase;
use crate::model::process_scope::ProcessScope;
use crate::model::process_type::ProcessType;
use crate::model::resource::ResourceError;
use crate::run::directories::{self, DirectoryError};
use crate::store::apps::AppId;
use crate::store::docker_options::StoredOption;
use crate::store::resources::Resources;
use crate::store::storage::{MountRecord, Place};
use crate::store::{Store, StoreError};

/// The property with the networks that every container of an app joins (`initial-network`, as Dokku calls it).
pub const INITIAL_NETWORK: &str = "network-initial";
/// The property with the networks that a container joins before it is started.
pub const ATTACH_POST_CREATE: &str = "network-attach-post-create";
/// The property with the networks that an instance joins once it is healthy.
pub const ATTACH_POST_DEPLOY: &str = "network-attach-post-deploy";
/// The property with what is added to the names on those networks.
pub const TLD: &str = "network-tld";

/// In which of an app's phases a container runs, as `docker-options` and `storage` name them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Instances.
    Deploy,
    /// Release tasks, one-off and scheduled processes.
    Run,
}

/// Why a container cannot have what the app's settings say.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    /// The settings cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A directory cannot be mounted any more.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    /// The settings were made by another version.
    #[error(transparent)]
    Option(#[from] OptionError),
    /// The limits were set by another version.
    #[error(transparent)]
    Resource(#[from] ResourceError),
}

impl From<Phase> for phase::Phase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Deploy => Self::Deploy,
            Phase::Run => Self::Run,
        }
    }
}

/// The options that hold for a container of an app; `process_type` is `None` for a command that is none.
///
/// What plugins added to the release comes after what is set for the app, so that it counts where only one can.
/// Directories of the host are looked at again: what was one when it was mounted may be a link by now.
pub async fn of(
    store: &Store,
    app: AppId,
    additions: &Additions,
    process_type: Option<&ProcessType>,
    phase: Phase,
) -> Result<ContainerOptions, OptionsError> {
    let mut docker_options = store.docker_options(app).await?;
    docker_options.extend(additions.options.iter().map(StoredOption::from));
    let mut options =
        compose(&docker_options, &store.resources(app).await?, &scopes(process_type, phase), phase)?;
    let mounts = store.mounts(app).await?;
    for mount in mounts.iter().filter(|mount| holds(mount, process_type, phase)) {
        if let Place::Directory { path, root } = &mount.place {
            directories::check(Path::new(root), Path::new(path))?;
        }
        options.mounts.push(as_mount(mount));
    }
    options.link_networks = store.link_networks(app).await?;
    join_networks(store, app, process_type, phase, &mut options).await?;
    Ok(options)
}

/// Docker options and amounts put together. An amount of `resource:limit` wins over an option that says the same.
pub fn compose(
    docker_options: &[StoredOption],
    resources: &Resources,
    scopes: &[ProcessScope],
    phase: Phase,
) -> Result<ContainerOptions, OptionsError> {
    let mut options = ContainerOptions::default();
    let phase = phase::Phase::from(phase);
    let of_phase = docker_options.iter().filter(|stored| stored.phase == phase);
    for stored in of_phase.filter(|stored| scopes.contains(&stored.scope)) {
        stored.option.apply(&mut options)?;
    }
    limit(&mut options.limits, resources, scopes)?;
    options.limits.check()?;
    Ok(options)
}

/// What is asked for a setting, the narrowest first: the process type, `run` for what is no instance, the default.
pub fn scopes(process_type: Option<&ProcessType>, phase: Phase) -> Vec<ProcessScope> {
    let mut scopes: Vec<ProcessScope> = process_type.cloned().map(ProcessScope::Only).into_iter().collect();
    if phase == Phase::Run {
        scopes.extend("run".parse().ok().map(ProcessScope::Only).filter(|run| !scopes.contains(run)));
    }
    scopes.push(ProcessScope::Default);
    scopes
}

/// Each amount comes from the narrowest scope that has one.
fn limit(limits: &mut Limits, resources: &Resources, scopes: &[ProcessScope]) -> Result<(), ResourceError> {
    for scope in scopes.iter().rev() {
        for ((bound, resource), amount) in resources.get(scope).into_iter().flatten() {
            limits.set(*bound, *resource, amount)?;
        }
    }
    Ok(())
}

/// Whether a mount is for such a container.
fn holds(mount: &MountRecord, process_type: Option<&ProcessType>, phase: Phase) -> bool {
    let for_it = match (&mount.scope, process_type) {
        (ProcessScope::Default, _) => true,
        (scope, Some(process_type)) => scope.includes(process_type),
        (ProcessScope::Only(_), None) => false,
    };
    for_it && mount.phases.contains(&phase.into())
}

fn as_mount(mount: &MountRecord) -> Mount {
    Mount {
        source: mount.place.as_str().to_owned(),
        target: mount.target.to_string(),
        read_only: mount.read_only,
        exclusive: mount.exclusive,
    }
}

/// Adds the networks of the app's properties, and an instance's names there: `blog.web`, as in Dokku.
async fn join_networks(
    store: &Store,
    app: AppId,
    process_type: Option<&ProcessType>,
    phase: Phase,
    options: &mut ContainerOptions,
) -> Result<(), StoreError> {
    let listed = async |property| {
        let text = store.computed_property(app, property).await?.unwrap_or_default();
        Ok::<Vec<String>, StoreError>(text.split_whitespace().map(str::to_owned).collect())
    };
    options.networks.extend(listed(INITIAL_NETWORK).await?);
    options.networks.extend(listed(ATTACH_POST_CREATE).await?);
    if phase == Phase::Deploy {
        options.late_networks = listed(ATTACH_POST_DEPLOY).await?;
    }
    once(&mut options.networks);
    once(&mut options.late_networks);
    options.late_networks.retain(|network| !options.networks.contains(network));
    let named = if phase == Phase::Deploy { process_type } else { None };
    if let (Some(process_type), Some(record)) = (named, store.app_by_id(app).await?) {
        let name = format!("{}.{process_type}", record.name);
        let tld = store.computed_property(app, TLD).await?;
        options.aliases.extend(tld.map(|tld| format!("{name}.{tld}")));
        options.aliases.push(name);
    }
    Ok(())
}

/// Leaves the first of each name.
fn once(names: &mut Vec<String>) {
    let mut seen = Vec::new();
    names.retain(|name| {
        let is_new = !seen.contains(name);
        seen.push(name.clone());
        is_new
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::docker_option::DockerOption;
    use crate::model::resource::{Bound, Resource};

    fn resources(list: &[(&str, Resource, &str)]) -> Resources {
        let mut resources = Resources::new();
        for (scope, resource, amount) in list {
            let amounts = resources.entry(scope.parse().unwrap()).or_default();
            amounts.insert((Bound::Limit, *resource), (*amount).to_owned());
        }
        resources
    }

    fn stored(phase: phase::Phase, scope: &str, line: &str) -> Vec<StoredOption> {
        let options = DockerOption::parse(&[line.to_owned()], phase).unwrap();
        let scope: ProcessScope = scope.parse().unwrap();
        options.into_iter().map(|option| StoredOption { phase, scope: scope.clone(), option }).collect()
    }

    #[test]
    fn each_amount_comes_from_the_narrowest_scope_that_has_one() {
        let resources = resources(&[
            ("_default_", Resource::Memory, "100"),
            ("_default_", Resource::Cpu, "1"),
            ("web", Resource::Memory, "200"),
            ("run", Resource::Memory, "300"),
        ]);
        let limits = |name: Option<&str>, phase| {
            let process_type = name.map(|name| name.parse().unwrap());
            compose(&[], &resources, &scopes(process_type.as_ref(), phase), phase).unwrap().limits
        };
        let web = limits(Some("web"), Phase::Deploy);
        assert_eq!((web.memory, web.nano_cpus), (Some(200 << 20), Some(1_000_000_000)));
        assert_eq!(limits(Some("worker"), Phase::Deploy).memory, Some(100 << 20));
        assert_eq!(limits(None, Phase::Run).memory, Some(300 << 20));
        assert_eq!(limits(Some("release"), Phase::Run).memory, Some(300 << 20));
        assert_eq!(limits(Some("web"), Phase::Run).memory, Some(200 << 20));
    }

    #[test]
    fn docker_options_hold_in_their_phase_and_amounts_win_over_them() {
        let mut options = stored(phase::Phase::Deploy, "_default_", "--memory 64m --shm-size 1m");
        options.extend(stored(phase::Phase::Deploy, "worker", "--shm-size 2m"));
        options.extend(stored(phase::Phase::Run, "_default_", "--memory 32m"));
        options.extend(stored(phase::Phase::Build, "_default_", "--build-arg A=b"));
        let web: ProcessType = "web".parse().unwrap();
        let resources = resources(&[("web", Resource::Memory, "200")]);
        let made = compose(&options, &resources, &scopes(Some(&web), Phase::Deploy), Phase::Deploy).unwrap();
        assert_eq!((made.limits.memory, made.engine.shm_size), (Some(200 << 20), Some(1 << 20)));
        let made = compose(&options, &resources, &scopes(None, Phase::Run), Phase::Run).unwrap();
        assert_eq!((made.limits.memory, made.engine.shm_size), (Some(32 << 20), None));
    }

    #[test]
    fn what_does_not_fit_together_is_found() {
        let options = stored(phase::Phase::Deploy, "_default_", "--memory-reservation 300m");
        let resources = resources(&[("_default_", Resource::Memory, "200")]);
        assert!(compose(&options, &resources, &[ProcessScope::Default], Phase::Deploy).is_err());
    }
}
