//! One client's connection: authentication, and the requests that arrive on its channels.
//!
//! Runs inside russh's loop, so nothing here waits for a command: whatever may take longer goes into a task.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::Algorithm;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Pty, Sig};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::console::WindowSize;
use crate::face::Commands;
use crate::face::command_run::wire;
use crate::face::stdin_queue::InputLevel;
use crate::ssh::auth::{ProvenKey, fingerprint, is_accepted};
use crate::ssh::channel::{Asking, Running, SessionChannel, Start};
use crate::ssh::exec::{Request, Work};
use crate::ssh::limits::{Occupancy, Slot};

/// The window of each channel: what a client may send before it hears from the server again. Large enough to keep
/// a fast line busy over a long distance.
pub const WINDOW: u32 = 4 << 20;
/// Sessions that may be open on one connection at a time (as `MaxSessions` of OpenSSH).
const MOST_SESSIONS: usize = 10;
/// As long as more input than this waits for the commands of a connection, its client is held back.
const INPUT_LIMIT: usize = 4 << 20;
/// What a client that respects its windows can never reach.
const IMPOSSIBLE_INPUT: usize = INPUT_LIMIT + MOST_SESSIONS * 2 * WINDOW as usize;
/// The window of a client that is held back.
///
/// russh opens a window again as soon as data has arrived, not when it was read, and the next window's size is all
/// that can be said about it. It must not be zero, for then no packet would ever come to open it again.
const HELD_BACK_WINDOW: u32 = 2;
/// How long each packet of a client that is held back is made to wait.
const HELD_BACK_PAUSE: Duration = Duration::from_millis(10);

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
}

/// One connection.
#[derive(Debug)]
pub struct Connection<C> {
    shared: Arc<Shared<C>>,
    peer: SocketAddr,
    key: Option<ProvenKey>,
    key_slot: Option<Slot<String>>,
    channels: HashMap<ChannelId, SessionChannel>,
    waiting_input: InputLevel,
    held_back: bool,
    /// This connection's own commands.
    running: TaskTracker,
    authenticated: CancellationToken,
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
            waiting_input: InputLevel::new(),
            held_back: false,
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
    async fn is_known(&self, fingerprint: &str, algorithm: &Algorithm) -> bool {
        is_accepted(algorithm) && self.shared.commands.identify(fingerprint).await.is_some()
    }

    fn running_channel(&mut self, id: ChannelId) -> Option<&mut Running> {
        match self.channels.get_mut(&id) {
            Some(SessionChannel::Running(running)) => Some(running),
            _ => None,
        }
    }

    fn asking_channel(&mut self, id: ChannelId) -> Option<&mut Asking> {
        match self.channels.get_mut(&id) {
            Some(SessionChannel::Asking(asking)) => Some(asking),
            _ => None,
        }
    }

    /// Starts the work of a channel, which every channel may ask for once (RFC 4254, section 6.5).
    fn start(&mut self, id: ChannelId, work: Work, session: &mut Session) -> Result<(), SessionError> {
        let asking = match self.channels.remove(&id) {
            Some(SessionChannel::Asking(asking)) => asking,
            Some(running) => {
                self.channels.insert(id, running);
                return Ok(session.channel_failure(id)?);
            }
            None => return Ok(session.channel_failure(id)?),
        };
        session.channel_success(id)?;
        let Start { sink, environment, terminal, window } = asking.start();
        let taken_over = terminal.as_ref().map(|terminal| terminal.taken_over());
        let (controls, run) = wire(environment, terminal, self.waiting_input.clone());
        self.channels.insert(id, SessionChannel::Running(Running::new(controls, window, taken_over)));
        let work = if self.shared.shutdown.is_cancelled() { Work::stopping() } else { work };
        let request = Request { key: self.key.clone(), work };
        let task = request.serve(self.shared.commands.clone(), run, sink);
        self.shared.running.spawn(self.running.track_future(task));
        Ok(())
    }
}

impl<C: Commands> Handler for Connection<C> {
    type Error = SessionError;

