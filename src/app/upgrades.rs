//! Asks for another server in this one's place; what then happens stands in `server`.

use std::path::PathBuf;

use tokio::sync::{mpsc, oneshot};

use crate::console::Console;

/// What is asked for.
#[derive(Debug)]
pub struct Upgrade {
    /// The program; the one that this server was started from if nothing is said.
    pub binary: Option<PathBuf>,
    /// Whether to wait for what runs no longer than a shutdown does.
    pub now: bool,
    /// Where progress is told.
    pub console: Console,
    /// Told what came of it.
    pub done: oneshot::Sender<Result<Upgraded, UpgradeError>>,
}

/// The new server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upgraded {
    /// Its version.
    pub version: String,
    /// Its process id.
    pub process: u32,
}

/// Why this server goes on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UpgradeError {
    /// One is under way.
    #[error("another upgrade is under way")]
    UnderWay,
    /// The new one cannot be started, or ended before it served.
    #[error("the new server does not start: {0}")]
    NotStarted(String),
    /// Commands or builds did not come to an end.
    #[error("{0} still running, the upgrade waited for {1} s")]
    Busy(String, u64),
    /// This server stops instead.
    #[error("the server is stopping")]
    Stopping,
}

/// The way to whoever carries it out.
#[derive(Clone, Debug)]
pub struct Upgrades(mpsc::Sender<Upgrade>);

impl Upgrades {
    /// Makes the two ends.
    pub fn new() -> (Self, mpsc::Receiver<Upgrade>) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), receiver)
    }

    /// Asks, and waits for what comes of it.
    pub async fn ask(
        &self,
        binary: Option<PathBuf>,
        now: bool,
        console: Console,
    ) -> Result<Upgraded, UpgradeError> {
        let (done, result) = oneshot::channel();
        let upgrade = Upgrade { binary, now, console, done };
        self.0.try_send(upgrade).map_err(|_| UpgradeError::UnderWay)?;
        result.await.unwrap_or(Err(UpgradeError::Stopping))
    }
}
