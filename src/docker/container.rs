//! Making containers and steering them.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

use bollard::errors::Error as ClientError;
use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, HostConfigLogConfig,
    NetworkingConfig, RestartPolicy as EngineRestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, KillContainerOptionsBuilder, RemoveContainerOptionsBuilder,
    RenameContainerOptionsBuilder, ResizeContainerTTYOptionsBuilder, RestartContainerOptions,
    StartContainerOptions, StopContainerOptionsBuilder, WaitContainerOptionsBuilder,
};
use futures_util::StreamExt;

use crate::docker::error::EngineError;
use crate::docker::labels::{CRON_TASK, ContainerLabels, DOKKU_CRON_ID};
use crate::docker::{ANSWER_DEADLINE, Engine, options};
use crate::model::config_var::ConfigVars;
use crate::model::container_id::ContainerId;
use crate::model::container_options::ContainerOptions;
use crate::model::cron::CronTaskId;
use crate::model::release::{ImageId, ProcessCommand};

/// How many processes and threads a container may have. A fork bomb stays in its container, a JVM still fits.
pub const DEFAULT_PIDS_LIMIT: u32 = 4096;

/// How long a restart may take: workers may have hours to end.
const LONGEST_STOP: Duration = Duration::from_secs(24 * 3600);

/// What root in a container may still do. Everything else is dropped, whatever an engine's own default is.
///
/// These are for images as they are found: package managers and entry points that change owners and modes and
/// then give up root (`gosu`, `su-exec`, `setpriv`), servers that bind port 80, shells that end their children.
/// Of Docker's default set these are missing, because an app has no use for them and each has been part of a way
/// out or of an attack on neighbours: NET_RAW (forged packets on the bridge), MKNOD (devices), AUDIT_WRITE (the
/// host's audit log), SYS_CHROOT (nested roots), SETFCAP (files that carry capabilities).
const CAPABILITIES: [&str; 9] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETPCAP", "SETUID"];

/// Whether the engine starts a container again that ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Never.
    No,
    /// Always, also after the engine was restarted.
    Always,
    /// Like `Always`, but not what somebody stopped.
    UnlessStopped,
    /// After a failure, at most so many times; 0 is no limit.
    OnFailure(u32),
}

/// A text that is no restart policy.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0} is not a restart policy: use no, always, unless-stopped, on-failure or on-failure:TIMES")]
pub struct RestartPolicyError(String);

impl FromStr for RestartPolicy {
    type Err = RestartPolicyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "no" => Ok(Self::No),
            "always" => Ok(Self::Always),
            "unless-stopped" => Ok(Self::UnlessStopped),
            "on-failure" => Ok(Self::OnFailure(0)),
            _ => {
                let times = text.strip_prefix("on-failure:").and_then(|times| times.parse().ok());
                times.map(Self::OnFailure).ok_or_else(|| RestartPolicyError(text.to_owned()))
            }
        }
    }
}

/// What becomes of a container's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputLog {
    /// The engine keeps it, at most 3 files of 10 MB; `logs` reads it.
    Rotated,
    /// Nobody keeps it: for a process whose output goes to a person, who may send gigabytes through it.
    Off,
}

/// What a container is made from. It always gets an init, a process limit, `no-new-privileges` and few capabilities.
#[derive(Clone, Debug)]
pub struct ContainerSpec {
    /// Its name, for example `blog.web.1`.
    pub name: String,
    /// The image.
    pub image: ImageId,
    /// What is run.
    pub command: ProcessCommand,
    /// Replaces the image's entry point; an empty list removes it.
    pub entrypoint: Option<Vec<String>>,
    /// Its environment, on top of the image's.
    pub environment: ConfigVars,
    /// What it is for.
    pub labels: ContainerLabels,
    /// Its address on the owner's network; without one the engine picks from its half.
    pub address: Option<Ipv4Addr>,
    /// Its host name; without one it is the beginning of its id.
    pub hostname: Option<String>,
    /// Whether the engine starts it again.
    pub restart: RestartPolicy,
    /// Whether it gets a terminal.
    pub terminal: bool,
    /// Whether somebody will write to its standard input.
    pub stdin: bool,
    /// How long it has between SIGTERM and SIGKILL.
    pub stop_timeout: Duration,
    /// What becomes of its output.
    pub log: OutputLog,
    /// What the app's settings add.
    pub options: ContainerOptions,
    /// The scheduled task that it runs, if it runs one.
    pub cron_task: Option<CronTaskId>,
}

