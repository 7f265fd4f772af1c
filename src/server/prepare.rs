//! Starts the next server, and waits until this one can let go of its database.

use std::fmt::Display;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use crate::app::App;
use crate::app::upgrades::{Upgrade, UpgradeError};
use crate::handover::channel::{Channel, ChannelError};
use crate::handover::message::{FromNew, PROTOCOL};
use crate::process::successor::Successor;

use super::standing::Standing;

/// How long a new server may take to find out whether it can start.
const CHECKS: Duration = Duration::from_secs(10);
/// How long new commands wait in the sockets' queues for those that run. Most end within that; if one does not, the
/// others are let in again until it has.
const HOLD: Duration = Duration::from_secs(3);
/// How long commands may take if nobody waits for them, and how long when they were cancelled.
const NOW_PATIENCE: Duration = Duration::from_secs(20);
const CANCEL_PATIENCE: Duration = Duration::from_secs(10);

/// A server that has found nothing that keeps it from starting.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) process: Successor,
    pub(super) channel: Channel,
    pub(super) version: String,
}

/// Starts the next server and waits until nobody needs this one's database. If this fails or is cancelled, the next
/// one is gone.
pub(super) async fn prepare(
    standing: &Standing,
    app: &Arc<App>,
    upgrade: &Upgrade,
) -> Result<Prepared, UpgradeError> {
    let mut prepared = start(standing, upgrade).await?;
    say(upgrade, format!("slipway {} has checked that it can start", prepared.version)).await;
    let left = wait(app, upgrade);
    let result = tokio::select! {
        result = left => result,
        // It has nothing to say until it is told to go.
        error = failure(&mut prepared.channel) => Err(error),
    };
    match result {
        Ok(()) => Ok(prepared),
        Err(error) => {
            app.door.open();
            end(&mut prepared.process).await;
            Err(error)
        }
    }
}

/// Says something to whoever asked.
pub(super) async fn say(upgrade: &Upgrade, text: impl Display) {
    tracing::info!("upgrade: {text}");
    upgrade.console.step(text).await;
}

/// Kills a server that did not get to serve, and returns when it holds nothing any more.
pub(super) async fn end(process: &mut Successor) {
    if let Err(error) = process.kill().await {
        tracing::error!(%error, "the new server cannot be killed");
    }
}

async fn start(standing: &Standing, upgrade: &Upgrade) -> Result<Prepared, UpgradeError> {
    let failed = |error: &dyn Display| UpgradeError::NotStarted(error.to_string());
    let binary = upgrade.binary.as_ref().unwrap_or(&standing.binary);
    say(upgrade, format!("Starting {}", binary.display())).await;
    let (own, its) = UnixStream::pair().map_err(|error| failed(&error))?;
    let mut channel = Channel::new(own).map_err(|error| failed(&error))?;
    let started = Successor::start(binary, &["serve", "--take-over"], OwnedFd::from(its));
    let mut process = started.map_err(|error| match std::error::Error::source(&error) {
        Some(source) => UpgradeError::NotStarted(format!("{error}: {source}")),
        None => failed(&error),
    })?;
    let version = match timeout(CHECKS, channel.receive::<FromNew>()).await {
        Ok(Ok((FromNew::Prepared { protocol: PROTOCOL, version }, _))) => Ok(version),
        Ok(Ok((FromNew::Prepared { version, .. }, _))) => {
            Err(format!("slipway {version} cannot take over from this version: restart the server instead"))
        }
        Ok(Ok((FromNew::Failed { reason }, _))) => Err(reason),
        Ok(Ok((other, _))) => Err(format!("it says {other:?} before its time")),
        Ok(Err(ChannelError::Ended)) => Err("it has ended; the server's log has its last words".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("it says nothing for {} s", CHECKS.as_secs())),
    };
    match version {
        Ok(version) => Ok(Prepared { process, channel, version }),
        Err(reason) => {
            end(&mut process).await;
            Err(UpgradeError::NotStarted(reason))
        }
    }
}

async fn failure(channel: &mut Channel) -> UpgradeError {
    let reason = match channel.receive::<FromNew>().await {
        Ok((FromNew::Failed { reason }, _)) => reason,
        Ok((other, _)) => format!("it says {other:?} before its time"),
        Err(error) => error.to_string(),
    };
    UpgradeError::NotStarted(reason)
}

/// Waits until nobody needs the database, and leaves the door then.
async fn wait(app: &Arc<App>, upgrade: &Upgrade) -> Result<(), UpgradeError> {
    let limits = &app.settings.upgrade;
    let drain = limits.drain();
    if upgrade.now {
        return wait_no_longer(app, drain).await;
    }
    let bound = Instant::now() + limits.wait();
    let mut told = false;
    loop {
        if app.door.present() > 0 && !told {
            told = true;
            let seconds = limits.wait().as_secs();
            say(upgrade, format!("Waiting {seconds} s at most: {} still running", running(app))).await;
        }
        if timeout_at(bound, app.door.empty()).await.is_err() {
            return Err(UpgradeError::Busy(running(app), limits.wait().as_secs()));
        }
        // Who comes from now on waits in the sockets' queues, until either server lets them in.
        app.door.hold();
        if timeout(HOLD, app.door.empty()).await.is_ok() && app.door.leave_if_empty(drain) {
            return Ok(());
        }
        app.door.open();
    }
}

/// The same for somebody who does not want to wait: what runs gets as long as at a shutdown.
async fn wait_no_longer(app: &Arc<App>, drain: Duration) -> Result<(), UpgradeError> {
    // A push that comes to its end still needs its hook's connection, so that the door stays open.
    if timeout(NOW_PATIENCE, app.door.empty()).await.is_err() {
        app.running_builds.cancel_all();
        if timeout(CANCEL_PATIENCE, app.door.empty()).await.is_err() {
            tracing::warn!(commands = app.door.present(), "commands are cut off by the upgrade");
        }
    }
    app.door.leave(drain);
    Ok(())
}

fn running(app: &App) -> String {
    match app.door.present() {
        1 => "1 command is".to_owned(),
        count => format!("{count} commands are"),
    }
}
