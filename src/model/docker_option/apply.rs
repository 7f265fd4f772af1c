//! What each option does to a container, and which values it can have.

use std::net::IpAddr;

use crate::model::amount;
use crate::model::config_var::{ConfigKey, ConfigKeyError, ConfigValue};
use crate::model::container_options::{ContainerOptions, Ulimit};
use crate::model::docker_option::{DockerOption, OptionError};
use crate::model::hostname::Hostname;
use crate::model::mount::{MountError, MountTarget, MountText};
use crate::model::resource::{self, ResourceError, Swap};

/// Capabilities that can be asked for: Docker's own default, of which Slipway drops some, and IPC_LOCK, for programs
/// that keep secrets out of the swap. None of them reaches out of a container.
const CAPABILITIES: [&str; 15] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "KILL",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
    "ALL",
];
/// `setrlimit(2)`, without what only root of the host could raise (`nice`, `rtprio`, `rttime`).
const ULIMITS: [&str; 13] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nofile",
    "nproc",
    "rss",
    "sigpending",
    "stack",
    "as",
];
/// Kernel parameters that are a container's own (docker run, "Configure namespaced kernel parameters").
const SYSCTLS: [&str; 8] = [
    "net.ipv4.",
    "net.ipv6.",
    "net.core.somaxconn",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shm",
];

/// `signal(7)`, and the first and the last of the real-time signals.
const SIGNALS: [&str; 36] = [
    "ABRT", "ALRM", "BUS", "CHLD", "CLD", "CONT", "FPE", "HUP", "ILL", "INT", "IO", "IOT", "KILL", "PIPE",
    "POLL", "PROF", "PWR", "QUIT", "RTMAX", "RTMIN", "SEGV", "STKFLT", "STOP", "SYS", "TERM", "TRAP", "TSTP",
    "TTIN", "TTOU", "URG", "USR1", "USR2", "VTALRM", "WINCH", "XCPU", "XFSZ",
];