impl ContainerSpec {
    /// A container that runs the image's own command, without terminal or input, and is not restarted.
    pub fn new(name: String, image: ImageId, labels: ContainerLabels) -> Self {
        Self {
            name,
            image,
            command: ProcessCommand::Image,
            entrypoint: None,
            environment: ConfigVars::new(),
            labels,
            address: None,
            hostname: None,
            restart: RestartPolicy::No,
            terminal: false,
            stdin: false,
            stop_timeout: Duration::from_secs(30),
            log: OutputLog::Rotated,
            options: ContainerOptions::default(),
            cron_task: None,
        }
    }
}

impl Engine {
    /// Makes a container on the owner's network and on those of its options, which have to exist, as their volumes
    /// have to. It is not started.
    pub async fn create(&self, spec: &ContainerSpec) -> Result<ContainerId, EngineError> {
        for mount in spec.options.mounts.iter().filter(|mount| !mount.is_directory()) {
            // The engine would make an empty one, and the app would take it for its data.
            self.volume_directory(&mount.source).await?;
        }
        let options = CreateContainerOptionsBuilder::default().name(&spec.name).build();
        let mut body = create_body(self, spec);
        options::extend(&mut body, &spec.options);
        let made = self.client().await?.create_container(Some(options), body).await?;
        let container = ContainerId::new(made.id);
        // Engines before API 1.44 take one network only when a container is made.
        if let Err(error) = self.join_networks(&container, &spec.options).await {
            self.remove(&container).await?;
            return Err(error);
        }
        Ok(container)
    }

    /// Starts a container; no error if it runs already. The owner's network is made if it is not there: the first
    /// command may come before the server has made it, and somebody may have taken it away.
    pub async fn start(&self, id: &ContainerId) -> Result<(), EngineError> {
        match self.start_once(id).await {
            Err(EngineError::NotFound(message))
                if message.contains(&format!("network {} ", self.network_name())) =>
            {
                self.ensure_network().await?;
                self.start_once(id).await
            }
            started => started,
        }
    }

    async fn start_once(&self, id: &ContainerId) -> Result<(), EngineError> {
        Ok(self.client().await?.start_container(id.as_str(), None::<StartContainerOptions>).await?)
    }

    /// Stops a container: SIGTERM (or the image's own signal), then SIGKILL. No error if it does not run.
    pub async fn stop(&self, id: &ContainerId, timeout: Duration) -> Result<(), EngineError> {
        let seconds = i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::default().t(seconds).build();
        let client = self.client().await?.clone().with_timeout(timeout + ANSWER_DEADLINE);
        Ok(client.stop_container(id.as_str(), Some(options)).await?)
    }

    /// Stops a container and starts it again: SIGTERM (or the image's own signal), after the container's own time
    /// SIGKILL, then the start.
    pub async fn restart(&self, id: &ContainerId) -> Result<(), EngineError> {
        let client = self.client().await?.clone().with_timeout(LONGEST_STOP);
        Ok(client.restart_container(id.as_str(), None::<RestartContainerOptions>).await?)
    }

    /// Sends a signal, by its name (`SIGHUP`, `TERM`). A container that does not run is a conflict.
    pub async fn kill(&self, id: &ContainerId, signal: &str) -> Result<(), EngineError> {
        let options = KillContainerOptionsBuilder::default().signal(signal).build();
        Ok(self.client().await?.kill_container(id.as_str(), Some(options)).await?)
    }

    /// Removes a container with its unnamed volumes, running or not; no error if it is gone already.
    pub async fn remove(&self, id: &ContainerId) -> Result<(), EngineError> {
        self.prepare_removal(id).await;
        let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        match self
            .client()
            .await?
            .remove_container(id.as_str(), Some(options))
            .await
            .map_err(EngineError::from)
        {
            Err(EngineError::NotFound(_)) => Ok(()),
            Err(EngineError::Conflict(message)) if message.contains("already in progress") => Ok(()),
            result => result,
        }
    }

    /// Gives a container another name.
    pub async fn rename(&self, id: &ContainerId, name: &str) -> Result<(), EngineError> {
        let options = RenameContainerOptionsBuilder::default().name(name).build();
        Ok(self.client().await?.rename_container(id.as_str(), options).await?)
    }

    /// Waits until a started container does not run, and gives its exit code. At once if it has ended already.
    pub async fn wait(&self, id: &ContainerId) -> Result<i64, EngineError> {
        let options = WaitContainerOptionsBuilder::default().condition("not-running").build();
        let mut answers = std::pin::pin!(self.client().await?.wait_container(id.as_str(), Some(options)));
        match answers.next().await {
            Some(Ok(answer)) => Ok(answer.status_code),
            // What bollard calls an error is a process that ended with another code than 0.
            Some(Err(ClientError::DockerContainerWaitError { code, .. })) => Ok(code),
            Some(Err(error)) => Err(error.into()),
            None => Err(EngineError::Broken("the engine stopped waiting for the container".into())),
        }
    }

