//! What an app's settings add to its containers: limits, mounts, networks, and the engine's other options.

use std::collections::BTreeMap;

use crate::model::resource::Swap;

/// Everything of that kind, for the containers of one process type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerOptions {
    /// What it may use.
    pub limits: Limits,
    /// What it sees of the host.
    pub mounts: Vec<Mount>,
    /// Networks of the apps that it is linked to, on which it has no names.
    pub link_networks: Vec<String>,
    /// Networks that it joins beside Slipway's own, before it is started.
    pub networks: Vec<String>,
    /// Networks that it joins once it is healthy.
    pub late_networks: Vec<String>,
    /// Its names on the networks that are no links'.
    pub aliases: Vec<String>,
    /// All the rest of what `docker-options` can say.
    pub engine: EngineOptions,
}

/// What a container may use, and what is set aside for it. `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Memory and swap together; without it a limit of memory is one of both.
    pub memory_and_swap: Option<Swap>,
    /// Memory in bytes that it keeps when the host runs short.
    pub reserved_memory: Option<u64>,
    /// Processor time, in billionths of a core.
    pub nano_cpus: Option<u64>,
    /// Its weight when containers compete for processor time; 1024 if not set.
    pub cpu_shares: Option<u64>,
    /// The processors that it may use, in the kernel's notation: `0-2,4`.
    pub cpuset: Option<String>,
    /// Processes and threads.
    pub pids: Option<u32>,
}

/// A volume or directory in a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// A volume's name, or an absolute path on the host.
    pub source: String,
    /// An absolute path in the container.
    pub target: String,
    /// Whether it cannot be written to.
    pub read_only: bool,
    /// Whether at most one instance may hold it at a time.
    pub exclusive: bool,
}

impl Mount {
    /// Whether it is a directory of the host rather than a volume of the engine's.
    pub fn is_directory(&self) -> bool {
        self.source.starts_with('/')
    }
}

/// A limit of the kernel's on processes (`setrlimit`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ulimit {
    /// Its name without `RLIMIT_`, in lower case.
    pub name: String,
    /// The limit that holds; -1 is none.
    pub soft: i64,
    /// To what a process may raise it; -1 is any.
    pub hard: i64,
}

/// What the engine can be told of a container that has no setting of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineOptions {
    /// Limits on processes.
    pub ulimits: Vec<Ulimit>,
    /// The size of `/dev/shm` in bytes.
    pub shm_size: Option<u64>,
    /// Directories in memory, and their options.
    pub tmpfs: BTreeMap<String, String>,
    /// `name:address` lines for `/etc/hosts`.
    pub hosts: Vec<String>,
    /// Name servers.
    pub dns: Vec<String>,
    /// Domains that are searched.
    pub dns_search: Vec<String>,
    /// Options of the resolver.
    pub dns_options: Vec<String>,
    /// Its host name.
    pub hostname: Option<String>,
    /// Variables beside the config vars.
    pub environment: BTreeMap<String, String>,
    /// Labels beside Slipway's own.
    pub labels: BTreeMap<String, String>,
    /// What it is stopped with in place of SIGTERM.
    pub stop_signal: Option<String>,
    /// The user, and group, that it runs as.
    pub user: Option<String>,
    /// The directory that it starts in.
    pub working_directory: Option<String>,
    /// In place of the image's entry point.
    pub entrypoint: Option<String>,
    /// Whether its own files cannot be written to.
    pub read_only: bool,
    /// Kernel parameters of its own namespaces.
    pub sysctls: BTreeMap<String, String>,
    /// How much likelier the kernel ends it than others when the host runs short of memory, 0 to 1000.
    pub oom_score: Option<i64>,
    /// Capabilities that it gets, without `CAP_`.
    pub added_capabilities: Vec<String>,
    /// Capabilities that it does not get, without `CAP_`; `ALL` is all.
    pub dropped_capabilities: Vec<String>,
}
