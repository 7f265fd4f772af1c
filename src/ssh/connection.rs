//! One client's connection: who it is, and the sessions that are open on it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use russh::ChannelId;
use russh::keys::Algorithm;
use russh::server::Session;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::console::door::Door;
use crate::face::Commands;
use crate::face::command_run::wire;
use crate::ssh::auth::{ProvenKey, is_accepted};
use crate::ssh::channel::{Asking, Running, SessionChannel, Start};
use crate::ssh::exec::{Request, Work};
use crate::ssh::input_gate::InputGate;
use crate::ssh::limits::{Occupancy, Slot};
use crate::ssh::tunnel::MOST_TUNNELS;

/// Sessions that may be open on one connection at a time (as `MaxSessions` of OpenSSH).
pub const MOST_SESSIONS: usize = 10;

/// What ends a connection.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The protocol or the network failed.
    #[error("the connection failed")]
    Ssh(#[from] russh::Error),
    /// The client sends more than it was allowed to.
    #[error("the client ignores its window")]
    IgnoresWindow,
}

/// What all connections share.
#[derive(Debug)]
pub struct Shared<C> {
    /// The commands below the face.
    pub commands: C,
    /// How many connections each key has.
    pub keys: Occupancy<String>,
    /// Every command that runs, so that the server can wait for them.
    pub running: TaskTracker,
    /// Cancelled when the server wants to stop: nothing new starts.
    pub shutdown: CancellationToken,
    /// Where those who run commands are counted.
    pub door: Door,
}

/// One connection.
#[derive(Debug)]
pub struct Connection<C> {
    pub(super) shared: Arc<Shared<C>>,
    pub(super) peer: SocketAddr,
    pub(super) key: Option<ProvenKey>,
    pub(super) key_slot: Option<Slot<String>>,
    pub(super) channels: HashMap<ChannelId, SessionChannel>,
    pub(super) gate: InputGate,
    tunnels: Arc<Semaphore>,
    /// This connection's own commands.
    running: TaskTracker,
    pub(super) authenticated: CancellationToken,
}

impl<C: Commands> Connection<C> {
    /// Starts with a client of whom nothing is known.
    pub fn new(shared: Arc<Shared<C>>, peer: SocketAddr) -> Self {
        Self {
            shared,
            peer,
            key: None,
            key_slot: None,
            channels: HashMap::new(),
            gate: InputGate::new(MOST_SESSIONS),
            tunnels: Arc::new(Semaphore::new(MOST_TUNNELS)),
            running: TaskTracker::new(),
            authenticated: CancellationToken::new(),
        }
    }

    /// Cancelled as soon as the client has proven who it is.
    pub fn authenticated(&self) -> CancellationToken {
        self.authenticated.clone()
    }

    /// The commands of this connection that still run.
    pub fn running(&self) -> TaskTracker {
        self.running.clone()
    }

    /// Whether a key may come in: it has an accepted algorithm and somebody holds it.
    pub(super) async fn is_known(&self, fingerprint: &str, algorithm: &Algorithm) -> bool {
        is_accepted(algorithm) && self.shared.commands.identify(fingerprint).await.is_some()
    }

    /// Room for one more tunnel, if there is some.
    pub(super) fn tunnel_permit(&self) -> Option<OwnedSemaphorePermit> {
        self.tunnels.clone().try_acquire_owned().ok()
    }

    /// The channel, if its command runs.
    pub(super) fn running_channel(&mut self, id: ChannelId) -> Option<&mut Running> {
        match self.channels.get_mut(&id) {
            Some(SessionChannel::Running(running)) => Some(running),
            _ => None,
        }
    }

    /// The channel, if nothing runs on it yet.
    pub(super) fn asking_channel(&mut self, id: ChannelId) -> Option<&mut Asking> {
        match self.channels.get_mut(&id) {
            Some(SessionChannel::Asking(asking)) => Some(asking),
            _ => None,
        }
    }

    /// Starts the work of a channel, which every channel may ask for once (RFC 4254, section 6.5).
    pub(super) fn start(
        &mut self,
        id: ChannelId,
        work: Work,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        let asking = match self.channels.remove(&id) {
            Some(SessionChannel::Asking(asking)) => asking,
            Some(running) => {
                self.channels.insert(id, running);
                return answer(session, id, false);
            }
            None => return answer(session, id, false),
        };
        answer(session, id, true)?;
        let Start { sink, environment, terminal, window } = asking.start();
        let taken_over = terminal.as_ref().map(|terminal| terminal.taken_over());
        let (controls, run) = wire(environment, terminal, self.gate.level(), self.shared.door.enter());
        self.channels.insert(id, SessionChannel::Running(Running::new(controls, window, taken_over)));
        let work = if self.shared.shutdown.is_cancelled() { Work::stopping() } else { work };
        let request = Request { key: self.key.clone(), work };
        let task = request.serve(self.shared.commands.clone(), run, sink);
        self.shared.running.spawn(self.running.track_future(task));
        Ok(())
    }
}

/// Answers a request, if the client wants an answer.
pub(super) fn answer(session: &mut Session, id: ChannelId, accepted: bool) -> Result<(), SessionError> {
    if accepted {
        session.channel_success(id)?
    } else {
        session.channel_failure(id)?
    }
    Ok(())
}