    /// Tells a container's terminal its size.
    pub async fn resize(&self, id: &ContainerId, columns: u16, rows: u16) -> Result<(), EngineError> {
        let options =
            ResizeContainerTTYOptionsBuilder::default().w(i32::from(columns)).h(i32::from(rows)).build();
        Ok(self.client().await?.resize_container_tty(id.as_str(), options).await?)
    }
}

/// `KEY=value` pairs. The only place where values of config vars leave for a container.
pub(super) fn environment_pairs(environment: &ConfigVars) -> Vec<String> {
    environment.iter().map(|(key, value)| format!("{key}={}", value.expose())).collect()
}

fn create_body(engine: &Engine, spec: &ContainerSpec) -> ContainerCreateBody {
    let ipam = spec.address.map(|address| EndpointIpamConfig {
        ipv4_address: Some(address.to_string()),
        ..EndpointIpamConfig::default()
    });
    let endpoint = EndpointSettings { ipam_config: ipam, ..EndpointSettings::default() };
    ContainerCreateBody {
        image: Some(spec.image.0.clone()),
        cmd: match &spec.command {
            ProcessCommand::Image => None,
            ProcessCommand::Arguments(words) => Some(words.clone()),
            ProcessCommand::Line(line) => Some(vec![line.clone()]),
        },
        // The engine reads an empty list as "the image's own", and a list of one empty word as "none".
        entrypoint: spec
            .entrypoint
            .as_ref()
            .map(|words| if words.is_empty() { vec![String::new()] } else { words.clone() }),
        env: Some(environment_pairs(&spec.environment)),
        labels: Some(labels(engine, spec)),
        hostname: spec.hostname.clone(),
        tty: Some(spec.terminal),
        open_stdin: Some(spec.stdin),
        // The end of what we send is the end of the process's input.
        stdin_once: Some(spec.stdin),
        attach_stdin: Some(spec.stdin),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        stop_timeout: Some(i64::try_from(spec.stop_timeout.as_secs()).unwrap_or(i64::MAX)),
        host_config: Some(host_config(engine, spec)),
        networking_config: Some(NetworkingConfig {
            endpoints_config: Some(HashMap::from([(engine.network_name(), endpoint)])),
        }),
        ..ContainerCreateBody::default()
    }
}

fn labels(engine: &Engine, spec: &ContainerSpec) -> HashMap<String, String> {
    let mut labels = spec.labels.to_engine(engine.owner());
    for name in [CRON_TASK, DOKKU_CRON_ID] {
        labels.extend(spec.cron_task.iter().map(|task| (name.to_owned(), task.to_string())));
    }
    labels
}

fn host_config(engine: &Engine, spec: &ContainerSpec) -> HostConfig {
    HostConfig {
        network_mode: Some(engine.network_name()),
        init: Some(true),
        pids_limit: Some(i64::from(spec.options.limits.pids.unwrap_or(DEFAULT_PIDS_LIMIT))),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        cap_drop: Some(vec!["ALL".to_owned()]),
        cap_add: Some(CAPABILITIES.map(str::to_owned).to_vec()),
        restart_policy: Some(restart_policy(spec.restart)),
        log_config: Some(log_config(spec.log)),
        ..HostConfig::default()
    }
}

/// `json-file` rather than `local`: it is what log shippers read, and rotates just as well.
pub(super) fn log_config(log: OutputLog) -> HostConfigLogConfig {
    match log {
        OutputLog::Off => HostConfigLogConfig { typ: Some("none".to_owned()), config: None },
        OutputLog::Rotated => {
            let options = [("max-size", "10m"), ("max-file", "3")];
            HostConfigLogConfig {
                typ: Some("json-file".to_owned()),
                config: Some(options.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            }
        }
    }
}

pub(super) fn restart_policy(policy: RestartPolicy) -> EngineRestartPolicy {
    let (name, maximum) = match policy {
        RestartPolicy::No => (RestartPolicyNameEnum::NO, None),
        RestartPolicy::Always => (RestartPolicyNameEnum::ALWAYS, None),
        RestartPolicy::UnlessStopped => (RestartPolicyNameEnum::UNLESS_STOPPED, None),
        RestartPolicy::OnFailure(maximum) => (RestartPolicyNameEnum::ON_FAILURE, Some(i64::from(maximum))),
    };
    EngineRestartPolicy { name: Some(name), maximum_retry_count: maximum }
}
