//! What the engine says about containers, as values that do not change under their reader.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use bollard::models::{ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, HealthStatusEnum};
use bollard::query_parameters::{
    InspectContainerOptions, InspectContainerOptionsBuilder, ListContainersOptionsBuilder,
};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::labels::{APP, ContainerKind, ContainerLabels, KIND, owner_filter};
use crate::model::app_name::AppName;
use crate::model::container_id::ContainerId;
use crate::model::release::ImageId;

/// How many containers are asked about at a time.
const INSPECTIONS: usize = 8;

/// What a container is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Made, never started.
    Created,
    /// Its process runs.
    Running,
    /// Its process is frozen.
    Paused,
    /// Its process ended, and the engine is about to start it again.
    Restarting,
    /// Its process ended with this code.
    Exited(i64),
    /// It is being removed, or could not be.
    Removing,
}

/// What an image's `HEALTHCHECK` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The image has no check.
    None,
    /// No verdict yet.
    Starting,
    /// The last check passed.
    Healthy,
    /// Too many checks in a row failed.
    Unhealthy,
}

/// A container at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerFacts {
    /// Its id.
    pub id: ContainerId,
    /// Its name, without the engine's leading slash.
    pub name: String,
    /// What it is for.
    pub labels: ContainerLabels,
    /// Its image.
    pub image: ImageId,
    /// What it is doing.
    pub state: RunState,
    /// What its image's check says.
    pub health: Health,
    /// The command of its image's check, as words.
    pub health_command: Option<Vec<String>>,
    /// Where it answers on the owner's network, while it runs.
    pub address: Option<Ipv4Addr>,
    /// Its main process on the host, while it runs.
    pub pid: Option<u32>,
    /// How often the engine started it again.
    pub restart_count: u32,
    /// When its process was last started, seconds since the Unix epoch.
    pub started_at: Option<i64>,
    /// When its process last ended, seconds since the Unix epoch.
    pub finished_at: Option<i64>,
    /// When it was made, seconds since the Unix epoch.
    pub created_at: i64,
    /// Whether the kernel killed it for its use of memory.
    pub oom_killed: bool,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// Whether it takes input: it was made for somebody who is connected to it.
    pub stdin: bool,
    /// The signal that asks it to end, if its image says so: `SIGQUIT`.
    pub stop_signal: Option<String>,
    /// How long it has between that signal and its end, as it was made.
    pub stop_timeout: Option<Duration>,
    /// Why it could not be started, in the engine's words.
    pub error: Option<String>,
}

/// What an engine says of the host below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineFacts {
    /// How layers are kept: `overlay2`, `vfs`, …
    pub storage_driver: String,
    /// `1` or `2`.
    pub cgroup_version: String,
    /// Whether containers' memory can be limited.
    pub memory_limit: bool,
    /// Whether their share of the CPUs can be.
    pub cpu_limit: bool,
    /// Whether their number of processes can be.
    pub pids_limit: bool,
}

/// Which containers are listed. All of the owner's, unless narrowed.
#[derive(Clone, Debug, Default)]
pub struct ContainerFilter {
    /// Only this app's.
    pub app: Option<AppName>,
    /// Only those for this purpose.
    pub kind: Option<ContainerKind>,
}

impl ContainerFacts {
    /// How long it has been running.
    pub fn up_for(&self) -> Option<Duration> {
        let started = self.started_at.filter(|_| self.state == RunState::Running)?;
        let seconds = Timestamp::now().as_second().saturating_sub(started);
        Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
    }
}

impl Engine {
    /// Says how the engine keeps things, and what the kernel below it can limit.
    pub async fn facts(&self) -> Result<EngineFacts, EngineError> {
        let facts = self.client().await?.info().await?;
        Ok(EngineFacts {
            storage_driver: facts.driver.unwrap_or_default(),
            cgroup_version: facts.cgroup_version.map(|version| version.to_string()).unwrap_or_default(),
            memory_limit: facts.memory_limit.unwrap_or(false),
            cpu_limit: facts.cpu_shares.unwrap_or(false),
            pids_limit: facts.pids_limit.unwrap_or(false),
        })
    }

    /// Says what a container is and does, by its id or name. Containers of other owners do not exist here.
    pub async fn inspect(&self, id_or_name: &str) -> Result<ContainerFacts, EngineError> {
        let unknown = || EngineError::NotFound(format!("No such container: {id_or_name}"));
        if !is_container_reference(id_or_name) {
            return Err(unknown());
        }
        let container =
            self.client().await?.inspect_container(id_or_name, None::<InspectContainerOptions>).await?;
        self.read_facts(container).ok_or_else(unknown)
    }

