//! What an app's settings add to its containers: limits, mounts, networks.

/// Everything of that kind, for the containers of one process type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerOptions {
    /// What it may use.
    pub limits: Limits,
    /// What it sees of the host.
    pub mounts: Vec<Mount>,
    /// Networks that it joins beside Slipway's own.
    pub networks: Vec<String>,
}

/// What a container may use, and what is set aside for it. `None` is no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// Memory and swap together, in bytes.
    pub memory_and_swap: Option<u64>,
    /// Memory in bytes that it keeps when the host runs short.
    pub reserved_memory: Option<u64>,
    /// Processor time, in billionths of a core.
    pub nano_cpus: Option<u64>,
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
