//! Containers of services, and those that work beside one. They are no app's: they carry labels of their own, and
//! are listed nowhere but here.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, ContainerSummaryStateEnum, EndpointSettings, HostConfig, NetworkingConfig,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, InspectContainerOptions, ListContainersOptionsBuilder,
};

use crate::docker::container::{
    DEFAULT_PIDS_LIMIT, OutputLog, RestartPolicy, environment_pairs, log_config, restart_policy,
};
use crate::docker::error::EngineError;
use crate::docker::labels::{KIND, OWNER, owner_filter};
use crate::docker::{Engine, options};
use crate::model::config_var::ConfigVars;
use crate::model::container_id::ContainerId;
use crate::model::container_options::ContainerOptions;
use crate::model::release::ImageId;
use crate::model::service::ServiceId;

/// What a service's own container has as its kind.
const SERVICE: &str = "service";
/// What one beside it has.
const HELPER: &str = "service-helper";
/// The service's row.
const ID: &str = "slipway.service";
/// Its name, with its engine's: `mysql/blogdb`.
const NAME: &str = "slipway.service-name";
/// Which handle on the engine made it: a server's next start has another one.
const MAKER: &str = "slipway.service-maker";
/// What root in it may do: change owners and give up root, as entry points of database images do.
const CAPABILITIES: [&str; 6] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"];

/// What such a container is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It is the service.
    Service,
    /// It does something with the service's data for a while.
    Helper,
}

/// What such a container is made from. It always gets an init, a process limit, `no-new-privileges`, few capabilities.
#[derive(Clone, Debug)]
pub struct ServiceSpec {
    /// Its name.
    pub name: String,
    /// The service.
    pub service: ServiceId,
    /// The service's name, with its engine's: `mysql/blogdb`.
    pub label: String,
    /// What it is for.
    pub purpose: Purpose,
    /// The image.
    pub image: ImageId,
    /// In place of the image's entry point.
    pub entrypoint: Option<Vec<String>>,
    /// Arguments of the entry point; without any those of the image.
    pub arguments: Vec<String>,
    /// Its environment, on top of the image's.
    pub environment: ConfigVars,
    /// The network that it is on; without one it is on none.
    pub network: Option<String>,
    /// Its host name, and its name on that network.
    pub host: String,
    /// Whether somebody will write to its standard input.
    pub stdin: bool,
    /// How long it has between its stop signal and SIGKILL.
    pub stop_timeout: Duration,
    /// Limits, mounts and the like.
    pub options: ContainerOptions,
}

/// A service's container at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceContainer {
    /// Its id.
    pub id: ContainerId,
    /// Whose it is.
    pub service: ServiceId,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether it was made since this server was started.
    pub recent: bool,
    /// Whether its process runs. One that the engine is about to start again does not.
    pub running: bool,
    /// Whether the engine is about to start it again.
    pub restarting: bool,
    /// Its process on the host, while it runs.
    pub pid: Option<u32>,
    /// Its addresses, by networks, while it runs.
    pub networks: BTreeMap<String, Option<Ipv4Addr>>,
    /// The code with which its process last ended.
    pub exit_code: Option<i64>,
    /// Whether the kernel killed it for its use of memory.
    pub oom_killed: bool,
}

impl Engine {
    /// Makes such a container. It is not started.
    pub async fn create_service(&self, spec: &ServiceSpec) -> Result<ContainerId, EngineError> {
        let options = CreateContainerOptionsBuilder::default().name(&spec.name).build();
        let mut body = self.service_body(spec);
        options::extend(&mut body, &spec.options);
        let made = self.client().await?.create_container(Some(options), body).await?;
        let container = ContainerId::new(made.id);
        for network in &spec.options.networks {
            if let Err(error) = self.join(&container, network, std::slice::from_ref(&spec.host)).await {
                self.remove(&container).await?;
                return Err(error);
            }
        }
        Ok(container)
    }

