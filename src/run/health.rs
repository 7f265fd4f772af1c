//! What is wrong with an instance that is not healthy, and what a person is told of it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;

use crate::console::Console;
use crate::docker::Engine;
use crate::docker::error::EngineError;
use crate::docker::facts::{ContainerFacts, RunState};
use crate::docker::listening::listening_addresses;
use crate::docker::logs::LogOptions;
use crate::model::app_name::AppName;
use crate::model::container_id::ContainerId;
use crate::run::check::Excerpt;
use crate::store::instances::InstanceRecord;

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
    /// It listens, and gives no answer that a router could pass on.
    NoAnswer {
        /// What was wrong with the last attempt.
        reason: String,
        /// How long it was waited for.
        waited: Duration,
    },
    /// It answers with errors of its own.
    Unwell {
        /// The last status.
        status: u16,
        /// The start of the last body.
        body: Excerpt,
        /// How long it was waited for.
        waited: Duration,
    },
    /// Checks of its own failed. Each has been told of already.
    Checks {
        /// The name of each, and why.
        failed: Vec<(String, String)>,
        /// What it listens on.
        listening: Vec<SocketAddr>,
    },
    /// The image's own `HEALTHCHECK` says so, or said nothing good in time.
    ImageCheck {
        /// How long it was waited for.
        waited: Duration,
    },
}

impl Unhealthy {
    /// How many checks that are.
    pub fn count(&self) -> usize {
        match self {
            Self::Checks { failed, .. } => failed.len(),
            _ => 1,
        }
    }
}

impl Unhealthy {
    /// The same, when the kernel has ended some process of the host for want of memory meanwhile: one that was killed,
    /// or nobody knows how it ended, was that.
    #[must_use]
    pub fn for_want_of_memory(self) -> Self {
        match self {
            Self::Exited { code: code @ (None | Some(137)), .. } => {
                Self::Exited { code, out_of_memory: true }
            }
            other => other,
        }
    }
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { out_of_memory: true, .. } => {
                f.write_str("the process ran out of memory\nGive it more: resource:limit --memory")
            }
            Self::Exited { code: Some(code), .. } => write!(f, "the process exited with status {code}"),
            Self::Exited { code: None, .. } => f.write_str("the process keeps exiting"),
            Self::NotListening { port, instead, waited } => not_listening(f, *port, instead, *waited),
            Self::NoAnswer { reason, waited } => write!(
                f,
                "{reason}, tried for {} s\nIf it is no HTTP that it speaks, choose a check in app.json: {{\"healthchecks\": {{\"web\": [{{\"type\": \"startup\", \"listening\": true}}]}}}}",
                waited.as_secs()
            ),
            Self::Unwell { status, body, waited } => write!(
                f,
                "GET / was answered with status {status} for {} s{body}\nIf that is its way, have another path checked in app.json (healthchecks), or none: checks:skip APP",
                waited.as_secs()
            ),
            Self::Checks { failed, listening } => own_checks(f, failed, listening),
            Self::ImageCheck { waited } => write!(
                f,
                "the image's HEALTHCHECK did not succeed within {} s\nRun its command in the app to see why: run APP …",
                waited.as_secs()
            ),
        }
    }
}

fn not_listening(
    f: &mut fmt::Formatter<'_>,
    port: u16,
    instead: &[SocketAddr],
    waited: Duration,
) -> fmt::Result {
    match instead.first() {
        Some(address) if address.ip().is_loopback() && address.port() == port => write!(
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
            "nothing listened on port {port} within {} s\nLet the app listen on 0.0.0.0 and on the port in $PORT",
            waited.as_secs()
        ),
    }
}

fn own_checks(
    f: &mut fmt::Formatter<'_>,
    failed: &[(String, String)],
    listening: &[SocketAddr],
) -> fmt::Result {
    let reasons: Vec<String> = failed.iter().map(|(name, reason)| format!("{name}: {reason}")).collect();
    f.write_str(&reasons.join("\n"))?;
    if listening.is_empty() {
        f.write_str("\nThe instance listens on no port")?;
    } else {
        let addresses: Vec<String> = listening.iter().map(ToString::to_string).collect();
        write!(f, "\nThe instance listens on {}", addresses.join(", "))?;
    }
    f.write_str("\nMend the app, or the check: app.json (healthchecks) or CHECKS; `attempts` and `wait` give it longer")
}

/// A new instance that ended, or that the engine had to start again, is not healthy.
pub fn ended(facts: &ContainerFacts) -> Option<Unhealthy> {
    let out_of_memory = facts.oom_killed;
    match facts.state {
        RunState::Exited(code) => Some(Unhealthy::Exited { code: Some(code), out_of_memory }),
        RunState::Restarting | RunState::Removing => Some(Unhealthy::Exited { code: None, out_of_memory }),
        _ if facts.restart_count > 0 => Some(Unhealthy::Exited { code: None, out_of_memory }),
        _ => None,
    }
}

/// What the processes of an instance listen on.
pub async fn listening(facts: &ContainerFacts) -> Vec<SocketAddr> {
    let found = match facts.pid {
        Some(pid) => listening_addresses(pid).await.unwrap_or_default(),
        None => Vec::new(),
    };
    // The engine's own resolver listens in every container and is nobody's mistake.
    let engines_own = |address: &SocketAddr| address.ip() == IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11));
    found.into_iter().filter(|address| !engines_own(address)).collect()
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