    async fn auth_publickey_offered(
        &mut self,
        _user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, SessionError> {
        // Nothing is remembered here: anybody can name a key that is not theirs.
        let known = self.is_known(&fingerprint(offer.public_key), offer.algorithm).await;
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(
        &mut self,
        _user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, SessionError> {
        let fingerprint = fingerprint(key.public_key);
        if !self.is_known(&fingerprint, key.algorithm).await {
            return Ok(Auth::reject());
        }
        self.key_slot = self.shared.keys.enter(fingerprint.clone());
        self.key = Some(ProvenKey { fingerprint });
        Ok(Auth::Accept)
    }

    async fn auth_succeeded(&mut self, session: &mut Session) -> Result<(), SessionError> {
        self.authenticated.cancel();
        let fingerprint = self.key.as_ref().map(|key| key.fingerprint.as_str()).unwrap_or_default();
        if self.key_slot.is_none() {
            warn!(peer = %self.peer, key = fingerprint, "too many connections with one key");
            let reason = "this key has too many connections open; close some, or raise ssh.max-per-key";
            session.disconnect(Disconnect::TooManyConnections, reason, "en")?;
            return Ok(());
        }
        info!(peer = %self.peer, key = fingerprint, "an SSH client is in");
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), SessionError> {
        // A channel that the server closed is not announced again when the client closes it too.
        self.channels.retain(|_, channel| !channel.is_over());
        if self.channels.len() >= MOST_SESSIONS {
            reply.reject(refusal(format!("at most {MOST_SESSIONS} sessions on one connection"))).await;
            return Ok(());
        }
        // The reading half is dropped, because its buffer makes russh's whole loop wait when it is full: input
        // comes through `data` below.
        let (_, writer) = channel.split();
        self.channels.insert(writer.id(), SessionChannel::Asking(Asking::new(writer)));
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _host: &str,
        _port: u32,
        _originator: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), SessionError> {
        reply.reject(refusal("no ports are forwarded here".to_owned())).await;
        Ok(())
    }

    async fn channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _path: &str,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), SessionError> {
        reply.reject(refusal("no sockets are forwarded here".to_owned())).await;
        Ok(())
    }

    async fn channel_close(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), SessionError> {
        self.channels.remove(&id);
        Ok(())
    }

    async fn channel_eof(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), SessionError> {
        if let Some(running) = self.running_channel(id) {
            running.end_input();
        }
        Ok(())
    }

    async fn data(&mut self, id: ChannelId, data: &[u8], _session: &mut Session) -> Result<(), SessionError> {
        if let Some(running) = self.running_channel(id) {
            running.input(data);
        }
        if self.waiting_input.bytes() > IMPOSSIBLE_INPUT {
            return Err(SessionError::IgnoresWindow);
        }
        if self.held_back && data.len() <= HELD_BACK_WINDOW as usize {
            let mut waiting = self.waiting_input.watch();
            // Either the command has read on, or it is time to look after the connection again.
            timeout(HELD_BACK_PAUSE, waiting.wait_for(|bytes| *bytes < INPUT_LIMIT)).await.ok();
        }
        Ok(())
    }

    fn adjust_window(&mut self, _id: ChannelId, _current: u32) -> u32 {
        self.held_back = self.waiting_input.bytes() >= INPUT_LIMIT;
        if self.held_back { HELD_BACK_WINDOW } else { WINDOW }
    }

    async fn env_request(
        &mut self,
        id: ChannelId,
        name: &str,
        value: &str,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        let accepted = self.asking_channel(id).is_some_and(|asking| asking.set_variable(name, value));
        if accepted {
            session.channel_success(id)?;
        } else {
            session.channel_failure(id)?;
        }
        Ok(())
    }

    async fn pty_request(
        &mut self,
        id: ChannelId,
        kind: &str,
        columns: u32,
        rows: u32,
        _width: u32,
        _height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), SessionError> {
        match self.asking_channel(id) {
            Some(asking) => {
                asking.set_terminal(kind, window_size(columns, rows));
                Ok(session.channel_success(id)?)
            }
            None => Ok(session.channel_failure(id)?),
        }
    }

    async fn window_change_request(
        &mut self,
        id: ChannelId,
        columns: u32,
        rows: u32,
        _width: u32,
        _height: u32,
        _session: &mut Session,
    ) -> Result<(), SessionError> {
        if let Some(running) = self.running_channel(id) {
            running.resize(window_size(columns, rows));
        }
        Ok(())
    }

    async fn signal(
        &mut self,
        id: ChannelId,
        signal: Sig,
        _session: &mut Session,
    ) -> Result<(), SessionError> {
        if let Some(running) = self.running_channel(id) {
            running.signal(&signal_name(&signal));
        }
        Ok(())
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        command: &[u8],
        session: &mut Session,
    ) -> Result<(), SessionError> {
        self.start(id, Work::from_command_line(command), session)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), SessionError> {
        self.start(id, Work::nothing_asked(), session)
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        // A plain failure would reach the person without a reason, so it is granted and ends at once.
        self.start(id, Work::refused_subsystem(name), session)
    }

    async fn x11_request(
        &mut self,
        id: ChannelId,
        _single: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), SessionError> {
        Ok(session.channel_failure(id)?)
    }
}

fn refusal(reason: String) -> ChannelOpenFailure {
    ChannelOpenFailure::Other { code: ChannelOpenFailure::AdministrativelyProhibited.code(), reason }
}

fn window_size(columns: u32, rows: u32) -> WindowSize {
    let narrow = |number| u16::try_from(number).unwrap_or(u16::MAX);
    WindowSize { columns: narrow(columns), rows: narrow(rows) }
}

fn signal_name(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        // The variants are named as the signals are (RFC 4254, section 6.10).
        known => format!("{known:?}"),
    }
}