    /// How many bytes a container has written to its own files. The engine looks at each of them to tell.
    pub async fn written_bytes(&self, id: &ContainerId) -> Result<u64, EngineError> {
        let options = InspectContainerOptionsBuilder::default().size(true).build();
        let answer = self.client().await?.inspect_container(id.as_str(), Some(options)).await?;
        Ok(answer.size_rw.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
    }

    /// All that the engine says about a container, as JSON in its own form. The environment is in it.
    pub async fn inspect_whole(&self, id: &ContainerId) -> Result<serde_json::Value, EngineError> {
        let client = self.client().await?;
        let answer = client.inspect_container(id.as_str(), None::<InspectContainerOptions>).await?;
        serde_json::to_value(answer).map_err(|error| EngineError::Broken(error.into()))
    }

    /// Whether some variable of a container's environment has this in it; false if there is no such container.
    pub async fn environment_mentions(&self, id: &ContainerId, text: &str) -> Result<bool, EngineError> {
        let inspect = self.client().await?.inspect_container(id.as_str(), None::<InspectContainerOptions>);
        match inspect.await.map_err(EngineError::from) {
            Ok(found) => {
                let environment = found.config.and_then(|config| config.env).unwrap_or_default();
                Ok(environment.iter().any(|pair| pair.contains(text)))
            }
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Lists containers, running or not, in the order of their names.
    pub async fn list(&self, filter: &ContainerFilter) -> Result<Vec<ContainerFacts>, EngineError> {
        let mut wanted = vec![owner_filter(self.owner())];
        wanted.extend(filter.app.as_ref().map(|app| format!("{APP}={app}")));
        wanted.extend(filter.kind.map(|kind| format!("{KIND}={}", kind.as_str())));
        let filters = HashMap::from([("label", wanted)]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let summaries = self.client().await?.list_containers(Some(options)).await?;
        // The list says neither exit codes nor processes nor restarts, so each is asked about as well.
        let mut facts: Vec<ContainerFacts> =
            stream::iter(summaries.into_iter().filter_map(|summary| summary.id))
                .map(|id| async move {
                    match self.inspect(&id).await {
                        // Removed between the two questions.
                        Err(EngineError::NotFound(_)) => Ok(None),
                        answer => answer.map(Some),
                    }
                })
                .buffer_unordered(INSPECTIONS)
                .try_filter_map(async |facts| Ok(facts))
                .try_collect()
                .await?;
        facts.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(facts)
    }

    /// `None` for a container that is not this owner's.
    fn read_facts(&self, container: ContainerInspectResponse) -> Option<ContainerFacts> {
        let config = container.config.unwrap_or_default();
        let labels = ContainerLabels::from_engine(&config.labels.unwrap_or_default(), self.owner())?;
        let state = container.state.unwrap_or_default();
        let networks = container.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
        let endpoint = networks.get(&self.network_name());
        Some(ContainerFacts {
            id: ContainerId::new(container.id?),
            name: container.name.unwrap_or_default().trim_start_matches('/').to_owned(),
            labels,
            image: ImageId(container.image.unwrap_or_default()),
            state: run_state(&state),
            health: state.health.as_ref().and_then(|health| health.status).map_or(Health::None, read_health),
            health_command: config.healthcheck.and_then(|check| health_command(check.test?)),
            address: endpoint.and_then(|endpoint| endpoint.ip_address.as_ref()?.parse().ok()),
            pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| *pid > 0),
            restart_count: container.restart_count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
            started_at: state.started_at.as_deref().and_then(read_time),
            finished_at: state.finished_at.as_deref().and_then(read_time),
            created_at: container.created.map_or(0, |created| created.unix_timestamp()),
            oom_killed: state.oom_killed.unwrap_or(false),
            terminal: config.tty.unwrap_or(false),
            stdin: config.open_stdin.unwrap_or(false),
            stop_signal: config.stop_signal.filter(|signal| !signal.is_empty()),
            stop_timeout: config
                .stop_timeout
                .and_then(|time| u64::try_from(time).ok())
                .map(Duration::from_secs),
            error: state.error.filter(|error| !error.is_empty()),
        })
    }
}

/// Whether a text can be a container's id or name. Names come from people and become part of a request's path.
pub(super) fn is_container_reference(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    text.bytes().all(allowed) && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric())
}

fn run_state(state: &ContainerState) -> RunState {
    match state.status {
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING) => RunState::Running,
        Some(ContainerStateStatusEnum::PAUSED) => RunState::Paused,
        Some(ContainerStateStatusEnum::RESTARTING) => RunState::Restarting,
        Some(ContainerStateStatusEnum::EXITED) => RunState::Exited(state.exit_code.unwrap_or(-1)),
        Some(ContainerStateStatusEnum::REMOVING | ContainerStateStatusEnum::DEAD) => RunState::Removing,
        Some(ContainerStateStatusEnum::CREATED | ContainerStateStatusEnum::EMPTY) | None => RunState::Created,
    }
}

fn read_health(status: HealthStatusEnum) -> Health {
    match status {
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => Health::None,
        HealthStatusEnum::STARTING => Health::Starting,
        HealthStatusEnum::HEALTHY => Health::Healthy,
        HealthStatusEnum::UNHEALTHY => Health::Unhealthy,
    }
}

/// A `HEALTHCHECK` as the engine keeps it: `CMD` and words, `CMD-SHELL` and a line for a shell, or `NONE`.
fn health_command(test: Vec<String>) -> Option<Vec<String>> {
    let (kind, words) = test.split_first()?;
    match kind.as_str() {
        "CMD" => Some(words.to_vec()),
        "CMD-SHELL" => {
            Some(["/bin/sh".to_owned(), "-c".to_owned()].into_iter().chain(words.to_vec()).collect())
        }
        _ => None,
    }
}

/// The engine writes the year 1 where there is no time.
fn read_time(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_second).filter(|second| *second > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_health_check_is_read_in_each_of_its_forms() {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        assert_eq!(health_command(words(&["CMD", "a", "b"])), Some(words(&["a", "b"])));
        assert_eq!(health_command(words(&["CMD-SHELL", "a b"])), Some(words(&["/bin/sh", "-c", "a b"])));
        assert_eq!(health_command(words(&["NONE"])), None);
        assert_eq!(health_command(Vec::new()), None);
    }

    #[test]
    fn a_container_reference_cannot_leave_its_path() {
        assert!(is_container_reference("blog.web.1"));
        for text in ["", ".", "..", "../images", "a/b", "a?b", "a#b", "a%2fb", "-a"] {
            assert!(!is_container_reference(text), "{text}");
        }
    }

    #[test]
    fn the_engines_zero_time_is_no_time() {
        assert_eq!(read_time("0001-01-01T00:00:00Z"), None);
        assert_eq!(read_time("2024-02-03T04:05:06.789Z"), Some(1_706_933_106));
    }
}