    fn service_body(&self, spec: &ServiceSpec) -> ContainerCreateBody {
        let kind = if spec.purpose == Purpose::Service { SERVICE } else { HELPER };
        let labels = [
            (OWNER, self.owner().to_string()),
            (KIND, kind.to_owned()),
            (ID, spec.service.0.to_string()),
            (NAME, spec.label.clone()),
            (MAKER, self.inner.maker.to_string()),
        ];
        let endpoint = EndpointSettings { aliases: Some(vec![spec.host.clone()]), ..Default::default() };
        let network = spec.network.clone().unwrap_or_else(|| "none".to_owned());
        let networks = spec.network.clone().map(|network| HashMap::from([(network, endpoint)]));
        let restart = match spec.purpose {
            Purpose::Service => RestartPolicy::Always,
            Purpose::Helper => RestartPolicy::No,
        };
        ContainerCreateBody {
            image: Some(spec.image.0.clone()),
            entrypoint: spec.entrypoint.clone(),
            cmd: (!spec.arguments.is_empty()).then(|| spec.arguments.clone()),
            env: Some(environment_pairs(&spec.environment)),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value)).into()),
            hostname: Some(spec.host.clone()),
            open_stdin: Some(spec.stdin),
            stdin_once: Some(spec.stdin),
            attach_stdin: Some(spec.stdin),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            stop_timeout: Some(i64::try_from(spec.stop_timeout.as_secs()).unwrap_or(i64::MAX)),
            host_config: Some(HostConfig {
                network_mode: Some(network),
                init: Some(true),
                pids_limit: Some(i64::from(DEFAULT_PIDS_LIMIT)),
                security_opt: Some(vec!["no-new-privileges".to_owned()]),
                cap_drop: Some(vec!["ALL".to_owned()]),
                cap_add: Some(CAPABILITIES.map(str::to_owned).to_vec()),
                restart_policy: Some(restart_policy(restart)),
                log_config: Some(log_config(OutputLog::Rotated)),
                ..HostConfig::default()
            }),
            networking_config: networks.map(|networks| NetworkingConfig { endpoints_config: Some(networks) }),
            ..ContainerCreateBody::default()
        }
    }

    fn is_maker(&self, labels: &HashMap<String, String>) -> bool {
        labels.get(MAKER).is_some_and(|maker| *maker == self.inner.maker.to_string())
    }

    /// All such containers of the owner's, running or not.
    pub async fn service_containers(&self) -> Result<Vec<ServiceContainer>, EngineError> {
        let filters = HashMap::from([("label", vec![owner_filter(self.owner()), ID.to_owned()])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let found = self.client().await?.list_containers(Some(options)).await?;
        let read = |container: bollard::models::ContainerSummary| {
            let labels = container.labels.unwrap_or_default();
            let networks = container.network_settings.and_then(|settings| settings.networks);
            let endpoints = networks.unwrap_or_default().into_iter();
            Some(ServiceContainer {
                id: ContainerId::new(container.id?),
                service: ServiceId(labels.get(ID)?.parse().ok()?),
                purpose: purpose(&labels),
                recent: self.is_maker(&labels),
                running: container.state == Some(ContainerSummaryStateEnum::RUNNING),
                restarting: container.state == Some(ContainerSummaryStateEnum::RESTARTING),
                pid: None,
                networks: endpoints.map(|(name, endpoint)| (name, address(&endpoint))).collect(),
                exit_code: None,
                oom_killed: false,
            })
        };
        Ok(found.into_iter().filter_map(read).collect())
    }

    /// Says what such a container does; `None` if there is none of that id.
    pub async fn service_container(&self, id: &ContainerId) -> Result<Option<ServiceContainer>, EngineError> {
        let inspect = self.client().await?.inspect_container(id.as_str(), None::<InspectContainerOptions>);
        let container = match inspect.await.map_err(EngineError::from) {
            Err(error) if error.is_not_found() => return Ok(None),
            answer => answer?,
        };
        let labels = container.config.and_then(|config| config.labels).unwrap_or_default();
        let Some(service) = labels.get(ID).and_then(|id| id.parse().ok()) else { return Ok(None) };
        let state = container.state.unwrap_or_default();
        let running = state.running == Some(true) && state.restarting != Some(true);
        let networks = container.network_settings.and_then(|settings| settings.networks);
        let endpoints = networks.unwrap_or_default().into_iter();
        Ok(Some(ServiceContainer {
            id: id.clone(),
            service: ServiceId(service),
            purpose: purpose(&labels),
            recent: self.is_maker(&labels),
            running,
            restarting: state.restarting == Some(true),
            pid: state.pid.and_then(|pid| u32::try_from(pid).ok()).filter(|pid| running && *pid > 0),
            networks: endpoints.map(|(name, endpoint)| (name, address(&endpoint))).collect(),
            exit_code: state.exit_code.filter(|_| !running),
            oom_killed: state.oom_killed == Some(true),
        }))
    }
}

fn purpose(labels: &HashMap<String, String>) -> Purpose {
    let is_service = labels.get(KIND).is_some_and(|kind| kind == SERVICE);
    if is_service { Purpose::Service } else { Purpose::Helper }
}

fn address(endpoint: &EndpointSettings) -> Option<Ipv4Addr> {
    endpoint.ip_address.as_ref()?.parse().ok()
}