/// What is wrong with a value.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ValueError {
    /// An amount makes no sense.
    #[error(transparent)]
    Amount(#[from] amount::AmountError),
    /// An amount is out of bounds.
    #[error(transparent)]
    Bounds(#[from] ResourceError),
    /// A variable's name makes no sense.
    #[error(transparent)]
    Key(#[from] ConfigKeyError),
    /// A directory makes no sense.
    #[error(transparent)]
    Mount(#[from] MountError),
    /// Anything else.
    #[error("{value} is not {expected}")]
    Expected {
        /// As it was typed.
        value: String,
        /// What it should have been.
        expected: &'static str,
    },
}

fn expected(value: &str, expected: &'static str) -> ValueError {
    ValueError::Expected { value: value.to_owned(), expected }
}

impl DockerOption {
    /// Adds it to a container's options. What is mounted is left to those who know the host.
    pub fn apply(&self, options: &mut ContainerOptions) -> Result<(), OptionError> {
        let value = self.value.as_deref().unwrap_or_default();
        let applied = match self.flag.name {
            "cpus" | "cpu-shares" | "cpuset-cpus" | "memory" | "memory-reservation" | "memory-swap"
            | "pids-limit" => limit(self.flag.name, value, options),
            "add-host" | "dns" | "dns-option" | "dns-search" | "hostname" | "network" | "network-alias" => {
                network(self.flag.name, value, options)
            }
            "env" | "label" | "sysctl" | "tmpfs" | "ulimit" => pair(self.flag.name, value, options),
            _ => process(self.flag.name, value, options),
        };
        applied.map_err(|reason| OptionError::Wrong { flag: self.flag.name, reason })
    }

    /// Whether a build can have that value.
    pub(super) fn check_for_build(&self) -> Result<(), OptionError> {
        let value = self.value.as_deref().unwrap_or_default();
        let checked = match self.as_build_argument() {
            Some((name, _)) => name.parse::<ConfigKey>().map(drop).map_err(ValueError::from),
            None => host_line(value).map(drop),
        };
        checked.map_err(|reason| OptionError::Wrong { flag: self.flag.name, reason })
    }
}

fn limit(name: &str, value: &str, options: &mut ContainerOptions) -> Result<(), ValueError> {
    let limits = &mut options.limits;
    match name {
        "cpus" => limits.set(resource::Bound::Limit, resource::Resource::Cpu, value)?,
        "cpu-shares" => {
            let shares = amount::number(value)?;
            let fits = (2..=262_144).contains(&shares);
            limits.cpu_shares = Some(shares)
                .filter(|_| fits)
                .ok_or_else(|| expected(value, "a number from 2 to 262144"))?
                .into();
        }
        "cpuset-cpus" => {
            let allowed = |b: u8| b.is_ascii_digit() || matches!(b, b'-' | b',');
            let fits = !value.is_empty() && value.bytes().all(allowed);
            let wrong = || expected(value, "a list of processors, for example 0-2,4");
            limits.cpuset = Some(fits.then(|| value.to_owned()).ok_or_else(wrong)?);
        }
        "memory" => limits.memory = Some(resource::checked_memory(value, 1)?),
        "memory-reservation" => limits.reserved_memory = Some(resource::checked_memory(value, 1)?),
        "memory-swap" if value == "-1" => limits.memory_and_swap = Some(Swap::Unlimited),
        "memory-swap" => limits.memory_and_swap = Some(Swap::Limit(resource::checked_memory(value, 1)?)),
        _ => limits.pids = Some(resource::pids(value)?),
    }
    Ok(())
}

fn network(name: &str, value: &str, options: &mut ContainerOptions) -> Result<(), ValueError> {
    match name {
        "add-host" => options.engine.hosts.push(host_line(value)?),
        "dns" => {
            value.parse::<IpAddr>().map_err(|_| expected(value, "an IP address"))?;
            options.engine.dns.push(value.to_owned());
        }
        "dns-option" => options.engine.dns_options.push(word(value)?),
        "dns-search" => options.engine.dns_search.push(word(value)?),
        "hostname" => {
            check_host(value).ok_or_else(|| expected(value, "a host name"))?;
            options.engine.hostname = Some(value.to_owned());
        }
        "network" => options.networks.push(network_name(value)?),
        _ => options.aliases.push(network_name(value)?),
    }
    Ok(())
}

fn pair(name: &str, value: &str, options: &mut ContainerOptions) -> Result<(), ValueError> {
    let engine = &mut options.engine;
    let (key, text) = value.split_once('=').unwrap_or((value, ""));
    match name {
        "env" => {
            let wrong = || expected(value, "a variable and its value, NAME=VALUE");
            let (key, text) = value.split_once('=').ok_or_else(wrong)?;
            let key: ConfigKey = key.parse()?;
            ConfigValue::from_bytes(text.as_bytes().to_vec()).map_err(|_| wrong())?;
            engine.environment.insert(key.to_string(), text.to_owned());
        }
        "label" => {
            let own = key.starts_with("slipway.") || key.starts_with("com.dokku.") || key == "dokku";
            if key.is_empty() || own {
                return Err(expected(value, "a label of your own (not slipway., com.dokku. or dokku)"));
            }
            engine.labels.insert(key.to_owned(), text.to_owned());
        }
        "sysctl" => {
            let wrong =
                || expected(value, "a parameter of the container's own, for example net.core.somaxconn=1024");
            let known = SYSCTLS.iter().any(|prefix| key.starts_with(prefix));
            let plain = key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
            if !known || !plain || text.is_empty() {
                return Err(wrong());
            }
            engine.sysctls.insert(key.to_owned(), text.to_owned());
        }
        "tmpfs" => {
            let (target, text) = value.split_once(':').unwrap_or((value, ""));
            let target: MountTarget = target.parse()?;
            engine.tmpfs.insert(target.to_string(), text.to_owned());
        }
        _ => engine.ulimits.push(ulimit(value)?),
    }
    Ok(())
}

fn process(name: &str, value: &str, options: &mut ContainerOptions) -> Result<(), ValueError> {
    let engine = &mut options.engine;
    match name {
        "cap-add" => engine.added_capabilities.push(capability(value, false)?),
        "cap-drop" => engine.dropped_capabilities.push(capability(value, true)?),
        "entrypoint" => engine.entrypoint = Some(value.to_owned()),
        "oom-score-adj" => {
            let score = amount::number(value).ok().filter(|score| *score <= 1000);
            let wrong =
                || expected(value, "a number from 0 to 1000: less than 0 would be at the cost of the host");
            engine.oom_score = Some(i64::try_from(score.ok_or_else(wrong)?).unwrap_or(1000));
        }
        "read-only" => engine.read_only = true,
        "shm-size" => {
            let size = Some(amount::bytes(value, 1)?).filter(|size| *size > 0);
            engine.shm_size = Some(size.ok_or_else(|| expected(value, "a size above 0"))?);
        }
        "stop-signal" => {
            let wrong = || expected(value, "a signal, for example SIGQUIT");
            engine.stop_signal = Some(is_signal(value).then(|| value.to_owned()).ok_or_else(wrong)?);
        }
        "user" => engine.user = Some(word(value)?),
        "workdir" => {
            let wrong = || expected(value, "a path from / on");
            let path = Some(value).filter(|path| path.starts_with('/'));
            engine.working_directory = Some(path.ok_or_else(wrong)?.to_owned());
        }
        // What is left changes nothing: every container has an init.
        _ => {}
    }
    Ok(())
}

/// Whether the engine knows a signal: its number, or its name in capitals or not, with or without `SIG`.
fn is_signal(value: &str) -> bool {
    if let Ok(number) = amount::number(value) {
        return (1..=64).contains(&number);
    }
    let upper = value.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let real_time = |first: &str, most: u64| {
        let offset = name.strip_prefix(first).and_then(|offset| amount::number(offset).ok());
        offset.is_some_and(|offset| (1..=most).contains(&offset))
    };
    SIGNALS.contains(&name) || real_time("RTMIN+", 15) || real_time("RTMAX-", 14)
}

fn capability(value: &str, all: bool) -> Result<String, ValueError> {
    let upper = value.to_ascii_uppercase();
    let name = upper.strip_prefix("CAP_").unwrap_or(&upper);
    if CAPABILITIES.contains(&name) && (all || name != "ALL") {
        return Ok(name.to_owned());
    }
    Err(expected(
        value,
        "a capability that an app can have: AUDIT_WRITE, IPC_LOCK, NET_RAW, SETFCAP, SYS_CHROOT or one that every container has",
    ))
}

/// `nofile=1024` or `nofile=1024:2048`; -1 or `unlimited` is no limit.
fn ulimit(value: &str) -> Result<Ulimit, ValueError> {
    let wrong = || expected(value, "a limit of the kernel's, for example nofile=1024:2048");
    let (name, limits) = value.split_once('=').ok_or_else(wrong)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let number = |text: &str| match text {
        "-1" | "unlimited" => Some(-1),
        text => amount::number(text).ok().and_then(|number| i64::try_from(number).ok()),
    };
    let (soft, hard) = (number(soft).ok_or_else(wrong)?, number(hard).ok_or_else(wrong)?);
    let fits = hard == -1 || (soft != -1 && soft <= hard);
    if !ULIMITS.contains(&name) || !fits {
        return Err(wrong());
    }
    Ok(Ulimit { name: name.to_owned(), soft, hard })
}

/// A host name that stands for one host only.
fn check_host(name: &str) -> Option<()> {
    (name.is_ascii() && !name.contains(['*', '[']) && name.parse::<Hostname>().is_ok()).then_some(())
}

/// `name:address`, or `name:host-gateway` for the host itself.
fn host_line(value: &str) -> Result<String, ValueError> {
    let wrong = || expected(value, "a host and its address, for example db:192.0.2.7");
    let (name, address) = value.split_once(':').ok_or_else(wrong)?;
    check_host(name).ok_or_else(wrong)?;
    if address != "host-gateway" {
        address.parse::<IpAddr>().map_err(|_| wrong())?;
    }
    Ok(value.to_owned())
}

/// A network's name as the engine allows it; those of the host are not among the networks of containers.
fn network_name(value: &str) -> Result<String, ValueError> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-');
    let starts_well = value.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let reserved = matches!(value, "host" | "none" | "bridge" | "default" | "container");
    if starts_well && !reserved && value.len() <= 128 && value.bytes().all(inner) {
        return Ok(value.to_owned());
    }
    Err(expected(value, "the name of a network of your own: see network:list"))
}

fn word(value: &str) -> Result<String, ValueError> {
    let plain = !value.is_empty() && !value.chars().any(|c| c.is_whitespace() || c.is_control());
    plain.then(|| value.to_owned()).ok_or_else(|| expected(value, "one word"))
}

/// Reads `type=volume,source=NAME,target=/DIRECTORY,readonly`.
pub(super) fn long_mount(value: &str) -> Result<MountText, MountError> {
    let (mut source, mut target, mut read_only) = (None, None, false);
    for field in value.split(',') {
        match field.split_once('=').unwrap_or((field, "true")) {
            ("type", "volume" | "bind") => {}
            ("source" | "src", text) => source = Some(text.to_owned()),
            ("target" | "dst" | "destination", text) => target = Some(text.to_owned()),
            ("readonly" | "ro", "true" | "1") => read_only = true,
            ("readonly" | "ro", "false" | "0") => read_only = false,
            _ => return Err(MountError::Option(field.to_owned())),
        }
    }
    let (source, target) = source.zip(target).ok_or(MountError::Shape)?;
    Ok(MountText { source: source.parse()?, target: target.parse()?, read_only })
}
