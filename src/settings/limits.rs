//! Limits: on deploys, sessions, requests, one-off commands, and the server's own replacement.

use std::num::NonZeroU32;
use std::time::Duration;

use serde::Deserialize;
use slipway_router::trust::{ForwardedHeader, Trust, TrustedProxies};

/// Limits on the server's own replacement.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct UpgradeLimits {
    /// Seconds that an upgrade waits for builds and other commands.
    pub wait_seconds: u64,
    /// Seconds that the old server's connections and sessions may still take.
    pub drain_seconds: u64,
}

/// Limits on requests.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RouterLimits {
    /// Requests of one app that may wait while it is starting.
    pub waiting_requests: usize,
    /// Seconds that one of them waits.
    pub waiting_seconds: u64,
    /// Connections that one client address may have; no limit if unset.
    pub connections_per_address: Option<NonZeroU32>,
    /// Proxies in front of the router whose word on who asks is taken (`SLIPWAY_TRUSTED_PROXIES`).
    pub trusted_proxies: TrustedProxies,
    /// The headers that they speak by.
    pub forwarded_header: ForwardedHeader,
    /// Whether their connections begin with a PROXY header.
    pub proxy_protocol: bool,
}

/// Limits on SSH clients.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct SshLimits {
    /// Seconds that a client has for the handshake and the signature.
    pub handshake_seconds: u64,
    /// Keys that a client may try on one connection.
    pub max_tries: usize,
    /// Connections from one address at a time.
    pub max_per_address: usize,
    /// Connections with one key at a time.
    pub max_per_key: usize,
    /// Seconds between keep-alive messages on an idle connection; three without an answer end it.
    pub keep_alive_seconds: u64,
}

/// Limits on pushes and builds.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeployLimits {
    /// The largest pack that a push may send, in bytes.
    pub max_push_bytes: u64,
    /// Seconds that a build may take.
    pub build_seconds: u64,
    /// Seconds that a new instance has to become healthy.
    pub start_seconds: u64,
    /// Milliseconds that a new instance has to stay up after its checks.
    pub stability_window_ms: u64,
    /// Seconds that a task around a release may take.
    pub task_seconds: u64,
    /// Seconds that requests to an old instance may still take.
    pub drain_seconds: u64,
    /// Seconds between SIGTERM and SIGKILL for an old instance.
    pub stop_seconds: u64,
    /// Bytes that must be free on the disk before a build starts.
    pub min_free_bytes: u64,
    /// Releases whose images are kept for rollback, until `releases:set` says otherwise.
    pub keep_releases: u32,
    /// Builds that run at the same time; others wait for their turn. At least one.
    pub max_builds: u32,
    /// Bytes of memory that all steps of a build may take together; 0 for half of the host's.
    pub build_memory_bytes: u64,
    /// The weight of a build's share of the CPUs where they are short; all else has 100.
    pub build_cpu_weight: u32,
    /// Processes that all steps of a build may have together.
    pub build_pids: u32,
    /// Bytes that a build by buildpacks may write, with what the app's cache holds; 0 for no limit.
    pub build_disk_bytes: u64,
    /// Bytes to which the engine's build cache is trimmed; 0 leaves it alone.
    pub build_cache_bytes: u64,
}

/// Limits on one-off processes.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RunLimits {
    /// Seconds for which the output and exit status of a detached process that ended can be read.
    pub keep_ended_seconds: u64,
    /// Detached processes of each app that ended and can be read.
    pub keep_ended: usize,
}

impl Default for RunLimits {
    fn default() -> Self {
        Self { keep_ended_seconds: 86_400, keep_ended: 20 }
    }
}

impl Default for UpgradeLimits {
    fn default() -> Self {
        Self { wait_seconds: 600, drain_seconds: 43_200 }
    }
}

impl Default for RouterLimits {
    fn default() -> Self {
        Self {
            waiting_requests: 256,
            waiting_seconds: 30,
            connections_per_address: None,
            trusted_proxies: TrustedProxies::default(),
            forwarded_header: ForwardedHeader::default(),
            proxy_protocol: false,
        }
    }
}

impl Default for SshLimits {
    fn default() -> Self {
        Self {
            handshake_seconds: 20,
            max_tries: 6,
            max_per_address: 64,
            max_per_key: 64,
            keep_alive_seconds: 30,
        }
    }
}

impl Default for DeployLimits {
    fn default() -> Self {
        Self {
            max_push_bytes: 4 << 30,
            build_seconds: 3600,
            start_seconds: 60,
            stability_window_ms: 300,
            task_seconds: 600,
            drain_seconds: 30,
            stop_seconds: 30,
            min_free_bytes: 512 << 20,
            keep_releases: 20,
            max_builds: 1,
            build_memory_bytes: 0,
            build_cpu_weight: 20,
            build_pids: 4096,
            build_disk_bytes: 20_000_000_000,
            build_cache_bytes: 10_000_000_000,
        }
    }
}

impl RouterLimits {
    /// Whose word on who asks is taken.
    pub fn trust(&self) -> Trust {
        Trust {
            proxies: self.trusted_proxies.clone(),
            proxy_protocol: self.proxy_protocol,
            header: self.forwarded_header,
        }
    }
}

impl UpgradeLimits {
    /// How long an upgrade waits for builds and other commands.
    pub fn wait(&self) -> Duration {
        Duration::from_secs(self.wait_seconds)
    }

    /// How long the old server's connections and sessions may still take.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }
}

impl DeployLimits {
    /// How long a new instance has to become healthy.
    pub fn start(&self) -> Duration {
        Duration::from_secs(self.start_seconds)
    }

    /// How long a new instance has to stay up after its checks.
    pub fn stability_window(&self) -> Duration {
        Duration::from_millis(self.stability_window_ms)
    }

    /// How long a task around a release may take.
    pub fn task(&self) -> Duration {
        Duration::from_secs(self.task_seconds)
    }

    /// How long requests to an old instance may still take.
    pub fn drain(&self) -> Duration {
        Duration::from_secs(self.drain_seconds)
    }

    /// How long an old instance has between SIGTERM and SIGKILL.
    pub fn stop(&self) -> Duration {
        Duration::from_secs(self.stop_seconds)
    }

    /// How long a build may take.
    pub fn build(&self) -> Duration {
        Duration::from_secs(self.build_seconds)
    }
}
