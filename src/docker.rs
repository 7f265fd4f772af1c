//! Everything Slipway asks of Docker Engine (20.10 or newer), over its Unix socket.
//!
//! The only module that sees bollard. It knows no app's wanted state, no database and no route: it does what it
//! is told and says what the engine says. Everything made here carries the label of its owner, and everything
//! listed here is filtered by it, so that several Slipways on one engine never touch each other's things.
//!
//! Plain questions and orders go through bollard; its models are the engine's JSON. Where bytes have to pass
//! untouched and unbuffered (attach, exec, logs, builds) the connection is our own, see `wire`.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker};
use ipnet::Ipv4Net;
use tokio::sync::{OnceCell, Semaphore};

use crate::docker::error::EngineError;
use crate::docker::labels::OwnerId;
use crate::docker::removal::RemovalHook;
use crate::docker::wire::Wire;

pub mod archive;
pub mod attach;
pub mod attachment;
pub mod build;
pub mod commit;
pub mod container;
pub mod error;
pub mod events;
pub mod exec;
pub mod facts;
pub mod image;
pub mod image_file;
pub mod image_list;
pub mod labels;
pub mod listening;
pub mod logs;
pub mod network;
pub mod oom;
mod options;
pub mod output;
mod pipe;
mod removal;
mod running;
pub mod service;
mod small_subnets;
pub mod survey;
pub mod usage;
pub mod user_network;
pub mod volume;
mod wire;

/// How long the engine may take to answer a plain question.
const ANSWER_DEADLINE: Duration = Duration::from_secs(120);

/// How long it may take to copy or write what a container holds.
const LONGEST_COPY: Duration = Duration::from_secs(1800);

/// A handle on one engine for one owner. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    socket: PathBuf,
    owner: OwnerId,
    /// Set by the first call that reaches the engine, once both sides have agreed on an API version.
    client: OnceCell<Docker>,
    /// Set by the first call that asks. The engine gathers much to answer, and has to be restarted to move.
    data_directory: OnceCell<PathBuf>,
    /// One permit: whoever makes the network. Asked twice at once, the engine makes two of the same name.
    network_turn: Semaphore,
    /// Set when the server starts.
    removal_hook: OnceLock<RemovalHook>,
    /// Where the subnets of links' networks come from. Set when the server starts.
    subnets: OnceLock<Ipv4Net>,
    /// Tells what this handle made from what another server's did.
    maker: u64,
}

/// What an engine says about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineVersion {
    /// The engine's release, for example `20.10.24+dfsg1`.
    pub engine: String,
    /// The API version that both sides speak, for example `1.41`.
    pub api: String,
}

impl Engine {
    /// Names an engine by its socket. Does no I/O: the first call connects.
    pub fn connect(socket: &Path, owner: OwnerId) -> Self {
        let (socket, network_turn) = (socket.to_owned(), Semaphore::new(1));
        let (client, data_directory) = (OnceCell::new(), OnceCell::new());
        let (removal_hook, subnets) = (OnceLock::new(), OnceLock::new());
        let maker = rand::random();
        let inner =
            Inner { socket, owner, client, data_directory, network_turn, removal_hook, subnets, maker };
        Self { inner: Arc::new(inner) }
    }

    /// Whose things this handle makes and sees.
    pub fn owner(&self) -> &OwnerId {
        &self.inner.owner
    }

    /// Asks the engine for its version; also the way to learn whether it can be reached.
    pub async fn version(&self) -> Result<EngineVersion, EngineError> {
        let client = self.client().await?;
        let version = client.version().await?;
        Ok(EngineVersion {
            engine: version.version.unwrap_or_default(),
            api: client.client_version().to_string(),
        })
    }

    /// The bollard client, after version negotiation.
    async fn client(&self) -> Result<&Docker, EngineError> {
        self.inner.client.get_or_try_init(|| self.negotiate()).await
    }

    async fn negotiate(&self) -> Result<Docker, EngineError> {
        let path = self.inner.socket.to_string_lossy();
        let client = Docker::connect_with_unix(&path, ANSWER_DEADLINE.as_secs(), API_DEFAULT_VERSION)?;
        Ok(client.negotiate_version().await?)
    }

    /// A way to send requests on connections of our own.
    async fn wire(&self) -> Result<Wire, EngineError> {
        let version = self.client().await?.client_version();
        Ok(Wire::new(self.inner.socket.clone(), version))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_missing_socket_and_a_dead_one_are_unreachable() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("docker.sock");
        let engine = Engine::connect(&socket, "test".parse().unwrap());
        assert!(matches!(engine.version().await, Err(EngineError::Unreachable(_))));

        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        assert!(matches!(engine.version().await, Err(EngineError::Unreachable(_))));
    }
}
