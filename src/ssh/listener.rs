//! Accepts SSH connections and ends them: deadlines, limits per address, and an orderly shutdown.

use std::error::Error;
use std::future::pending;
use std::io;
use std::net::{IpAddr, Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use russh::server::{Config, Handle, run_stream};
use russh::{Disconnect, SshId};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use crate::console::door::{Door, Presence};
use crate::face::Commands;
use crate::settings::Settings;
use crate::settings::limits::SshLimits;
use crate::ssh::auth::{methods, preferred};
use crate::ssh::connection::{Connection, SessionError, Shared};
use crate::ssh::handshake_stream::HandshakeStream;
use crate::ssh::host_keys::{HostKeyError, load_or_make};
use crate::ssh::input_gate::WINDOW;
use crate::ssh::limits::{Occupancy, client_address};

/// The largest piece of channel data that is asked of clients.
const PACKET: u32 = 64 * 1024 - 1;
/// Keep-alive messages without an answer that end a connection.
const UNANSWERED_KEEP_ALIVES: u64 = 3;
/// How long a connection may take to end once it was told to.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a client whose commands have ended may take to leave by itself, as all clients do. One that is told to go
/// before it has read a command's exit status takes the command for failed.
const OWN_END: Duration = Duration::from_secs(1);
/// How long a client that is in may take until its first command, which all clients have ready; it counts itself.
const FIRST_COMMAND: Duration = Duration::from_secs(1);
/// The longest pause after an error of `accept`.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// An SSH server that cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be had.
    #[error("cannot listen for SSH on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The host keys cannot be had.
    #[error("no host keys")]
    HostKeys(#[from] HostKeyError),
}

/// A bound socket with everything it takes to serve it.
pub struct Listener {
    socket: TcpListener,
    local_addr: SocketAddr,
    config: Arc<Config>,
    limits: SshLimits,
    door: Door,
}

/// What the connections of one listener need.
struct Server<C> {
    shared: Arc<Shared<C>>,
    config: Arc<Config>,
    limits: SshLimits,
    addresses: Occupancy<IpAddr>,
    /// Cancelled when time is up: connections end, whatever they do.
    stop: CancellationToken,
}

impl Listener {
    /// Takes a socket that listens, and a door at which clients are counted, and reads the host keys, or makes them.
    pub fn adopt(
        settings: &Settings,
        socket: std::net::TcpListener,
        door: Door,
    ) -> Result<Self, ListenError> {
        let keys = load_or_make(&settings.root.join("host_keys"))?;
        let address = settings.ssh_listen;
        let bind_error = |source| ListenError::Bind { address, source };
        socket.set_nonblocking(true).map_err(bind_error)?;
        let socket = TcpListener::from_std(socket).map_err(bind_error)?;
        let local_addr = socket.local_addr().map_err(bind_error)?;
        let limits = settings.ssh.clone();
        let keep_alive = Duration::from_secs(limits.keep_alive_seconds);
        let config = Config {
            server_id: SshId::Standard(concat!("SSH-2.0-Slipway_", env!("CARGO_PKG_VERSION")).into()),
            methods: methods(),
            // Keys cannot be guessed, so a rejection need not take long; a client may have several.
            auth_rejection_time: Duration::ZERO,
            auth_rejection_time_initial: Some(Duration::ZERO),
            // OpenSSH's first request asks for the methods only, and counts as a rejection here.
            max_auth_attempts: limits.max_tries.saturating_add(1),
            keys,
            window_size: WINDOW,
            maximum_packet_size: PACKET,
            event_buffer_size: 64,
            preferred: preferred(),
            inactivity_timeout: None,
            keepalive_interval: (!keep_alive.is_zero()).then_some(keep_alive),
            keepalive_max: UNANSWERED_KEEP_ALIVES as usize,
            nodelay: true,
            ..Config::default()
        };
        Ok(Self { socket, local_addr, config: Arc::new(config), limits, door })
    }

    /// The address that was bound, with the port that was given for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves until `shutdown` is cancelled; then accepts nothing more, lets running commands finish within
    /// `patience`, or for as long as the door says if another server has it, and ends what is left.
    pub async fn run<C: Commands>(self, commands: C, shutdown: CancellationToken, patience: Duration) {
        let server = Arc::new(Server {
            shared: Arc::new(Shared {
                commands,
                keys: Occupancy::new(self.limits.max_per_key),
                running: TaskTracker::new(),
                shutdown: shutdown.clone(),
                door: self.door.clone(),
            }),
            config: self.config,
            addresses: Occupancy::new(self.limits.max_per_address),
            limits: self.limits,
            stop: CancellationToken::new(),
        });
        let connections = TaskTracker::new();
        tokio::select! {
            () = accept(&self.socket, &server, &connections) => {}
            () = shutdown.cancelled() => {}
        }
        drop(self.socket);
        connections.close();
        server.shared.running.close();
        let finished = async {
            connections.wait().await;
            server.shared.running.wait().await;
        };
        if timeout(self.door.patience().unwrap_or(patience), finished).await.is_err() {
            server.stop.cancel();
            let finished = timeout(FAREWELL, server.shared.running.wait()).await.is_ok();
            if !finished {
                warn!(commands = server.shared.running.len(), "SSH commands were cut off by the shutdown");
            }
        }
    }
}

/// Accepts connections for ever: an error is logged and waited out.
async fn accept<C: Commands>(socket: &TcpListener, server: &Arc<Server<C>>, connections: &TaskTracker) {
    let mut pause = Duration::from_millis(5);
    let door = &server.shared.door;
    loop {
        door.opened().await;
        let accepted = tokio::select! {
            accepted = socket.accept() => accepted,
            () = door.shut() => continue,
        };
        match accepted {
            Ok((stream, peer)) => {
                pause = Duration::from_millis(5);
                // On a socket for both families those of IPv4 come in IPv6's clothes (RFC 4291, section 2.5.5.2).
                let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
                // Taken here, in the order in which clients come, not in that in which their tasks get their turn.
                let Some(slot) = server.addresses.enter(client_address(peer.ip())) else {
                    turn_away(&stream, peer);
                    continue;
                };
                let (server, presence) = (server.clone(), door.enter());
                connections.spawn(async move {
                    server.serve(stream, peer, presence).await;
                    drop(slot);
                });
            }
            Err(error) => {
                warn!(%error, pause_ms = pause.as_millis(), "cannot accept SSH connections");
                sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

fn turn_away(stream: &TcpStream, peer: SocketAddr) {
    warn!(%peer, "too many SSH connections from one address");
    // Before its identification, a server may send lines of text (RFC 4253, section 4.2).
    if let Err(error) = stream.try_write(b"Too many connections from this address\r\n") {
        debug!(%peer, %error, "cannot say so");
    }
}

impl<C: Commands> Server<C> {
    /// Serves one client to its end.
    async fn serve(&self, stream: TcpStream, peer: SocketAddr, presence: Presence) {
        let deadline = Instant::now() + Duration::from_secs(self.limits.handshake_seconds);
        // A second handle, because russh keeps the first one and has no way to end a client that is silent.
        let end = match self.prepare(&stream) {
            Ok(end) => end,
            Err(error) => {
                debug!(%peer, %error, "lost an SSH connection at once");
                return;
            }
        };
        let connection = Connection::new(self.shared.clone(), peer);
        let authenticated = connection.authenticated();
        let running = connection.running();
        let stream = HandshakeStream::new(stream, authenticated.clone());
        let handshake = timeout_at(deadline, run_stream(self.config.clone(), stream, connection));
        let mut session = tokio::select! {
            () = self.shared.shutdown.cancelled() => return,
            started = handshake => match started {
                Ok(Ok(session)) => session,
                Ok(Err(error)) => return debug!(%peer, error = chain(&error), "no SSH client"),
                Err(_) => return info!(%peer, "an SSH client said nothing in time"),
            },
        };
        let handle = session.handle();
        let told = tokio::select! {
            ended = &mut session => return report(peer, ended),
            () = arrive(presence, &authenticated) => false,
            () = too_late(deadline, &authenticated) => {
                info!(%peer, "an SSH client had not proven its key in time");
                false
            }
            told = self.farewell(&handle, running, &authenticated) => told,
            () = self.stop.cancelled() => false,
        };
        if told && let Ok(ended) = timeout(FAREWELL, &mut session).await {
            return report(peer, ended);
        }
        if let Err(error) = end.shutdown(Shutdown::Both) {
            debug!(%peer, %error, "the SSH connection was gone already");
        }
        report(peer, session.await);
    }

    /// Waits for the shutdown and this connection's commands, then tells the client. Returns whether it was told.
    async fn farewell(
        &self,
        handle: &Handle,
        running: TaskTracker,
        authenticated: &CancellationToken,
    ) -> bool {
        self.shared.shutdown.cancelled().await;
        running.close();
        running.wait().await;
        sleep(OWN_END).await;
        let reason = "the server is shutting down".to_owned();
        let told = handle.disconnect(Disconnect::ByApplication, reason, "en".to_owned());
        // In the middle of a key exchange nothing can be said, and who is not in need not be told.
        authenticated.is_cancelled() && matches!(timeout(FAREWELL, told).await, Ok(Ok(())))
    }

    /// Sets what the connection needs of the kernel, and returns a second handle to it.
    fn prepare(&self, stream: &TcpStream) -> io::Result<std::net::TcpStream> {
        stream.set_nodelay(true)?;
        // russh sends no keep-alive while it waits to write, so the kernel has to notice a dead reader.
        let silence = self.limits.keep_alive_seconds.saturating_mul(UNANSWERED_KEEP_ALIVES + 1);
        let socket = SockRef::from(stream);
        if silence > 0 {
            socket.set_tcp_user_timeout(Some(Duration::from_secs(silence)))?;
        }
        socket.try_clone().map(Into::into)
    }
}

/// Counts a client as present until it has begun what it came for, or begins nothing. Never returns.
async fn arrive(presence: Presence, authenticated: &CancellationToken) {
    authenticated.cancelled().await;
    sleep(FIRST_COMMAND).await;
    drop(presence);
    pending().await
}

/// Returns when the deadline has passed and the client is still nobody.
async fn too_late(deadline: Instant, authenticated: &CancellationToken) {
    tokio::select! {
        () = authenticated.cancelled() => pending().await,
        () = sleep_until(deadline) => {}
    }
}

fn report(peer: SocketAddr, ended: Result<(), SessionError>) {
    match ended {
        Ok(()) => debug!(%peer, "an SSH client left"),
        Err(error) => info!(%peer, error = chain(&error), "an SSH connection broke"),
    }
}

/// An error as the log takes it, so that everything below it is logged too.
fn chain(error: &SessionError) -> &(dyn Error + 'static) {
    error
}
