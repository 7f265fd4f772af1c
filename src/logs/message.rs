//! What the collecting thread is told.

use std::collections::HashSet;
use std::path::PathBuf;

use tokio::sync::oneshot;

use crate::logs::engine_line::Line;
use crate::logs::entry::Batch;
use crate::logs::limits::LimitTable;
use crate::model::container_id::ContainerId;
use crate::store::apps::AppId;

/// One message.
#[derive(Debug)]
pub(super) enum Message {
    /// A container's output is to be kept.
    Follow {
        /// Which.
        container: ContainerId,
        /// Whose.
        app: AppId,
        /// What its lines are marked with: `web.1`.
        process: String,
        /// Where the engine writes it.
        path: PathBuf,
    },
    /// Slipway says something about an app.
    Say {
        /// Which.
        app: AppId,
        /// What the lines are marked with: `deploy`.
        process: String,
        /// One or more lines.
        text: Vec<u8>,
    },
    /// Many lines are there at once.
    Keep {
        /// Whose.
        app: AppId,
        /// The lines.
        lines: Batch,
        /// Told when they are taken.
        done: oneshot::Sender<()>,
    },
    /// A process has printed a line, as the engine says.
    Print {
        /// Whose.
        app: AppId,
        /// What it is marked with.
        process: String,
        /// The line.
        line: Line,
    },
    /// All that was printed up to now is to be kept at once.
    Settle {
        /// By whom.
        which: Which,
        /// Told when that is done, and whether any such container is known.
        done: oneshot::Sender<bool>,
    },
    /// The engine has these containers and no others.
    Present(HashSet<ContainerId>),
    /// A container was removed.
    Gone(ContainerId),
    /// An app is destroyed.
    Forget {
        /// Which.
        app: AppId,
        /// Told when nothing is left.
        done: oneshot::Sender<()>,
    },
    /// Other limits hold.
    Limits(LimitTable),
    /// The server stops.
    Stop,
}

/// Whose output is meant.
#[derive(Clone, Debug)]
pub(super) enum Which {
    /// That of all of an app's containers.
    App(AppId),
    /// That of one container.
    Container(ContainerId),
}
