//! When a new instance counts as healthy, and what is said when it does not become so.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use crate::console::Console;
use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::facts::{ContainerFacts, Health, RunState};
use crate::docker::listening::listening_addresses;
use crate::docker::logs::LogOptions;
use crate::model::app_name::AppName;
use crate::model::container_id::ContainerId;
use crate::run::probe;
use crate::store::instances::InstanceRecord;

/// How long a process that has no port to be asked on must stay up.
const UPTIME: Duration = Duration::from_secs(1);
/// Waits between two looks: short at first, since most apps are up within milliseconds.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);
/// How long one connection attempt may take.
const CONNECT: Duration = Duration::from_secs(2);
/// Lines of an instance's output that are shown when it fails.
const LAST_LINES: u32 = 50;

/// What is wrong with a new instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unhealthy {
    /// It ended.
    Exited {
        /// Its exit status, if the engine has not started it again since.
        code: Option<i64>,
        /// Whether the kernel ended it for want of memory.
        out_of_memory: bool,
    },
    /// It never listened on its port.
    NotListening {
        /// The port that it was given.
        port: u16,
        /// What it listens on instead.
        instead: Vec<SocketAddr>,
        /// How long it was waited for.
        waited: Duration,
    },
    /// The image's own `HEALTHCHECK` says so, or said nothing good in time.
    HealthCheck {
        /// How long it was waited for.
        waited: Duration,
    },
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { out_of_memory: true, .. } => f.write_str("the process ran out of memory"),
            Self::Exited { code: Some(code), .. } => write!(f, "the process exited with status {code}"),
            Self::Exited { code: None, .. } => f.write_str("the process keeps exiting"),
            Self::NotListening { port, instead, waited } => {
                let waited = waited.as_secs();
                match instead.first() {
                    Some(address) if address.ip().is_loopback() && address.port() == *port => write!(
                        f,
                        "the app listens on {address} only\nLet it listen on 0.0.0.0:{port}, so that the router can reach it"
                    ),
                    Some(address) => write!(
                        f,
                        "the app listens on {address}, not on 0.0.0.0:{port}\nLet it listen on the port in $PORT, or name its own: ports:set APP http:80:{}",
                        address.port()
                    ),
                    None => write!(
                        f,
                        "nothing listened on port {port} within {waited} s\nLet the app listen on 0.0.0.0 and on the port in $PORT"
                    ),
                }
            }
            Self::HealthCheck { waited } => write!(
                f,
                "the image's HEALTHCHECK did not succeed within {} s\nRun its command in the app to see why: run APP …",
                waited.as_secs()
            ),
        }
    }
}

/// Waits until the container is healthy, has ended, or the time is over.
///
/// Healthy means: it listens on `port` (or, without one, has stayed up for a second), and its image's
/// `HEALTHCHECK`, if there is one, has succeeded.
pub async fn wait(
    engine: &Engine,
    container: &ContainerId,
    port: Option<u16>,
    deadline: Duration,
) -> Result<Result<(), Unhealthy>, EngineError> {
    let began = Instant::now();
    let mut pause = FIRST_PAUSE;
    let mut inspected = Instant::now();
    let mut facts = engine.inspect(container.as_str()).await?;
    loop {
        if let Some(reason) = ended(&facts) {
            return Ok(Err(reason));
        }
        let up = match (port, facts.address) {
            (Some(port), Some(address)) => listens(address, port).await,
            (Some(_), None) => false,
            (None, _) => began.elapsed() >= UPTIME,
        };
        if up && passes_check(engine, container, &facts).await? {
            return Ok(Ok(()));
        }
        if began.elapsed() >= deadline {
            return Ok(Err(diagnose(&facts, port.filter(|_| !up), deadline).await));
        }
        sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
        // Asking the engine costs it more than a connection attempt costs the app.
        if up || inspected.elapsed() >= LONGEST_PAUSE {
            facts = engine.inspect(container.as_str()).await?;
            inspected = Instant::now();
        }
    }
}

/// What the image's own check says, if it has one: asked here until the engine has a verdict.
async fn passes_check(
    engine: &Engine,
    container: &ContainerId,
    facts: &ContainerFacts,
) -> Result<bool, EngineError> {
    match (facts.health, &facts.health_command) {
        (Health::None | Health::Healthy, _) => Ok(true),
        (Health::Starting | Health::Unhealthy, Some(command)) => {
            match probe::succeeds(engine, container, command).await {
                // It ended meanwhile: the next look says how.
                Err(EngineError::Conflict(_)) => Ok(false),
                answer => answer,
            }
        }
        (Health::Starting | Health::Unhealthy, None) => Ok(false),
    }
}

async fn listens(address: Ipv4Addr, port: u16) -> bool {
    let target = SocketAddr::new(IpAddr::V4(address), port);
    matches!(timeout(CONNECT, TcpStream::connect(target)).await, Ok(Ok(_)))
}

/// A new instance that ended, or that the engine had to start again, is not healthy.
fn ended(facts: &ContainerFacts) -> Option<Unhealthy> {
    let out_of_memory = facts.oom_killed;
    match facts.state {
        RunState::Exited(code) => Some(Unhealthy::Exited { code: Some(code), out_of_memory }),
        RunState::Restarting | RunState::Removing => Some(Unhealthy::Exited { code: None, out_of_memory }),
        _ if facts.restart_count > 0 => Some(Unhealthy::Exited { code: None, out_of_memory }),
        _ => None,
    }
}

/// `silent` is the port on which nothing listens; without one it is the health check that failed.
async fn diagnose(facts: &ContainerFacts, silent: Option<u16>, waited: Duration) -> Unhealthy {
    let Some(port) = silent else { return Unhealthy::HealthCheck { waited } };
    let found = match facts.pid {
        Some(pid) => listening_addresses(pid).await.unwrap_or_default(),
        None => Vec::new(),
    };
    // The engine's own resolver listens in every container and is nobody's mistake.
    let engines_own = |address: &SocketAddr| address.ip() == IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));
    let instead = found.into_iter().filter(|address| !engines_own(address)).collect();
    Unhealthy::NotListening { port, instead, waited }
}

/// Shows what a failed instance printed last.
pub async fn show_last_lines(
    engine: &Engine,
    app_name: &AppName,
    instance: &InstanceRecord,
    console: &Console,
) {
    let short = instance.container.short();
    let which = format!("{app_name} container output ({short} {})", instance.name);
    console.headline(format!("Start of {which}")).await;
    let printed = match last_lines(engine, &instance.container).await {
        Ok(text) => text,
        Err(error) => format!("(the engine cannot give it: {error})"),
    };
    console.detail(if printed.is_empty() { "(it printed nothing)" } else { &printed }).await;
    console.headline(format!("End of {which}")).await;
}

async fn last_lines(engine: &Engine, container: &ContainerId) -> Result<String, EngineError> {
    let options = LogOptions { tail: Some(LAST_LINES), ..LogOptions::default() };
    let mut chunks = engine.logs(container, options).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = chunks.next().await {
        bytes.extend_from_slice(&chunk?.bytes);
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
